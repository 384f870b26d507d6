# SPDX-License-Identifier: MIT
"""The RAM disk: made, filled with the same bytes, measured on, and gone afterwards; or a reason."""
import os
import shutil
import subprocess
import sys
import types
import unittest
from unittest import mock

from support import CELL, RUN, Scratch, plan_text
from lib import dataset, plan, ramdisk, readings, results, session
from lib.program import Program

RAM = '[[cell]]\nname = "ram"\npager = "mmap"\nchecksum = "none"\ndisk = "ram"\n'


class RamDisks(Scratch):
    def leftovers(self):
        return [n for n in os.listdir(ramdisk.MEMORY) if n.startswith(f'hazard-{os.getpid()}-')]

    def why(self, user=0, lacks='', loops=True, free_bytes=1 << 40):
        """The reason on a machine like this; the file would take 1 GiB."""
        loops = self.folder if loops else self.path('nowhere')
        with mock.patch.object(os, 'geteuid', lambda: user), mock.patch.multiple(ramdisk, MEMORY=self.folder, LOOPS=loops), \
                mock.patch.multiple(shutil, which=lambda name: None if name == lacks else name,
                                    disk_usage=lambda _: types.SimpleNamespace(free=free_bytes)):
            return ramdisk.why_not(1 << 30)

    def test_each_reason_is_given_where_it_holds_and_none_where_none_does(self):
        self.assertIsNone(self.why())
        self.assertEqual(self.why(user=1000), 'a RAM disk needs root')
        self.assertEqual(self.why(lacks='losetup'), 'a RAM disk needs losetup: apt-get install e2fsprogs mount')
        self.assertEqual(self.why(loops=False), f'a RAM disk needs {self.path("nowhere")} and {self.folder}')
        needed = ramdisk.needed_bytes(1 << 30)
        self.assertEqual(self.why(free_bytes=needed - 1), f'a RAM disk needs {needed >> 20} MiB in {self.folder}, found {(needed - 1) >> 20}')
        self.assertIsNone(self.why(free_bytes=needed))

    def test_its_cells_are_left_out_with_the_reason(self):
        with mock.patch.object(os, 'geteuid', lambda: 1000):
            names, left_out = session.cells_here(plan.parse(plan_text(rest=RAM), 'E0.toml'), ['verso'])
        self.assertEqual((names, left_out), (['one', 'two'], [('ram', 'a RAM disk needs root')]))
        with self.assertRaises(plan.PlanError):
            plan.parse(plan_text(rest=RAM.replace('"ram"\n', '"tape"\n', 2)), 'E0.toml')

    @unittest.skipUnless(CELL, 'VERSO_CELL is not set')
    def test_the_same_bytes_lie_on_it_and_it_goes_away(self):
        if ramdisk.why_not(1 << 20):
            self.skipTest(ramdisk.why_not(1 << 20))
        data = dataset.Dataset(self.folder, Program(CELL), 5000)
        with ramdisk.RamDisk(data) as ram:
            here = ram.data.get()
            self.assertEqual(here['sha256'], data.get()['sha256'])
            self.assertNotEqual(here['path'], data.get()['path'])
            self.assertTrue(readings.disk_of(here['path']).startswith('loop'))
            self.assertEqual(ram.data.drop(here)['cached_bytes'], 0)
            self.assertEqual(len(self.leftovers()), 1)
            folder = ram.folder
        self.assertEqual((self.leftovers(), os.path.exists(folder)), ([], False))

    @unittest.skipUnless(CELL, 'VERSO_CELL is not set')
    def test_one_that_cannot_be_made_leaves_out_its_cells_with_the_reason(self):
        if os.geteuid() != 0:
            self.skipTest('a RAM disk needs root')
        self.write('E0.toml', plan_text(workload='[workload]\nwork = "get"\nops = 300\n', rest=RAM,
                                        phases='[[phase]]\nname = "full"\nuntil = "end"\n'))
        os.mkdir(self.path('bin'))
        os.chmod(self.write('bin/mount', '#!/bin/sh\necho operation not permitted >&2; exit 32\n'), 0o755)
        words = [sys.executable, RUN, 'E0', f'--plans={self.folder}', f'--cell={CELL}', f'--data={self.path("data")}',
                 f'--results={self.path("results")}', '--size=tiny', '--rounds=1', '--retries=0', '--idle=0']
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=100,
                              env={**os.environ, 'PATH': self.path('bin') + ':' + os.environ['PATH']})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        folder = self.path('results')
        found, = results.sessions_in(os.path.join(folder, os.listdir(folder)[0]))
        skipped, = found.of_kind('skip', 'E0')
        self.assertEqual((skipped['cell'], {r['cell'] for r in found.runs('E0')}), ('ram', {'one', 'two'}))
        self.assertIn('operation not permitted', skipped['reason'])
        again = session.resumable(os.path.join(folder, os.listdir(folder)[0]), found.head, [plan.load(self.path('E0.toml'))], found.head['engines'])
        self.assertIsNone(again)  # it is complete

    @unittest.skipUnless(CELL, 'VERSO_CELL is not set')
    def test_a_session_measures_on_it(self):
        if ramdisk.why_not(32 << 20):
            self.skipTest(ramdisk.why_not(32 << 20))
        self.write('E0.toml', plan_text(workload='[workload]\nwork = "get"\nops = 300\n', rest=RAM,
                                        phases='[[phase]]\nname = "full"\nuntil = "end"\n'))
        done = subprocess.run([sys.executable, RUN, 'E0', f'--plans={self.folder}', f'--cell={CELL}', f'--data={self.path("data")}',
                               f'--results={self.path("results")}', '--size=tiny', '--rounds=1', '--retries=0', '--idle=0'],
                              capture_output=True, text=True, check=False, timeout=100)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        folder = self.path('results')
        found, = results.sessions_in(os.path.join(folder, os.listdir(folder)[0]))
        runs = {r['cell']: r for r in found.runs('E0')}
        self.assertEqual({name: r['invalid'] for name, r in runs.items()}, {'one': [], 'two': [], 'ram': []})
        self.assertEqual(runs['ram']['file']['sha256'], runs['one']['file']['sha256'])
        self.assertGreater(found.head['machine']['ram_probe']['cold_ns'], 0)


if __name__ == '__main__':
    unittest.main()
