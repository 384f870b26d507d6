#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What becomes of a program that ran: its state, its message, its points."""
import os
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
from build import Builder  # noqa: E402
from common import GraderError, Lab, LabError, numbers, write  # noqa: E402


ID = staticmethod(lambda t: t['id'])
OK = 'echo 1 passed, 0 failed, 0 skipped\n'


def passing(folder):
    """A program that passes."""
    path = os.path.join(folder, 'passes')
    if not os.path.exists(path):
        write(path, '#!/bin/sh\n' + OK)
        os.chmod(path, 0o700)
    return path


def run(status=0, output='', **flags):
    r = contain.Run()
    r.status, r.output = status, output
    for name, value in flags.items():
        setattr(r, name, value)
    return r


# As a student's code could, in a child of the process that has its seed: what each process shows of its environment and arguments, and
# what is left in the descriptors that it was given.
LOOKS_FOR_A_SEED = r'''
#include "tests/check_main.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void look(const char *process, const char *at)
{
	char path[64], text[65536];
	int fd;
	ssize_t n = 0;

	(void)snprintf(path, sizeof(path), "/proc/%s/%s", process, at);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	if (fd >= 0)
		n = read(fd, text, sizeof(text) - 1);
	for (ssize_t i = 0; i + 12 <= n; i++)
		ck_assert_msg(memcmp(text + i, "471147114711", 12) != 0, "%s has the seed", path);
	(void)close(fd);
}

START_TEST(seed)
{
	ck_assert_uint_eq(check_seed(), 471147114711);
	for (int process = 0; process < 16; process++) {
		char name[16], at[16];

		(void)snprintf(name, sizeof(name), process ? "%d" : "self", process);
		look(name, "environ");
		look(name, "cmdline");
		for (int fd = 3; fd < 64; fd++) {
			(void)snprintf(at, sizeof(at), "fd/%d", fd);
			look(name, at);
		}
	}
	ck_assert_uint_eq(check_seed(), 471147114711);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("seed");
	TCase *t = tcase_create("seed");

	tcase_add_test(t, seed);
	suite_add_tcase(s, t);
	return check_main(s);
}
'''


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
        self.assertEqual(self.state(wanted=None, output=''), grade.FAIL)
        for output in ('all is well\n', ok + 'and more\n', 'x' + ok, ok.replace(' skipped', '')):
            self.assertEqual(self.state(wanted=None, output=output), grade.FAIL, output)
            self.assertIn('without its last line', grade.words(run(output=output), None)[1])
        self.assertEqual(self.state(wanted=None, output='total: 3\n' + ok), grade.PASS)
        self.assertEqual(self.state(output='0 passed, 0 failed, 0 skipped\n'), grade.FAIL)
        self.assertEqual(self.state(output='skipped: t: no uring\n0 passed, 0 failed, 1 skipped\n'), grade.SKIPPED)
        for n_skipped, skips, state in ((1, 0, grade.SKIPPED), (1, 1, grade.PASS), (2, 1, grade.SKIPPED)):
            self.assertEqual(grade.words(run(output=f'skipped: t: no uring\n3 passed, 0 failed, {n_skipped} skipped\n'), 't', skips)[0], state)
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

    def test_what_was_unmounted_meanwhile_refuses_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            mounts, there = os.path.join(folder, 'mountinfo'), os.path.join(folder, 'there')
            os.mkdir(there)
            script = 'mount() { [ "$1" != -o ]; }\n' + contain.READ_ONLY.replace('/proc/self/mountinfo', mounts) + 'echo started\n'
            for at, says in ((there, ''), (os.path.join(folder, 'gone'), 'started\n')):
                write(mounts, f'21 1 0:20 / {at} rw,relatime - tmpfs x rw\n')
                self.assertEqual(subprocess.run(['sh', '-c', script, 'sh', folder], capture_output=True, text=True, check=False).stdout, says, at)

    def test_a_private_seed_stays_private(self):
        texts = ['image 3: replay: config=mmap-one-full seed=4711 event=7 choice=2', 'again: VERSO_SEED=4711 ./test', 'page 4711 is 0x1267',
                 'round 2 (seed 4712) differs', 'seed: 0x1267', 'seed 0X1267', 'seed=00001267']
        lab = type('L', (), {'name_of': ID, 'tests': [{'id': 'T', 'program': 'p', 'task': '1.1', 'points': 1, 'seeded': 1}]})
        given = iter(texts)

        class Asked(grade.Grading):
            def __init__(self, *_):
                self.lab, self.seed, self.broken, self.builder, self.hung, self.states = lab, 1, None, type('B', (), {'jobs': 1}), {}, {}

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

    def test_a_seeded_test_counts_by_the_parent_of_its_public_one(self):
        tests = [{'id': 'P', 'program': 'p', 'task': '1.1', 'points': 1}, {'id': 'T', 'program': 'p', 'task': '1.1', 'points': 2, 'seeded': 3, 'parent': 'P'}]
        lab = type('L', (), {'name_of': ID, 'tests': tests})

        class Found(grade.Grading):
            def __init__(self, state):
                self.lab, self.seed, self.broken, self.builder, self.hung, self.states = lab, 1, None, type('B', (), {'jobs': 1}), {}, {}
                self.of_parent = state

            def run(self, test, seed=None):
                return self.of_parent if test['id'] == 'P' else grade.PASS, '', '', 0.0
        nothing = [0, 0, 0]
        for state, points in ((grade.PASS, [1, 2, 3]), (grade.FAIL, nothing), (grade.TODO, nothing), (grade.CRASHED, nothing), (grade.HUNG, nothing),
                              (grade.SKIPPED, [0, 2, 3]), (grade.ERROR, [0, 2, 3])):  # what was not judged costs nobody points
            g = Found(state)
            results = g.run_all(tests) + g.run_all(grade.seeded(lab), 4711)
            self.assertEqual([r['points'] for r in results], points, state)
            if state == grade.FAIL:
                self.assertEqual([r['message'] for r in results[1:]], ['it counts when P passes too'] * 2)
        self.assertEqual([r['points'] for r in Found(grade.FAIL).run_all(tests[1:])], [2])  # alone, as in `./lab test 2 T`

    def test_commands_that_are_printed_name_tests_that_there_are(self):
        n = 0
        for lab in map(Lab, numbers()):
            for test in [*lab.tests, *grade.seeded(lab)]:
                r = {**test, 'name': 'n', 'state': grade.FAIL, 'points': 0, 'max_points': 1, 'message': 'm', 'context': '', 'seed': 1,
                     'is_private': 'public' in test}
                for number, names in re.findall(r'\./lab (?:test|hint) (\d)((?: [A-Z]+\d+\w*)+)', '\n'.join(grade.lines_of(test, r, lab))):
                    self.assertEqual(number, lab.number)
                    for name in names.split():
                        n += 1
                        self.assertEqual(lab.test(name)['id'], name)
        self.assertGreater(n, 500)

    def test_a_program_finds_its_seed_nowhere_but_in_its_own_memory(self):
        class One:
            public_points, by_hand, title, number, files, given = None, 0, 't', '1', [], []
            parts_of, name_of, headers, programs = staticmethod(lambda _: []), ID, staticmethod(dict), {'p': {'name': 'p', 'limit_s': 20}}
            tests = [{'id': 'T', 'check': 'seed', 'program': 'p', 'task': '1.1', 'points': 1}]

        class Fake(Builder):
            def prepare(self, *_):
                pass

            def student(self, *_):
                return {}, {}

            def link(self, _, __, ___, out):
                source, path = os.path.join(out, 'seed.c'), os.path.join(out, 'p')
                write(source, LOOKS_FOR_A_SEED)
                status, text = self.run([*self.cc, *self.flags(), '-o', path, source, *(self.library(n, 'plain') for n in ('check_main', 'base')),
                                         *build.external({}), '-lpthread'])
                if status:
                    raise GraderError(text)
                return path
        with tempfile.TemporaryDirectory() as folder:
            g = grade.Grading(One, Fake(folder), folder)
            try:
                self.assertEqual([(r['state'], r['message']) for r in g.run_all(One.tests, 471147114711)], [(grade.PASS, '')])
            finally:
                g.close()

    def test_sentence(self):
        self.assertEqual(grade.sentence("Assertion 'get(a, b) == -EIO' failed: get(a, b) == -3, -EIO == -5: all are pinned"),
                         'get(a, b) was -3 (all are pinned), expected -EIO (-5)')
        self.assertEqual(grade.sentence("Assertion 'n >= 2' failed: n == 1, 2 == 2"), 'n was 1, expected at least 2')
        self.assertEqual(grade.sentence('the pool did "r1"'), 'the pool did "r1"')
        self.assertEqual(grade.sentence("round 3: Assertion 'page_is(page, ref)' failed"), 'round 3: page_is(page, ref) is false, expected true')

    def test_the_backend_is_that_of_the_students_queue_where_a_test_says_it(self):
        self.assertEqual(grade.io_backend([{'message': ''}]), 'sync')
        self.assertEqual(grade.io_backend([{'message': ''}, {'message': 'your queue ran on io_uring'}]), 'sync; your queue on io_uring')

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
            title, number, files, given, by_hand, parts_of, name_of, programs = 't', '1', [], [], 0, staticmethod(lambda _: []), ID, {n: {'name': n, 'limit_s': 9} for n in ('p', 'q')}
            tests = [{'id': n, 'program': n, 'task': '1.1', 'points': 1} for n in ('p', 'q')]

        class Fake(Builder):
            def prepare(self, *_):
                pass

            def student(self, *_):
                return {}, {}

            def link(self, _, program, *__):
                if program['name'] == 'p':
                    raise GraderError('no libtsan')
                return passing(self.folder)
        with tempfile.TemporaryDirectory() as folder:
            g = grade.Grading(Found, Fake(folder), folder)
            results = g.run_all(Found.tests)
            self.assertEqual([r['state'] for r in results], [grade.ERROR, grade.PASS])
            self.assertEqual(g.path('q'), passing(folder))
            with self.assertRaises(GraderError):
                g.path('p')
            g.close()

    def test_what_waits_for_ever_is_not_waited_for_again(self):
        class Two:
            public_points, by_hand = None, 0
            title, number, files, given, parts_of, name_of, programs = 't', '1', [], [], staticmethod(lambda _: []), ID, {n: {'name': n, 'limit_s': n} for n in (1, 9)}
            tests = [{'id': 'q', 'program': 1, 'task': '1.1', 'points': 1, 'seeded': 1}, {'id': 'w', 'program': 9, 'task': '1.1', 'points': 1, 'parent': 'q'},
                     {'id': 'v', 'program': 9, 'task': '1.1', 'points': 1, 'parent': 'w'}, {'id': 'x', 'program': 9, 'task': '1.1', 'points': 1}]
            headers = staticmethod(dict)

        class Fake(Builder):
            def prepare(self, *_):
                pass

            def student(self, *_):
                return {}, {}

            def link(self, _, program, __, out):
                path = os.path.join(out, str(program['name']))
                write(path, '#!/bin/sh\necho >>' + os.path.join(self.folder, 'runs') + '\n' + ('while :; do :; done\n' if program['name'] == 1 else OK))
                os.chmod(path, 0o700)
                return path
        wrapped, contain._wrapper = contain.wrapper(), (['sh', '-c', contain.START, 'sh'], 'no name spaces')
        try:
            with tempfile.TemporaryDirectory() as folder:
                g = grade.Grading(Two, Fake(folder, jobs=1), folder)
                states = [r['state'] for r in g.run_all(Two.tests) + g.run_all(grade.seeded(Two), 4711)]
                g.close()
                self.assertEqual(states, [grade.HUNG] * 3 + [grade.PASS, grade.HUNG])
                with open(os.path.join(folder, 'runs'), encoding='utf-8') as f:
                    self.assertEqual(len(f.readlines()), 2)
        finally:
            contain._wrapper = wrapped

    def test_what_has_no_end_costs_the_same_whatever_has_begun_by_then(self):
        def test(name, program, parent=None):
            return {'id': name, 'check': name, 'program': program, 'task': '1.1', 'points': 1, 'parent': parent}

        class Two:
            public_points, by_hand, title, number, files, given = None, 0, 't', '1', [], []
            parts_of, name_of, headers, programs = staticmethod(lambda _: []), ID, staticmethod(dict), {n: {'name': n, 'limit_s': 1} for n in 'pq'}
            # An n has no end. The two of q are one: the first of them does not count without its parent.
            tests = [test('n1', 'p'), test('n2', 'p'), test('c', 'p'), test('n3', 'q', 'n1'), test('n4', 'q'), test('d', 'q'), test('e', 'p'), test('f', 'q', 'e')]

        class Fake(Builder):
            def prepare(self, *_):
                pass

            def student(self, *_):
                return {}, {}

            def link(self, _, program, __, out):
                path = os.path.join(out, program['name'])
                write(path, '#!/bin/sh\ncase $VERSO_TEST in n*) while :; do sleep 9; done;; esac\n' + OK)
                os.chmod(path, 0o700)
                return path
        wrapped, contain._wrapper = contain.wrapper(), (['sh', '-c', contain.START, 'sh'], 'no name spaces')
        try:
            for jobs in (1, 2, 8):
                for each in (None, lambda *_: None):
                    with tempfile.TemporaryDirectory() as folder:
                        g = grade.Grading(Two, Fake(folder, jobs=jobs), folder)
                        results = g.run_all(Two.tests, each=each)
                        g.close()
                    self.assertEqual({r['id']: r['state'] for r in results},
                                     {**dict.fromkeys(['n1', 'n2', 'c', 'n3', 'n4', 'e', 'f'], grade.HUNG), 'd': grade.PASS}, jobs)
                    self.assertEqual([r['id'] for r in results if r['points']], ['d'], jobs)
                    self.assertEqual([r['id'] for r in results if r['message'].startswith('not run: 2 tests of p')], ['c', 'e'], jobs)
        finally:
            contain._wrapper = wrapped

    def test_a_program_that_changes_another_takes_all_points(self):
        class Two:
            public_points = None
            title, number, files, given, by_hand, parts_of, name_of, programs = 't', '1', [], [], 0, staticmethod(lambda _: []), ID, {n: {'name': n, 'limit_s': 9} for n in ('p', 'q')}
            tests = [{'id': n, 'program': n, 'task': '1.1', 'points': 1} for n in ('p', 'q')]

        class Fake(Builder):
            deed = ''

            def prepare(self, *_):
                pass

            def student(self, *_):
                return {}, {}

            def link(self, _, program, __, out):
                path = os.path.join(out, program['name'])
                write(path, '#!/bin/sh\n' + (self.deed if program['name'] == 'q' else '') + '\n' + OK)
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
            title, number, files, given, parts_of, name_of, programs = 't', '1', [], [], staticmethod(lambda _: []), ID, {'p': {'name': 'p', 'limit_s': 9}}
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
            parts_of, name_of = staticmethod(lambda p: p['files']), ID

        class Fake(Builder):
            def prepare(self, *_):
                pass

            def student(self, _, folder, __, ___, names):
                return {}, {n: f'{n} does not compile:\n{folder}/{n}:1: what?' for n in names if n == 'a.c'}

            def link(self, *_):
                return passing(self.folder)
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


if __name__ == '__main__':
    unittest.main()
