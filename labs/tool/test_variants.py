#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Other constants, and the student's own earlier labs, in a pack."""
import os
import sys
import tempfile
import tomllib
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import grade  # noqa: E402
import mklab  # noqa: E402
import own  # noqa: E402
import selfcheck  # noqa: E402
import variants  # noqa: E402
from common import GraderError, Lab, LabError, numbers, read, write  # noqa: E402


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

    def test_planted_bugs_of_all_variants_fit_their_solutions(self):
        n = 0
        for lab in map(Lab, numbers()):
            for name in variants.of(lab):
                solution = variants.solution(lab, name)
                self.assertEqual(solution.keys(), own.references(lab).keys())
                self.assertNotEqual(solution, own.references(lab), f'lab {lab.number}: {name} asks for nothing else')
                for bug, change in tomllib.loads(self.of_variant(lab, name, 'bugs.toml')).items():
                    n += 1
                    self.assertNotEqual(own.changed(solution, change, bug), solution)
        self.assertGreater(n, 0)

    @staticmethod
    def of_variant(lab, name, file):
        """The text of one of the lab's files in a variant."""
        path = f'labs/lab{lab.number}/{file}'
        return variants.changed({path: read(lab.path(file)).encode()}, [c for c in variants.changes(lab, name) if c['file'] == path])[path].decode()

    def test_only_what_the_variant_says_is_changed_in_a_solution(self):
        text = self.GOOD.replace('"a.c"', '"labs/lab2/pool.c"').replace('"x"', '"#include <errno.h>"')
        with tempfile.TemporaryDirectory() as folder:
            write(os.path.join(folder, 'variants.toml'), text)

            class Two(Lab):
                def path(self, *names):
                    return os.path.join(folder, *names) if names[0] == 'variants.toml' else super().path(*names)
            solution, usual = variants.solution(Two('2'), 'v'), own.references(Lab('2'))
            self.assertEqual(solution['policies.c'], usual['policies.c'])
            self.assertEqual(solution['pool.c'], usual['pool.c'].replace('#include <errno.h>', 'y'))

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
                        write(os.path.join(folder, number, name), text + '/* mine: \udcfc */\n')  # ü, in Latin-1
                made, taken = variants.on_mine(plain, lab)
                self.assertEqual(taken, ['0'])
                self.assertEqual({name for name in made if made[name] != plain[name]}, {'pager/page.c', 'io/transfer.c'})
                self.assertTrue(made['pager/page.c'].endswith(b'/* mine: \xfc */\n'))
                write(os.path.join(folder, '0', 'page.c'), mklab.starters(Mine('0'))['page.c'])
                with self.assertRaisesRegex(LabError, 'lab 0 is not finished: task 0.1'):
                    variants.on_mine(plain, lab)
            finally:
                variants.Lab, variants.numbers = Lab, whole


class AnotherYear(unittest.TestCase):
    """The proof that a solution of another variant loses points."""

    def bad(self, *found):
        """What is wrong when these results, of state, points and message, are found."""
        rs = [{'id': f'T{i}', 'state': state, 'points': points, 'max_points': 2, 'message': message} for i, (state, points, message) in enumerate(found)]
        check, whole, say = selfcheck.Check(), selfcheck.results, selfcheck.say
        selfcheck.results, selfcheck.say = lambda *_: rs, lambda _: None
        try:
            selfcheck.another_year(Lab('2'), None, {}, 'last year', check)
        finally:
            selfcheck.results, selfcheck.say = whole, say
        return check.bad

    def test_a_solution_that_fails_a_test_is_what_is_wanted(self):
        for state in (grade.FAIL, grade.CRASHED, grade.HUNG):
            self.assertEqual(self.bad((grade.PASS, 2, ''), (state, 0, 'expected 3, found 2')), [])

    def test_a_solution_with_all_points_is_a_fault(self):
        self.assertRegex(self.bad((grade.PASS, 2, ''))[0], 'last year loses no points: 2 of 2')
        # Points that nobody could have, or that the grader lost, are no proof.
        self.assertRegex(self.bad((grade.PASS, 2, ''), (grade.ERROR, 0, 'x'))[0], 'loses no points')
        self.assertRegex(self.bad((grade.PASS, 2, ''), (grade.TODO, 0, 'x'))[0], 'loses no points')

    def test_what_cannot_be_run_here_proves_nothing(self):
        self.assertEqual(self.bad((grade.PASS, 2, ''), (grade.SKIPPED, 0, 'no disk')), [])

    def test_a_solution_that_is_not_built_is_a_fault(self):
        for message in ('node.c does not compile:', 'your files do not link into nodes'):
            self.assertRegex(self.bad((grade.FAIL, 0, message))[0], 'not even built')


if __name__ == '__main__':
    unittest.main()
