#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The self-check of several labs: what one of them fails, all of them fail, and so does what takes too long together."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import main  # noqa: E402
import selfchecks  # noqa: E402
from common import LabError, TOOL, read, write  # noqa: E402


def ran(labs, *words):
    """(status, what is said) of the self-check of these labs: {number: (passed, cells)}."""
    said = []
    with mock.patch.object(selfchecks, 'by_process', lambda n, *_: labs[n]), mock.patch.object(selfchecks, 'say', said.append):
        status = selfchecks.main(list(labs), main.arguments(['selfcheck', 'all', *words]))
    return status, '\n'.join(said)


class OfLabs(unittest.TestCase):
    def test_passes_and_prints_one_table(self):
        status, said = ran({'0': (True, {'starter': '0 of 60', 'all': '200'}), '7': (True, {'all': '20'})})
        self.assertEqual(status, 0)
        self.assertIn('| lab | of the starter | all this |\n|---|---|---|\n| 0 | 0 of 60 | 200 |\n| 7 | - | 20 |\n', said)
        self.assertIn('\n2 labs passed, 0 failed; 220 s of processor time, ', said)

    def test_one_that_fails_is_named(self):
        status, said = ran({'0': (True, {'all': '1'}), '3': (False, {'all': '1'}), '5': (False, {})})
        self.assertEqual(status, 1)
        self.assertIn('1 labs passed, 2 failed (3) (5)', said)

    def test_budget_is_that_of_all(self):
        over = {'0': (True, {'all': f'{selfchecks.ALL_CPU_S - 1}'}), '1': (True, {'all': '1'})}
        status, said = ran(over)
        self.assertEqual(status, 1)
        self.assertIn(f'FAILED: the self-check of all labs takes {selfchecks.ALL_CPU_S} s of processor time', said)
        self.assertEqual(ran(over, '--runs', '20')[0], 0)  # more than is asked for each time
        self.assertEqual(ran({'0': (True, {'all': f'{selfchecks.ALL_QUICK_CPU_S}'}), '1': (True, {'all': '0'})}, '--quick')[0], 1)

    def test_json_is_the_table_of_one_lab_and_of_several(self):
        one = selfchecks.selfcheck.Check()
        one.n, one.cells = 1, {'all': '1'}
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(selfchecks.selfcheck, 'check_lab', lambda *_: one):
            path = os.path.join(folder, 'made', 'table.json')
            for labs in ({'0': (True, {'all': '1'})}, {'0': (True, {'all': '1'}), '3': (False, {})}):
                status, said = ran(labs, '--json', path)
                self.assertEqual(status, len(labs) - 1)
                self.assertEqual(json.loads(read(path)), {n: row for n, (_, row) in labs.items()})
                self.assertNotIn('|', said)
            self.assertEqual(ran({'0': None}), (0, '| lab | all this |\n|---|---|\n| 0 | 1 |'))

    def test_two_labs_at_a_time_never_build_in_one_folder(self):
        for words, n_at_a_time in (([], 2), (['--quick'], 1)):
            meet, used, taken = threading.Barrier(n_at_a_time), set(), []

            def by_process(_, args, folder):
                self.assertNotIn(folder, used)
                used.add(folder)
                taken.append(folder)
                meet.wait(20)  # breaks, where fewer run at a time
                self.assertLessEqual(len(used), n_at_a_time)
                meet.wait(20)
                used.remove(folder)
                return True, {}
            with mock.patch.object(selfchecks, 'by_process', by_process), mock.patch.object(selfchecks, 'say'):
                self.assertEqual(selfchecks.main(list('012345'), main.arguments(['selfcheck', 'all', '--build', '/b/', *words])), 0)
            self.assertEqual(set(taken), {'/b', '/b-2'} if n_at_a_time == 2 else {'/b'})

    def test_after_an_error_no_lab_begins(self):
        begun, returned = [], []

        def by_process(number, *_):
            begun.append(number)
            raise BrokenPipeError

        def in_turn(_, call, names):
            for n in names:
                try:
                    returned.append(call(n))
                except BrokenPipeError:
                    pass
            return []
        with mock.patch.object(selfchecks, 'by_process', by_process), mock.patch.object(selfchecks, 'say'):
            with self.assertRaises(BrokenPipeError):
                selfchecks.main(list('012345'), main.arguments(['selfcheck', 'all']))
            begun.clear()
            with mock.patch.object(selfchecks.selfcheck, 'at_a_time', in_turn):
                selfchecks.main(list('012345'), main.arguments(['selfcheck', 'all']))
        self.assertEqual((begun, returned), (['0'], [(False, {})] * 5))

    def test_option_that_would_be_ignored_is_refused(self):
        for words, text in ((['all', '--against', 'x'], '--against is for one lab'), (['all', '--variant', 'x'], '--variant is for one lab'),
                            (['0', '--variant', 'x', '--against', 'y'], '--against says nothing beside --variant')):
            with self.assertRaisesRegex(LabError, text):
                main.arguments(['selfcheck', *words])

    def test_variant_is_asked_for_the_same(self):
        asked = []
        with mock.patch.object(main.variants, 'copy'), mock.patch.object(main.variants.subprocess, 'run', lambda command, **_: asked.append(command) or mock.Mock(returncode=0)):
            self.assertEqual(main.main(['selfcheck', '0', 'bugs', '--variant', 'other_numbers', '--quick', '--runs', '4', '--json', 'x.json']), main.OK)
        args = main.arguments(asked[0][2:])
        self.assertEqual((args.lab, args.names, args.quick, args.runs, args.json, args.variant), ('0', ['bugs'], True, 4, os.path.abspath('x.json'), None))


