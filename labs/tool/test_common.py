#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The files of a lab with mistakes: each is found, and said."""
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import main  # noqa: E402
import own  # noqa: E402
from common import GraderError, Lab, LabError, ROOT, write  # noqa: E402

PROGRAM = '[[program]]\nname = "p"\nsentence = "all_is_well"\nsources = []\nlimit_s = 1\n'
TEST = '[[test]]\nid = "T1"\nprogram = "p"\ntask = "1.1"\npoints = 1\nwhy = "w"\nlook = "l"\n'


def made(points=PROGRAM + TEST, bugs='', file='a.c'):
    """A lab of three small files."""
    with tempfile.TemporaryDirectory() as folder:
        write(os.path.join(folder, 'lab.toml'), f'title = "t"\nfiles = ["{file}"]\ngiven = []\nexports = ["f"]\nsymbols = ["free"]\n')
        write(os.path.join(folder, 'points.toml'), points)
        write(os.path.join(folder, 'bugs.toml'), bugs)
        return Lab('1', folder)


class Toml(unittest.TestCase):
    def test_good(self):
        self.assertEqual(made().test('T1')['points'], 1)
        with self.assertRaises(LabError):
            made().test('T2')

    def test_option_that_a_command_does_not_take_is_refused(self):
        for words, option in ((['pack', '2', 'x.tar.gz', '--seed', '1'], '--seed'), (['start', '2', '--seed=4'], '--seed'), (['test', '2', '--no-hints'], '--no-hints'),
                              (['predict', '2', '--private-seed', '3'], '--private-seed'), (['grade', '2', 'x', '--reference'], '--reference')):
            with self.assertRaisesRegex(LabError, f'^{option} says nothing to ./lab {words[0]}; it is for ./lab '):
                main.arguments(words)
        self.assertEqual(main.main(['pack', '2', 'x.tar.gz', '--seed', '4711']), main.USAGE)
        for words in (['grade', '2', 'x', '--private-seed', '0'], ['gradescope', '2', 'x.zip', '--private-seed=-1']):
            with self.assertRaisesRegex(LabError, 'expected a number above 0'):
                main.arguments(words)
        args = main.arguments(['pack', '2', 'x.tar.gz', '--base', 'mine'])
        self.assertEqual((args.base, args.seed, args.runs), ('mine', 1, 3))
        self.assertEqual([main.arguments(['test', '2', '--seed', n, '--all']).seed for n in '50'], [5, 0])
        self.assertEqual(set(main.TAKEN_BY) | {'build', 'command', 'lab', 'names'}, set(vars(args)))

    def test_a_reference_may_stand_elsewhere(self):
        here, there = made(), made(file='btree/a.c')
        self.assertEqual(here.files, there.files)
        self.assertEqual(here.path('a.c'), os.path.join(here.folder, 'a.c'))
        self.assertEqual(there.path('a.c'), os.path.join(ROOT, 'btree', 'a.c'))
        self.assertEqual(there.path('points.toml'), os.path.join(there.folder, 'points.toml'))

    def test_only_programs_that_are_no_tests_are_run(self):
        lab = made(PROGRAM + PROGRAM.replace('"p"', '"q"') + 'tool = true\n' + TEST)
        for words in ([], ['p'], ['r']):
            with self.assertRaisesRegex(LabError, 'there are: q'):
                main.run(lab, main.arguments(['run', '1', *words]))
        self.assertEqual(main.arguments(['run', '1', 'q', '--seed', 'x', '--json']).names, ['q', '--seed', 'x', '--json'])

    def test_mistakes(self):
        for points in (PROGRAM + TEST + TEST, PROGRAM + TEST.replace('"p"', '"q"'), PROGRAM + TEST + 'parent = "T9"\n',
                       PROGRAM + TEST + 'parent = "T1"\n', PROGRAM + TEST + 'given = true\n', PROGRAM + TEST.replace('why', 'because'), PROGRAM.replace('sentence', 'words') + TEST,
                       PROGRAM + '[[test'):
            with self.assertRaises(GraderError, msg=points):
                made(points)
        bug = '[b]\nfile = "a.c"\nold = "x"\nnew = "y"\nkills = ["T1"]\n'
        made(bugs=bug)
        for bugs in (bug.replace('T1', 'T2'), bug.replace('old', 'odd')):
            with self.assertRaises(GraderError, msg=bugs):
                made(bugs=bugs)

    def test_bug_that_drifted(self):
        for text in ('', 'x x'):
            with self.assertRaises(GraderError):
                own.changed({'a.c': text}, {'file': 'a.c', 'old': 'x', 'new': 'y'}, 'b')


if __name__ == '__main__':
    unittest.main()
