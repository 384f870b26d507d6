#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The labs' tool on input that is wrong: each mistake is found, and said."""
import os
import platform
import re
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import build  # noqa: E402
import contain  # noqa: E402
import grade  # noqa: E402
import main  # noqa: E402
import mklab  # noqa: E402
import objects  # noqa: E402
import own  # noqa: E402
import source  # noqa: E402
import variants  # noqa: E402
from build import Builder, declared  # noqa: E402
from common import GraderError, Lab, LabError, LABS, ROOT, numbers, read, write  # noqa: E402

REFERENCE = ('/* SPDX */\n#include "a.h"\n\nint f(void)\n{\n\t/* LAB 1.1 begin: do it */\n\tint telling_name_of_this_region = 1;\n'
             '\n\treturn telling_name_of_this_region;\n\t/* LAB 1.1 end: return LAB_TODO("1.1"); */\n}\n')
PROGRAM = '[[program]]\nname = "p"\nsources = []\nlimit_s = 1\n'
TEST = '[[test]]\nid = "T1"\nprogram = "p"\ntask = "1.1"\npoints = 1\nwhy = "w"\nlook = "l"\n'


def run(status=0, output='', **flags):
    r = contain.Run()
    r.status, r.output = status, output
    for name, value in flags.items():
        setattr(r, name, value)
    return r


class Cut(unittest.TestCase):
    def test_starter_and_regions_make_the_reference(self):
        starter, regions = mklab.cut(REFERENCE)
        self.assertNotIn('telling', starter)
        self.assertIn('\treturn LAB_TODO("1.1");\n', starter)
        self.assertEqual(mklab.join(starter, regions), REFERENCE)
        self.assertEqual(mklab.fill(REFERENCE, {'1.1'}).count('telling'), 2)
        self.assertEqual(mklab.fill(REFERENCE, set()).count('telling'), 0)

    def test_what_stubs_need_is_included_once(self):
        for text in (mklab.cut(REFERENCE)[0], mklab.fill(REFERENCE, set())):
            self.assertEqual(text.count('labs/lib/todo.h'), 1)
            self.assertLess(text.index('a.h'), text.index('todo.h'))
            self.assertLess(text.index('todo.h'), text.index('LAB_TODO("'))
        own = REFERENCE.replace('a.h', 'labs/lib/todo.h')
        for text in (mklab.cut(own)[0], mklab.fill(own, set())):
            self.assertEqual(text.count('labs/lib/todo.h'), 1)
        self.assertEqual(mklab.join(*mklab.cut(own)), own)

    def test_wrong_markers(self):
        for old, new in (('LAB 1.1 end', 'LAB 1.2 end'), ('\t/* LAB 1.1 end: return LAB_TODO("1.1"); */\n', ''),
                         ('/* LAB 1.1 begin: do it */', '/* LAB 1.1 begin */'),
                         ('/* LAB 1.1 end: return LAB_TODO("1.1"); */', 'x; /* LAB 1.1 end: y */'),
                         ('\n\treturn telling', '\n\t/* LAB 1.3 begin: another */\n\treturn telling')):
            self.assertIn(old, REFERENCE)
            with self.assertRaises(GraderError):
                mklab.cut(REFERENCE.replace(old, new))
        with self.assertRaises(GraderError):
            mklab.cut(REFERENCE + REFERENCE)

    def test_leak_is_found(self):
        starter, regions = mklab.cut(REFERENCE)
        line = 'int telling_name_of_this_region = 1;'
        self.assertEqual(mklab.leaks(regions, starter, {'labs/a.md': f'see\n    {line}\n'})[0], [('labs/a.md', line)])
        found, shared = mklab.leaks(regions, starter, {'labs/a.md': line, 'txn/b.c': line})
        self.assertEqual((found, shared), ([], [line]))


HEADER = ('int a;\n\nstatic inline int f(int x)\n{\n\treturn x;\n}\n\n/* g */\nstatic inline unsigned long\ng(int x,\n\tint y)\n{\n\tif (x) {\n'
          '\t\treturn y;\n\t}\n\treturn f(x);\n}\n\nint h(void);\n')


class Headers(unittest.TestCase):
    def test_an_inline_function_is_declared(self):
        self.assertEqual(declared(HEADER, ['g']), HEADER[:HEADER.index('static inline unsigned')] +
                         'unsigned long\ng(int x,\n\tint y);\n\nint h(void);\n')
        self.assertEqual(declared(HEADER, []), HEADER)
        for name in ('h', 'a', 'q'):
            with self.assertRaises(GraderError):
                declared(HEADER, [name])
        with self.assertRaises(GraderError):
            declared(HEADER + HEADER, ['g'])


