# SPDX-License-Identifier: MIT
"""What is counted in sources: known answers, and the sources of the tree."""
import os
import re
import types
import unittest
from unittest import mock

from support import HERE, Scratch, plan_text
from lib import code, compare, plan

TEXT = '''/* a comment
 * of two lines */
#include <x.h> // and one behind

enum state {
	ONE, /* first */
	TWO
};
struct x {
	pthread_mutex_t lock; /* not pthread_mutex_t other; */
	_Atomic int n;
};
static const char *s = "/* no comment */ ASSERT(";

static int f(int c)
{
	ASSERT(c != '"');
	return c; // _Atomic
}
'''


class Code(Scratch):
    def test_known_answers(self):
        self.assertEqual(code.count(TEXT), {'lines': 15, 'functions': 1, 'states': 2, 'locks': 1, 'atomics': 1, 'checks': 1, 'tests': 0})
        self.assertEqual(code.lines_of('/* a */ int x; /* b\n */ int y;\n\n'), 2)
        self.assertEqual(code.count('START_TEST(a)\n{\n}\nEND_TEST\n/* START_TEST(b) */')['tests'], 1)

    def test_sources_that_are_not_there_are_told(self):
        with self.assertRaises(code.CodeError) as caught:
            code.count_files(self.folder, ['*.c'])
        self.assertIn('no such file', str(caught.exception))

    def test_the_tree_is_counted_and_its_lines_agree_with_a_second_count(self):
        p = plan.load(os.path.join(os.path.dirname(HERE), 'plans', 'E15.toml'))
        for cell in p.cells:
            found = code.counts(code.ROOT, cell)
            self.assertGreater(found['lines'], 100)
            self.assertEqual(found['tests'] > 0, 'tests' in cell)
            self.assertEqual(found['faults'] > 0, 'planted' in cell)
        path = os.path.join(code.ROOT, 'mmap', 'heap.c')
        with open(path, encoding='utf-8') as f:
            text = f.read()
        left = re.sub(r'/\*.*?\*/', lambda m: re.sub(r'[^\n]', '', m.group()), text, flags=re.S)
        self.assertEqual(code.lines_of(text), sum(1 for line in left.splitlines() if line.strip()))

    def test_planted_faults_are_those_that_a_test_must_name(self):
        self.write('bugs.toml', '# [no]\n[one]\nold = "[x]"\nkills = ["A"]\n[two]\nkills = ["B", "C"]\n')
        self.write('a.c', 'int x;\n')
        self.assertEqual(code.counts(self.folder, {'files': ['a.c'], 'planted': ['*.toml', 'a.c']})['faults'], 3)
        self.assertEqual(code.counts(self.folder, {'files': ['a.c']})['faults'], 0)
        self.write('bugs.toml', '[one]\nkills = []\n')
        for planted in (['*.toml'], ['none.toml']):
            self.assertRaises(code.CodeError, code.counts, self.folder, {'files': ['a.c'], 'planted': planted})

    def test_what_cannot_be_counted_is_an_invalid_line_and_the_session_goes_on(self):
        p, written = plan.load(os.path.join(os.path.dirname(HERE), 'plans', 'E15.toml')), []
        session = types.SimpleNamespace(done=(), writer=types.SimpleNamespace(write=written.append), of_kind=lambda *_: written)
        self.write('not-utf-8.c', '')
        with open(self.path('not-utf-8.c'), 'wb') as f:
            f.write(b'\xff')
        with mock.patch.object(code, 'ROOT', self.folder):
            code.measure(session, p)
            broken = types.SimpleNamespace(id='E15', hash='', cells=[{'name': 'x', 'files': ['not-utf-8.c']}])
            code.measure(session, broken)
        self.assertEqual([line['cell'] for line in written], [c['name'] for c in p.cells] + ['x'])
        self.assertTrue(all(len(line['invalid']) == 1 and line['counts'] == {} for line in written), written)
        self.assertTrue(code.is_complete(p, session))
        text = '\n'.join(code.summary(session, p))
        self.assertIn(f'invalid: {p.cells[0]["name"]}: ', text)
        self.assertIn('no such file', text)
        self.assertNotIn(compare.TRUE, text)

    def test_a_session_of_before_has_fewer_counts(self):
        lines = [{'cell': 'pool', 'counts': {'lines': 2, 'tests': 1}}]
        self.assertEqual(code.kinds_of(lines), ['lines', 'tests'])
        self.assertEqual(code.kinds_of([*lines, {'cell': 'map', 'counts': {'faults': 1}}]), ['lines', 'tests', 'faults'])

    def test_predictions_are_of_the_ratio_of_two_counts(self):
        lines = [{'cell': name, 'counts': {'lines': n}} for name, n in (('pool', 200), ('map', 100))]
        p = {'cell': 'pool', 'base': 'map', 'metric': 'lines', 'low': 1.5, 'high': 3}
        self.assertEqual(code.prediction_result(lines, p), (compare.TRUE, '2.00'))
        self.assertEqual(code.prediction_result(lines, {**p, 'low': 2.5})[0], compare.FALSE)
        self.assertEqual(code.prediction_result(lines[:1], p)[0], compare.OPEN)

    def test_files_belong_to_plans_of_this_kind(self):
        for text in (plan_text(rest='[[cell]]\nname = "x"\nfiles = ["a"]\n'), 'kind = "code"\n' + plan_text(compares='')):
            with self.assertRaises(plan.PlanError) as caught:
                plan.parse(text, 'E0.toml')
            self.assertIn('"files"', str(caught.exception))
        self.assertRaises(plan.PlanError, plan.parse, plan_text(rest='[[cell]]\nname = "x"\nplanted = ["a"]\n'), 'E0.toml')


if __name__ == '__main__':
    unittest.main()
