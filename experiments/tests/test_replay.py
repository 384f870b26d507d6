# SPDX-License-Identifier: MIT
"""Replays: a naive LRU and Belady's optimum beside the program's; E7 from end to end on a small file."""
import os
import random
import struct
import subprocess
import sys
import types
import unittest
from unittest import mock

from support import CELL, HERE, RUN, Scratch, plan_text
from lib import budget, dataset, plan, replay, report, results, rules, runner, session
from lib.program import Program

HEADER = 16


def naive_lru(accesses, frames):
    cache, misses = [], 0
    for page in accesses:
        if page in cache:
            cache.remove(page)
        else:
            misses += 1
            if len(cache) == frames:
                cache.pop(0)
        cache.append(page)
    return misses


def naive_optimum(accesses, frames):
    cache, misses = set(), 0
    for i, page in enumerate(accesses):
        if page not in cache:
            misses += 1
            if len(cache) == frames:
                later = accesses[i:]
                cache.remove(max(cache, key=lambda p: later.index(p) if p in later else len(later)))
            cache.add(page)
    return misses


class Keys(unittest.TestCase):
    def test_full_has_more_sizes_and_cells_and_quick_fewer_sizes(self):
        text = 'kind = "replay"\nframes = ["0.1", "0.5"]\nframes_full = ["0.05", "0.3"]\nfull = ["two"]\n' + plan_text(compares='')
        p = plan.parse(text.replace('aa = "one"\n', ''), 'E0.toml')
        names = {mode: [key for _, key in replay.keys(p, 1, ['verso'], mode)] for mode in ('quick', 'standard', 'tiny', 'full')}
        self.assertEqual(names['standard'], ['replay@0.1', 'one@0.1', 'replay@0.5', 'one@0.5'])
        self.assertEqual(names['quick'], names['standard'])
        fewer = plan.parse('frames_quick = ["0.3"]\n' + text.replace('aa = "one"\n', ''), 'E0.toml')
        self.assertEqual([key for _, key in replay.keys(fewer, 1, ['verso'], 'quick')], ['replay@0.3', 'one@0.3'])
        self.assertEqual([key for _, key in replay.keys(fewer, 1, ['verso'], 'standard')], names['standard'])
        self.assertEqual(len(names['tiny']), 2 * 3)
        self.assertEqual([key for key in names['full'] if key.startswith('two')], ['two@0.05', 'two@0.1', 'two@0.3', 'two@0.5'])


class Failures(unittest.TestCase):
    """What cannot be recorded or run is an invalid line; the rest goes on."""

    def setUp(self):
        self.plan = plan.load(os.path.join(os.path.dirname(HERE), 'plans', 'E7.toml'))
        self.keys = [key for _, key in replay.keys(self.plan, 1, ['verso'], 'quick')]
        self.written = []

    def lines(self):
        """The session as far as it is written."""
        return types.SimpleNamespace(head={'mode': 'quick', 'rounds': 1, 'engines': ['verso']},
                                     of_kind=lambda kind, *_: self.written if kind == 'replay' else [])

    def measure(self, prepare, one):
        """The keys of what is measured when the session begins, or goes on."""
        before = len(self.written)
        measuring = types.SimpleNamespace(
            head={'mode': 'quick'}, done=set(session.finished_jobs(self.lines())), program=types.SimpleNamespace(engines=['verso']),
            data=types.SimpleNamespace(folder='/nonexistent'), writer=types.SimpleNamespace(write=self.written.append),
            progress=types.SimpleNamespace(show=lambda *_, **__: None, finish=lambda s: None))
        with mock.patch.object(replay, '_prepare', prepare), mock.patch.object(replay, '_one', one):
            replay.measure(measuring, self.plan, 1)
        return [line['key'] for line in self.written[before:]]

    @staticmethod
    def right(_session, p, number, key, *_):
        return {**replay._about(p, number, key, 1), 'invalid': [], 'misses': None}

    def test_a_trace_that_cannot_be_recorded_makes_its_round_invalid(self):
        def refused(*_):
            raise rules.Refused('R5: cached')
        self.assertEqual(self.measure(refused, None), self.keys)
        self.assertEqual({tuple(line['invalid']) for line in self.written}, {('R5: cached',)})
        self.assertEqual(replay.table(self.written), {})
        self.assertTrue(replay.is_complete(self.plan, self.lines()))

    def test_a_budget_that_cannot_be_had_makes_one_line_invalid(self):
        calls = []
        def one(_session, p, number, key, *_):
            calls.append(key)
            if len(calls) % 2:
                raise budget.BudgetError('none')
            return {**replay._about(p, number, key, 1), 'invalid': ['other'], 'misses': None}
        self.assertEqual(self.measure(lambda *_: (100, 0), one), self.keys)
        self.assertEqual([line['invalid'] for line in self.written], [['none'] if i % 2 == 0 else ['other'] for i in range(len(calls))])
        self.assertEqual(self.measure(lambda *_: (100, 0), one), [])

    def test_a_disk_that_is_full_makes_lines_invalid_until_the_session_goes_on(self):
        def full(*_):
            raise dataset.DataError('no space')
        for prepare, one in ((full, None), (lambda *_: (100, 0), full)):
            self.assertEqual(self.measure(prepare, one), self.keys)
            self.assertEqual({tuple(line['invalid']) for line in self.written}, {('no space',)})
            self.assertFalse(replay.is_complete(self.plan, self.lines()))
        self.assertEqual(self.measure(lambda *_: (100, 0), self.right), self.keys)

    def real(self, pager, peak_bytes, **changes):
        """The line of a cell whose group held so much of 1000 bytes."""
        job = runner.Job({'pager': pager}, [], None, {}, 1, 1.0, 1000, 'group1')
        line = {'invalid': [], 'phases': [{'pager': {'misses': 5}, 'major_faults': 7}],
                'flags': ['R10: others used 30% of the CPU time', f'R10: {runner.NOTHING_BEFORE}'],
                'budget': {'kills': 0, 'peak_bytes': peak_bytes, 'limit_bytes': 1000, 'by_kernel': True}, **changes}
        with mock.patch.object(runner, 'run_cell', lambda *_: line):
            return replay._real(types.SimpleNamespace(job=lambda *_: job, program=types.SimpleNamespace(path='')), None, 1, 'x', 64, 0)

    def test_r3_a_map_that_did_not_fill_its_memory_is_invalid(self):
        for pager, peak, misses in (('mmap', 990, 7), ('mmap', 600, None), ('mmap', 1100, None), ('mmap', None, 7), ('bufpool', 600, 5)):
            line = self.real(pager, peak)
            self.assertEqual((line['misses'], line['peak_bytes']), (misses, peak))
            self.assertEqual([text[:3] for text in line['invalid']], ['R3:'] if misses is None else [])
        self.assertEqual(self.real('mmap', 600, phases=[], invalid=['the cell ended'])['invalid'], ['the cell ended'])

    def test_r10_others_at_work_are_flagged(self):
        self.assertEqual(self.real('mmap', 990)['flags'], ['R10: others used 30% of the CPU time'])

    def test_what_may_not_begin_now_is_measured_when_the_session_goes_on(self):
        def not_now(*_):
            raise rules.NotNow('R5: cached')
        def all_but_the_first(_session, p, number, key, *_):
            return not_now() if key == self.keys[0] else self.right(_session, p, number, key)
        for prepare, one, expected in ((not_now, None, self.keys), (lambda *_: (100, 0), all_but_the_first, self.keys),
                                       (lambda *_: (100, 0), self.right, self.keys[:1])):
            self.assertFalse(replay.is_complete(self.plan, self.lines()))
            self.assertEqual(self.measure(prepare, one), expected)
        self.assertTrue(replay.is_complete(self.plan, self.lines()))
        self.assertEqual([(line['key'], line['invalid']) for line in replay.last_lines(self.lines())], [(key, []) for key in self.keys])


