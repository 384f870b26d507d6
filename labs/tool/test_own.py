#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Predictions, own tests, and what they are worth."""
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import grade  # noqa: E402
import main  # noqa: E402
import own  # noqa: E402
import reports  # noqa: E402
import traces  # noqa: E402
from common import GraderError, Lab, LabError, numbers, write  # noqa: E402
from test_common import PROGRAM, TEST, made  # noqa: E402


class Own(unittest.TestCase):
    """Predictions, own tests, and what they are worth."""

    def test_what_was_predicted(self):
        good = '{"P1": {"seed": 1, "answer": "9"}}'
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(own.noted(folder), {})
            for text, n in ((good, 1), ('', 0), ('[]', 0), ('{"P1": 9}', 0), ('{"P1": {"seed": "x", "answer": ""}}', 0), ('{', 0),
                            (good.replace('1,', 'Infinity,'), 0), (good.replace('1,', 'NaN,'), 0), ('[' * 100000, 0)):
                write(os.path.join(folder, 'predict.json'), text)
                self.assertEqual(len(own.noted(folder)), n, text[:80])
                self.assertEqual(reports.noted_in(folder), {}, text[:80])
            os.remove(os.path.join(folder, 'predict.json'))
            os.symlink('predict.json', os.path.join(folder, 'predict.json'))
            self.assertEqual((own.noted(folder), reports.noted_in(folder)), ({}, {}))

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

    def test_own_tests_are_not_judged_where_there_is_no_reference(self):
        lab, whole = Lab('2'), own.has_references
        own.has_references = lambda _: False
        try:
            with tempfile.TemporaryDirectory() as folder:
                self.assertEqual([row[0] for row in own.extras(lab, None, folder)], ['predictions', 'hours'])
        finally:
            own.has_references = whole

    def test_own_tests_that_fail_by_chance_on_the_reference_have_no_points(self):
        lab, n_runs = Lab('2'), []

        class Drawn(own.OwnTests):
            def __init__(self, *_):
                pass

            def close(self):
                pass

            def run(self, files):
                is_reference = files == own.references(lab)
                n_runs.append(is_reference)
                return (grade.FAIL if not is_reference or sum(n_runs) == self.fails_at else grade.PASS), 'by chance'
        whole, own.OwnTests = own.OwnTests, Drawn
        try:
            for Drawn.fails_at in (0, 1, 2, 4):
                n_runs.clear()
                found, n_all, wrong = own.judge(lab, None, '')
                self.assertEqual((len(found), bool(wrong)), (0, True) if Drawn.fails_at else (n_all, False))
                if not Drawn.fails_at:
                    n_reference = sum(n_runs)
                    self.assertTrue(n_runs[0] and n_runs[-1])
            Drawn.fails_at = n_reference
            n_runs.clear()
            found, _, wrong = own.judge(lab, None, '')
            self.assertEqual(found, [])
            self.assertIn(f'passed {n_reference - 1} times', wrong)
        finally:
            own.OwnTests = whole

    def test_hours_are_those_that_the_command_writes(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(own.hours_of(folder), 0)
            for text, hours in (('', 0), ('2.5\n', 2.5), ('2.5\n1\n', 3.5), ('many\n', 0), ('0\n', 0), ('-1\n', 0), ('nan\n', 0), ('101\n', 0)):
                write(os.path.join(folder, 'hours.txt'), text)
                self.assertEqual(own.hours_of(folder), hours, text)
            write(os.path.join(folder, 'hours.txt'), '')
            lab = type('L', (), {'number': '2', 'mine': folder, 'questions': [{'id': 'P1'}], 'own_tests': None, 'bugs': {}})
            self.assertEqual(own.extras(lab, None, folder)[1][:3], ('hours', 0, 1))
            self.assertEqual(main.hours(lab, main.arguments(['hours', '2', '2'])), main.OK)
            self.assertEqual(own.extras(lab, None, folder)[1], ('hours', 1, 1, '2 noted'))

    def test_reference_is_refused_where_there_is_none(self):
        whole, own.has_references = own.has_references, lambda _: False
        try:
            for what in (lambda: main.run(Lab('2'), main.arguments(['run', '2', 'curves', '--reference'])),
                         lambda: traces.trace(Lab('2'), main.arguments(['trace', '2', 'L4', '--reference'])),
                         lambda: reports.own_file('own-pool', True)):
                with self.assertRaisesRegex(LabError, "teacher's files of lab 2, and a pack does not have them"):
                    what()
        finally:
            own.has_references = whole

    def test_runs_that_were_refused_do_not_say_when_a_session_was_measured(self):
        for starts, n in (('aa', 1), ('ab', 0), (['a', 'a', None], 1), (['a', None, 'b'], 0), (['a', None], 0), ([None, None], 0)):
            found = type('Session', (), {'head': {'machine_id': 'm', 'session': 's'},
                                         'of_kind': lambda _self, _kind, starts=starts: [{'started': start} for start in starts]})
            self.assertEqual(len(reports.made_up(found())), n, starts)

    def test_debugger_that_is_not_there_is_named(self):
        class G:
            broken, lab = None, Lab('0')
        path = os.environ['PATH']
        try:
            with tempfile.TemporaryDirectory() as os.environ['PATH']:
                with self.assertRaisesRegex(LabError, 'apt-get install gdb'):
                    main.debug(G, G.lab.tests[0])
        finally:
            os.environ['PATH'] = path

    def test_answers_of_a_pack_come_from_green_code_or_not_at_all(self):
        lab, here = Lab('0'), {}
        self.assertEqual([t['id'] for t in own.tests_of(lab, {'tasks': ['0.2', '0.8']})][:4], ['H1', 'H2', 'H3', 'K1'])
        self.assertEqual(own.tests_of(lab, {}), [])

        class G:
            broken, run_all = None, lambda _, tests: [{**t, 'state': here['state'], 'points': 1, 'max_points': here['of']} for t in tests]

        class Mine(own.OwnCode):
            def __init__(self):
                self.lab, self.g = lab, G()

            def output(self, *_):
                if here['wrong']:
                    raise GraderError('status 1')
                return '3f\n'

        class Given(own.Oracle):
            def __init__(self):
                self.lab = lab

            def output(self, *_):
                return None
        q, p = {'id': 'P1', 'tasks': ['0.2', '0.7', '0.8']}, {'seed': 1, 'answer': '3f'}
        for state, of, wrong, said in ((grade.PASS, 1, False, '   right, says your own code'), (grade.SKIPPED, 1, False, '   right, says your own code'),
                                       (grade.PASS, 2, False, None), (grade.FAIL, 1, False, None), (grade.PASS, 1, True, None)):
            here.update(state=state, of=of, wrong=wrong)
            later = '\n    your own code answers here, once tasks 0.2, 0.7 and 0.8 are green: ./lab test 0'
            self.assertEqual(own.judged(q, p, Given(), Mine()), said or later)
        here.update(state=grade.PASS, of=1, wrong=False)
        self.assertEqual(own.judged(q, {**p, 'answer': '40'}, Given(), Mine()), '   but it is: 3f, says your own code')
        self.assertEqual(own.judged(q, p, Given(), None), '')
        G.broken = (grade.FAIL, 'page.c does not compile')
        self.assertIsNone(Mine().answer(q, 1))

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

    def test_images_differ_by_small_and_capital_letters(self):
        class Asked(own.Oracle):
            def __init__(self):
                pass

            def output(self, *_):
                return 'first:\n a a  m\n A A  m\nsecond:\n A A  M\n'
        images = {'id': 'P1', 'images': ['A A  M', 'a a  m', 'a A  m', 'A A  m']}
        self.assertEqual([Asked().answer({**images, 'section': section}, 1) for section in ('first:', 'second:')], ['2 4', '1'])

    def test_wrong_questions_and_programs(self):
        with self.assertRaises(GraderError):
            made(PROGRAM + 'files = ["b.c"]\n' + TEST)
        with self.assertRaises(LabError):
            own.own_of(made())
        for question in ('id = "P1"\nprogram = "p"\n', 'id = "P1"\ntext = "?"\nprogram = "p"\nchoice = ["a"]\n', 'id = "P1"\ntext = "?"\nprogram = "q"\n',
                         'id = "P1"\ntext = "?"\nprogram = "p"\ntasks = ["1.1"]\n'):
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


if __name__ == '__main__':
    unittest.main()
