#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The slides are those of the handouts, and each page has its pictures in it."""
import base64
import os
import re
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import slides  # noqa: E402
from common import Lab, numbers, read  # noqa: E402


class Slides(unittest.TestCase):
    def test_committed_slides_are_those_of_the_handouts(self):
        for lab in map(Lab, numbers()):
            self.assertEqual(read(slides.path_of(lab)), slides.page(lab), f'run ./lab slides {lab.number}')

    def test_each_lab_has_its_pictures_words_and_questions(self):
        for lab in map(Lab, numbers()):
            names = [name for name, _ in slides.slides_of(lab)]
            for name in ('One picture', 'You will be able to', 'Invariants', 'Experiment', 'Questions'):
                self.assertIn(name, names, f'lab {lab.number}')

    def test_a_page_stands_alone_and_says_what_its_pictures_show(self):
        for lab in map(Lab, numbers()):
            text = slides.page(lab)
            pictures = re.findall(r'<img src="data:image/svg\+xml;base64,([^"]+)" alt="([^"]{20,})">', text)
            self.assertEqual(len(pictures), len(re.findall(r'(?m)^!\[', read(lab.path('handout.md')))), f'lab {lab.number}')
            for data, _ in pictures:
                self.assertIn(b'<svg', base64.b64decode(data))
            self.assertEqual(re.findall(r'(?:src|href|srcset)="(?!data:|#)[^"]*"|url\([^)]*\)|@import', text), [], f'lab {lab.number}')

    def test_what_a_handout_may_have(self):
        self.assertEqual(slides.shown('- a `b`\n  c\n- **d**', '2'), '<ul>\n<li>a <code>b</code>\n  c</li>\n<li><strong>d</strong></li>\n</ul>\n')
        self.assertEqual(slides.shown('1. a\n2. *b*', '2'), '<ol>\n<li>a</li>\n<li><em>b</em></li>\n</ol>\n')
        self.assertEqual(slides.shown('4. d', '2'), '<ol start="4">\n<li>d</li>\n</ol>\n')
        self.assertEqual(slides.shown('    a < b\n\n    c', '2'), '<pre>a &lt; b\n\nc</pre>\n')
        self.assertIn('<tr><th>a</th></tr>\n<tr><td>b</td></tr>', slides.shown('| a |\n|---|\n| b |', '2'))
        self.assertEqual(slides.shown('see [the page](page.h), 2 * 3 * 4', '2'), '<p>see the page, 2 * 3 * 4</p>\n')
        self.assertIn('" alt="a &quot;b&quot;">', slides.shown('![a "b"](picture.svg)', '2'))

    def test_an_example_of_a_task_ends_where_the_next_part_begins(self):
        task = '*Contract*: a.\n\n*Example*: b.\n\n    c\n\nd\n\n*You need not* e.\n\nNow these pass: Z1.\n'
        self.assertEqual(slides.examples(task), ['*Example*: b.', '    c', 'd'])
        self.assertEqual(slides.examples('*Contract*: a.\n'), [])
        self.assertEqual(slides.examples('*Example of a*: b.\n\n*Trap*: c.\n\n*Another example*: d.\n\n    e\n'),
                         ['*Example of a*: b.', '*Another example*: d.', '    e'])


if __name__ == '__main__':
    unittest.main()
