# SPDX-License-Identifier: MIT
"""Budgets that a machine may not have: each path is run here with a fake, a systemd-run on the PATH and a tree of cgroup files."""
import os
import shutil
import subprocess
import sys
import tempfile
import time
import types
import unittest
from unittest import mock

from support import FAKE, Scratch, plan_text
from lib import budget, cache, plan, readings, runner, session

LIMIT = 64 << 20
FILES = {'cgroup.procs': '', 'memory.max': 'max', 'memory.swap.max': 'max', 'memory.current': '4096', 'memory.peak': '8192',
         'memory.events': 'low 0\nhigh 0\nmax 3\noom 0\noom_kill 1\n', 'memory.stat': 'anon 100\nfile 200\nkernel 300\nworkingset_refault_file 7\npgscan 11\npgsteal 9\n'}
SYSTEMD_RUN = '''#!/bin/sh
# As the real one: a scope with what -p says, and the program in it. TREE: the fake cgroups.
[ -n "$FAIL" ] && { echo "Failed to connect to bus: no medium found" >&2; exit 1; }
scope="$TREE/run-$$.scope"
mkdir "$scope"
for word in "$@"; do
    case "$word" in
        MemoryMax=*) echo "${word#MemoryMax=}" >"$scope/memory.max" ;;
        MemorySwapMax=*) echo "${word#MemorySwapMax=}" >"$scope/memory.swap.max" ;;
    esac
done
echo 4096 >"$scope/memory.current"
printf 'max 3\noom_kill 0\n' >"$scope/memory.events"
printf 'anon 100\nfile 200\nworkingset_refault_file 7\n' >"$scope/memory.stat"
[ -n "$PEAK" ] && echo "$PEAK" >"$scope/memory.peak"
( while kill -0 $$; do sleep 0.01; done; rm -r "$scope" ) </dev/null >/dev/null 2>&1 &
echo "$$" >"$scope/cgroup.procs"
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
'''


