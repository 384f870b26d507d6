# SPDX-License-Identifier: MIT
"""A session that was kept: what is read from its lines, and the summary, word by word.

usage: test_golden.py [--write]: writes golden/E2.txt anew, to be read before it is committed
"""
import os
import sys
import unittest

from support import HERE
from lib import compare, report, results

LINES, TEXT = (os.path.join(HERE, 'golden', name) for name in ('E2.jsonl', 'E2.txt'))


def summary():
    return '\n'.join(report.summary(results.Session(LINES))) + '\n'


class Golden(unittest.TestCase):
    def test_the_summary_is_what_it_was(self):
        with open(TEXT, encoding='utf-8') as f:
            self.assertEqual(summary(), f.read())

    def test_every_number_has_run_ids_of_the_session(self):
        session = results.Session(LINES)
        plan = report.plan_of(session, 'E2')
        ids = {r['id'] for r in session.runs('E2')}
        found = compare.comparisons(session.runs('E2'), plan)
        self.assertTrue(found)
        for c in found:
            self.assertTrue(set(c.run_ids) <= ids)
            self.assertEqual(c.found is None, not c.run_ids or min(c.values) == 0, c)

    def test_colour_marks_only_what_is_red(self):
        self.assertNotIn('\033', summary())


if __name__ == '__main__':
    if '--write' in sys.argv:
        with open(TEXT, 'w', encoding='utf-8') as file:
            file.write(summary())
        sys.exit(0)
    unittest.main()
