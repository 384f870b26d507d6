#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Other constants, and the student's own earlier labs, in a pack."""
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import mklab  # noqa: E402
import own  # noqa: E402
import variants  # noqa: E402
from common import GraderError, Lab, LabError, numbers, write  # noqa: E402


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


if __name__ == '__main__':
    unittest.main()