class Fakes(Scratch):
    def setUp(self):
        super().setUp()
        self.tree = self.path('tree')
        os.mkdir(self.tree)

    def text(self, folder, name):
        with open(os.path.join(folder, name), encoding='ascii') as f:
            return f.read().strip()

    # --- a scope of systemd ------------------------------------------------------------------

    def group_of(self, pid):
        """The fake scope of a process; else this process's own group."""
        for name in os.listdir(self.tree):
            procs = os.path.join(self.tree, name, 'cgroup.procs')
            if os.path.exists(procs) and self.text(os.path.join(self.tree, name), 'cgroup.procs') == str(pid):
                return os.path.join(self.tree, name), 2
        return os.path.join(self.tree, 'own'), 2

    def scope(self, **environment):
        os.mkdir(self.path('bin'))
        os.chmod(self.write('bin/systemd-run', SYSTEMD_RUN), 0o755)
        path = {'PATH': self.path('bin') + ':' + os.environ['PATH'], 'TREE': self.tree, **environment}
        for patch in (mock.patch.dict(os.environ, path), mock.patch.object(budget, 'group_of', self.group_of)):
            patch.start()
            self.addCleanup(patch.stop)

    def test_a_scope_limits_its_process_and_is_read(self):
        self.scope()
        self.assertIsNone(budget.why_not('scope'))
        with budget.make('scope', LIMIT) as b:
            child = subprocess.Popen(b.command(['sleep', '5']))
            b.attach(child.pid)
            self.assertEqual((b.group.limit(), b.group.usage()), (LIMIT, 4096))
            self.assertEqual(self.text(b.group.folder, 'memory.swap.max'), '0')
            self.assertRaises(budget.BudgetError, b.change, LIMIT // 2)
            child.kill()
            child.wait()
        self.assertEqual(budget.choose()[0], 'scope')

    def run_in_scope(self, **environment):
        """The budget of the line of a run, and how many scopes are left."""
        self.scope(**environment)
        with open(self.path('file'), 'wb') as f:
            f.write(bytes(8192))
        data = types.SimpleNamespace(drop=lambda _: {'cached_bytes': 0, 'dirty_bytes': 0})
        about = {'path': self.path('file'), 'records': 10, 'engine': 'verso', 'sha256': 'a'}
        job = runner.Job({'pager': 'mmap'}, [{'name': 'full', 'seconds': 0.5}], data, about, 1, 1, LIMIT, 'scope', idle_s=0)
        line = runner.run_cell(FAKE, job)
        self.assertEqual(line['invalid'], [])
        return line['budget']

    def test_what_a_scope_counted_is_known_though_it_ends_with_its_process(self):
        for environment, peak in (({'PEAK': '8192'}, 8192), ({}, 4096)):  # a kernel before 5.19 has no memory.peak
            with self.subTest(environment):
                found = self.run_in_scope(**environment)
                self.assertEqual((found['peak_bytes'], found['limit_hits'], found['kills'], found['page_cache_bytes']), (peak, 0, 0, 200))
                end = time.monotonic() + 20
                while os.listdir(self.tree) and time.monotonic() < end:
                    time.sleep(0.01)
                self.assertEqual(os.listdir(self.tree), [])
                mock.patch.stopall()
                shutil.rmtree(self.path('bin'))

    def test_a_scope_that_cannot_be_had_says_why(self):
        self.scope(FAIL='1')
        self.assertEqual(budget.why_not('scope'), 'Failed to connect to bus: no medium found')

    def test_a_scope_whose_limit_is_another_is_refused(self):
        self.scope()
        os.chmod(self.write('bin/systemd-run', SYSTEMD_RUN.replace('${word#MemoryMax=}', 'max')), 0o755)
        self.assertIn('the limit is None, expected', budget.why_not('scope'))

    def test_a_process_that_ends_at_once_is_not_waited_for(self):
        self.scope()
        with budget.make('scope', LIMIT) as b:
            child = subprocess.Popen(['true'])
            b.attach(child.pid)  # within PATIENCE_S, as it has ended
            self.assertIsNone(b.group.limit())
            child.wait()

    # --- cgroup version 2 --------------------------------------------------------------------

    def version2(self, refuse=None):
        def mkdir(path, real=os.mkdir):
            real(path)
            for name, text in FILES.items():
                if name != refuse:
                    with open(os.path.join(path, name), 'w', encoding='ascii') as f:
                        f.write(text)
            if refuse:
                real(os.path.join(path, refuse))  # which cannot be opened for writing
        def rmdir(path, real=os.rmdir):  # as the kernel does: the files of a group are no obstacle
            for name in os.listdir(path):
                (real if os.path.isdir(os.path.join(path, name)) else os.remove)(os.path.join(path, name))
            real(path)
        for patch in (mock.patch.object(budget, 'version2_root', lambda *_: self.tree), mock.patch.object(budget.os, 'mkdir', mkdir),
                      mock.patch.object(budget.os, 'rmdir', rmdir)):
            patch.start()
            self.addCleanup(patch.stop)

    def test_a_group_of_version_2_is_made_limited_read_changed_and_removed(self):
        self.version2()
        self.assertIsNone(budget.why_not('group2'))
        with budget.make('group2', LIMIT) as b:
            folder = b.group.folder
            child = subprocess.Popen(b.command(['sleep', '5']))
            while not self.text(folder, 'cgroup.procs'):
                pass
            self.assertEqual(self.text(folder, 'cgroup.procs'), str(child.pid))
            self.assertEqual((self.text(folder, 'memory.max'), self.text(folder, 'memory.swap.max')), (str(LIMIT), '0'))
            self.assertEqual((b.group.usage(), b.group.peak(), b.group.limit_hits(), b.group.kills()), (4096, 8192, 3, 1))
            self.assertEqual(b.group.stat(), {'anonymous_bytes': 100, 'page_cache_bytes': 200, 'refaults': 7})
            self.assertEqual(b.group.reclaim(), {'scanned_pages': 11, 'reclaimed_pages': 9})
            self.assertEqual(b.group.kernel(), 300)
            b.change(LIMIT // 2)
            self.assertEqual((self.text(folder, 'memory.max'), b.limit_bytes, b.now_bytes), (str(LIMIT // 2), LIMIT, LIMIT // 2))
            child.kill()
            child.wait()
        self.assertFalse(os.path.exists(folder))

    def test_what_the_kernel_charged_in_advance_is_not_held(self):
        self.version2()
        with budget.make('group2', LIMIT) as b, mock.patch.object(readings, 'anonymous', lambda _: 5000):
            for usage in (5500, 5500 + (64 << 12), 5500 + (128 << 12)):
                self.assertEqual(cache.held(b, {1}, {'group_bytes': usage}), 5500)
            self.assertEqual(cache.held(b, {1}, {'group_bytes': 5400}), 5400)  # readings of one moment after the other
            self.assertIsNone(cache.held(b, {1}, {'group_bytes': None}))
        with budget.make('group2', LIMIT) as b:
            self.assertEqual(cache.held(b, {0}, {'group_bytes': 5500}), 5500)  # no such process: its usage is all that is known
        with budget.make('cooperative', LIMIT) as b:
            self.assertEqual(cache.held(b, {1}, {'group_bytes': 5, 'resident_bytes': 7}), 7)

    def test_version_1_counts_no_reclaim_of_a_group(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, 'memory.stat'), 'w', encoding='ascii') as f:
                f.write('cache 5\npgpgin 3\n')
            self.assertIsNone(budget.Group(folder, 1).reclaim())
        self.assertIsNone(budget.Group(None, 0).reclaim())

    def test_time_throttled_is_that_of_the_processs_cpu_group(self):
        with tempfile.TemporaryDirectory() as folder:
            for group, text in (('one', 'nr_periods 5\nthrottled_time 7000000\n'), ('two', 'usage_usec 5\nthrottled_usec 70\n'), ('three', 'usage_usec 5\n')):
                os.mkdir(os.path.join(folder, group))
                with open(os.path.join(folder, group, 'cpu.stat'), 'w', encoding='ascii') as f:
                    f.write(text)
            def mounts(kind, text=None):
                return [(folder, ['rw', 'cpu', 'cpuacct'])] if kind == 'cgroup' else [(folder, ['rw'])]
            with mock.patch.object(budget, 'mounts', mounts):
                for text, expected in (('3:cpu,cpuacct:/one\n0::/three\n', 7000), ('4:memory:/one\n0::/two\n', 70), ('4:memory:/one\n0::/three\n', None),
                                       ('', None)):
                    self.assertEqual(budget.throttled_us(budget.cpu_stat(1, text)), expected, text)

    def test_a_process_holds_the_pages_that_it_touched(self):
        touch = 'import sys; a = bytearray(32 << 20); print(1, flush=True); sys.stdin.read()'
        found = []
        for text in (touch, touch.replace('32', '0')):
            with subprocess.Popen([sys.executable, '-c', text], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
                child.stdout.readline()
                found.append(readings.anonymous({child.pid}))
        self.assertAlmostEqual(found[0] - found[1], 32 << 20, delta=1 << 20)
        self.assertIsNone(readings.anonymous({0}))

    def test_a_group_whose_limit_cannot_be_set_is_removed_again(self):
        self.version2(refuse='memory.max')
        self.assertIn('the limit cannot be set', budget.why_not('group2'))
        self.assertEqual(os.listdir(self.tree), [])

    def test_what_a_killed_harness_left_is_removed_and_others_are_not(self):
        gone = subprocess.Popen(['true'])
        gone.wait()
        for name in (f'{budget.PREFIX}{gone.pid}-1', f'{budget.PREFIX}{os.getpid()}-1', 'other'):
            os.mkdir(os.path.join(self.tree, name))
        budget.remove_stale(self.tree)
        self.assertEqual(sorted(os.listdir(self.tree)), sorted([f'{budget.PREFIX}{os.getpid()}-1', 'other']))

    # --- the limit of a container ------------------------------------------------------------

    def container(self, limit):
        own = os.path.join(self.tree, 'own')
        os.mkdir(own)
        for name, text in {**FILES, 'memory.max': limit}.items():
            with open(os.path.join(own, name), 'w', encoding='ascii') as f:
                f.write(text)
        patch = mock.patch.object(budget, 'group_of', lambda pid, text=None: (own, 2))
        patch.start()
        self.addCleanup(patch.stop)

    def test_a_container_gives_its_own_limit(self):
        self.container(str(LIMIT))
        self.assertIsNone(budget.why_not('container'))
        with budget.make('container', 2 * LIMIT) as b:
            self.assertEqual((b.limit_bytes, b.group.usage(), b.command(['x'])), (LIMIT, 4096, ['x']))
            self.assertRaises(budget.BudgetError, b.change, LIMIT // 2)
        self.assertTrue(os.path.exists(os.path.join(self.tree, 'own')))  # it is not ours to remove

    def test_what_a_container_holds_is_what_cannot_leave_it(self):
        self.container(str(LIMIT))
        with budget.make('container', LIMIT) as b:
            with open(os.path.join(self.tree, 'own', 'memory.stat'), 'w', encoding='ascii') as f:
                f.write('anon 1000000\nfile 7000000\nkernel 500000\n')
            self.assertEqual(cache.held(b, {os.getpid()}, {'group_bytes': LIMIT}), 1500000)

    def test_runs_in_a_container_are_counted_apart(self):
        self.container(str(LIMIT))
        own = os.path.join(self.tree, 'own')
        def set_to(**files):
            for name, text in files.items():
                with open(os.path.join(own, f'memory.{name}'), 'w', encoding='ascii') as f:
                    f.write(text)
        found = []
        for usage, hits, kills in ((60 << 20, 9, 2), (20 << 20, 9, 2)):  # the second run does nothing
            with budget.make('container', LIMIT) as b:
                account = budget.Account(b)
                set_to(current=str(usage), peak=str(60 << 20), events=f'max {hits}\noom_kill {kills}\n')
                account.read()
                found.append(account.totals())
        self.assertEqual([(t['peak_bytes'], t['limit_hits'], t['kills']) for t in found], [(60 << 20, 6, 1), (20 << 20, 0, 0)])

    def test_the_limit_of_a_container_is_used_only_where_it_is_asked_for(self):
        self.container(str(2 * LIMIT))
        works = budget.why_not
        with mock.patch.object(budget, 'why_not', lambda kind, *more: works(kind, *more) if kind in ('container', 'cooperative') else 'no'):
            self.assertEqual(budget.choose()[0], 'cooperative')
            self.assertEqual(budget.choose('container')[0], 'container')

    def test_a_container_without_a_limit_is_none(self):
        self.container('max')
        self.assertIn('has no limit of memory', budget.why_not('container'))

    def in_a_container(self, text):
        """The lines of a session of one round of a plan, in a container of LIMIT."""
        self.container(str(LIMIT))
        with open(self.path('file'), 'wb') as f:
            f.write(bytes(8192))
        about = {'path': self.path('file'), 'records': 10, 'engine': 'verso', 'sha256': 'a'}
        data = types.SimpleNamespace(records=10, folder=self.folder, drop=lambda _: {'cached_bytes': 0, 'dirty_bytes': 0}, get=lambda *_: about)
        head = {'mode': 'tiny', 'session': 's', 'file_bytes': 4 * LIMIT, 'memory_bytes': LIMIT, 'rounds': 1, 'seconds': 0.1, 'seed': 1,
                'budget': 'container', 'records': 10}
        written = []
        a_program = types.SimpleNamespace(engines=['verso'], path=FAKE)
        writer = types.SimpleNamespace(write=written.append)
        p = plan.parse(text, 'E0.toml')
        session.Measure(a_program, data, writer, head, [p], retries=0, idle_s=0).run()
        return written

    def test_cells_of_another_memory_are_left_out_of_a_container_with_a_reason_and_the_others_run(self):
        others = ''.join(f'[[cell]]\nname = "{part}"\npager = "mmap"\n{part} = 0.5\n' for part in ('memory_part', 'size_part'))
        written = self.in_a_container(plan_text(rest=others))
        self.assertEqual([(line['cell'], line['reason']) for line in written if line['kind'] == 'skip'],
                         [(part, f'{session.OTHER_MEMORY}: it takes 0.5 of it') for part in ('memory_part', 'size_part')])
        runs = [line for line in written if line['kind'] == 'run']
        self.assertEqual(sorted((line['cell'], *line['invalid']) for line in runs), [('one',), ('one',), ('two',)])
        self.assertEqual({line['budget']['limit_bytes'] for line in runs}, {LIMIT})

    def test_a_plan_of_another_memory_is_left_out_of_a_container(self):
        for head in ('memory_part = 0.5\n', 'kind = "replay"\nframes = ["0.1"]\n'):
            text = head + plan_text(compares='')
            written = self.in_a_container(text.replace('aa = "one"\n', '') if 'replay' in head else text)
            self.assertEqual([(line['kind'], line['cell']) for line in written], [('skip', None)])
            self.assertIn(session.OTHER_MEMORY, written[0]['reason'])
            shutil.rmtree(os.path.join(self.tree, 'own'))
        self.assertIsNone(session.skip_reason(plan.parse(plan_text(), 'E0.toml'), 'container', ['verso']))


if __name__ == '__main__':
    unittest.main()
