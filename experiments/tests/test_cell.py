# SPDX-License-Identifier: MIT
"""The cell itself, and runs of it that break rules for real. VERSO_CELL is the program."""
import json
import mmap
import os
import ctypes
import signal
import subprocess
import sys
import time
import unittest

from support import CELL, Scratch
from lib import budget, cache, guard, rules, runner, within
from lib.dataset import Dataset, sha256
from lib.live import READY, Live
from lib.program import Program, ProgramError

RECORDS = 60000  # 7 MB
MEMORY = 5 << 20


@unittest.skipUnless(CELL, 'VERSO_CELL is not set')
class Cell(Scratch):
    def setUp(self):
        super().setUp()
        self.program = Program(CELL)

    def ask(self, *words, stdin=''):
        done = subprocess.run([CELL, *words], input=stdin, capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def test_buckets_are_log_linear_and_the_maximum_exact(self):
        times = [0, 1, 31, 32, 63, 64, 65, 66, 1000, 1023, 10 ** 6, 10 ** 6 + 1, 3 * 10 ** 9 + 7]
        _, out, _ = self.ask('histogram', stdin='\n'.join(str(t) for t in times))
        found = json.loads(out)
        self.assertEqual(found['max_ns'], 3 * 10 ** 9 + 7)
        self.assertEqual(sum(n for _, n in found['histogram']), len(times))
        expected = {}
        for t in times:
            step = 1 if t < 64 else 1 << (t.bit_length() - 6)
            low = t // step * step
            self.assertLess(t - low, max(1, t / 32 + 1))
            expected[low] = expected.get(low, 0) + 1
        self.assertEqual({low: n for low, n in found['histogram']}, expected)

    def test_arguments_that_make_no_sense_are_told(self):
        for words, text in ((('run',), '--file and --records are needed'), (('run', '--what=1'), 'unknown option --what'),
                            (('run', '--threads=0'), '--threads cannot be 0'), (('run', '--keys=x'), '--keys cannot be x'),
                            (('run', 'x'), 'expected --OPTION=VALUE'), (('run', '--file=/nowhere/x', '--records=5'), '/nowhere/x'),
                            (('run', '--file=x', '--records=5', '--work=update', '--threads=2'), 'one writer'),
                            (('run', '--file=x', '--records=5', '--work=scan', '--engine=device'), 'cannot scan'),
                            (('run', '--file=x', '--records=5', '--work=update-gets', '--engine=device'), 'cannot write'),
                            (('run', '--file=x', '--records=5', '--hold=2', '--batch=2'), 'single gets'),
                            (('run', '--file=x', '--records=5', '--processes=2', '--work=scan'), 'get, and have no trace'),
                            (('run', '--file=x', '--records=5', '--processes=2', '--trace=t'), 'get, and have no trace'),
                            (('run', '--file=x', '--records=5', '--processes=8', '--threads=8'), 'fewer than 64 threads'),
                            (('run', '--file=x', '--records=5', '--hold=2001'), '--hold cannot be 2001'),
                            (('run', '--file=x', '--records=5', '--hold=2', '--engine=device'), 'single gets')):
            status, out, errors = self.ask(*words)
            self.assertEqual((status, out), (3, ''), words)
            self.assertIn(text, errors)
        self.assertEqual(self.ask()[0], 2)
        self.assertRaises(ProgramError, Program, '/nowhere/cell')

    def test_every_key_order_stays_in_the_file_and_is_checked(self):
        data = Dataset(self.folder, self.program, 5000)
        file = data.get()['path']
        for keys in ('uniform', 'zipf', 'hot', 'loop', 'sparse', 'chain'):
            status, out, errors = self.ask('run', f'--file={file}', '--records=5000', f'--keys={keys}', '--part=0.1', '--stride=7',
                                           '--ops=3000', '--seconds=60')
            self.assertEqual(status, 0, errors)
            phase = json.loads(out)['phases'][0]
            self.assertEqual((phase['ops'], phase['checked'], phase['wrong']), (3000, 3000, 0), keys)

    def test_a_chain_follows_the_values_that_are_read(self):
        data = Dataset(self.folder, self.program, 5000)
        changed = data.copy(data.get())
        status, _, errors = self.ask('run', f'--file={changed["path"]}', '--records=5000', '--work=update', '--keys=loop', '--ops=5000',
                                     '--commit-records=1000', '--seconds=60')
        self.assertEqual(status, 0, errors)

        def looks(keys, path, record):
            _, out, _ = self.ask('run', f'--file={path}', '--records=5000', f'--keys={keys}', '--part=0.002', '--ops=3000', '--seconds=60',
                                 f'--plant-wrong-at={record}')
            return json.loads(out)['phases'][0]['wrong']
        found = {keys: [[looks(keys, about['path'], record) for record in range(2495, 2505)] for about in (data.get(), changed)]
                 for keys in ('hot', 'chain')}
        self.assertEqual(found['hot'][0], found['hot'][1])
        self.assertNotEqual(found['chain'][0], found['chain'][1])
        self.assertEqual([sum(counts) for counts in found['chain']], [3000, 3000])  # all ten, and no others
        self.assertGreater(min(found['chain'][0]), 200)

    def test_an_update_that_is_not_there_is_seen_after_the_last_commit(self):
        data = Dataset(self.folder, self.program, 5000)
        for engine in ('verso', 'lmdb') if 'lmdb' in self.program.engines else ('verso',):
            for wrong in (0, 1):  # of the ten records that are updated
                about = data.copy(data.get(engine))
                plant = ['--plant-wrong-at=2500'] if wrong else []
                status, out, errors = self.ask('run', f'--engine={engine}', f'--file={about["path"]}', '--records=5000', '--work=update',
                                               '--keys=hot', '--part=0.002', '--ops=500', '--commit-records=7', '--seconds=60', *plant)
                self.assertEqual(status, 0, errors)
                self.assertEqual(json.loads(out)['read_back'], {'checked': 10, 'wrong': wrong}, engine)

    def test_every_workload_runs_on_every_engine_that_can(self):
        data = Dataset(self.folder, self.program, 5000)
        for engine in self.program.engines:
            about = data.get(engine)
            for work in ('get', 'scan', 'scan-gets', 'update', 'update-gets'):
                if engine == 'device' and work != 'get':
                    continue
                copied = data.copy(about) if work.startswith('update') else about
                status, out, errors = self.ask('run', f'--engine={engine}', f'--file={copied["path"]}', '--records=5000',
                                               f'--work={work}', '--commit-records=10', '--seconds=0.1')
                self.assertEqual(status, 0, (engine, work, errors))
                line = json.loads(out)
                self.assertEqual('read_back' in line, work.startswith('update'))
                if work.startswith('update'):
                    self.assertEqual((line['read_back']['checked'] > 0, line['read_back']['wrong']), (True, 0), (engine, work))
                for phase in line['phases']:
                    self.assertGreater(phase['ops'], 0, (engine, work))
                    self.assertEqual(phase['checked'], 0 if engine == 'device' or work == 'update' else phase['ops'], (engine, work))
                    self.assertEqual(phase['wrong'], 0)
                    self.assertEqual('update' in phase, work == 'update-gets', (engine, work))
                    if 'update' in phase:
                        self.assertGreater(phase['update']['ops'], 0, engine)
                        self.assertEqual(phase['update']['wrong'], 0)

    def test_dtlb_misses_are_counted_or_there_is_a_reason(self):
        file = Dataset(self.folder, self.program, 5000).get()['path']
        status, out, errors = self.ask('run', f'--file={file}', '--records=5000', '--ops=3000', '--seconds=60')
        self.assertEqual(status, 0, errors)
        found = json.loads(out)['phases'][0]['dtlb_misses']
        if self.program.why_no_dtlb:
            self.assertIsNone(found)
        else:
            self.assertNotEqual(found, 0)  # a counter that counts nothing is null

    def test_a_scan_that_finds_too_few_records_ends_the_cell(self):
        file = Dataset(self.folder, self.program, 5000).get()['path']
        status, _, errors = self.ask('run', f'--file={file}', '--records=5001', '--work=scan', '--seconds=9')
        self.assertEqual(status, 3)
        self.assertIn('expected 5001 records, found 5000', errors)

    def test_a_file_that_changed_is_made_anew(self):
        data = Dataset(self.folder, self.program, 5000)
        about = data.get()
        self.assertEqual(data.get(), about)
        with open(about['path'], 'r+b') as f:
            f.write(b'x')
        damaged = sha256(about['path'])
        again = data.get()
        self.assertNotEqual(again['sha256'], damaged)
        self.assertEqual(again['sha256'], sha256(about['path']))

    def test_a_replay_has_every_policy_and_an_optimum_below_all(self):
        file = Dataset(self.folder, self.program, RECORDS).get()['path']
        trace = self.path('t.trace')
        status, _, errors = self.ask('run', f'--file={file}', f'--records={RECORDS}', '--keys=zipf', '--ops=20000', '--seconds=60',
                                     f'--trace={trace}')
        self.assertEqual(status, 0, errors)
        found = [self.program.ask('replay', f'--file={trace}', f'--frames={n}')['misses'] for n in (100, 400)]
        for misses in found:
            self.assertEqual(misses['optimum'], min(misses.values()))
        self.assertGreaterEqual(found[0]['lru'], found[1]['lru'])  # inclusion


@unittest.skipUnless(CELL, 'VERSO_CELL is not set')
class CellOfProcesses(Scratch):
    """Several processes on one file, which share a page with this one as with the harness."""

    def setUp(self):
        super().setUp()
        self.file = Dataset(self.folder, Program(CELL), 5000).get()['path']
        self.live = Live()
        self.addCleanup(self.live.close)

    def start(self, *words, pager='mmap'):
        child = subprocess.Popen([CELL, 'run', f'--file={self.file}', '--records=5000', f'--pager={pager}', f'--live-fd={self.live.descriptor}', *words],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, pass_fds=[self.live.descriptor])
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.stderr.close)
        self.addCleanup(child.kill)
        self.wait_for(lambda: self.live.state == READY or child.poll() is not None)
        return child

    def wait_for(self, happens):
        end = time.monotonic() + 60
        while not happens():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.002)

    def test_counts_add_up_and_every_get_of_every_process_is_checked(self):
        for pager in ('mmap', 'bufpool'):
            self.live = Live()
            self.addCleanup(self.live.close)
            # Each thread goes round ten records, one of which is called wrong.
            child = self.start('--processes=3', '--threads=2', '--keys=loop', '--part=0.002', '--plant-wrong-at=3', '--cache=16M', pager=pager)
            self.assertEqual(len(self.live.pids - {0, child.pid}), 3)
            self.live.begin(1, batch=4)
            self.wait_for(lambda: min(self.live.ops_of(i) for i in range(6)) > 100)
            first = self.live.ops()
            self.live.begin(2)
            self.wait_for(lambda: min(self.live.ops_of(i) for i in range(6)) > first)
            self.live.stop()
            out, errors = child.communicate(timeout=60)
            self.assertEqual(child.returncode, 0, errors)
            phases = json.loads(out)['phases']
            self.assertEqual([p['phase'] for p in phases], [1, 2])
            self.assertEqual(sum(p['ops'] for p in phases), self.live.ops())
            self.assertEqual(self.live.ops_of(6), 0)
            for p in phases:
                self.assertEqual(p['checked'], p['ops'])
                self.assertGreater(p['pager']['gets'] + p['pager']['peeks'], 0)
            self.assertEqual(sum(n for _, n in phases[0]['histogram']) * 4, phases[0]['ops'])
            self.assertEqual(sum(n for _, n in phases[1]['histogram']), phases[1]['ops'])
            self.assertAlmostEqual(sum(p['wrong'] for p in phases), self.live.ops() / 10, delta=6)

    def test_each_process_has_keys_of_its_own_the_same_ones_as_with_that_seed(self):
        words = '--keys=hot', '--part=0.002', '--plant-wrong-at=2500'
        child = self.start('--processes=2', '--seed=5', *words)
        self.live.begin(1)
        self.wait_for(lambda: min(self.live.ops_of(i) for i in range(2)) > 500)
        self.live.stop()
        together = json.loads(child.communicate(timeout=60)[0])['phases'][0]['wrong']
        alone = []
        for i in range(2):
            done = subprocess.run([CELL, 'run', f'--file={self.file}', '--records=5000', '--pager=mmap', f'--seed={5 + 1000003 * i}', f'--ops={self.live.ops_of(i)}',
                                   '--seconds=60', *words], capture_output=True, text=True, check=True, timeout=60)
            alone.append(json.loads(done.stdout)['phases'][0]['wrong'])
        self.assertEqual(sum(alone), together)

    def test_a_process_that_is_killed_ends_the_others_and_fails_the_cell(self):
        child = self.start('--processes=3')
        self.live.begin(1)
        pids = self.live.pids
        os.kill(max(pids), signal.SIGKILL)
        out, errors = child.communicate(timeout=60)
        self.assertEqual((child.returncode, out), (3, ''))
        self.assertRegex(errors, r'^cell: processes: process [1-3] of 3 ended by signal 9\n$')
        for pid in pids:
            self.assertFalse(os.path.exists(f'/proc/{pid}'))

    def test_no_process_outlives_the_one_that_reports(self):
        child = self.start('--processes=3')
        self.live.begin(1)
        pids = self.live.pids
        child.kill()
        child.wait()
        self.wait_for(lambda: all(self.has_ended(pid) for pid in pids))

    @staticmethod
    def has_ended(pid):
        """Nobody may be there who waits for an orphan."""
        try:
            with open(f'/proc/{pid}/stat', encoding='utf-8') as f:
                return f.read().rpartition(')')[2].split()[0] in 'ZX'
        except OSError:
            return True

    def test_processes_that_cannot_open_the_file_are_told(self):
        child = self.start('--processes=2', '--cache=1', pager='bufpool')
        _, errors = child.communicate(timeout=60)
        self.assertEqual(child.returncode, 3)
        self.assertIn('too small', errors)
        self.assertRegex(errors, 'process [12] of 2 ended with status 3')


