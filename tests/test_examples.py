#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The examples print what they should, on both pagers, on a new database and on the one that they left.

usage: test_examples.py FOLDER ROOT

FOLDER has the programs. Each is as short as it promises to be, and leaves a database that is whole for the next
run.
"""
import os
import subprocess
import sys
import tempfile
import unittest

import unit_main

FOLDER, ROOT = (os.path.abspath(p) for p in sys.argv[1:3])
PAGERS = ([], ['mmap'])

TEXT = '''The sea is the sea, and the wind
blows over the hills
down to the Sea.
'''


class Examples(unittest.TestCase):
    def check(self, name, first, second=None, stdin=''):
        """What the example prints in the first and in the second run."""
        program = os.path.join(FOLDER, name)
        if not os.path.exists(program):
            self.skipTest(f'{name} is not built: no compiler for it')
        for pager in PAGERS:
            with self.subTest(pager=pager), tempfile.TemporaryDirectory() as folder:
                for expected in (first, first if second is None else second):
                    done = subprocess.run([program, 'a.verso', *pager], cwd=folder, input=stdin, check=False, text=True,
                                          capture_output=True, timeout=120)
                    self.assertEqual((done.returncode, done.stderr), (0, ''))
                    self.assertEqual(done.stdout, expected)

    def test_word_index(self):
        self.check('word_index', '3 lines, 13 records\nthe: 1 2 3\nsea: 1 3\nse:\n', stdin=TEXT)

    def test_job_queue(self):
        self.check('job_queue',
                   '0 jobs were running\njob 1 is taken\njob 2 is taken\njob 3 is taken\n',
                   '1 jobs were running\njob 3 is taken\n')

    def test_time_series(self):
        self.check('time_series',
                   'cellar: 288 measurements, 8 to 31, mean 19.5\n'
                   'roof: 36 measurements, -5 to 0, mean -2.5\n'
                   'cellar: 144 measurements, 8 to 31, mean 19.5\n'
                   'roof: 288 measurements, -5 to 18, mean 6.5\n'
                   'garden: 0 measurements\n')

    def test_documents(self):
        self.check('documents',
                   'Knuth\n  0101: Fundamental Algorithms\n  0102: Seminumerical Algorithms\n'
                   '  0103: Sorting and Searching\nKnut\nGray\n')

    def test_readers(self):
        self.check('readers', '200 transactions, 4 readers, 0 without a sum, 0 wrong sums\n')

    def test_raii(self):
        self.check('raii', '1737 km\n')

    def test_a_database_that_cannot_be_opened_is_a_message(self):
        for name in sorted(os.listdir(FOLDER)):
            program = os.path.join(FOLDER, name)
            if os.path.isfile(program) and os.access(program, os.X_OK) and '.' not in name:
                with tempfile.TemporaryDirectory() as folder:
                    done = subprocess.run([program, folder], check=False, text=True, capture_output=True, input='')
                self.assertEqual(done.returncode, 1, name)
                self.assertIn(folder, done.stderr)

    def test_they_are_as_short_as_promised(self):
        names = [n for n in os.listdir(os.path.join(ROOT, 'examples')) if n.endswith(('.c', '.cc'))]
        self.assertEqual(len(names), 6)
        for name in names:
            with open(os.path.join(ROOT, 'examples', name), encoding='utf-8') as f:
                self.assertLessEqual(len(list(f)), 40 if name == 'raii.cc' else 149, name)


if __name__ == '__main__':
    unit_main.main()