class ByProcess(unittest.TestCase):
    """One lab by its process. But for the first of these tests it is a program that is no lab."""

    def test_lab_that_is_not_there(self):
        said = []
        with mock.patch.object(selfchecks, 'say', said.append):
            self.assertEqual(selfchecks.by_process('99', main.arguments(['selfcheck', 'all']), 'build-labs'), (False, {}))
        self.assertRegex(said[0], '^99  lab: there is no lab 99')
        self.assertEqual(said[1:], ['99  FAILED: the self-check of lab 99 broke off, with status 2'])

    def test_process_that_is_killed_has_not_passed(self):
        self.assertEqual(by_program('import os\nos.kill(os.getpid(), 9)'), ((False, {}), ['3  FAILED: the self-check of lab 3 broke off, with status -9']))

    def test_status_counts_beside_the_cells(self):
        writes = 'import sys\nprint("a\\nb")\nopen(sys.argv[-1], "w").write(\'{"3": {"all": "1"}}\')\nsys.exit('
        for status in (0, 1):
            self.assertEqual(by_program(f'{writes}{status})'), ((status == 0, {'all': '1'}), ['3  a', '3  b']))

    def test_process_is_asked_for_the_same(self):
        (_, said) = by_program('import sys\nfor word in sys.argv[1:]:\n\tprint(word)', 'bugs', 'own tests', '--quick', '--runs', '20')
        asked = main.arguments([line.removeprefix('3  ') for line in said[:-1]])
        whole = main.arguments(['selfcheck', '3', 'bugs', 'own tests', '--quick', '--runs', '20', '--build', '/b', '--json', asked.json])
        self.assertEqual(asked, whole)

    def test_busy_process_does_not_outlive_its_lab(self):
        kills_itself = 'import os, signal, subprocess, sys\nsubprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())])\nos.kill(os.getpid(), signal.SIGKILL)'
        # Whose output is read to its end, and the busy one has it too.
        done = subprocess.run([sys.executable, '-c', kills_itself, selfchecks.selfcheck.BUSY], capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (-signal.SIGKILL, '', ''))
        with subprocess.Popen([sys.executable, '-c', selfchecks.selfcheck.BUSY, str(os.getpid())]) as busy:
            with self.assertRaises(subprocess.TimeoutExpired):
                busy.wait(0.3)
            busy.kill()

    def test_process_that_is_interrupted_interrupts_all(self):
        for code in ('import sys\nsys.exit(130)', 'raise KeyboardInterrupt'):
            with self.assertRaises(KeyboardInterrupt):
                by_program(code)

    def test_ctrl_c_ends_all_and_starts_no_more(self):
        with tempfile.TemporaryDirectory() as folder:
            write(os.path.join(folder, 'lab'), 'import signal\nsignal.alarm(60)\nprint("begins", flush=True)\nwhile True:\n\tpass\n')
            code = ('import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n'  # a shell has it ignored in the background
                    f'sys.path.insert(0, {TOOL!r})\nimport main, selfchecks\nselfchecks.ROOT = {folder!r}\nsys.exit(main.main(["selfcheck", "all"]))')
            with subprocess.Popen([sys.executable, '-B', '-c', code], stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
                begun = [process.stdout.readline() for _ in range(2)]
                os.killpg(process.pid, signal.SIGINT)
                rest = process.stdout.read()  # to its end, which comes when the last of them has ended
            self.assertEqual(process.returncode, 130)
            self.assertEqual(sorted(begun), ['0  begins\n', '1  begins\n'])
            self.assertNotRegex(rest, r'(?m)^\d  begins$')


def by_program(code, *words):
    """What by_process() returns of a lab 3 that is this program, and what is said."""
    said = []
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(selfchecks, 'ROOT', folder), mock.patch.object(selfchecks, 'say', said.append):
        write(os.path.join(folder, 'lab'), code)
        return selfchecks.by_process('3', main.arguments(['selfcheck', 'all', *words]), '/b'), said


if __name__ == '__main__':
    unittest.main()
