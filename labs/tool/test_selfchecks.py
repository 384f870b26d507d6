#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The self-check of several labs: what one of them fails, all of them fail, and so does what takes too long together."""
import os
import queue
import sys
import unittest
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import main  # noqa: E402
import selfchecks  # noqa: E402


def ran(labs, *words):
    """(status, what is said) of the self-check of these labs: {number: (passed, cells)}."""
    said = []
    with mock.patch.object(selfchecks, 'apart', lambda n, *_: labs[n]), mock.patch.object(selfchecks, 'say', said.append):
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

    def test_process_that_breaks_off_has_not_passed(self):
        said, folders = [], queue.SimpleQueue()
        folders.put('build-labs')
        with mock.patch.object(selfchecks, 'say', said.append):
            self.assertEqual(selfchecks.apart('99', main.arguments(['selfcheck', 'all']), folders), (False, {}))
        self.assertRegex(said[0], '^99  lab: there is no lab 99')
        self.assertEqual(folders.get_nowait(), 'build-labs')


if __name__ == '__main__':
    unittest.main()
