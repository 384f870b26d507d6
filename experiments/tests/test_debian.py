# SPDX-License-Identifier: MIT
"""keys = "debian": the graph of a small index, and the walks of the cell along a small graph."""
import json
import os
import subprocess
import unittest
from unittest import mock

from support import CELL, Scratch, plan_text
from lib import debian, plan, session
from lib.dataset import DataError, Dataset
from lib.program import Program

INDEX = '''Package: beta
Architecture: amd64
Pre-Depends: gamma (>= 1:2.0~) | delta
Depends: zlib:any [amd64],  mail-agent ,missing, beta

Package: alpha
Description: x
 Package: no field, but a line of a description
Depends: nowhere | delta, gamma

Package: gamma
Provides: mail-agent (= 1), other

Package: delta
Provides: mail-agent

Package: zlib
'''
RECORDS = 5000


class Graph(Scratch):
    def test_the_first_alternative_that_is_there_and_who_provides_a_name(self):
        self.assertEqual(debian.graph(INDEX), [('alpha', [2, 3]), ('beta', [3, 4, 2]), ('delta', []), ('gamma', []), ('zlib', [])])
        # beta: gamma, then zlib, then delta, the first by name that is a mail-agent; neither what is missing nor itself.

    def test_a_field_is_split_at_commas_and_bars(self):
        self.assertEqual(debian.alternatives('a (>= 1) | b:any, c [amd64] , '), [['a', 'b'], ['c']])
        self.assertEqual(debian.alternatives(None), [])

    def test_without_an_index_the_plan_is_skipped_with_a_reason(self):
        p = plan.parse(plan_text(workload='[workload]\nwork = "get"\nkeys = "debian"\n'), 'E0.toml')
        with mock.patch.object(debian, 'LISTS', self.folder), mock.patch.object(debian, 'INSTALLED', self.path('none')):
            self.assertIn('apt-get update', session.skip_reason(p, 'group1', ['verso']))
        self.write('status', INDEX)
        with mock.patch.object(debian, 'LISTS', self.folder), mock.patch.object(debian, 'INSTALLED', self.path('status')):
            self.assertIsNone(session.skip_reason(p, 'group1', ['verso']))
            with self.assertRaisesRegex(OSError, 'expected 1000 packages'):
                debian.write(self.path('out'))
            with mock.patch.object(debian, 'FEW', 5):
                debian.write(self.path('out'))
        with open(self.path('out'), encoding='ascii') as f:
            self.assertEqual(f.read(), '2 3\n3 4 2\n\n\n\n')


@unittest.skipUnless(CELL, 'VERSO_CELL is not set')
class Walks(Scratch):
    def setUp(self):
        super().setUp()
        self.data = Dataset(self.folder, Program(CELL), RECORDS)
        self.file = self.data.get()['path']

    def ask(self, *words):
        done = subprocess.run([CELL, 'run', f'--file={self.file}', f'--records={RECORDS}', '--seconds=60', *words], capture_output=True,
                              text=True, check=False, timeout=60)
        return done.returncode, done.stderr, json.loads(done.stdout)['phases'][0] if done.returncode == 0 else None

    def looks(self, record, graph, ops=2000):
        """How often a record is looked up."""
        status, errors, phase = self.ask('--keys=debian', f'--packages={graph}', f'--ops={ops}', f'--plant-wrong-at={record}')
        self.assertEqual((status, phase['ops'], phase['checked']), (0, ops, ops), errors)
        return phase['wrong']

    def test_each_walk_looks_up_what_it_needs_once(self):
        # 0 is needed by all; 3 needs 1 and 2, which need 0; a package has ten records.
        graph = self.write('graph', '\n0\n0\n1 2\n')
        found = [self.looks(10 * i, graph) for i in range(4)]
        self.assertEqual(sum(found), 2000)  # and nothing else is looked up
        walks = found[0]  # each has it once; the last may not have come to it
        alone = walks - found[3]  # begin at 0, 1 or 2
        self.assertAlmostEqual(found[1] + found[2] - 2 * found[3], alone * 2 / 3, delta=0.1 * alone)
        self.assertAlmostEqual(found[3], walks / 4, delta=0.1 * walks)

    def test_packages_that_are_more_than_records_share_them(self):
        graph = self.write('graph', '\n' * (3 * RECORDS))
        for record in (0, RECORDS - 1):
            self.assertGreater(self.looks(record, graph, 10 * RECORDS), 0)

    def test_a_file_that_is_no_graph_is_told(self):
        for text, why in (('', 'found none'), ('1\n', 'package 1 of 1'), ('0 x\n', 'expected numbers, found x'), ('99999999999\n', 'too large')):
            status, errors, _ = self.ask('--keys=debian', f'--packages={self.write("graph", text)}', '--ops=1')
            self.assertEqual(status, 3, text)
            self.assertIn(why, errors)
        for words in (('--keys=debian',), ('--packages=x',)):
            self.assertIn('belong together', self.ask(*words, '--ops=1')[1])
        self.assertIn('/nowhere/x', self.ask('--keys=debian', '--packages=/nowhere/x', '--ops=1')[1])

    def test_the_packages_of_this_machine_are_looked_up(self):
        if debian.why_not():
            self.skipTest(debian.why_not())
        try:
            about = self.data.packages()
        except DataError as error:
            self.skipTest(str(error))
        self.assertEqual(self.data.packages(), about)
        self.assertGreaterEqual(about['packages'], debian.FEW)
        status, errors, phase = self.ask('--keys=debian', f'--packages={about["path"]}', '--ops=20000')
        self.assertEqual((status, phase and phase['wrong']), (0, 0), errors)
        self.assertFalse(os.path.exists(about['path'] + '.part'))


if __name__ == '__main__':
    unittest.main()
