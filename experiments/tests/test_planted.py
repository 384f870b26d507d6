# SPDX-License-Identifier: MIT
"""Planted faults, each of which an experiment of the tree must name by a count: mutants that are killed by experiments. The plans are
those of plans/, with fewer cells and sizes; the fault is planted into one of their cells.

    a map that sleeps a millisecond a get     E2, by sleeps an operation beside the pool's
    a pool that reads twice                   E3, by bytes read an operation beside the map's
    a pool that loses a third of its frames   E7, by its control: it misses more often than CLOCK with as many
    a pool that evicts at random              E7, by the same
    a pager that does not verify              H2 (test_hazards.py)
"""
import os
import re
import subprocess
import sys
import unittest

from support import CELL, HERE, RUN, Scratch, cut_plan
from lib import budget, compare, replay, report, results, stats

ROUNDS = 4


def a_cell(text, name, other, line):
    """The plan with one more cell: as that of a name, called otherwise, with one more line."""
    found = re.search(rf'(?m)^\[\[cell\]\]\nname = "{name}"\n(?:.+\n)+', text).group()
    return text.replace(found, found + '\n' + found.replace(f'"{name}"', f'"{other}"') + line + '\n')


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

    def needs_a_limit_of_the_kernel(self):
        if not budget.CLASSES[budget.choose()[0]].by_kernel:
            self.skipTest('no memory limit of the kernel here')

    def both(self, experiment, cells, planted, line, metric):
        """What a comparison of a plan says of a fault that is planted into one of its two cells, and of the same cell without it, run beside
        it: (Comparison, Comparison)."""
        self.write(f'{experiment}.toml', a_cell(cut_plan(experiment, cells), planted, 'planted', line))
        session = self.measure(experiment)
        runs, plan = session.runs(experiment), report.plan_of(session, experiment)
        the_pair = next(c for c in plan.compares if {c['cell'], c['base']} == set(cells) and metric in c['metrics'])
        found = []
        for name in ('planted', planted):
            pair = [name if the_pair[side] == planted else the_pair[side] for side in ('cell', 'base')]
            found.append(compare.compare(runs, plan, *pair, the_pair['phase'], metric))
            self.assertEqual(len(found[-1].run_ids), 2 * ROUNDS, [r['invalid'] for r in runs])
        return found

    def test_e2_names_a_map_that_sleeps(self):
        self.needs_a_limit_of_the_kernel()
        planted, sound = self.both('E2', ['map', 'pool'], 'map', 'plant-sleep-us = 1000', 'switches_per_op')
        self.assertEqual(planted.verdict.word, stats.MORE, compare.sentence(planted))
        # One sleep more a get. Where others use the disk a sound map may sleep more often than the pool too, but not by as much.
        self.assertGreater(planted.values[0], sound.values[0] + 0.5, compare.sentence(sound))
        for mine, other in zip(planted.found.points, sound.found.points):
            self.assertGreater(mine, other)

    def test_e3_names_a_pool_that_reads_twice(self):
        planted, sound = self.both('E3', ['random-get', 'pool-get'], 'pool-get', 'plant-read-twice = true', 'device_read_bytes_per_op')
        self.assertEqual(planted.verdict.word, stats.LESS, compare.sentence(planted))
        self.assertNotEqual(sound.verdict.word, stats.LESS, compare.sentence(sound))

    def test_e7_names_a_pool_that_loses_frames(self):
        self.check_e7('policy = "clock"\nplant-cache-share = 0.67', compare.FALSE)

    def test_e7_names_a_pool_that_evicts_at_random(self):
        self.check_e7('policy = "random"', compare.FALSE)

    def check_e7(self, planted, expected):
        self.needs_a_limit_of_the_kernel()
        with open(os.path.join(os.path.dirname(HERE), 'plans', 'E7.toml'), encoding='utf-8') as f:
            text = f.read().replace('policy = "clock"', planted).replace('ops-part = 0.03', 'ops-part = 0.1')
        self.write('E7.toml', '\n'.join('frames = ["0.4"]' if line.startswith('frames =') else line for line in text.split('\n')))
        session = self.measure('E7', 1)
        control = next(p for p in report.plan_of(session, 'E7').predictions if p['id'] == 'E7.control')
        result, text = replay.prediction_result(session.of_kind('replay', 'E7'), control)
        self.assertEqual(result, expected, (text, [line['invalid'] for line in session.of_kind('replay')]))


if __name__ == '__main__':
    unittest.main()
