# SPDX-License-Identifier: MIT
"""Whole sessions with a fake cell: known answers, bad input, and what interrupts them."""
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import types
import unittest
from unittest import mock

from support import FAKE, RUN, Scratch, a_run, plan_text
from lib import compare, dataset, metrics, program, readings, results, rules, session, stats
from lib.plan import parse

TIMEOUT_S = 60


class Sessions(Scratch):
    def setUp(self):
        super().setUp()
        self.write('E0.toml', plan_text())
        # Started hundreds of times: by the interpreter that runs this, without what it finds at a start, and no launcher before it.
        self.cell = self.write('cell', f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -S -E {shlex.quote(FAKE)} "$@"\n')
        os.chmod(self.cell, 0o755)

    def command(self, *words):
        return [sys.executable, RUN, f'--plans={self.folder}', f'--cell={self.cell}', f'--data={self.path("data")}',
                f'--results={self.path("results")}', '--budget=cooperative', '--size=tiny', '--idle=0', '--retries=0', *words]

    def environment(self, **script):
        return {**os.environ, 'FAKE_CELL': json.dumps(script)}

    def run_harness(self, status, *words, **script):
        done = subprocess.run(self.command(*words), capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
                              env=self.environment(**script))
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def sessions(self):
        folder = self.path('results')
        machines = os.listdir(folder) if os.path.isdir(folder) else []
        return [s for m in machines for s in results.sessions_in(os.path.join(folder, m))]

    # --- known answers -----------------------------------------------------------------------

    def test_a_session_holds_each_job_once_and_reports(self):
        out = self.run_harness(0, 'E0', '--rounds=2', '--seconds=0.2')
        found, = self.sessions()
        self.assertEqual([(r['round'], r['cell'], r['copy']) for r in found.runs('E0')],
                         [(n, c, k) for n in (1, 2) for c, k in (('one', 1), ('one', 2), ('two', 1))])
        self.assertIn('E0 T: ?', out)
        self.assertIn('A look, not evidence', out)
        self.assertIn('Substitute', out)
        again = subprocess.run(self.command('report'), capture_output=True, text=True, check=True, timeout=TIMEOUT_S).stdout
        self.assertIn(again.strip(), out)
        for r in found.runs('E0'):
            self.assertEqual(r['invalid'], [])
            self.assertEqual(len({len(column) for column in r['series'].values()}), 1)
        by_round = {n: {r['seed'] for r in found.runs('E0') if r['round'] == n} for n in (1, 2)}
        self.assertTrue(all(len(seeds) == 1 for seeds in by_round.values()) and by_round[1] != by_round[2])

    def test_r2_a_copy_that_differs_is_seen_and_no_run_begins_on_it(self):
        path = self.write('file', 'x' * 5000)
        data = dataset.Dataset(self.path('data'), types.SimpleNamespace(path=FAKE), 10)
        about = {'path': path, 'bytes': 5000, 'sha256': dataset.sha256(path), 'engine': 'verso', 'records': 10}
        self.assertEqual(data.copy(about)['copy_sha256'], about['sha256'])
        os.mkdir(self.path('bin'))  # with a cp that changes a byte
        lies = self.write('bin/cp', '#!/bin/sh\nfor last; do :; done\n/bin/cp "$@" && printf y | dd of="$last" bs=1 seek=4321 conv=notrunc 2>/dev/null\n')
        os.chmod(lies, 0o755)
        head = {'mode': 'tiny', 'session': 's', 'file_bytes': 8 << 20, 'memory_bytes': 4 << 20, 'rounds': 1, 'seconds': 1, 'seed': 1,
                'budget': 'cooperative', 'records': 10}
        p = parse('writes = true\n' + plan_text(), 'E0.toml')
        with mock.patch.dict(os.environ, PATH=f'{self.path("bin")}:{os.environ["PATH"]}'), mock.patch.object(data, 'get', lambda *_: about), \
                mock.patch.object(session.runner, 'run_cell', lambda *_: self.fail('it began')):
            line = session.Measure(types.SimpleNamespace(engines=['verso'], path=FAKE), data, None, head, [p])._attempt(p, 1, 'one', 1, '', 1)
        self.assertEqual(len(line['invalid']), 1)
        self.assertRegex(line['invalid'][0], f'^R2: the hash of the copy is .*, that of the file {about["sha256"]}$')
        self.assertFalse(os.path.exists(path + '.copy'))

    def test_a_disk_that_is_full_makes_a_line_invalid_until_the_session_goes_on(self):
        head = {'mode': 'tiny', 'session': 's', 'file_bytes': 8 << 20, 'memory_bytes': 4 << 20, 'rounds': 1, 'seconds': 1, 'seed': 1,
                'budget': 'cooperative', 'records': 10}
        p = parse('writes = true\n' + plan_text(), 'E0.toml')

        def full(*_):
            raise dataset.DataError('no space')

        def broken(*_):
            raise program.ProgramError('it does not start')
        about = {'path': '/nonexistent', 'engine': 'verso', 'records': 10, 'sha256': 'a'}
        for get, copy, why, n_done in ((full, None, 'no space', 0), (lambda *_: about, full, 'no space', 0),
                                       (lambda *_: about, broken, 'it does not start', 1)):
            written = []
            data = types.SimpleNamespace(records=10, get=get, copy=copy, program=None)
            m = session.Measure(types.SimpleNamespace(engines=['verso'], path=FAKE), data, types.SimpleNamespace(write=written.append), head, [p])
            m.measure(p, 1, 'one', 1, '')
            line, = written
            self.assertEqual((line['invalid'], line['options']['pager'], line['seed']), ([why], 'mmap', session.seed_of(1, 'E0', 1)))
            lines = types.SimpleNamespace(of_kind=lambda kind, *_, lines=written: lines if kind == 'run' else [])
            self.assertEqual(len(session.finished_jobs(lines)), n_done, why)
            self.assertEqual(rules.same_round(written, p), [])

    def test_an_open_loop_at_no_rate_is_refused(self):
        p = parse(plan_text(rest='[[cell]]\nname = "open"\npager = "mmap"\nrate_of = ["one"]\nrate_share = 0.0001\n'), 'E0.toml')
        head = {'mode': 'tiny', 'file_bytes': 8 << 20, 'memory_bytes': 4 << 20, 'rounds': 1, 'seconds': 1, 'seed': 1, 'budget': 'group1', 'records': 9}
        m = session.Measure(types.SimpleNamespace(engines=['verso']), None, None, head, [p], done=[('E0', 1, 'one', 1, 2.0)])
        job = types.SimpleNamespace(options={})
        with self.assertRaisesRegex(rules.Refused, 'R12: the rate of an open loop'):
            m.set_rate(p, 'open', 1, job)

    def test_a_stall_is_seen_in_the_series_and_phases_are_apart(self):
        phases = '[[phase]]\nname = "first"\nseconds = 1\n[[phase]]\nname = "full"\nseconds = 3\n'
        self.write('E0.toml', plan_text(phases=phases))
        self.run_harness(0, 'E0', '--rounds=1', '--seconds=0.5', steps=[[0.5, 2000], [1.0, 0], [0.4, 4000]])
        r = self.sessions()[0].runs('E0')[0]
        silence = stats.longest_silence(r['series']['t_ms'], r['series']['ops'])
        self.assertTrue(500 <= silence <= 1600, silence)  # the stall is 1000; a busy machine samples late
        self.assertEqual([p['name'] for p in r['phases']], ['first', 'full'])
        self.assertEqual(sum(p['ops'] for p in r['phases']) > 0, True)
        self.assertEqual(sorted(set(r['series']['phase'])), [1, 2])

    def test_quantiles_are_those_of_the_script(self):
        self.run_harness(0, 'E0', '--rounds=1', '--seconds=0.1', histogram=[[100, 90000], [7000, 9000], [80000, 1000]])
        r = self.sessions()[0].runs('E0')[0]
        r['options']['rate'], r['quiet'] = 1, True
        self.assertEqual([metrics.read(r, 'full', name) for name in ('latency_p50_ns', 'latency_p99_ns', 'latency_p999_ns')],
                         [100, 7000, 80000])

    def test_two_cells_that_are_one_are_not_called_different(self):
        self.run_harness(0, 'E0', '--rounds=3', '--seconds=0.1')
        found, = self.sessions()
        c = compare.compare(found.runs('E0'), parse(plan_text(), 'E0.toml'), 'two', 'one', 'full', 'cpu_ns_per_op')
        self.assertEqual(c.verdict.word, stats.SAME)

    def test_an_open_loop_comes_last_at_a_share_of_the_slower_closed_one(self):
        self.write('E0.toml', plan_text(rest='[[cell]]\nname = "open"\npager = "mmap"\nrate_of = ["one", "two"]\nrate_share = 0.5\n'))
        self.run_harness(0, 'E0', '--rounds=1', '--seconds=0.3', steps=[[1, 2000]])
        runs = {(r['cell'], r['copy']): r for r in self.sessions()[0].runs('E0')}
        closed = [session.rate_of(runs[(name, 1)]) for name in ('one', 'two')]
        self.assertAlmostEqual(runs[('open', 1)]['options']['rate'], min(closed) / 2, delta=0.01)
        p = parse(plan_text(rest='[[cell]]\nname = "open"\nrate_of = ["one"]\nrate_share = 0.5\n'), 'E0.toml')
        for number in range(1, 9):
            self.assertEqual(session.schedule(p, number, 1, ['verso'])[-1][1], 'open')

    def test_an_open_loop_that_goes_on_takes_its_rate_from_the_first_copy(self):
        head = {'mode': 'tiny', 'file_bytes': 8 << 20, 'memory_bytes': 4 << 20, 'rounds': 1, 'seconds': 1, 'seed': 1, 'budget': 'group1', 'records': 9}
        done = [('E0', 1, 'one', copy, rate) for copy, rate in ((2, 500.0), (1, 1000.0), (2, 700.0))]
        m = session.Measure(types.SimpleNamespace(engines=['verso']), None, None, head, [parse(plan_text(), 'E0.toml')], done=done)
        self.assertEqual(m.rates, {('E0', 1, 'one'): 1000.0})

    def test_quick_leaves_out_what_its_plan_says(self):
        p = parse('quick = ["one"]\n' + plan_text(), 'E0.toml')
        self.assertEqual({job[1] for job in session.schedule(p, 2, 1, ['verso'], 'quick')}, {'one'})
        self.assertEqual({job[1] for job in session.schedule(p, 2, 1, ['verso'], 'full')}, {'one', 'two'})

    def test_full_has_cells_that_standard_and_quick_leave_out_with_a_reason(self):
        p = parse('full = ["two"]\n' + plan_text(), 'E0.toml')
        for mode in ('quick', 'standard'):
            names, left_out = session.cells_here(p, ['verso'], mode)
            self.assertEqual((names, left_out), (['one'], [('two', f'not in {mode}; run full has it')]))
        self.assertEqual(session.cells_here(p, ['verso'], 'full'), (['one', 'two'], []))

    def test_a_cell_that_its_plan_skips_has_its_reason(self):
        self.write('E0.toml', plan_text(rest='[[cell]]\nname = "three"\nskip = "nobody can do that"\n'))
        self.assertIn('skipped: three: nobody can do that', self.run_harness(0, 'E0', '--rounds=1', '--seconds=0.05'))
        self.assertEqual(len(self.sessions()[0].runs('E0')), 3)

    def test_a_plan_of_run_full_alone_is_skipped_elsewhere_with_a_reason_and_runs_when_it_is_named(self):
        p = parse('modes = ["full"]\n' + plan_text(), 'E0.toml')
        for named, mode, expected in ((False, 'standard', 'not in standard; run full has it'), (False, 'full', None), (True, 'standard', None)):
            asked = session.mode_asked({'mode': mode, 'named': named})
            self.assertEqual(session.skip_reason(p, 'group1', ['verso'], asked), expected)
        self.assertEqual(session.mode_asked({'mode': 'quick'}), 'quick')  # a session of before

    def test_a_cell_of_another_size_has_a_file_and_memory_of_that_size(self):
        self.write('E0.toml', plan_text(rest='[[cell]]\nname = "three"\npager = "mmap"\nsize_part = 0.25\n'))
        self.run_harness(0, 'E0', '--rounds=1', '--seconds=0.05')
        runs = {r['cell']: r for r in self.sessions()[0].runs('E0')}
        self.assertEqual(runs['three']['budget']['limit_bytes'] * 4, runs['two']['budget']['limit_bytes'])
        self.assertAlmostEqual(runs['three']['file']['records'] * 4, runs['two']['file']['records'], delta=4)

    # --- breadth first, and an end by the clock ----------------------------------------------

    def two_plans(self):
        self.write('E8.toml', plan_text().replace('"E0"', '"E8"'))

    def test_round_one_of_all_comes_before_round_two_of_any(self):
        self.two_plans()
        self.run_harness(0, 'E0', 'E8', '--rounds=2', '--seconds=0.05')
        order = [(r['round'], r['experiment']) for r in self.sessions()[0].of_kind('run')]
        self.assertEqual(order, sorted(order))
        self.assertEqual(len(set(order)), 4)

    def test_when_the_time_is_up_no_round_begins_and_the_same_command_goes_on(self):
        self.two_plans()
        words = ('E0', 'E8', '--rounds=2', '--seconds=0.3')
        out = self.run_harness(0, *words, '--minutes=0.002')  # less than a round takes
        found, = self.sessions()
        self.assertEqual(found.rounds_got(), {'E0': 1})
        self.assertEqual(len(found.runs('E0')), 3)  # a round that has begun comes to its end
        self.assertIn('Not finished: 1 of 2 rounds of E0; the same command goes on', out)
        out = self.run_harness(0, *words, '--minutes=9')
        self.assertIn('Going on with', out)
        self.assertNotIn('Not finished', out)
        again, = self.sessions()
        self.assertEqual(again.lines[:len(found.lines)], found.lines)
        self.assertEqual(again.rounds_got(), {'E0': 2, 'E8': 2})

    def test_minutes_that_make_no_sense_are_refused(self):
        for text in ('0', '-1', 'x', 'nan', 'inf', ''):
            self.assertIn('expected minutes', self.run_harness(2, 'E0', f'--minutes={text}'))
        self.assertFalse(os.path.exists(self.path('results')))

    def test_numbers_that_make_no_sense_are_refused(self):
        for word, text in (('--rounds=0', 'expected rounds, from 1 to 999, found 0'), ('--rounds=-3', 'found -3'), ('--rounds=1.5', 'found 1.5'),
                           ('--retries=-1', 'expected repetitions, from 0 to 99, found -1'),
                           ('--idle=-1', 'expected seconds, from 0 to 3600.0, found -1'),
                           ('--idle=nan', 'found nan'), ('--seconds=0', 'expected seconds, more than 0'), ('--seconds=-2', 'found -2')):
            self.assertIn(text, self.run_harness(2, 'E0', word))
        self.assertFalse(os.path.exists(self.path('results')))

    def test_what_it_will_take_is_told_and_nothing_is_measured(self):
        self.two_plans()
        out = self.run_harness(0, 'E0', 'E8', '--rounds=3', '--dry-run')
        for text in ('E0   5 s a round, 3 rounds', 'E8 ', '11 s each further one', '32 s for 3 rounds of tiny'):
            self.assertIn(text, out)
        self.assertEqual(self.sessions(), [])

    def test_a_phase_fills_memory_by_many_gets_at_once(self):
        phases = '[[phase]]\nname = "filling"\nseconds = 0.2\nbatch = 64\n[[phase]]\nname = "full"\nseconds = 1\n'
        self.write('E0.toml', plan_text(phases=phases))
        self.run_harness(0, 'E0', '--rounds=1', '--seconds=0.2', batches=True)
        for r in self.sessions()[0].runs('E0'):
            self.assertEqual(r['how'], 'fake {1: 64, 2: 0}')
            self.assertEqual([p['batch'] for p in r['phases']], [64, None])

    # --- bad input ---------------------------------------------------------------------------

    def test_a_plan_with_an_unknown_key_is_refused_before_anything_runs(self):
        self.write('E0.toml', 'colour = "red"\n' + plan_text())
        self.assertIn('E0.toml: unknown key "colour"', self.run_harness(2, 'E0'))
        self.assertFalse(os.path.exists(self.path('results')))

    def test_names_and_programs_that_do_not_exist_are_told(self):
        self.assertIn('no experiment E99', self.run_harness(2, 'E99'))
        self.assertIn('no such program', self.run_harness(3, 'E0', '--cell=/nowhere/cell'))
        self.assertIn('no session there', self.run_harness(3, 'report'))

    def test_what_a_command_would_pass_over_is_refused(self):
        for words, text in ((('quick', 'E0'), 'quick: expected no other word beside it, found E0; an experiment at that size: run E2 --size=quick'),
                            (('E0', 'standard'), 'standard: expected no other word beside it, found E0'),
                            (('E0', 'E0'), 'E0: expected once, found 2 times'), (('doctor', 'E0'), 'doctor: expected no other word'),
                            (('readme', 'E0'), 'readme: expected no other word'), (('report', 'a', 'b'), 'report: expected one file of lines, found a b'),
                            (('quick',), '--size=tiny: quick has a size of its own'),
                            (('E0', '--memory=5M', '--budget=container'), "--memory: the container's own limit is the memory")):
            self.assertIn(text, self.run_harness(2, *words))
        self.assertFalse(os.path.exists(self.path('results')))

    def test_a_report_of_what_is_no_session_says_what_was_expected(self):
        for path, text in ((self.path('none.jsonl'), 'No such file or directory: expected the lines of a session'),
                           (self.folder, 'Is a directory: expected the lines of a session'), (self.write('empty.jsonl', ''), 'expected a first line')):
            out = self.run_harness(3, 'report', path)
            self.assertIn(f'{path}: {text}', out)
            self.assertNotIn('measured', out)

    def test_a_build_that_is_not_ordinary_is_refused(self):
        for build, word in (({'sanitizer': 'address,undefined'}, 'the sanitizer address,undefined'), ({'hostile': True}, 'hostile'),
                            ({'coverage': True}, 'coverage'), ({'optimization': '0'}, 'its optimization is 0')):
            out = self.run_harness(3, 'E0', build=build)
            self.assertIn('expected an ordinary, optimized build, but it', out)
            self.assertIn(word, out)
        self.assertEqual(self.sessions(), [])

    def test_the_newest_build_is_passed_over_where_it_is_not_ordinary(self):
        for name, build in (('build', {}), ('build-asan', {'sanitizer': 'address'})):  # the newest last, as ./test leaves them
            os.makedirs(self.path(f'{name}/experiments'))
            script = json.dumps({'build': build}).replace('"', '\\"')
            path = self.write(f'{name}/experiments/cell', f'#!/bin/sh\nFAKE_CELL="{script}" exec {shlex.quote(self.cell)} "$@"\n')
            os.chmod(path, 0o755)
            os.utime(path, (1000, 1000 + len(name)))
        said = []
        self.assertEqual(program.find(self.folder, said.append).path, self.path('build/experiments/cell'))
        self.assertIn('build-asan', said[0])

    def a_build(self, name, mtime, *programs):
        """A cell in a build folder, beside some programs of hazards/. Its path."""
        os.makedirs(self.path(f'{name}/experiments/hazards'))
        for program_name in programs:
            self.write(f'{name}/experiments/hazards/{program_name}', '')
        path = shutil.copy(self.cell, self.path(f'{name}/experiments/cell'))
        os.utime(path, (mtime, mtime))
        return path

    def test_a_build_with_hazards_comes_before_a_newer_one_without(self):
        with_hazards = self.a_build('build', 1000, 'hazard_rot')
        self.a_build('build-lab7', 2000)
        self.assertEqual(program.find(self.folder, None).path, with_hazards)

    def test_that_something_is_built_is_said_and_a_cell_whose_build_fails_is_measured_as_it_is(self):
        path = self.a_build(program.BUILD, 1000)
        for looked, status, words in (('ninja: no work to do.', 1, []), ('[1/2] Compiling', 0, [f'Building in {program.BUILD}']),
                                      ('[1/2] Compiling', 1, [f'Building in {program.BUILD}', f'What was built before is measured: {path}'])):
            meson = self.write('meson', f'#!/bin/sh\n[ "$5" = --ninja-args=-n ] && {{ echo "{looked}"; exit 0; }}\necho broken; exit {status}\n')
            os.chmod(meson, 0o755)
            said = []
            with mock.patch.object(program, '_meson', lambda: meson):  # pylint: disable=cell-var-from-loop
                self.assertEqual(program.find(self.folder, said.append).path, path)
            self.assertEqual([text.split('\n')[-1] for text in said], words)
            self.assertEqual([text for text in said if 'broken' in text], said[1:])

    def test_a_cell_that_dies_is_kept_as_invalid_and_the_others_go_on(self):
        self.write('E0.toml', plan_text(rest='[[cell]]\nname = "three"\npager = "mmap"\nbatch = 77\n'))
        out = self.run_harness(0, 'E0', '--rounds=2', '--seconds=0.1', die='--batch=77')
        runs = self.sessions()[0].runs('E0')
        self.assertEqual([r['cell'] for r in runs if r['invalid']], ['three', 'three'])
        self.assertIn('signal 9', out)
        self.assertIn('8 runs, 2 invalid', out)

    def test_an_engine_that_is_not_there_is_skipped_with_a_reason(self):
        self.write('E0.toml', plan_text(rest='[[cell]]\nname = "three"\nengine = "lmdb"\n'))
        self.assertIn('skipped: three: this build has no lmdb: apt-get install', self.run_harness(0, 'E0', '--rounds=1', '--seconds=0.1'))

    def test_a_machine_without_cgroups_skips_what_asks_the_kernel(self):
        self.write('E0.toml', plan_text(rest='', head='needs = ["kernel-limit"]\n' + plan_text().split('\n\n')[0] + '\n'))
        self.assertIn('skipped: it asks what the kernel evicts', self.run_harness(0, 'E0', '--rounds=1', '--seconds=0.1'))
        self.assertEqual(self.sessions()[0].runs('E0'), [])

    # --- interruptions -----------------------------------------------------------------------

    def interrupt(self, how, *words):
        """Starts a session and ends it after its third line."""
        def hear():  # a shell starts what it puts behind itself with SIGINT ignored
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        child = subprocess.Popen(self.command('E0', '--rounds=2', *words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                 env=self.environment(), preexec_fn=hear)
        end = time.monotonic() + TIMEOUT_S
        while time.monotonic() < end and child.poll() is None:
            found = self.sessions()
            if found and len(found[0].lines) >= 3:
                break
            time.sleep(0.02)
        child.send_signal(how)
        out, _ = child.communicate(timeout=TIMEOUT_S)
        return child.returncode, out

    def cells_at_work(self):
        """Command lines of cells that run on the files of this test."""
        found = [readings.read_text(f'/proc/{pid}/cmdline') or '' for pid in os.listdir('/proc') if pid.isdigit()]
        return [text for text in found if f'--file={self.path("data")}' in text and '--live-fd' in text]

    def wait_for(self, condition):
        end = time.monotonic() + TIMEOUT_S
        while not condition():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)

    def test_a_cell_does_not_outlive_a_harness_that_is_killed(self):
        with subprocess.Popen(self.command('E0', '--rounds=1', '--seconds=600'), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env=self.environment()) as child:
            self.addCleanup(child.kill)
            self.wait_for(self.cells_at_work)
            child.kill()
        self.wait_for(lambda: not self.cells_at_work())

    def test_what_may_not_begin_now_begins_when_the_session_goes_on(self):
        head = {'mode': 'tiny', 'session': 's', 'file_bytes': 8 << 20, 'memory_bytes': 4 << 20, 'rounds': 1, 'seconds': 1, 'seed': 1,
                'budget': 'cooperative', 'records': 10}
        written, p = [], parse(plan_text(), 'E0.toml')
        data = types.SimpleNamespace(records=10, get=lambda *_: {'path': '/nonexistent', 'engine': 'verso', 'sha256': 'a'},
                                     drop=lambda _: {'cached_bytes': 4096}, program=None)
        a_program = types.SimpleNamespace(engines=['verso'], path=FAKE)
        writer = types.SimpleNamespace(write=written.append)
        with mock.patch.object(session.runner.time, 'sleep', lambda _: None):
            session.Measure(a_program, data, writer, head, [p]).measure(p, 1, 'one', 1, '')
            lines = types.SimpleNamespace(of_kind=lambda kind, *_: written if kind == 'run' else [])
            self.assertEqual((written[0]['invalid'][0][:3], session.finished_jobs(lines)), ('R5:', []))
            session.Measure(a_program, data, writer, head, [p], attempts=session.attempts(lines)).measure(p, 1, 'one', 1, '')
        self.assertEqual([line['id'] for line in written], ['s/E0/1/one/1/1', 's/E0/1/one/1/2'])
        self.assertNotIn('not_now', written[0])

    def test_a_hazard_that_died_comes_after_all_else_when_the_session_goes_on(self):
        head = {'mode': 'tiny', 'file_bytes': 8 << 20, 'memory_bytes': 4 << 20, 'rounds': 2, 'seconds': 1, 'seed': 1, 'budget': 'group1',
                'records': 9}
        hazard = parse('id = "H9"\ntitle = "t"\nkind = "hazard"\nprograms = ["hazard_rot"]\nquestions = ["Q7"]\nasks = "?"\nswitch = "s"\n'
                       '[[cell]]\nname = "pool"\n', 'H9.toml')
        for attempts, expected in (({}, ['H9 1', 'E0 1', 'E0 2']), ({('H9', 1, 'hazard_rot', 1): 1}, ['E0 1', 'E0 2', 'H9 1'])):
            m = session.Measure(types.SimpleNamespace(engines=['verso']), None, None, head, [hazard, parse(plan_text(), 'E0.toml')],
                                attempts=attempts)
            order = []
            with mock.patch.object(m, '_measure_round', lambda p, number, _: order.append(f'{p.id} {number}')):  # pylint: disable=cell-var-from-loop
                m.run()
            self.assertEqual(order, expected)

    def test_an_interrupted_session_goes_on(self):
        for how, status in ((signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGHUP, 130), (signal.SIGKILL, -9)):
            with self.subTest(how=how):
                shutil.rmtree(self.path('results'), ignore_errors=True)
                code, out = self.interrupt(how, '--seconds=0.6')  # long enough that a busy machine sees it before its end
                self.assertEqual(code, status, out)
                before = self.sessions()[0]
                with open(before.path, 'a', encoding='utf-8') as f:
                    f.write('{"kind":"run","experi')
                self.assertLess(len(before.lines), 7)
                self.assertIn('Going on with', self.run_harness(0, 'E0', '--rounds=2', '--seconds=0.6'))
                after, = self.sessions()
                self.assertEqual(after.lines[:len(before.lines)], before.lines)
                self.assertEqual(len(after.of_kind('run')), 6)
                self.assertEqual(len(after.runs('E0')), 6)

    def test_what_is_complete_or_of_another_version_or_size_is_not_gone_on_with(self):
        self.run_harness(0, 'E0', '--rounds=1', '--seconds=0.1')
        for words, script in (((), {}), ((), {'version': '1'}), (('--memory=5M',), {})):
            n = len(self.sessions())
            self.assertNotIn('Going on', self.run_harness(0, 'E0', '--rounds=1', '--seconds=0.1', *words, **script))
            self.assertEqual(len(self.sessions()), n + 1)
        self.interrupt(signal.SIGKILL, '--seconds=0.2')
        self.assertNotIn('Going on', self.run_harness(0, 'E0', '--rounds=2', '--seconds=0.2', version='2'))

    def test_what_differs_in_anything_but_its_rounds_is_another_session(self):
        e0, other = (parse(plan_text().replace('seconds = 1', phase), 'E0.toml') for phase in ('seconds = 1', 'seconds = 2'))
        head = {'kind': 'session', 'format': results.FORMAT, 'session': 's', 'named': True, 'mode': 'tiny', 'machine_id': 'm',
                'version': {'cell': 'v', 'hazards': 'h', 'harness': 'l'}, 'budget': 'group1', 'file_bytes': 4, 'memory_bytes': 2, 'rounds': 2,
                'replay_rounds': 2, 'seconds': 1, 'seed': 5, 'plans': {'E0': {'hash': e0.hash}}}
        self.write('s.jsonl', json.dumps(head) + '\n' + json.dumps(a_run('one')) + '\n')
        self.assertIsNotNone(session.resumable(self.folder, head, [e0], ['verso']))
        for change in ({'machine_id': 'n'}, {'version': {**head['version'], 'cell': 'w'}}, {'version': {**head['version'], 'hazards': 'w'}},
                       {'version': {**head['version'], 'harness': 'w'}}, {'budget': 'cooperative'}, {'file_bytes': 5}, {'memory_bytes': 3},
                       {'seconds': 2}, {'mode': 'quick'}):
            self.assertIsNone(session.resumable(self.folder, {**head, **change}, [e0], ['verso']), change)
        self.assertIsNone(session.resumable(self.folder, head, [other], ['verso']))

    def test_a_session_of_another_seed_is_not_gone_on_with(self):
        self.run_harness(0, 'E0', '--rounds=2', '--seconds=0.2', '--seed=5', '--minutes=0.002')
        self.assertNotIn('Going on', self.run_harness(0, 'E0', '--rounds=2', '--seconds=0.2', '--seed=6', '--minutes=0.002'))
        self.assertEqual(sorted(s.head['seed'] for s in self.sessions()), [5, 6])
        self.assertIn('Going on', self.run_harness(0, 'E0', '--rounds=2', '--seconds=0.2', '--seed=5'))
        self.assertIn('Going on', self.run_harness(0, 'E0', '--rounds=2', '--seconds=0.2'))

    def test_another_harness_or_hazard_is_another_version_and_another_cell_makes_its_own_file(self):
        first = program.Program(self.cell)
        os.mkdir(self.path('hazards'))
        self.write('hazards/hazard_rot', '#!/bin/sh\n')
        second = program.Program(self.cell)
        self.assertNotEqual(first.version, second.version)
        self.assertEqual(first.version['cell'], second.version['cell'])
        os.mkdir(self.path('lib'))
        self.write('lib/any.py', '')
        with mock.patch.object(program, 'HERE', self.path('lib')):
            self.assertNotEqual(program.Program(self.cell).version['harness'], first.version['harness'])
        old, kept = (dataset.Dataset(self.path('data'), a, 10) for a in (first, first))
        other = dataset.Dataset(self.path('data'), types.SimpleNamespace(path=FAKE, version={'cell': 'other'}), 10)
        before, scattered = old.get()['path'], kept.get(in_order=False)['path']
        self.assertNotEqual(other.get()['path'], before)
        self.assertEqual([os.path.exists(path) for path in (before, before + '.json', scattered)], [False, False, True])

    def test_files_of_another_build_are_removed_and_named_in_any_folder(self):
        folder, said = self.path('d[ab]'), []
        first, second = (dataset.Dataset(folder, types.SimpleNamespace(path=FAKE, version={'cell': name}), 10, said.append)
                         for name in ('one', 'two'))
        path = first.get()['path']
        self.assertEqual(said, [])
        second.get()
        self.assertFalse(os.path.exists(path))
        self.assertEqual(said, [f'Removed {path}: another build made it, and this one makes its own'])

    def test_a_disk_that_fills_up_ends_the_session_and_what_was_measured_is_kept(self):
        if subprocess.run(['unshare', '-rm', 'true'], capture_output=True, check=False).returncode != 0:
            self.skipTest('no name space of mounts for this user')
        os.mkdir(self.path('small'))
        script = 'mount -t tmpfs -o size=20k none "$0" && "$@"; s=$?; cp -r "$0" "$0.kept"; exit $s'
        words = [w.replace(self.path('results'), self.path('small')) for w in
                 self.command('E0', '--rounds=9', '--seconds=0.1')]
        done = subprocess.run(['unshare', '-rm', 'sh', '-c', script, self.path('small'), *words], capture_output=True, text=True,
                              check=False, timeout=TIMEOUT_S, env=self.environment())
        self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
        self.assertIn('No space left', done.stderr)
        self.assertIn('goes on', done.stderr)
        kept = self.path('small.kept')
        found, = results.sessions_in(os.path.join(kept, os.listdir(kept)[0]))
        self.assertGreaterEqual(len(found.of_kind('run')), 1)

    def test_what_ends_before_anything_was_measured_says_so(self):
        self.write('file', '')
        self.assertIn('nothing was measured', self.run_harness(3, 'E0', f'--results={self.path("file")}'))
        with subprocess.Popen(self.command('E0', f'--data={self.path("other")}'), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=self.environment(load_s=600)) as child:
            self.addCleanup(child.kill)
            self.wait_for(lambda: os.path.exists(self.path('other/lock')))
            time.sleep(0.5)
            child.send_signal(signal.SIGTERM)
            self.assertIn('Interrupted before anything was measured', child.communicate(timeout=TIMEOUT_S)[0])

    def test_how_far_a_file_is_is_told_while_it_is_made_hashed_and_copied(self):
        data = dataset.Dataset(self.path('data'), types.SimpleNamespace(path=FAKE, version={'cell': 'a'}), 10)
        said = []
        about = data.get(progress=lambda part, what: said.append((what, part)))
        self.assertEqual(said[-1], ('hashing', 1.0))
        data.copy(about, lambda part, what: said.append((what, part)))
        self.assertEqual(said[-1], ('hashing', 1.0))
        self.assertEqual(sum(what == 'hashing' for what, _ in said), 2)
        os.mkdir(self.path('bin'))
        os.chmod(self.write('bin/cp', '#!/bin/sh\n/bin/cp "$@" && sleep 0.3\n'), 0o755)
        with mock.patch.dict(os.environ, PATH=f'{self.path("bin")}:{os.environ["PATH"]}'):
            self.assertEqual(dataset.copy_file(about['path'], self.path('copy'), lambda part, what: said.append((what, part))), '')
            self.assertEqual(said[-1], ('copying', 1.0))
            self.assertIn('No such file', dataset.copy_file(about['path'], self.path('nowhere/copy')))

    def test_a_second_harness_in_the_same_folder_is_refused(self):
        with dataset.lock(self.path('data')):
            self.assertIn('another harness is at work', self.run_harness(3, 'E0', '--rounds=1'))

    def test_a_folder_that_cannot_be_used_is_told_with_what_to_do(self):
        self.write('file', '')
        self.assertIn('choose another folder with --data', self.run_harness(3, 'E0', f'--data={self.path("file")}/data'))

    def test_a_disk_without_space_for_the_file_is_told_before(self):
        self.assertIn('of free space, found', self.run_harness(3, 'E0', '--rounds=1', '--file=900000G'))


if __name__ == '__main__':
    unittest.main()
