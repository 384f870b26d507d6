#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The linter of Lab 7: each kind of bad report is refused, and by the rule that is meant (bad.toml); the model is accepted."""
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), 'tool'))

import main  # noqa: E402
import reports  # noqa: E402
from common import Lab, LabError, read, write  # noqa: E402

LAB = Lab('7')


class Folder:
    """A student's folder with the model report, its runs and predictions."""

    def __init__(self, folder):
        self.folder = folder
        text, lines, noted = reports.model(LAB)
        self.report, self.runs = os.path.join(folder, 'report.md'), os.path.join(folder, 'runs', 'machine', 'model.jsonl')
        write(self.report, text)
        write(self.runs, ''.join(json.dumps(line) + '\n' for line in lines))
        write(os.path.join(folder, 'predict.json'), json.dumps(noted))

    def lint(self, *words, demo=True):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            status = main.main(['lint', '7', *(words or (self.report, os.path.join(self.folder, 'runs'))), *['--demo'] * demo])
        return status, out.getvalue()


class Linter(unittest.TestCase):
    def test_each_bad_report_is_refused_by_its_rules_and_no_others(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, bad in reports.bad_reports(LAB).items():
                with self.subTest(name):
                    states, found = reports.judged(LAB, *reports.planted(LAB, name, bad), folder, bad.get('demo', True))
                    self.assertEqual(sorted(rule for rule, state in states.items() if state == reports.FAIL), sorted(bad['kills']), found)

    def test_model_is_accepted_and_every_rule_refuses_something(self):
        with tempfile.TemporaryDirectory() as folder:
            states, found = reports.judged(LAB, *reports.model(LAB), folder)
        self.assertEqual(set(states.values()), {reports.PASS}, found)
        self.assertEqual({rule for bad in reports.bad_reports(LAB).values() for rule in bad['kills']}, {rule['id'] for rule in LAB.rules})

    def test_template_passes_nothing(self):
        self.assertEqual(set(reports.of_template(LAB).values()), {reports.OPEN})
        # Nor does it with hypotheses that were noted, as long as nothing is measured.
        found, is_open = reports.lint(LAB, read(LAB.path('report.md')), reports.Runs([]), reports.model(LAB)[2])
        self.assertEqual({reports.state_of(rule['id'], found, is_open) for rule in LAB.rules}, {reports.OPEN})

    def test_command(self):
        with tempfile.TemporaryDirectory() as folder:
            f = Folder(folder)
            status, out = f.lint()
            self.assertEqual(status, main.OK, out)
            self.assertIn('12 of 12 rules hold', out)
            self.assertIn('H2  you said: less; the runs say: less (0.94', out)
            status, out = f.lint(demo=False)
            self.assertEqual(status, main.BAD)
            self.assertIn('20260101-120000-model was made by model.py', out)
            text = read(f.report)
            write(f.report, text.replace('= 0.93 [', '= 0.83 ['))
            status, out = f.lint()
            self.assertEqual(status, main.BAD)
            line = next(n for n, words in enumerate(text.split('\n'), 1) if 'With four times' in words)
            self.assertIn(f'line {line}: `E72 full rate: map-random / pool-uring = 0.83 [0.92, 0.94] less`: the runs say 0.93', out)
            self.assertIn('11 of 12 rules hold. A report is marked when all do', out)

    def test_what_cannot_be_read(self):
        with tempfile.TemporaryDirectory() as folder:
            f = Folder(folder)
            for words, says in (((f.report,), 'what against what'), ((f.report, '/nonexistent'), 'there are no runs at /nonexistent'),
                                (('/nonexistent', f.runs), '/nonexistent: No such file'), ((f.report, f.report), 'expected a session'),
                                (('--source', 'E72 full', f.runs), 'cannot be read')):
                status, out = f.lint(*words)
                self.assertEqual(status, main.USAGE, words)
                self.assertIn(says, out)

    def test_sources_are_printed_for_those_who_write(self):
        with tempfile.TemporaryDirectory() as folder:
            f = Folder(folder)
            for asked, found in (('E72 full rate: map-random / pool-uring', 'E72 full rate: map-random / pool-uring = 0.93 [0.92, 0.94] less'),
                                 ('E75 later rate: own-map / map-random', 'E75 later rate: own-map / map-random = 0.98 [0.97, 0.99] the same'),
                                 ('E71 hit cpu_ns_per_op: pool-uring', 'E71 hit cpu_ns_per_op: pool-uring = 621')):
                self.assertEqual(f.lint('--source', asked, f.runs), (main.OK, found + '\n'))
                report = read(os.path.join(f.folder, 'report.md')).replace('## Claims\n', f'## Claims\n\nA claim of its own. `{found}`\n')
                write(os.path.join(f.folder, 'other.md'), report)
                self.assertEqual(f.lint(os.path.join(f.folder, 'other.md'), f.runs)[0], main.OK)

    def test_no_runs_is_no_pass(self):
        with tempfile.TemporaryDirectory() as folder:
            f = Folder(folder)
            os.remove(f.runs)
            status, out = f.lint()
            self.assertEqual(status, main.BAD)
            self.assertIn('E71 was not measured; there are: no runs', out)
            for rule in ('L11', 'L12'):
                self.assertRegex(out, f'(?m)^{rule} .* NOT WRITTEN$')

    def test_experiment_in_two_sessions_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            f = Folder(folder)
            lines = [json.loads(line) for line in read(f.runs).splitlines()]
            lines[0]['session'] = 'other'
            write(f.runs.replace('model.jsonl', 'other.jsonl'), ''.join(json.dumps(line) + '\n' for line in lines))
            self.assertIn('E71 is in two sessions, 20260101-120000-model and other', f.lint()[1])


class Parts(unittest.TestCase):
    def test_numbers(self):
        for text, value, good in (('0.93', 0.934, True), ('0.93', 0.936, False), ('0.9', 0.934, True), ('10400', 10448, True), ('10400', 10460, False),
                                  ('10,400', 10448, True), ('10', 10.4, True), ('10', 12, False), ('100', 104, False), ('0', 0.0, True), ('0', 0.7, False),
                                  ('1.5e6', 1.54e6, True), ('1.5e6', 1.56e6, False), ('2e-05', 2.4e-5, True), ('1.00', 0.994, False)):
            self.assertEqual(reports.same(text, value), good, (text, value))
        for value in (0, 0.00012, 0.0134, 0.93, 3.98, 28.84, 621.3, 10396, 1550586):
            self.assertTrue(reports.same(reports.shown(value), value), value)

    def test_claims(self):
        text = '# t\n\n## Claims\n\n<!-- no\nclaim -->\n1. one `E72 full rate: a = 1`\n   goes on\n2. two\n\nthree\nthree\n### Head\n- four\n\n## Limits\n\nnot a claim\n'
        self.assertEqual([(c.line, c.text.split('`')[0].split('\n')[0].strip()) for c in reports.claims_of(text)], [(7, 'one'), (9, 'two'), (11, 'three'), (14, 'four')])
        self.assertEqual([len(c.sources) for c in reports.claims_of(text)], [1, 0, 0, 0])
        self.assertEqual(reports.claims_of('# t\n'), [])

    def test_names_are_no_numbers(self):
        claim = reports.Claim(1, 'As H1 and E72 say, `pool2` has 3 of 4 %.')
        self.assertEqual(list(reports.numbers_without_source(claim, [])), ['3', '4 %'])

    def test_hypotheses_are_noted_once_and_with_their_time(self):
        with tempfile.TemporaryDirectory() as folder:
            lab = type('L', (), {'number': '7', 'mine': folder, 'hypotheses': LAB.hypotheses})
            with contextlib.redirect_stdout(io.StringIO()):
                for words in (['H9', 'more'], ['H1', 'maybe'], ['H1']):
                    with self.assertRaises(LabError):
                        reports.predict(lab, main.arguments(['predict', '7', *words]))
                reports.predict(lab, main.arguments(['predict', '7', 'H1', 'the', 'same']))
                with self.assertRaisesRegex(LabError, 'first answer counts'):
                    reports.predict(lab, main.arguments(['predict', '7', 'H1', 'more']))
                reports.predict(lab, main.arguments(['predict', '7']))
            self.assertEqual(reports.noted_in(folder)['H1']['answer'], 'the same')
            self.assertRegex(reports.noted_in(folder)['H1']['noted'], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$')
            write(os.path.join(folder, 'predict.json'), '[3')
            self.assertEqual(reports.noted_in(folder), {})


class Commands(unittest.TestCase):
    def quiet(self, *words):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            return main.main(list(words)), out.getvalue()

    def test_commands_that_need_code_say_so(self):
        for command in ('test', 'grade', 'bugs', 'gradescope', 'classroom', 'trace', 'hint', 'run'):
            status, out = self.quiet(command, '7')
            self.assertEqual(status, main.USAGE, command)
            self.assertIn('lab 7 is a report', out)
        self.assertIn('lab 2 has code', self.quiet('lint', '2', 'a', 'b')[1])

    def test_files_to_measure_are_looked_at_before_anything_is_built(self):
        with tempfile.TemporaryDirectory() as folder:
            whole, reports.Lab = reports.Lab, lambda number: type('L', (), {'number': number, 'folder': LAB.folder, 'mine': folder})()
            try:
                with self.assertRaisesRegex(LabError, 'pool.c is not there.*--reference'):
                    reports.own_file('own-pool', False)
                write(os.path.join(folder, 'pool.c'), '\treturn LAB_TODO("2.9");\n\treturn LAB_TODO("2.11");\n')
                with self.assertRaisesRegex(LabError, 'pool.c is not finished: task 2.9 of Lab 2'):
                    reports.own_file('own-pool', False)
                write(os.path.join(folder, 'pool.c'), 'int done;\n')
                self.assertEqual(reports.own_file('own-pool', False)[1:], (folder, 'pool.c'))
            finally:
                reports.Lab = whole

    def test_the_cell_becomes_the_program_that_is_meant(self):
        with tempfile.TemporaryDirectory() as folder:
            paths = {}
            for name in ('engine', 'own-pool', 'own-map'):
                paths[name] = os.path.join(folder, f"it's {name}")
                write(paths[name], f'#!/bin/sh\necho {name} "$#" "$@"\n')
                os.chmod(paths[name], 0o755)
            cell = reports.dispatcher(folder, paths)
            for words, expected in ((['version'], 'engine 1 version'), (['run', '--io=uring', '--pager=bufpool'], 'engine 3 run --io=uring --pager=bufpool'),
                                    (['run', '--pager=bufpool', '--io=own', '--x=a b'], 'own-pool 3 run --pager=bufpool --x=a b'),
                                    (['run', '--io=own', '--pager=mmap'], 'own-map 2 run --pager=mmap'),
                                    (['run', '--cache=3145728', '--io=own'], 'own-pool 2 run --cache=6815744'),
                                    (['run', '--cache=3145728', '--io=sync'], 'engine 3 run --cache=3145728 --io=sync')):
                done = subprocess.run([cell, *words], capture_output=True, text=True, check=True)
                self.assertEqual(done.stdout.strip(), expected)
            before = read(cell)
            write(paths['own-map'], read(paths['own-map']) + '# another build\n')
            os.chmod(paths['own-map'], 0o755)
            self.assertNotEqual(read(reports.dispatcher(folder, paths)), before)


if __name__ == '__main__':
    unittest.main()
