# SPDX-License-Identifier: MIT
"""Planted faults, each of which an experiment must name by a count: mutants that are killed by experiments.

    a map that sleeps a millisecond a get     E2, by sleeps an operation
    a pool that reads twice                   E3, by bytes read an operation
    a pool that loses a third of its frames   E7, by its control: it misses more often than CLOCK with as many
    a pool that evicts at random              E7, by the same
"""
import os
import subprocess
import sys
import unittest

from support import CELL, HERE, RUN, Scratch
from lib import budget, compare, replay, report, results, stats

ROUNDS = 3


@unittest.skipUnless(CELL, 'VERSO_CELL is not set')
class Planted(Scratch):
    def measure(self, experiment, rounds=ROUNDS):
        words = [sys.executable, RUN, experiment, f'--plans={self.folder}', f'--cell={CELL}', f'--data={self.path("data")}',
                 f'--results={self.path("results")}', '--size=tiny', f'--rounds={rounds}', '--retries=0', '--idle=0', '--seed=5']
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=170)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        folder = self.path('results')
        session, = results.sessions_in(os.path.join(folder, os.listdir(folder)[0]))
        return session

    def verdict(self, session, experiment, cell, base, phase, metric):
        runs = session.runs(experiment)
        c = compare.compare(runs, report.plan_of(session, experiment), cell, base, phase, metric)
        self.assertEqual(len(c.run_ids), 2 * ROUNDS, [r['invalid'] for r in runs])
        return c

    def test_e2_names_a_map_that_sleeps(self):
        self.write('E2.toml', E2)
        c = self.verdict(self.measure('E2'), 'E2', 'planted', 'map', 'whole', 'switches_per_op')
        self.assertEqual(c.verdict.word, stats.MORE, compare.sentence(c))
        # A get that sleeps does so once or more; one that does not has only what few pages take to come.
        self.assertGreaterEqual(c.values[0], 1.0)
        self.assertLess(c.values[1], 0.5)

    def test_e3_names_a_pool_that_reads_twice(self):
        self.write('E3.toml', E3)
        session = self.measure('E3')
        c = self.verdict(session, 'E3', 'planted', 'pool-get', 'whole', 'device_read_bytes_per_op')
        self.assertEqual(c.verdict.word, stats.MORE, compare.sentence(c))

    def test_e7_names_a_pool_that_loses_frames(self):
        self.check_e7('policy = "clock"\nplant-cache-share = 0.67', compare.FALSE)

    def test_e7_names_a_pool_that_evicts_at_random(self):
        self.check_e7('policy = "random"', compare.FALSE)

    def check_e7(self, planted, expected):
        if not budget.CLASSES[budget.choose()[0]].by_kernel:
            self.skipTest('no memory limit of the kernel here')
        with open(os.path.join(os.path.dirname(HERE), 'plans', 'E7.toml'), encoding='utf-8') as f:
            text = f.read().replace('policy = "clock"', planted).replace('ops-part = 0.03', 'ops-part = 0.1')
        self.write('E7.toml', '\n'.join('frames = ["0.4"]' if line.startswith('frames =') else line for line in text.split('\n')))
        session = self.measure('E7', 1)
        control = next(p for p in report.plan_of(session, 'E7').predictions if p['id'] == 'E7.control')
        result, text = replay.prediction_result(session.of_kind('replay', 'E7'), control)
        self.assertEqual(result, expected, (text, [line['invalid'] for line in session.of_kind('replay')]))


HEAD = 'id = "{}"\ntitle = "T"\nquestions = ["Q2"]\nasks = "?"\nswitch = "a planted fault"\n' \
       '[workload]\nwork = "get"\nkeys = "uniform"\nops = 400\nchecksum = "none"\n' \
       '[[phase]]\nname = "whole"\nuntil = "end"\nlimit_seconds = 60\n'
# So few pages are asked for so often that what is not planted hardly sleeps: a disk that others use makes a map sleep more often.
E2 = HEAD.format('E2').replace('"uniform"\nops = 400', '"hot"\npart = 0.004\nops = 1000') + '[[cell]]\nname = "map"\npager = "mmap"\nmadvise = "random"\n' \
    '[[cell]]\nname = "planted"\npager = "mmap"\nmadvise = "random"\nplant-sleep-us = 1000\n'
E3 = HEAD.format('E3') + '[[cell]]\nname = "pool-get"\npager = "bufpool"\n' \
    '[[cell]]\nname = "planted"\npager = "bufpool"\nplant-read-twice = true\n'


if __name__ == '__main__':
    unittest.main()