@unittest.skipUnless(CELL, 'VERSO_CELL is not set')
class Replay(Scratch):
    def setUp(self):
        super().setUp()
        self.program = Program(CELL)

    def trace_of(self, accesses):
        """A trace file in which these pages are got, made from the header of a recorded one."""
        self.program.ask('load', f'--file={self.path("db")}', '--records=1000')
        self.program.ask('run', f'--file={self.path("db")}', '--records=1000', '--ops=1', '--seconds=60',
                         f'--trace={self.path("t")}')
        with open(self.path('t'), 'rb') as f:
            header = f.read(HEADER)
        with open(self.path('t'), 'wb') as f:
            f.write(header)
            for i, page in enumerate(accesses):
                f.write(self.event(i, page))
        return self.path('t')

    @staticmethod
    def event(i, page):
        return struct.pack('<QQIIBBB5x', i + 1, 1, page, 1, 0, 5, 0)

    def test_lru_and_the_optimum_are_those_of_forty_lines(self):
        dice = random.Random(5)
        accesses = [dice.randrange(12) for _ in range(400)]
        accesses = [p for i, p in enumerate(accesses) if i == 0 or p != accesses[i - 1]]
        path = self.trace_of(accesses)
        for frames in (1, 2, 3, 5, 8, 12):
            found = self.program.ask('replay', f'--file={path}', f'--frames={frames}')
            self.assertEqual(found['reads'], len(accesses))
            self.assertEqual(found['misses']['lru'], naive_lru(accesses, frames), frames)
            self.assertEqual(found['misses']['optimum'], naive_optimum(accesses, frames), frames)
            self.assertEqual(min(found['misses'].values()), found['misses']['optimum'])

    def test_regret_is_between_the_optimum_and_random(self):
        self.assertEqual(replay.regret(10, 10, 30), 0)
        self.assertEqual(replay.regret(30, 10, 30), 1)
        self.assertIsNone(replay.regret(5, 10, 10))

    def test_e7_runs_whole_goes_on_and_its_control_is_close(self):
        if not budget.CLASSES[budget.choose()[0]].by_kernel:
            self.skipTest('no memory limit of the kernel here')
        with open(os.path.join(os.path.dirname(HERE), 'plans', 'E7.toml'), encoding='utf-8') as f:
            text = f.read()
        lines = ['frames = ["0.3", "0.5"]' if line.startswith('frames =') else line for line in text.split('\n')]
        self.write('E7.toml', '\n'.join(lines))
        words = [sys.executable, RUN, 'E7', f'--plans={self.folder}', f'--cell={CELL}', f'--data={self.path("data")}',
                 f'--results={self.path("results")}', '--size=tiny', '--rounds=1', '--retries=0', '--seed=3']
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=100)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        folder = self.path('results')
        found, = results.sessions_in(os.path.join(folder, os.listdir(folder)[0]))
        lines = found.of_kind('replay')
        cells = len(report.plan_of(found, 'E7').cells)
        self.assertGreater(cells, 3)  # those of run full are in it
        self.assertEqual([line['invalid'] for line in lines], [[]] * 2 * (1 + cells))
        table = replay.table(lines)
        for row in table.values():
            self.assertGreater(row['map'][0], row['replay optimum'][0])
            self.assertLess(abs(row['pool'][0] / row['replay clock'][0] - 1), 0.05)
        self.assertIn('control', done.stdout)


if __name__ == '__main__':
    unittest.main()