@unittest.skipUnless(CELL, 'VERSO_CELL is not set')
class BrokenRules(Scratch):
    """Each run here keeps all rules but one."""

    @classmethod
    def setUpClass(cls):
        cls.kind = budget.choose()[0]

    def setUp(self):
        super().setUp()
        self.program = Program(CELL)
        self.data = Dataset(self.folder, self.program, RECORDS)

    def job(self, kind=None, phases=None, **changes):
        options = {'pager': 'mmap', 'checksum': 'none', 'work': 'get', **changes.pop('options', {})}
        job = runner.Job(options, phases or [{'name': 'full', 'seconds': 1}], self.data, self.data.get(), 7, 0.3, MEMORY,
                         kind or self.kind, idle_s=0)
        for name, value in changes.items():
            setattr(job, name, value)
        return job

    def expect(self, rule, **changes):
        line = runner.run_cell(CELL, self.job(**changes))
        self.assertTrue(any(text.startswith(rule) for text in line['invalid']), line['invalid'])
        return line

    def test_a_run_that_keeps_them_is_valid(self):
        line = runner.run_cell(CELL, self.job())
        self.assertEqual(line['invalid'], [])
        self.assertGreater(line['phases'][0]['ops'], 0)
        self.assertNotEqual(line['sampler_pid'], line['cell_pid'])

    def test_a_phase_gets_from_its_own_part_of_the_records(self):
        phases = [{'name': 'hot', 'part': 0.01, 'seconds': 0.5}, {'name': 'all', 'seconds': 0.5}]
        line = runner.run_cell(CELL, self.job('cooperative', phases, cache_bytes=4 << 20, options={'pager': 'bufpool'}))
        hot, everything = line['phases']
        # A hundredth of 7 MB is 70 KB, 17 pages and the path to them; of all, a third does not fit.
        self.assertLess(hot['pager']['misses'], 60)
        self.assertGreater(hot['ops'], 1000)
        self.assertGreater(everything['pager']['misses'], 400)

    def test_r1_a_wrong_value(self):
        self.expect('R1', options={'keys': 'loop', 'part': 0.001}, extra=['--plant-wrong-at=3'])

    def test_r3_a_pool_that_leaves_a_third_of_the_budget_unused(self):
        phases = [{'name': 'filling', 'until': 'full', 'limit_seconds': 60}]
        self.expect('R3', options={'pager': 'bufpool'}, cache_bytes=MEMORY // 2, phases=phases)

    def test_r3_a_pool_of_the_right_size_is_valid(self):
        job = self.job(options={'pager': 'bufpool'}, phases=[{'name': 'filling', 'until': 'full', 'limit_seconds': 60}])
        if not budget.CLASSES[self.kind].by_kernel:
            self.skipTest('no memory limit of the kernel here')
        job.dataset = Dataset(self.folder, self.program, 8 * RECORDS)
        job.about, job.memory_bytes = job.dataset.get(), 8 * MEMORY  # the kernel charges memory in batches of half a MiB
        job.cache_bytes = cache.size_for(CELL, job)
        self.assertEqual(runner.run_cell(CELL, job)['invalid'], [])

    def test_r5_a_file_that_stays_in_the_page_cache_is_refused(self):
        job = self.job()
        with open(job.about['path'], 'r+b') as f:
            locked = mmap.mmap(f.fileno(), 1 << 16)
            address = ctypes.addressof(ctypes.c_char.from_buffer(locked))
            if ctypes.CDLL(None).mlock(ctypes.c_void_p(address), ctypes.c_size_t(1 << 16)) != 0:
                self.skipTest('no memory may be locked')
            with self.assertRaises(rules.Refused) as caught:
                runner.run_cell(CELL, job)
        self.assertIn('R5', str(caught.exception))

    def test_r8_memory_that_never_fills(self):
        phases = [{'name': 'filling', 'until': 'full', 'limit_seconds': 0.3}, {'name': 'full', 'seconds': 1}]
        self.expect('R8', phases=phases, memory_bytes=1 << 30)

    def test_r9_a_thread_that_nobody_asked_for(self):
        self.expect('R9', extra=['--threads=2'])

    def test_r10_others_at_work_strike_out_rates(self):
        busy = [subprocess.Popen(['sh', '-c', 'while :; do :; done']) for _ in range(os.cpu_count())]
        try:
            line = runner.run_cell(CELL, self.job())
        finally:
            for child in busy:
                child.kill()
                child.wait()
        self.assertFalse(line['quiet'])
        self.assertTrue(any(text.startswith('R10: others used') for text in line['flags']), line['flags'])

    def test_r12_a_stall_charges_all_that_queue_behind_it(self):
        line = runner.run_cell(CELL, self.job(options={'rate': 1000}, extra=['--plant-sleep-us=3000']))
        phase = line['phases'][0]
        self.assertGreater(phase['ops'], 10)
        self.assertGreater(phase['max_ns'], 3000000 * 5)  # a service takes 3 ms; the last has waited for all before it

    def test_a_cell_that_dies_is_invalid_with_its_signal(self):
        line = runner.run_cell(CELL, self.job(extra=['--plant-die-at=50']))
        self.assertIn('signal 6', line['invalid'][0])

    def test_several_processes_have_one_budget_and_the_cell_dies_with_one_of_them(self):
        if not budget.CLASSES[self.kind].by_kernel:
            self.skipTest('no memory limit of the kernel here')
        phases = [{'name': 'filling', 'until': 'full', 'limit_seconds': 60, 'batch': 8}, {'name': 'full', 'seconds': 1}]
        line = runner.run_cell(CELL, self.job(phases=phases, options={'processes': 2}))
        self.assertEqual(line['invalid'], [])
        self.assertEqual((line['threads_max'], line['threads_expected']), (3, 3))
        self.assertEqual(set(line['series']['resident_bytes']), {None})
        self.assertGreater(line['phases'][1]['ops'], 0)
        self.assertNotEqual([p['reclaimed_pages'] for p in line['phases']], [0, 0])  # memory is full
        line = runner.run_cell(CELL, self.job(phases=phases, options={'processes': 2}, extra=['--plant-die-at=50']))
        self.assertIn('process 2 of 2 ended by signal 6', line['invalid'][0])
        self.expect('R9', options={'processes': 2}, extra=['--threads=2'])
        self.expect('R1', options={'processes': 2, 'keys': 'loop', 'part': 0.001}, extra=['--plant-wrong-at=3'])

    def test_pools_of_several_processes_fill_their_budget_together(self):
        if not budget.CLASSES[self.kind].by_kernel:
            self.skipTest('no memory limit of the kernel here')
        phases = [{'name': 'filling', 'until': 'full', 'limit_seconds': 60, 'batch': 8}]
        job = self.job(options={'pager': 'bufpool', 'processes': 2}, phases=phases)
        job.dataset = Dataset(self.folder, self.program, 8 * RECORDS)
        job.about, job.memory_bytes = job.dataset.get(), 8 * MEMORY
        job.cache_bytes = cache.size_for(CELL, job)
        self.assertEqual(runner.run_cell(CELL, job)['invalid'], [])

    def test_cooperative_eviction_keeps_the_file_below_the_budget(self):
        job = self.job('cooperative', phases=[{'name': 'filling', 'until': 'full', 'limit_seconds': 60},
                                              {'name': 'full', 'seconds': 1}], memory_bytes=MEMORY + (2 << 20))
        line = runner.run_cell(CELL, job)
        self.assertGreater(line['evicted_bytes'], 0)
        self.assertTrue(any('substitute' in text for text in line['flags']))
        self.assertFalse(any(text.startswith('R8') for text in line['invalid']), line['invalid'])

    def test_no_group_is_left_behind(self):
        if self.kind not in ('group1', 'group2'):
            self.skipTest('no group is made here')
        root = budget.version1_root() if self.kind == 'group1' else budget.version2_root()
        runner.run_cell(CELL, self.job())
        self.assertEqual([n for n in os.listdir(root) if n.startswith(f'{budget.PREFIX}{os.getpid()}-')], [])


class Budgets(unittest.TestCase):
    def test_mounts_and_groups_are_read(self):
        v1 = 'cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n'
        self.assertEqual(budget.version1_root(v1), '/sys/fs/cgroup/memory')
        self.assertIsNone(budget.version1_root('cgroup /x cgroup rw,cpu 0 0\n'))
        self.assertIsNone(budget.version2_root('none /nowhere cgroup2 rw 0 0\n'))
        self.assertEqual(budget.group_of(1, 'x'), (None, 0))

    def test_a_machine_without_groups_falls_back_to_cooperation(self):
        works, budget.why_not = budget.why_not, lambda kind, limit=0: None if kind == 'cooperative' else 'not here'
        try:
            kind, reasons = budget.choose()
            self.assertEqual(kind, 'cooperative')
            self.assertEqual(set(reasons), set(budget.KINDS) - {'cooperative', *budget.ASKED_FOR})
            self.assertRaises(budget.BudgetError, budget.choose, 'group2')
        finally:
            budget.why_not = works
        self.assertRaises(budget.BudgetError, budget.choose, 'magic')


class Within(unittest.TestCase):
    """`run within BYTES -- PROGRAM ...`."""

    def ask(self, *words):
        run = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), 'run')
        done = subprocess.run([sys.executable, run, 'within', *words], capture_output=True, text=True, check=False, timeout=120)
        return done.returncode, done.stderr

    def test_a_program_keeps_its_status_and_is_held_to_the_limit(self):
        if all(budget.why_not(kind) for kind in within.BY_KERNEL):
            self.skipTest('nothing here limits memory')
        self.assertEqual(self.ask('60000000', '--', 'sh', '-c', 'exit 7')[0], 7)
        large = (sys.executable, '-c', 'x = b"1" * 100_000_000')
        self.assertEqual(self.ask('400000000', '--', *large)[0], 0)
        self.assertEqual(self.ask('60000000', '--', *large)[0], 128 + signal.SIGKILL)

    def test_what_makes_no_sense_is_told(self):
        for words in ((), ('0', '--', 'true'), ('1x', '--', 'true'), ('1000', 'true'), ('1000', '--')):
            status, text = self.ask(*words)
            self.assertEqual(status, within.USAGE, words)
            self.assertIn('expected BYTES -- PROGRAM', text)

    def test_without_groups_the_program_is_not_run(self):
        works, budget.why_not = budget.why_not, lambda kind, limit=0: 'not here'
        try:
            self.assertEqual(within.main(['1000', '--', 'sh', '-c', 'exit 0']), within.FAILED)
        finally:
            budget.why_not = works


class Processor(unittest.TestCase):
    def test_the_busy_share_is_that_of_the_counters(self):
        def reading(busy, total):
            return {'cpu': {'busy': busy, 'total': total, 'steal': 0}}
        self.assertEqual(guard.busy_share(reading(1, 10), reading(2, 20)), 0.1)
        self.assertIsNone(guard.busy_share({'cpu': None}, reading(2, 20)))


if __name__ == '__main__':
    unittest.main()