class Toml(unittest.TestCase):
    def lab(self, points=PROGRAM + TEST, bugs='', file='a.c'):
        with tempfile.TemporaryDirectory() as folder:
            write(os.path.join(folder, 'lab.toml'), f'title = "t"\nfiles = ["{file}"]\ngiven = []\nexports = ["f"]\nsymbols = ["free"]\n')
            write(os.path.join(folder, 'points.toml'), points)
            write(os.path.join(folder, 'bugs.toml'), bugs)
            return Lab('1', folder)

    def test_good(self):
        self.assertEqual(self.lab().test('T1')['points'], 1)
        with self.assertRaises(LabError):
            self.lab().test('T2')

    def test_a_reference_may_stand_elsewhere(self):
        here, there = self.lab(), self.lab(file='btree/a.c')
        self.assertEqual(here.files, there.files)
        self.assertEqual(here.path('a.c'), os.path.join(here.folder, 'a.c'))
        self.assertEqual(there.path('a.c'), os.path.join(ROOT, 'btree', 'a.c'))
        self.assertEqual(there.path('points.toml'), os.path.join(there.folder, 'points.toml'))

    def test_only_programs_that_are_no_tests_are_run(self):
        lab = self.lab(PROGRAM + PROGRAM.replace('"p"', '"q"') + 'tool = true\n' + TEST)
        for words in ([], ['p'], ['r']):
            with self.assertRaisesRegex(LabError, 'there are: q'):
                main.run(lab, main.arguments(['run', '1', *words]))
        self.assertEqual(main.arguments(['run', '1', 'q', '--seed', 'x', '--json']).names, ['q', '--seed', 'x', '--json'])

    def test_mistakes(self):
        for points in (PROGRAM + TEST + TEST, PROGRAM + TEST.replace('"p"', '"q"'), PROGRAM + TEST + 'parent = "T9"\n',
                       PROGRAM + TEST + 'parent = "T1"\n', PROGRAM + TEST + 'given = true\n', PROGRAM + TEST.replace('why', 'because'),
                       PROGRAM + '[[test'):
            with self.assertRaises(GraderError, msg=points):
                self.lab(points)
        bug = '[b]\nfile = "a.c"\nold = "x"\nnew = "y"\nkills = ["T1"]\n'
        self.lab(bugs=bug)
        for bugs in (bug.replace('T1', 'T2'), bug.replace('old', 'odd')):
            with self.assertRaises(GraderError, msg=bugs):
                self.lab(bugs=bugs)

    def test_bug_that_drifted(self):
        for text in ('', 'x x'):
            with self.assertRaises(GraderError):
                own.changed({'a.c': text}, {'file': 'a.c', 'old': 'x', 'new': 'y'}, 'b')


class Own(unittest.TestCase):
    """Predictions, own tests, and what they are worth."""

    def test_what_was_predicted(self):
        good = '{"P1": {"seed": 1, "answer": "9"}}'
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(own.noted(folder), {})
            for text, n in ((good, 1), ('', 0), ('[]', 0), ('{"P1": 9}', 0), ('{"P1": {"seed": "x", "answer": ""}}', 0), ('{', 0)):
                write(os.path.join(folder, 'predict.json'), text)
                self.assertEqual(len(own.noted(folder)), n, text)

    def test_the_first_prediction_counts(self):
        lab = Lab('2')
        with tempfile.TemporaryDirectory() as folder:
            lab = type('L', (), {'number': '2', 'mine': folder, 'questions': lab.questions})
            for names in (['P9', '1'], ['P1']):
                with self.assertRaises(LabError):
                    own.predict(lab, main.arguments(['predict', '2', *names]), None)
            own.predict(lab, main.arguments(['predict', '2', 'P1', ' 9 ']), None)
            with self.assertRaisesRegex(LabError, 'first answer counts'):
                own.predict(lab, main.arguments(['predict', '2', 'P1', '8']), None)
            self.assertEqual(own.noted(folder), {'P1': {'seed': 1, 'answer': '9'}})

    def test_a_choice_is_its_number_or_its_words(self):
        question = {'choices': ['200', 'some 400', 'none']}
        self.assertEqual([own.as_number(question, a) for a in ('2', 'some 400', 'none', '7', 'nine')], ['2', '2', '3', '7', 'nine'])
        self.assertEqual(own.as_number({}, '200'), '200')

        class Asked(own.Oracle):
            def __init__(self, out):
                self.out = out

            def output(self, *_):
                return self.out
        self.assertEqual([Asked(out).answer({'id': 'P1', **question}, 1) for out in ('none\n', None)], ['3', None])
        self.assertEqual(len(Asked('').question(question, 1)), 3)
        with self.assertRaises(GraderError):
            Asked('several\n').answer({'id': 'P1', **question}, 1)

    def test_wrong_questions_and_programs(self):
        toml = Toml()
        with self.assertRaises(GraderError):
            toml.lab(PROGRAM + 'files = ["b.c"]\n' + TEST)
        with self.assertRaises(LabError):
            own.own_of(toml.lab())
        for question in ('id = "P1"\nprogram = "p"\n', 'id = "P1"\ntext = "?"\nprogram = "p"\nchoice = ["a"]\n', 'id = "P1"\ntext = "?"\nprogram = "q"\n'):
            with tempfile.TemporaryDirectory() as folder:
                write(os.path.join(folder, 'lab.toml'), 'title = "t"\nfiles = ["a.c"]\ngiven = []\nexports = []\nsymbols = []\n')
                write(os.path.join(folder, 'points.toml'), PROGRAM + TEST)
                write(os.path.join(folder, 'predict.toml'), '[[question]]\n' + question)
                with self.assertRaises(GraderError):
                    Lab('1', folder)

    def test_points(self):
        self.assertEqual([own.own_points(n, 28) for n in (0, 1, 14, 28)], [0, 0, 5, 10])
        self.assertEqual(own.own_points(0, 0), 0)
        for lab in [lab for lab in map(Lab, numbers()) if not lab.is_report]:
            of = [lab.public_points, sum(t['points'] for t in grade.seeded(lab)), lab.by_hand]
            of += [own.OWN_POINTS] * bool(lab.own_tests) + [own.PREDICTION_POINTS, own.HOURS_POINTS] * bool(lab.questions)
            self.assertEqual(sum(of), 100, f'lab {lab.number}: {of}')
        lab = Lab('2')
        rs = [{'id': t['id'], 'state': grade.PASS, 'points': t['points'], 'max_points': t['points']} for t in lab.tests]
        rs += [{'id': t['id'], 'state': grade.PASS, 'points': t['points'], 'max_points': t['points'], 'is_private': True} for t in grade.seeded(lab)]
        report = grade.sheet(lab, rs, 1)
        self.assertEqual(list(main.totals(report, []))[-1], '85 of 85 points')
        rs[0]['points'] = 0
        self.assertEqual(list(main.totals(grade.sheet(lab, rs, 1), []))[-1], '84.4 of 85 points')


