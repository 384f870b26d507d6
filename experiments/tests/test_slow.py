# SPDX-License-Identifier: MIT
"""A disk that is made slow: with a tree of cgroup files, and as root for real. The bound on reads is the kernel's limit, no speed."""
import os
import shutil
import types
import unittest
from unittest import mock

from support import CELL, Scratch
from lib import budget, readings, runner, slow
from lib.dataset import Dataset
from lib.program import Program

EACH_MS = 20
NUMBER = '8:16'


class Fakes(Scratch):
    def setUp(self):
        super().setUp()
        for patch in (mock.patch.object(readings, 'setting', lambda path: NUMBER if path.endswith('sdb/dev') else None),
                      mock.patch.object(budget, 'remove_group', shutil.rmtree), mock.patch.object(os, 'geteuid', lambda: 0)):
            patch.start()
            self.addCleanup(patch.stop)

    def roots(self, one, two):
        for module, name, value in ((slow, 'version1_root', one), (budget, 'version2_root', two)):
            patch = mock.patch.object(module, name, lambda value=value: value)
            patch.start()
            self.addCleanup(patch.stop)

    def text(self, path):
        with open(path, encoding='ascii') as f:
            return f.read()

    def test_version_1_has_a_group_of_its_own_that_goes_away(self):
        self.write(slow.V1_FILE, '')
        self.roots(self.folder, None)
        self.assertIsNone(slow.why_not())
        made = slow.Slow('sdb', None)
        folder = made.made
        self.assertEqual(os.path.dirname(folder), self.folder)
        made.attach(77)
        self.assertEqual(self.text(os.path.join(folder, 'cgroup.procs')), '77')
        for each_ms, limit in ((10, '100'), (1, '1000'), (5000, '1'), (None, '0')):
            made.set(each_ms)
            self.assertEqual(self.text(made.path), f'{NUMBER} {limit}')
        made.close()
        made.close()
        self.assertFalse(os.path.exists(folder))

    def test_version_2_uses_the_group_of_the_memory(self):
        self.write('cgroup.subtree_control', 'memory io')
        self.write(slow.V2_FILE, '')
        self.roots(None, self.folder)
        self.assertIsNone(slow.why_not())
        made = slow.Slow('sdb', types.SimpleNamespace(group=budget.Group(self.folder, 2)))
        made.attach(77)  # it is there already
        for each_ms, limit in ((10, 'riops=100'), (None, 'riops=max')):
            made.set(each_ms)
            self.assertEqual(self.text(self.path(slow.V2_FILE)), f'{NUMBER} {limit}')

    def test_reasons(self):
        self.roots(None, None)
        self.assertIn('CONFIG_BLK_DEV_THROTTLING', slow.why_not())
        with mock.patch.object(os, 'geteuid', lambda: 1000):
            self.assertIn('needs root', slow.why_not())
        with self.assertRaises(budget.BudgetError):
            slow.Slow(None, None)
        self.roots(self.path('nowhere'), None)
        with mock.patch.object(slow, '_by_version1', lambda: True), self.assertRaises(budget.BudgetError):
            slow.Slow('sdb', None)  # the group cannot be made
        with self.assertRaises(budget.BudgetError):
            slow.Slow('sdb', types.SimpleNamespace(group=budget.Group(None, 0)))  # a group without io.max


@unittest.skipUnless(CELL, 'VERSO_CELL is not set')
class Real(Scratch):
    def test_a_phase_of_some_seconds_has_no_more_reads_than_the_limit_lets_pass(self):
        if slow.why_not():
            self.skipTest(slow.why_not())
        data = Dataset(self.folder, Program(CELL), 60000)
        if not readings.disk_of(data.get()['path']):
            self.skipTest('the disk under the build is not known')
        phases = [{'name': 'full', 'seconds': 1}]
        job = runner.Job({'pager': 'mmap', 'checksum': 'none', 'work': 'get'}, phases, data, data.get(), 7, 1, 5 << 20,
                         budget.choose()[0], idle_s=0, slow_ms=EACH_MS)
        line = runner.run_cell(CELL, job)
        self.assertEqual(line['invalid'], [])
        full = line['phases'][0]
        self.assertLessEqual(full['device_read_bytes'] / 4096, 20 + 2 * full['ns'] / 1e6 / EACH_MS)
        self.assertGreater(full['ops'], 0)
        root = slow.version1_root()
        if root:
            self.assertEqual([n for n in os.listdir(root) if n.startswith(f'{budget.PREFIX}{os.getpid()}-')], [])


if __name__ == '__main__':
    unittest.main()
