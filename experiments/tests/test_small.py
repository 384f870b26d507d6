# SPDX-License-Identifier: MIT
"""Plans of the tree on tiny sizes, with the real cell: what each of them needs of the harness works, and its counts are sane."""
import os
import subprocess
import sys
import unittest

from support import CELL, RUN, Scratch, cut_plan
from lib import budget, cache, metrics, ramdisk, results, slow


@unittest.skipUnless(CELL, 'VERSO_CELL is not set')
class Small(Scratch):
    def setUp(self):
        super().setUp()
        if budget.choose()[0] not in budget.OWN_GROUP:
            self.skipTest('no memory group of our own here')

    def measure(self, experiment, cells, *changes):
        """Runs a plan's cells of these names once. changes: (pattern, text) in its TOML."""
        self.write(f'{experiment}.toml', cut_plan(experiment, cells, *changes))
        words = [sys.executable, RUN, experiment, f'--plans={self.folder}', f'--cell={CELL}', f'--data={self.path("data")}',
                 f'--results={self.path("results")}', '--size=tiny', '--rounds=1', '--retries=0', '--idle=0', '--seed=5', '--new']
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=200)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        folder = self.path('results')
        session = results.sessions_in(os.path.join(folder, os.listdir(folder)[0]))[-1]
        runs = {r['cell']: r for r in session.runs(experiment)}
        self.assertEqual(sorted(runs), sorted(cells))
        self.assertEqual({name: r['invalid'] for name, r in runs.items()}, {name: [] for name in cells})
        return runs

    def test_e4_counts_faults_in_the_call_and_after_it(self):
        runs = self.measure('E4', ['pool-1', 'map-1', 'map-1000'], ('memory_part = 0.1', 'memory_part = 0.6'), ('rate_.*\n', ''),
                            ('hold = 1000', 'hold = 50'))
        for name, hold in (('pool-1', 1), ('map-1', 1), ('map-1000', 50)):
            phase = metrics.phase_of(runs[name], 'full')
            self.assertGreater(phase['held'], 0)
            self.assertLessEqual(phase['ops'] - phase['held'], hold)
        pool, the_map = (metrics.phase_of(runs[name], 'full') for name in ('pool-1', 'map-1'))
        self.assertEqual((pool['faults_held'], pool['faults_call'], pool['faults_caller']), (0, 0, 0))
        self.assertGreater(the_map['faults_call'], 0)
        counted = the_map['faults_call'] + the_map['faults_caller'] + the_map['faults_held']
        self.assertLessEqual(counted, the_map['thread_major_faults'])

    def test_e13_a_map_is_warm_at_once_and_a_drop_undoes_it(self):
        runs = self.measure('E13', ['pool-again', 'map-again', 'map-drop'])
        read = {name: metrics.read(r, 'start', 'device_read_bytes_per_op') for name, r in runs.items()}
        self.assertLess(read['map-again'], 20)
        self.assertGreater(read['map-drop'], 50)
        self.assertGreater(read['pool-again'], 50)
        self.assertEqual({name: r['before'] for name, r in runs.items()},
                         {'pool-again': 'run', 'map-again': 'run', 'map-drop': 'run-drop'})

    def test_e13_processes_share_what_they_map(self):
        names = ['pool-4-processes', 'map-4-processes']
        runs = self.measure('E13', names, ('processes = 4', 'processes = 2'))  # four pools find no room in so little memory
        pool, the_map = (metrics.read(runs[name], 'start', 'device_read_bytes_per_op') for name in names)
        self.assertLess(the_map, 0.9 * pool)

    def test_e14_takes_half_and_gives_it_back(self):
        runs = self.measure('E14', ['pool', 'map'], ('part = 0.2', 'part = 0.35'))
        for r in runs.values():
            self.assertEqual([p.get('memory_share') for p in r['phases']], [1, None, 0.5, 1])
            self.assertGreater(metrics.phase_of(r, 'half')['device_read_bytes'], 0)
            half = [n for n, p in zip(r['series']['group_bytes'], r['series']['phase']) if p == 3]
            self.assertLessEqual(half[-1], 0.51 * r['budget']['limit_bytes'])
        sizes = [p['pager']['memory_bytes_max'] for p in runs['pool']['phases']]
        self.assertLess(sizes[2], 0.7 * sizes[1])
        self.assertGreater(sizes[3], 0.95 * sizes[1])

    def test_e17_each_broken_rule_is_noticed(self):
        runs = self.measure('E17', ['pool', 'pool-half', 'map-free', 'map-observer'])
        # A read of uring that has to write first is done by threads of the kernel, whose stacks do not fit into so little memory.
        runs |= self.measure('E17', ['pool-dirty'], ('wrong = "R7"', 'wrong = "R7"\nio = "sync"'))
        for name, rules in (('pool-half', ('R3',)), ('map-free', ('R5',)), ('map-observer', ('R9',)), ('pool-dirty', ('R7', 'R5'))):
            found = runs[name]['broken']
            self.assertEqual({text.partition(':')[0] for text in found}, set(rules), name)
        self.assertGreater(runs['pool-dirty']['file_before']['dirty_bytes'], 0)
        self.assertTrue(runs['pool-dirty']['file']['copied'])
        self.assertNotIn('broken', runs['pool'])
        self.assertAlmostEqual(runs['pool-half']['cache_bytes'], runs['pool']['cache_bytes'], delta=2 * cache.STEP_BYTES)  # it takes half
        self.assertEqual(metrics.phase_of(runs['map-free'], 'full')['device_read_bytes'], 0)


    def test_e1_a_chain_is_warm_like_a_hot_part(self):
        runs = self.measure('E1', ['map', 'map-chain'])
        for r in runs.values():
            self.assertLess(metrics.read(r, 'hit', 'device_read_bytes_per_op'), 200)

    def test_e2_a_part_of_the_size_has_a_part_of_the_memory(self):
        runs = self.measure('E2', ['map', 'map-quarter'], ('size_part = 0.25', 'size_part = 0.5'))
        whole, part = runs['map'], runs['map-quarter']
        self.assertAlmostEqual(part['file']['records'], whole['file']['records'] / 2, delta=1)
        self.assertEqual(part['budget']['limit_bytes'], whole['budget']['limit_bytes'] / 2)
        self.assertIsNotNone(metrics.read({**whole, 'quiet': True}, 'full', 'longest_silence_ms'))

    def test_e3_the_order_of_the_file_and_the_read_ahead_of_the_disk_are_seen_in_bytes(self):
        names = ['random-scan', 'random-shuffled-scan', 'populate-get']
        ahead = [] if ramdisk.why_not(64 << 20) else ['ahead-0-get', 'ahead-128-get']
        runs = self.measure('E3', names + ahead, ('size_part = 0.015625', 'size_part = 0.5'), ('ops = 1000', 'ops = 200'))
        needed = {name: metrics.read(r, 'whole', 'read_bytes_per_needed') for name, r in runs.items()}
        self.assertNotEqual(runs['random-scan']['file']['sha256'], runs['random-shuffled-scan']['file']['sha256'])
        self.assertGreater(needed['random-shuffled-scan'], 1.1 * needed['random-scan'])  # leaves that were split are not full
        if ahead:
            self.assertEqual([runs[name]['read_ahead_kb'] for name in ahead], ['0', '128'])
            self.assertGreater(needed['ahead-128-get'], 2 * needed['ahead-0-get'])

    def test_e16_a_slow_disk_reads_no_more_than_its_limit(self):
        if slow.why_not():
            self.skipTest(slow.why_not())
        runs = self.measure('E16', ['pool-10ms', 'map-10ms'], ('seconds = 0.5', 'seconds = 2'))
        for name, r in runs.items():
            phase = metrics.phase_of(r, 'full')
            self.assertLessEqual(phase['device_read_bytes'] / 4096, 20 + 2 * phase['ns'] / 1e6 / 10, name)
            self.assertGreater(phase['ops'], 0)


if __name__ == '__main__':
    unittest.main()