class Variants(unittest.TestCase):
    """Other constants, and the student's own earlier labs, in a pack."""
    GOOD = '[v]\nabout = "a"\n[[v.change]]\nfile = "a.c"\nold = "x"\nnew = "y"\n'

    def lab(self, text, folder):
        write(os.path.join(folder, 'variants.toml'), text)
        return type('L', (), {'number': '9', 'path': lambda _, name: os.path.join(folder, name)})()

    def test_mistakes(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(variants.changes(self.lab(self.GOOD, folder), 'v'), [{'file': 'a.c', 'old': 'x', 'new': 'y'}])
            for text in ('[v]\nabout = "a"\n', 'v = 3\n', self.GOOD.replace('about', 'what'), self.GOOD.replace('old', 'odd'),
                         self.GOOD + 'all = true\n', '[v'):
                with self.assertRaises(GraderError, msg=text):
                    variants.of(self.lab(text, folder))
            with self.assertRaisesRegex(LabError, 'no variant w; there are: v'):
                variants.changes(self.lab(self.GOOD, folder), 'w')
            lab = self.lab(self.GOOD, folder)
            os.remove(os.path.join(folder, 'variants.toml'))
            self.assertEqual(variants.of(lab), {})
            self.assertIsNone(variants.changer(lab, None))

    def test_each_change_is_made_once_or_as_often_as_it_says(self):
        todo = [{'file': 'a', 'old': 'x', 'new': 'y'}]
        self.assertEqual(variants.changed({'a': b'1 x', 'b': b'x'}, todo), {'a': b'1 y', 'b': b'x'})
        self.assertEqual(variants.changed({'a': b'x x'}, [{**todo[0], 'times': 2}]), {'a': b'y y'})
        for files in ({'a': b''}, {'a': b'x x'}, {'b': b'x'}):
            with self.assertRaises(GraderError, msg=files):
                variants.changed(files, todo)

    def test_variants_of_all_labs_fit_their_packs(self):
        n = 0
        for lab in map(Lab, numbers()):
            plain = mklab.pack_files(lab)
            self.assertFalse([name for name in plain if name.endswith('variants.toml')])
            for name in variants.of(lab):
                n += 1
                made = mklab.pack_files(lab, variants.changer(lab, name))
                self.assertEqual(made.keys(), plain.keys())
                differ = {file for file in made if made[file] != plain[file]}
                self.assertIn(f'labs/lab{lab.number}/handout.md', differ)
                self.assertTrue(differ <= {change['file'] for change in variants.changes(lab, name)})
        self.assertGreater(n, 0)

    def test_a_pack_on_the_students_own_files(self):
        lab, whole = Lab('2'), variants.numbers
        with tempfile.TemporaryDirectory() as folder:
            class Mine(Lab):
                mine = property(lambda self: os.path.join(folder, self.number))
            variants.Lab, variants.numbers = Mine, lambda: ['0', '1', '2', '6']
            try:
                plain = mklab.pack_files(lab)
                self.assertEqual(variants.on_mine(plain, lab), (plain, []))
                for number in ('0', '6'):
                    for name, text in own.references(Mine(number)).items():
                        write(os.path.join(folder, number, name), text + '/* mine */\n')
                made, taken = variants.on_mine(plain, lab)
                self.assertEqual(taken, ['0'])
                self.assertEqual({name for name in made if made[name] != plain[name]}, {'pager/page.c', 'io/transfer.c'})
                self.assertTrue(made['pager/page.c'].endswith(b'/* mine */\n'))
                write(os.path.join(folder, '0', 'page.c'), mklab.starters(Mine('0'))['page.c'])
                with self.assertRaisesRegex(LabError, 'lab 0 is not finished: task 0.1'):
                    variants.on_mine(plain, lab)
            finally:
                variants.Lab, variants.numbers = Lab, whole

    def test_a_pack_of_a_folder_without_git_has_the_files_at_its_top(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ('lab', 'base/a.c', 'build-labs/b.c', 'labs/my/lab0/page.c', '.git2/c'):
                write(os.path.join(folder, name), 'x')
            root, mklab.ROOT = mklab.ROOT, folder
            try:
                self.assertEqual(mklab.project_files(), ['base/a.c', 'lab'])
            finally:
                mklab.ROOT = root


class States(unittest.TestCase):
    def state(self, wanted='t', **how):
        return grade.words(run(**how), wanted)[0]

    def test_states(self):
        ok = '1 passed, 0 failed, 0 skipped\n'
        fails = 'a.c:1:F:case:t:0: Assertion \'x == 1\' failed: x == 2, 1 == 1\n0 passed, 1 failed, 0 skipped\n'
        self.assertEqual(self.state(output=ok), grade.PASS)
        self.assertEqual(self.state(status=-9, output=ok), grade.CRASHED)
        self.assertEqual(self.state(status=1, output=ok), grade.FAIL)
        self.assertEqual(self.state(output=ok, is_late=True), grade.HUNG)
        self.assertEqual(self.state(output=ok, is_loud=True), grade.FAIL)
        self.assertEqual(self.state(output=ok, is_big=True), grade.FAIL)
        self.assertEqual(self.state(output=''), grade.FAIL)
        self.assertEqual(self.state(wanted=None, output=''), grade.PASS)
        self.assertEqual(self.state(output='0 passed, 0 failed, 0 skipped\n'), grade.FAIL)
        self.assertEqual(self.state(output='skipped: t: no uring\n0 passed, 0 failed, 1 skipped\n'), grade.SKIPPED)
        self.assertEqual(self.state(status=1, output='lab-todo: 1.1 f\n' + fails), grade.TODO)
        self.assertEqual(self.state(output='lab-todo: 1.1 f\n' + ok), grade.PASS)
        self.assertEqual(self.state(status=1, output=fails), grade.FAIL)
        self.assertEqual(self.state(status=1, output='a.c:1:E:case:t:0: (after this point) Received signal 11\n'), grade.CRASHED)
        self.assertEqual(self.state(status=1, output='a.c:1:E:case:t:0: (after this point) Test timeout expired\n'), grade.HUNG)
        self.assertEqual(self.state(status=1, output='==1==ERROR: AddressSanitizer: heap-use-after-free\n' + fails), grade.CRASHED)
        self.assertEqual(self.state(status=1, output='t: the process ended before the test did\n'), grade.CRASHED)

    def test_what_the_machine_refuses_is_no_fault_of_a_student(self):
        refused = run(status=1, output='sh: 1: Cannot fork\n', refused='sh: 1: Cannot fork')
        self.assertEqual(grade.words(refused, 't')[0], grade.ERROR)
        self.assertEqual(grade.words(run(status=66, output='WARNING: ThreadSanitizer: data race (pid=1)\n'), 't')[0], grade.CRASHED)

    def test_no_output_and_no_status_passes_for_a_refusal(self):
        for status, line in ((66, 'FATAL: ThreadSanitizer: unexpected memory mapping 0x5d-0x5e'), (127, 'sh: 1: exec: /x: not found'),
                             (126, ''), (1, 'lab-todo: 2\nunshare: x '), (1, 'unshare: unshare failed: Operation not permitted'),
                             (2, 'sh: 1: Cannot fork'), (2, 'sh: 1: ulimit: bad number')):
            run = contain.run(['sh', '-c', f'echo "{line}"; echo s >&0; exit {status}'], 20)
            self.assertEqual((run.status, run.refused), (status, ''), line)
            self.assertNotEqual(grade.words(run, 't')[0], grade.ERROR, line)

    def test_a_refusal_is_seen(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (('none', None), ('no_program', '\177ELF')):
                path = os.path.join(folder, name)
                if text:
                    write(path, text)
                    os.chmod(path, 0o700)
                self.assertTrue(contain.run([path], 20).refused, name)
        wrapped, contain._wrapper = contain.wrapper(), (['sh', '-c', 'echo no name spaces; exit 1', 'sh'], '')
        try:
            self.assertEqual(contain.run(['true'], 20).refused, 'no name spaces')
        finally:
            contain._wrapper = wrapped

    def test_a_private_seed_stays_private(self):
        texts = ['image 3: replay: config=mmap-one-full seed=4711 event=7 choice=2', 'again: VERSO_SEED=4711 ./test', 'page 4711 is 0x1267',
                 'round 2 (seed 4712) differs', 'seed: 0x1267', 'seed 0X1267', 'seed=00001267']
        lab = type('L', (), {'tests': [{'id': 'T', 'program': 'p', 'task': '1.1', 'points': 1, 'seeded': 1}]})
        given = iter(texts)

        class Asked(grade.Grading):
            def __init__(self, *_):
                self.lab, self.seed, self.broken, self.builder = lab, 1, None, type('B', (), {'jobs': 1})

            def run(self, _, seed=None):
                return grade.FAIL, next(given) if seed else 'seed=1', 'seed=4711', 0.0

            def close(self):
                pass
        whole, grade.Grading = grade.Grading, Asked
        try:
            for _ in texts:
                results = grade.grade_folder(lab, None, None, 1, 4711)
                private = results[-1]
                self.assertEqual((results[0]['message'], results[0]['seed']), ('seed=1', 1))
                for number in ('4711', '4712', '1267'):
                    self.assertNotIn(number, str(private))
        finally:
            grade.Grading = whole

    def test_sentence(self):
        self.assertEqual(grade.sentence("Assertion 'get(a, b) == -EIO' failed: get(a, b) == -3, -EIO == -5: all are pinned"),
                         'get(a, b) was -3 (all are pinned), expected -EIO (-5)')
        self.assertEqual(grade.sentence("Assertion 'n >= 2' failed: n == 1, 2 == 2"), 'n was 1, expected at least 2')
        self.assertEqual(grade.sentence('the pool did "r1"'), 'the pool did "r1"')

    def test_submission(self):
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as to:
            path = os.path.join(folder, 'a.c')
            for make in (lambda: None, lambda: os.symlink('/etc/passwd', path), lambda: os.mkfifo(path), lambda: os.mkdir(path),
                         lambda: write(path, 'x' * (grade.FILE_BYTES_MAX + 1))):
                make()
                self.assertIn('a.c', grade.collect(['a.c'], folder, to)['a.c'])
                self.assertEqual(os.listdir(to), [])
                if os.path.isdir(path):
                    os.rmdir(path)
                elif os.path.lexists(path):
                    os.remove(path)
            write(path, 'int x;')
            self.assertEqual(grade.collect(['a.c'], folder, to), {})
            self.assertEqual(os.listdir(to), ['a.c'])

    def test_a_program_that_does_not_link_costs_its_own_tests_alone(self):
        class Found:
            public_points = None
            title, number, files, given, by_hand, parts_of, programs = 't', '1', [], [], 0, staticmethod(lambda _: []), {n: {'name': n, 'limit_s': 9} for n in ('p', 'q')}
            tests = [{'id': n, 'program': n, 'task': '1.1', 'points': 1} for n in ('p', 'q')]

        class Fake(Builder):
            def prepare(self, *_):
                pass

            def student(self, *_):
                return {}, {}

            def link(self, _, program, *__):
                if program['name'] == 'p':
                    raise GraderError('no libtsan')
                return '/bin/true'
        with tempfile.TemporaryDirectory() as folder:
            g = grade.Grading(Found, Fake(folder), folder)
            results = g.run_all(Found.tests)
            self.assertEqual([r['state'] for r in results], [grade.ERROR, grade.PASS])
            self.assertEqual(g.path('q'), '/bin/true')
            with self.assertRaises(GraderError):
                g.path('p')
            g.close()

    def test_a_program_that_changes_another_takes_all_points(self):
        class Two:
            public_points = None
            title, number, files, given, by_hand, parts_of, programs = 't', '1', [], [], 0, staticmethod(lambda _: []), {n: {'name': n, 'limit_s': 9} for n in ('p', 'q')}
            tests = [{'id': n, 'program': n, 'task': '1.1', 'points': 1} for n in ('p', 'q')]

        class Fake(Builder):
            deed = ''

            def prepare(self, *_):
                pass

            def student(self, *_):
                return {}, {}

            def link(self, _, program, __, out):
                path = os.path.join(out, program['name'])
                write(path, '#!/bin/sh\n' + (self.deed if program['name'] == 'q' else '') + '\nexit 0\n')
                os.chmod(path, 0o700)
                return path
        wrapped, contain._wrapper = contain.wrapper(), (['sh', '-c', contain.START, 'sh'], 'no name spaces')
        try:
            for deed, state in (('', grade.PASS), ('echo >>../p', grade.FAIL), ('cp ../p x; mv x ../p', grade.FAIL), ('rm ../p', grade.FAIL),
                                ('cp -p ../p x; echo >>../p; touch -r x ../p', grade.FAIL), ('chmod a+w ../p', grade.FAIL)):
                with tempfile.TemporaryDirectory() as folder:
                    builder = Fake(folder, jobs=1)
                    builder.deed = deed
                    g = grade.Grading(Two, builder, folder)
                    results = g.run_all(Two.tests)
                    g.close()
                self.assertEqual([r['state'] for r in results], [state] * 2, deed)
                self.assertEqual(sum(r['points'] for r in results), 2 if state == grade.PASS else 0, deed)
        finally:
            contain._wrapper = wrapped

    def test_a_link_that_the_starter_has_is_the_students_fault(self):
        class One:
            title, number, files, given, parts_of, programs = 't', '1', [], [], staticmethod(lambda _: []), {'p': {'name': 'p', 'limit_s': 9}}
            tests = [{'id': 'p', 'program': 'p', 'task': '1.1', 'points': 1}]

        class Fake(Builder):
            n_links = 0

            def prepare(self, *_):
                pass

            def student(self, *_):
                return {}, {}

            def link(self, *_):
                self.n_links += 1
                if self.n_links == 1:  # around the student's files; then around the starter
                    raise GraderError('the parts do not link:\nld: huge')
        with tempfile.TemporaryDirectory() as folder:
            g = grade.Grading(One, Fake(folder), folder)
            self.assertEqual(g.run_all(One.tests)[0]['state'], grade.FAIL)
            self.assertIn('ld: huge', g.faults['p'])
            with self.assertRaisesRegex(LabError, 'ld: huge'):
                g.path('p')
            g.close()

    def test_a_file_that_does_not_compile_costs_its_own_programs_alone(self):
        class Two:
            public_points, by_hand = None, 0
            title, number, files, given = 't', '1', ['a.c', 'b.c'], []
            programs = {n: {'name': n, 'limit_s': 9, 'files': [n + '.c']} for n in 'ab'}
            tests = [{'id': n, 'program': n[0], 'task': '1.1', 'points': 1} for n in ('a', 'a2', 'b')]
            parts_of = staticmethod(lambda p: p['files'])

        class Fake(Builder):
            def prepare(self, *_):
                pass

            def student(self, _, folder, __, ___, names):
                return {}, {n: f'{n} does not compile:\n{folder}/{n}:1: what?' for n in names if n == 'a.c'}

            def link(self, *_):
                return '/bin/true'
        for names, states in (('ab', [grade.FAIL, grade.FAIL, grade.PASS]), ('b', [grade.FAIL, grade.FAIL, grade.PASS]), ('', [grade.FAIL] * 3),
                              ('a', [grade.FAIL] * 3)):
            with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as mine:
                for name in names:
                    write(os.path.join(mine, name + '.c'), '')
                g = grade.Grading(Two, Fake(folder), mine)
                results = g.run_all(Two.tests)
                self.assertEqual([r['state'] for r in results], states, names)
                if 'a' in names:  # what the compiler says, once, with names as the student knows them
                    self.assertEqual(results[0]['message'].split('\n')[:2], ['a.c does not compile:', 'a.c:1: what?'])
                    self.assertEqual(results[1]['message'], results[0]['message'].split('\n', 1)[0])
                else:
                    self.assertIn('there is no file a.c', results[0]['message'])
                self.assertEqual(bool(g.broken), grade.PASS not in states)
                g.close()

    def test_objects(self):
        class One:
            symbols, exports = {'free'}, {'f'}
        good = 'void free(void *); static int g; int f(void) { free(&g); return g; }\n'
        with tempfile.TemporaryDirectory() as folder:
            source, to = os.path.join(folder, 'a.c'), os.path.join(folder, 'a.o')
            for code, word in ((good, None), (good + 'int h;', 'defines h'), (good + 'void *q(void); void *r(void) { return q(); }', 'uses q'),
                               (good + 'static int z; __attribute__((constructor)) static void c(void) { z++; __asm__(""); }', 'before or after'),
                               (good + 'static int z; __attribute__((destructor)) static void c(void) { z++; __asm__(""); }', 'before or after'),
                               (good + 'void __tsan_func_exit(void); void g2(void) { __tsan_func_exit(); }', 'uses __tsan_func_exit'),
                               (good + 'extern int environ; int *p = &environ;', 'uses environ')):
                write(source, code)
                _, complaint = Builder(folder).object(source, 'plain', to=to)
                self.assertIsNone(complaint)
                found = objects.findings(to, One)
                self.assertTrue((not found) if word is None else any(word in f for f in found), (code, found))
            # Code that is data too, a stack that is code, and memory that outlives a power cut.
            One.statics = []
            for code, word in (('static const int t[] = {1, 2}; int f(void) { return t[1]; }', None),
                               ('static int n; int f(void) { return ++n; }', 'change .n'),
                               ('int f(void) { static int n = 3; return ++n; }', 'change .n'),
                               ('static _Thread_local int n; int f(void) { return ++n; }', 'change .n'),
                               ('int f(int); static int (*const t[])(int) = {f, 0}; int f(int i) { return t[i] != 0; }', None),
                               ('__attribute__((section(".mine,\\"awx\\",@progbits#"))) int f(void) { return 1; }', 'written and run|code lies in'),
                               ('__attribute__((section(".mine"))) int f(void) { return 1; }', 'code lies in .text'),
                               ('__attribute__((section(".interp"))) static const char t[] = "/x"; const char *f(void) { return t; }', 'a section .interp'),
                               ('int f(int (*g)(int (*)(void))) { int n = 0; int h(void) { return ++n; } return g(h); }', 'run as code'),
                               ('int f(void) { return 0x90050f; }', 'instruction that calls')):
                write(source, code)
                if Builder(folder).object(source, 'plain', to=to)[1]:  # GNU C, which clang does not know in all of it
                    self.assertIn('int h', code)
                    continue
                found = objects.findings(to, One)
                on_others = platform.machine() != 'x86_64' and 'instruction' in (word or '')
                self.assertTrue((not found) if word is None or on_others else any(re.search(word, f) for f in found), (code, found))
            One.statics = ['n']
            write(source, 'static int n; int f(void) { return ++n; }')
            self.assertIsNone(Builder(folder).object(source, 'plain', to=to)[1])
            self.assertEqual(objects.findings(to, One), [])
            del One.statics
            # What compilers make of honest code by themselves: a fortified copy, bcmp() for a comparison with 0.
            One.symbols = {'memcpy', 'memcmp'}
            for code, good_too in (('void *__memcpy_chk(void *, const void *, unsigned long, unsigned long);\n'
                                    'void *f(void *a) { return __memcpy_chk(a, a, 1, 1); }\n', True),
                                   ('int bcmp(const void *, const void *, unsigned long); int f(void *a) { return bcmp(a, a, 9); }\n', True),
                                   ('void *__memset_chk(void *, int, unsigned long, unsigned long);\n'
                                    'void *f(void *a) { return __memset_chk(a, 1, 1, 1); }\n', False),
                                   ('int __printf_chk(int, const char *, ...); int f(void) { return __printf_chk(1, ""); }\n', False)):
                write(source, code)
                self.assertIsNone(Builder(folder).object(source, 'plain', ['-fno-builtin'], to=to)[1])
                self.assertEqual(not objects.findings(to, One), good_too, code)
            One.symbols = {'free'}
            # Under a sanitizer, its own calls and constructor are free; what a student hides there is not.
            hidden = '#ifdef __SANITIZE_THREAD__\nvoid *q(void);\nvoid r(void);\n__attribute__((constructor)) void r(void) { q(); }\n#endif\n'
            for code, words in ((good, []), (good + hidden, ['uses q', 'defines r'])):
                write(source, code)
                for variant, expected in (('plain', []), ('tsan', words)):
                    self.assertIsNone(Builder(folder).object(source, variant, to=to)[1])
                    found = objects.findings(to, One, Builder.is_sanitized(variant))
                    self.assertEqual(len(found), len(expected), found)
                    self.assertTrue(all(w in ' '.join(found) for w in expected), found)


class Archives(unittest.TestCase):
    def test_what_a_lab_cuts_out_of_a_library_is_there_for_the_others(self):
        with tempfile.TemporaryDirectory() as folder:
            def members(cut_out):
                builder = Builder(folder)
                builder.cut_out = cut_out
                return subprocess.run(['ar', 't', builder.library('store', 'plain')], capture_output=True, text=True, check=True).stdout.split()
            without, whole = members(['tests/crash/store_none.c']), members([])
            self.assertEqual(len(whole), len(without) + 1)
            self.assertEqual([n for n in whole if n not in without], ['tests-crash-store_none.o'])
            self.assertEqual(members(['tests/crash/store_none.c']), without)

    def test_programs_are_found_from_any_working_folder(self):
        self.assertTrue(os.path.isabs(Builder('folder').folder))


class Sources(unittest.TestCase):
    """What a student's file takes in, and which words it may not have."""

    class One:
        files, glue, elsewhere, number = ['a.c'], [], {'b.h': os.path.join(ROOT, 'btree', 'node.h')}, '1'

        @staticmethod
        def headers():
            return {}

    def refused(self, code, variant='plain'):
        """What is said of this file; '': it was compiled."""
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, 'a.c')
            write(source, code)
            write(os.path.join(folder, 'seed'), '4711\n')
            try:
                made = Builder(folder).student_object(self.One, source, variant, os.path.join(folder, 'made'))
                self.assertTrue(os.path.exists(made))
                return ''
            except LabError as e:
                return str(e)

    def test_headers_of_verso_and_of_the_system(self):
        self.assertEqual(self.refused('#include "base/error.h"\n#include "labs/lib/cache.h"\n#include <pthread.h>\nint x;\n'), '')

    def test_other_files(self):
        for name in ('labs/lab2/pool.c', 'btree/node.h', os.path.join(ROOT, 'labs/lab2/pool.c'), './seed', '/etc/passwd', '/proc/self/stat'):
            said = self.refused(f'int x =\n#include "{name}"\n;\n')
            self.assertIn('takes in', said, name)
            self.assertNotIn('4711', said)
        self.assertIn('takes in labs/lab2/pool.c', self.refused('#define NAME "labs/lab2/pool.c"\n#include NAME\n'))
        # What the preprocessor complains of is shown, and no line of the file in which it is.
        said = self.refused('#if\n#include "./seed"\n')
        self.assertIn('does not compile', said)
        self.assertIn('a.c:1', said)
        self.assertNotIn('4711', said)

    def test_what_the_assembler_takes_in(self):
        words, source.words = source.words, lambda _: []
        try:
            self.assertIn('takes in', self.refused('__asm__(".pushsection .rodata; .incbin \\"seed\\"; .popsection");\nint x;\n'))
            said = self.refused('__asm__(".include \\"seed\\"");\nint x;\n')
            self.assertIn('does not compile', said)
            self.assertNotIn('4711', said)
        finally:
            source.words = words

    def test_words(self):
        for code, says in (('void f(void) { __asm__ volatile("nop"); }', 'assembly'), ('int f(void) __asm("g");', 'assembly'),
                           ('#define A(x) __a##x\nvoid f(void) { A(sm__)("nop"); }', 'assembly'),
                           ('__attribute__((no_sanitize("thread"))) void f(void);', 'no_sanitize'),
                           ('__attribute__((__no_sanitize_address__)) void f(void);', 'no_sanitize'),
                           ('#define J(a, b) a##b\n__attribute__((J(no_sani, tize_thread))) void f(void);', 'no_sanitize'),
                           ('__attribute__((section(".x"))) int x;', 'section'), ('int y; extern int x __attribute__((alias("y")));', 'alias'),
                           ('#line 1 "/usr/include/stdio.h"\nvoid f(void) { __asm__("nop"); }', '#line'),
                           ('# 1 "/usr/include/stdio.h" 1 3 4\nvoid f(void) { __asm__("nop"); }', '#1'),
                           ('%:/**/line 1 "x"\n', '#line'), ('#\\\n line 1 "x"\n', '#line'), ("#if 0\ndon't /*\n#endif\n#line 1 \"x\"\n/* */\n", '#line'),
                           ('#ident "x"\n', '#ident'), ('int f(void) { return 1 }\n', 'does not compile')):
            self.assertIn(says, self.refused(code), code)
        for code in ('const char *x = "asm, section (no_sanitize)"; /* #line 1\n# 3 */', 'int section, asmx; /* asm */', 'int x; // # 3\n'):
            self.assertEqual(self.refused(code), '', code)

    def test_other_code_under_a_sanitizer(self):
        for code in ('#ifdef __SANITIZE_THREAD__\nint x;\n#else\nint y;\n#endif\n', '#define S(x) __SANI##x\n#if S(TIZE_THREAD__)\nint x;\n#endif\n',
                     '#ifdef __has_feature\n#if __has_feature(thread_sanitizer)\nint x;\n#endif\n#endif\n#ifdef __SANITIZE_THREAD__\nint x;\n#endif\n'):
            self.assertEqual(self.refused(code + 'int z;\n'), '')
            self.assertIn('another code under a sanitizer', self.refused(code + 'int z;\n', 'tsan'), code)
        self.assertEqual(self.refused('#include "base/assert.h"\nint f(int x);\nint f(int x) { ASSERT(x > 0); return x; }\n', 'asan'), '')


class Processors(unittest.TestCase):
    def test_the_quota_of_a_container_counts(self):
        with tempfile.TemporaryDirectory() as folder:
            mine = len(os.sched_getaffinity(0))
            for name, texts in (('cpu.max', ('150000 100000\n',)), ('cpu/cpu.cfs_quota_us', ('150000\n', '100000\n'))):
                for path, text in zip((name, name.replace('quota', 'period')), texts):
                    write(os.path.join(folder, path), text)
                self.assertEqual(build.processors(folder), min(mine, 2), name)
                os.remove(os.path.join(folder, name))
            for text in ('max 100000\n', '', 'x y\n', '0 0\n'):
                write(os.path.join(folder, 'cpu.max'), text)
                self.assertEqual(build.processors(folder), mine, text)
            write(os.path.join(folder, 'cpu.max'), '5000 100000\n')
            self.assertEqual(build.processors(folder), 1)


class Rules(unittest.TestCase):
    def test_rules_for_assistants_are_in_every_pack(self):
        rules = read(os.path.join(LABS, 'AGENTS.md')).encode()
        for lab in [Lab('2'), Lab('6')]:
            files = mklab.pack_files(lab)
            self.assertEqual((files['AGENTS.md'], files['labs/AGENTS.md']), (rules, rules))
            self.assertFalse([n for n in files if n.startswith('labs/teach/')])

    def test_a_pack_has_the_reference_of_no_later_lab(self):
        labs = [lab for lab in map(Lab, numbers()) if not lab.is_report]
        for lab in labs:
            packed = mklab.pack_files(lab)
            texts = {n: data.decode(errors='replace') for n, data in packed.items() if n.startswith(('labs/', 'tests/'))}
            self.assertFalse([n for n in packed if n.startswith(('labs/lab', 'labs/tool/')) and os.path.basename(n) in mklab.NOT_IN_PACK])
            for other in labs:
                for name in other.files:
                    path = os.path.relpath(other.path(name), ROOT)
                    if path not in packed:
                        continue
                    if other.number == lab.number:
                        self.assertEqual(mklab.cut(packed[path].decode(), name)[1], {}, path)
                    elif int(other.number) > int(lab.number):
                        self.assertFalse(path.startswith(('labs/', 'tests/')), f'pack of lab {lab.number}: {path}')
                if int(other.number) > int(lab.number):
                    self.assertEqual(mklab.leaks(mklab.all_regions(other), '', texts)[0], [], f'pack of lab {lab.number}: regions of lab {other.number}')

    def test_and_in_every_student_folder(self):
        class Mine:
            number, files, own_tests = '1', [], None
        with tempfile.TemporaryDirectory() as folder:
            Mine.mine = os.path.join(folder, 'my')
            self.assertEqual(main.start(Mine), main.OK)
            path = os.path.join(Mine.mine, 'AGENTS.md')
            self.assertEqual(read(path), read(os.path.join(LABS, 'AGENTS.md')))
            write(path, 'mine')
            main.start(Mine)
            self.assertEqual(read(path), 'mine')


if __name__ == '__main__':
    unittest.main()
