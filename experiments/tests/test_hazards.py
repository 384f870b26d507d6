#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""H1 to H3 and E9 on tiny files: known outcomes, pagers with a planted fault that must be named, bad input; and what the harness makes of
their lines.

usage: test_hazards.py FOLDER [TEST ...]

FOLDER is experiments/hazards of a build. No test asserts a speed.
"""
import contextlib
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import types
import unittest
from unittest import mock

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from lib import compare, hazards, plan as plans  # noqa: E402

PROGRAMS = ''  # set by main
SMALL = ('--places', '3', '--records', '1000')


def program(name):
    return os.path.join(PROGRAMS, name)


class Programs(unittest.TestCase):
    """Each test has a folder beside the build: a temporary folder may be memory, which has no device."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='hazards-', dir=PROGRAMS)
        self.addCleanup(shutil.rmtree, self.folder, True)

    def run_it(self, name, *words):
        return subprocess.run([program(name), *words], capture_output=True, check=False, timeout=120, encoding='utf-8')

    def lines(self, name, *words, status=0):
        """{key: line}, and what was printed for people."""
        path = os.path.join(self.folder, 'lines.jsonl')
        done = self.run_it(name, *words, '--json', path)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        with open(path, encoding='utf-8') as f:
            found = {line['key']: line for line in map(json.loads, f)}
        os.unlink(path)
        return found, done.stdout

    def rot(self, name, subject, hazard, *words, status=0):
        found, text = self.lines(name, '--dir', self.folder, '--subject', subject, '--hazard', hazard, *(words or SMALL), status=status)
        return found[f'{hazard}/{subject}'], text


class BySubject(Programs):
    def test_side_by_side_or_one_after_the_other_the_lines_are_the_same(self):
        words = ['--dir', self.folder, '--places', '2', '--records', '1000', '--hazard', 'torn', '--seed', '3']
        together, _ = self.lines('hazard_rot', *words)

        @contextlib.contextmanager
        def disk():
            with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                yield folder
        apart = hazards.call_by_subject(program('hazard_rot'), lambda folder: ['--dir', folder, *words[2:]], disk, lambda text: None)
        self.assertEqual([line['key'] for line in apart], list(together))
        for line in apart:
            for one in (line, together[line['key']]):
                one['details'].pop('text')  # has generations, which follow from a random uuid
            self.assertEqual(line, together[line['key']])
        self.assertEqual(set(hazards.subjects_of(program('hazard_stray'))) - {'pool', 'pool_none', 'vmcache', 'map_heap', 'map_private', 'map_shared',
                                                                              'lmdb', 'lmdb_writemap', 'sqlite'}, set())


class Rot(Programs):
    def test_a_verifying_pool_says_so_and_one_without_checksums_returns_the_flipped_bit(self):
        self.assertEqual(self.rot('hazard_rot', 'pool', 'flip_cold')[0]['counts']['error'], 3)
        self.assertEqual(self.rot('hazard_rot', 'pool_none', 'flip_cold')[0]['counts']['wrong data'], 3)

    def test_verified_once_is_believed_after_eviction_and_verified_always_is_not(self):
        self.assertEqual(self.rot('hazard_rot', 'map_once', 'flip_evicted')[0]['counts']['wrong data'], 3)
        self.assertEqual(self.rot('hazard_rot', 'map_always', 'flip_evicted')[0]['counts']['error'], 3)
        self.assertEqual(self.rot('hazard_rot', 'map_once', 'flip_cold')[0]['counts']['error'], 3)

    def test_a_page_that_a_pool_evicted_is_verified_again(self):
        line, _ = self.rot('hazard_rot', 'pool', 'flip_evicted', '--places', '2', '--records', '14000')
        self.assertEqual(line['counts']['error'], 2)

    def test_a_hazard_that_was_not_produced_has_no_counts_but_a_reason(self):
        line, text = self.rot('hazard_rot', 'pool', 'flip_evicted')
        self.assertEqual((line['trials'], line['counts']), (0, {}))
        self.assertIn('the pool had the page still', line['details']['skipped'])
        self.assertIn('flip_evicted: pool: the pool had the page still', text)

    def test_lost_and_misdirected_writes_are_found_without_checksums(self):
        for hazard in ('lost', 'misdirected'):
            for subject in ('pool_none', 'map_none'):
                line, _ = self.rot('hazard_rot', subject, hazard)
                self.assertEqual(line['counts']['error'], 3, line)
                self.assertIs(line['details']['promise_kept'], True)

    def test_a_file_that_is_cut_and_a_disk_that_fails_are_errors(self):
        self.assertEqual(self.rot('hazard_rot', 'map_once', 'cut')[0]['counts']['error'], 3)
        self.assertEqual(self.rot('hazard_rot', 'pool', 'eio')[0]['counts']['error'], 3)

    def test_a_disk_that_fails_in_a_page_fault_of_sqlite_is_a_signal_and_one_that_works_is_not(self):
        done = self.run_it('hazard_rot', '--dir', self.folder, '--subject', 'sqlite', '--hazard', 'eio', *SMALL)
        if 'nothing was run' in done.stderr:
            self.skipTest('SQLite is not in this build')
        line, _ = self.rot('hazard_rot', 'sqlite', 'eio')
        self.assertEqual((line['counts']['signal'], line['details']['by'], line['details']['text']), (3, 'seam', 'Bus error'))
        self.assertEqual(self.rot('hazard_rot', 'sqlite', 'none')[0]['counts']['right'], 3)

    def test_nothing_happens_to_who_is_left_alone(self):
        for subject in ('pool', 'map_once'):
            self.assertEqual(self.rot('hazard_rot', subject, 'none')[0]['counts']['right'], 3)

    def test_a_signal_is_an_outcome(self):
        done = self.run_it('hazard_rot', '--dir', self.folder, '--subject', 'lmdb', '--hazard', 'cut', *SMALL)
        if 'nothing was run' in done.stderr:
            self.skipTest('LMDB is not in this build')
        self.assertEqual(self.rot('hazard_rot', 'lmdb', 'cut')[0]['counts']['signal'], 3)

    def test_the_same_seed_gives_the_same_line(self):
        first, second = (self.rot('hazard_rot', 'pool_none', 'torn', *SMALL, '--seed', '7')[0] for _ in range(2))
        for line in (first, second):
            line['details'].pop('text')  # has generations, which follow from a random uuid
        self.assertEqual(first, second)


class Planted(Programs):
    def test_a_pool_that_forgets_the_checksum_is_named(self):
        line, text = self.rot('rot_forget_checksum', 'pool', 'flip_cold', status=1)
        self.assertEqual(line['counts']['wrong data'], 3)
        self.assertIs(line['details']['promise_kept'], False)
        self.assertIn('BROKEN PROMISE: pool: flip_cold: 3 times wrong data', text)

    def test_a_map_that_forgets_the_checksum_is_named(self):
        _, text = self.rot('rot_forget_checksum', 'map_always', 'flip_evicted', status=1)
        self.assertIn('BROKEN PROMISE: map_always: flip_evicted', text)

    def test_a_pool_that_forgets_what_the_parent_holds_is_named_by_lost_and_misdirected_writes_alone(self):
        for hazard in ('lost', 'misdirected'):
            _, text = self.rot('rot_forget_place', 'pool', hazard, status=1)
            self.assertIn(f'BROKEN PROMISE: pool: {hazard}', text)
        self.assertEqual(self.rot('rot_forget_place', 'pool', 'flip_cold')[0]['counts']['error'], 3)


class Stray(Programs):
    def stray(self, subject, hazard, name='hazard_stray', status=0, stores='6'):
        words = ('--dir', self.folder, '--subject', subject, '--hazard', hazard, '--stores', stores)
        found, text = self.lines(name, *words, status=status)
        return found[f'{hazard}/{subject}'], text

    def test_a_read_only_map_stops_each_store_and_says_by_which_signal(self):
        line, _ = self.stray('map_heap', 'stray_read')
        self.assertEqual(line['counts']['stopped at once'], 6)
        self.assertIn('Segmentation', line['details']['text'])
        self.assertIs(line['details']['promise_kept'], True)

    def test_a_pool_keeps_the_damage_in_memory_until_a_neighbour_is_updated(self):
        for subject in ('pool', 'vmcache'):
            counts = self.stray(subject, 'stray_read')[0]['counts']
            self.assertGreater(counts['wrong until evicted'], 0)
            self.assertEqual((counts['wrong on disk'], counts['broken on disk'], counts['stopped at once']), (0, 0, 0))
            self.assertGreater(self.stray(subject, 'stray_neighbour')[0]['counts']['wrong on disk'], 0)

    def test_a_shared_map_lets_it_onto_the_disk_where_the_page_is_mapped_for_writing_and_a_private_one_does_not(self):
        self.assertGreater(self.stray('map_shared', 'stray_alias')[0]['counts']['broken on disk'], 0)
        self.assertEqual(self.stray('map_private', 'stray_alias')[0]['counts']['unseen'], 6)

    def test_without_the_store_nothing_is_seen(self):
        for subject in ('pool', 'vmcache', 'map_shared'):
            line, _ = self.stray(subject, 'none')
            self.assertEqual((line['trials'], line['counts']['unseen'], line['invalid']), (6, 6, []))

    def test_where_a_page_is_not_mapped_for_writing_nothing_is_produced_and_the_reason_stands_there(self):
        line, text = self.stray('pool', 'stray_alias')
        self.assertEqual((line['trials'], line['counts']), (0, {}))
        self.assertIn('no mapping of the file for writing', line['details']['skipped'])
        self.assertIn('stray_alias: pool: it has no mapping', text)

    def test_a_map_that_can_be_written_and_says_it_cannot_is_named(self):
        line, text = self.stray('map_heap', 'stray_read', 'stray_writable_map', status=1)
        self.assertEqual(line['counts']['stopped at once'], 0)
        self.assertGreater(line['counts']['broken on disk'] + line['counts']['wrong on disk'], 0)
        self.assertIs(line['details']['promise_kept'], False)
        self.assertIn('BROKEN PROMISE: map_heap: stray_read: not stopped', text)

    def test_the_same_seed_gives_the_same_line(self):
        first, second = (self.stray('pool', 'stray_written')[0] for _ in range(2))
        for line in (first, second):
            line['details'].pop('text')
        self.assertEqual(first, second)


class Shootdown(Programs):
    def test_each_row_has_all_sizes_and_what_was_not_measured_has_its_reason(self):
        found, text = self.lines('hazard_shootdown', '--pages', '512', '--repeats', '1')
        self.assertEqual(len(found), 70)
        cpus = len(os.sched_getaffinity(0))
        for line in found.values():
            victims = {'none': 0, 'spins-3': 3, 'spins-7': 7, 'spins-15': 15}.get(line['cell'], 1)
            if victims >= cpus:
                self.assertIn(f'needs {victims + 1} CPUs', line['details']['skipped'])
            if not line['trials']:
                self.assertEqual(line['counts'], {})
                self.assertTrue(line['details']['skipped'])
        alone = found['pages-1/none']
        if 'row TLB' not in (alone['details']['skipped'] or ''):
            self.assertEqual((alone['trials'], alone['counts']['victim ns']), (512, 0))
            self.assertGreater(alone['counts']['sender ns'], 0)
        if cpus < 16:
            self.assertIn('spins-15: not measured: needs 16 CPUs', text)

    def test_a_thread_beside_it_is_interrupted_once_a_call_and_another_process_is_not(self):
        found, _ = self.lines('hazard_shootdown', '--pages', '512', '--repeats', '3')
        if not found['pages-1/none']['trials']:
            self.skipTest(found['pages-1/none']['details']['skipped'])
        for size in (1, 4, 16):
            line = found[f'pages-{size}/spins']
            if line['trials'] and found[f'pages-{size}/none']['counts']['interrupts'] < 20:
                self.assertGreater(line['counts']['interrupts'], 0.4 * 512 / size, line)


class Flush(Programs):
    def test_syncfs_writes_shared_maps_and_nothing_else_and_only_in_place_is_it_harmful(self):
        found, text = self.lines('hazard_flush', '--dir', self.folder, '--trigger', 'syncfs', '--watch', '1')
        if not found['syncfs/in_place']['trials']:
            self.skipTest(found['syncfs/in_place']['details']['skipped'])
        if found['syncfs/in_place']['invalid']:
            self.skipTest(found['syncfs/in_place']['invalid'][0])
        self.assertEqual(found['syncfs/in_place']['counts']['reached the device'], 64)
        self.assertEqual(found['syncfs/in_place']['details']['after_death'], 'neither')
        self.assertEqual(found['syncfs/map_shared']['counts']['stayed in memory'], 0)
        self.assertEqual(found['syncfs/map_shared']['details']['after_death'], 'before')
        for cell in ('pool', 'map_heap', 'map_private'):
            self.assertEqual(found[f'syncfs/{cell}']['counts'], {'reached the device': 0, 'stayed in memory': 64})
            self.assertEqual(found[f'syncfs/{cell}']['details']['after_death'], 'before')
        own = {cell: found[f'syncfs/{cell}']['details']['anonymous_kib'] for cell in ('pool', 'map_heap', 'map_private', 'map_shared', 'in_place')}
        if own['in_place'] is not None:  # what the kernel must not write takes memory of the writer's own: 64 pages of 4 KiB
            self.assertLess(max(own['in_place'], own['map_shared']), 64, own)
            for cell in ('map_heap', 'map_private'):
                self.assertGreaterEqual(own[cell], 256, own)
            self.assertRegex(text, fr'memory of its own for the change +{own["pool"]} KiB +{own["map_heap"]} KiB')

    def test_pages_that_go_before_the_trigger_make_their_row_invalid_and_others_stay(self):
        over = threading.Event()

        def somebody_else():
            while not over.wait(0.2):
                subprocess.run(['sync', '-f', self.folder], check=False)
        other = threading.Thread(target=somebody_else)
        other.start()
        try:
            found, text = self.lines('hazard_flush', '--dir', self.folder, '--trigger', 'fsync', '--watch', '2')
        finally:
            over.set()
            other.join()
        if 'cachestat' in (found['fsync/in_place']['details']['skipped'] or ''):
            self.skipTest(found['fsync/in_place']['details']['skipped'])
        for cell in ('in_place', 'map_shared'):
            self.assertEqual(len(found[f'fsync/{cell}']['invalid']), 1, found[f'fsync/{cell}'])
            self.assertIn('others made the kernel write', found[f'fsync/{cell}']['invalid'][0])
        self.assertEqual(found['fsync/pool']['invalid'], [])
        self.assertRegex(text, r'(?m)^another file.s fsync .* invalid *$')
        self.assertIn('others made the kernel write', text)

    def test_who_does_not_wait_long_enough_has_seen_nothing(self):
        found, text = self.lines('hazard_flush', '--dir', self.folder, '--trigger', 'nothing', '--wait', '1')
        line = found['nothing/in_place']
        if 'cachestat' in (line['details']['skipped'] or ''):
            self.skipTest(line['details']['skipped'])
        if line['trials']:
            self.skipTest('somebody else made the kernel write in this second')
        self.assertEqual(line['counts'], {})
        self.assertIn('watched for 1 s', line['details']['skipped'])
        self.assertRegex(text, 'not known: nothing:.* in_place: watched for 1 s')

    def test_power_cuts_hurt_exactly_where_they_must(self):
        found, _ = self.lines('hazard_powercut', '--seeds', '2')
        hurt = {line['cell'] for line in found.values() if line['counts']['neither']}
        self.assertEqual(hurt, {'none-pool', 'none-map', 'none-copied', 'log-map'})
        self.assertEqual(len(found), 9)
        for line in found.values():
            self.assertGreater(line['trials'], 100, line)
            self.assertEqual(line['details']['steps']['acknowledged'][0], 0, line)


class BadInput(Programs):
    def expect(self, status, words, name, *arguments):
        done = self.run_it(name, *arguments)
        self.assertEqual(done.returncode, status, done)
        self.assertIn(words, done.stderr)

    def test_arguments_are_refused_by_name(self):
        here = ('--dir', self.folder)
        for arguments, words in (((), '--dir is missing'), (('--dir',), '--dir'), (('--dir', '/nonexistent'), 'no such folder'),
                                 ((*here, '--places', '0'), '--places'), ((*here, '--records', '-1'), '--records'),
                                 ((*here, '--records', '5'), '--records'), ((*here, '--seed', '1x'), '--seed'),
                                 ((*here, '--frobnicate', '1'), '--frobnicate')):
            self.expect(2, words, 'hazard_rot', *arguments)
        for arguments, words in (((), '--dir is missing'), ((*here, '--wait', '0'), '--wait'), ((*here, '--watch', 'x'), '--watch'),
                                 ((*here, '--trigger', 'earthquake'), 'no such trigger')):
            self.expect(2, words, 'hazard_flush', *arguments)
        for arguments, words in (((), '--dir is missing'), ((*here, '--stores', '0'), '--stores'), ((*here, '--seed', '-1'), '--seed'),
                                 (('--dir', '/nonexistent'), 'no such folder'), ((*here, '--frobnicate', '1'), '--frobnicate')):
            self.expect(2, words, 'hazard_stray', *arguments)
        for arguments, words in ((('--pages', '100'), '--pages'), (('--pages', '513'), '--pages'), (('--repeats', '0'), '--repeats'),
                                 (('--repeats', '100'), '--repeats'), (('--json',), '--json'), (('--frobnicate', '1'), '--frobnicate')):
            self.expect(2, words, 'hazard_shootdown', *arguments)
        for arguments in (('--seeds', '0'), ('--seed',), ('seeds', '1')):
            self.expect(2, arguments[0], 'hazard_powercut', *arguments)

    def test_unknown_names_and_a_wrong_image_are_refused(self):
        here = ('--dir', self.folder, *SMALL)
        self.expect(3, 'nothing was run', 'hazard_rot', *here, '--subject', 'oracle')
        self.expect(3, 'nothing was run', 'hazard_rot', *here, '--subject', 'pool', '--hazard', 'earthquake')
        self.expect(3, 'nothing was run', 'hazard_stray', '--dir', self.folder, '--subject', 'oracle')
        self.expect(3, '/nonexistent', 'hazard_rot', *here, '--image', '/nonexistent', '--subject', 'pool')


class Session(Programs):
    def run_harness(self, *words):
        command = [sys.executable, os.path.join(os.path.dirname(HERE), 'run'), 'H9', '--size', 'tiny', '--rounds', '1', '--idle', '0',
                   '--cell', os.path.join(os.path.dirname(PROGRAMS), 'cell'), *words]
        for name in ('plans', 'data', 'results'):
            command += [f'--{name}', os.path.join(self.folder, name)]
        done = subprocess.run(command, capture_output=True, check=False, timeout=120, encoding='utf-8')
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_a_session_is_measured_reported_and_resumed_where_it_was_cut(self):
        os.mkdir(os.path.join(self.folder, 'plans'))
        text = PLAN.replace('hazard_rot', 'hazard_powercut').replace('"pool"', '"log-map"').replace('"lost"', '"power_cut"')
        text = text.replace('"error"', '"neither"').replace('low = 1', 'low = 0.01')
        with open(os.path.join(self.folder, 'plans', 'H9.toml'), 'w', encoding='utf-8') as f:
            f.write(text)
        out = self.run_harness()
        self.assertRegex(out, r'(?m)^  power_cut +N\d+ B\d+')
        self.assertIn('came true', out)
        path, = glob.glob(os.path.join(self.folder, 'results', '*', '*.jsonl'))
        with open(path, encoding='utf-8') as f:
            lines = f.read().splitlines(keepends=True)
        with open(path, 'w', encoding='utf-8') as f:
            f.writelines(lines[:-2] + [lines[-2][:40]])
        self.assertIn('Going on with', self.run_harness())
        with open(path, encoding='utf-8') as f:
            found = [line for line in map(json.loads, f) if line['kind'] == 'hazard']
        self.assertEqual(len({line['key'] for line in found}), 9)
        self.assertEqual(hazards.finished(FakeSession(*found)), [('H9', 1, 'hazard_powercut', 1)])


def a_line(hazard='lost', cell='pool', counts=None, program='hazard_rot', of=1, **details):
    counts = {'error': 3} if counts is None else counts
    return {'kind': 'hazard', 'experiment': 'H9', 'plan': 'x', 'round': 1, 'seed': 1, 'program': program, 'of': of, 'cell': cell,
            'key': f'{hazard}/{cell}', 'trials': sum(counts.values()), 'counts': counts, 'invalid': [], 'flags': [],
            'details': {'hazard': hazard, 'skipped': None, 'promise_kept': True, 'text': '', **details}}


PLAN = '''
id = "H9"
title = "t"
kind = "hazard"
programs = ["hazard_rot"]
questions = ["Q7"]
asks = "?"
switch = "s"
[[cell]]
name = "pool"
[[prediction]]
id = "H9.1"
cell = "pool"
phase = "lost"
metric = "error"
low = 1
high = 1
says = "it is found"
'''


class FakeSession:
    """The lines of a session."""

    def __init__(self, *lines):
        self.lines = lines

    def of_kind(self, kind, experiment=None):
        return [line for line in self.lines if line['kind'] == kind and experiment in (None, line['experiment'])]


def a_measure(path, *lines):
    """What stands in for a session.Measure that goes on after some lines. written: its own."""
    written = []
    return types.SimpleNamespace(
        head={'mode': 'tiny', 'seed': 1}, done=set(hazards.finished(FakeSession(*lines))),
        attempts=hazards.attempts(FakeSession(*lines)), program=types.SimpleNamespace(path=path), written=written,
        writer=types.SimpleNamespace(write=written.append), progress=types.SimpleNamespace(show=lambda *_, **__: None, finish=lambda s: None))


class Letters(unittest.TestCase):
    def test_outcomes_of_a_program_have_letters_of_their_own(self):
        self.assertEqual(hazards.letters(['error', 'wrong data', 'right']), {'error': 'E', 'wrong data': 'W', 'right': 'R'})
        self.assertEqual(hazards.letters(['wrong until evicted', 'wrong on disk']), {'wrong until evicted': 'W', 'wrong on disk': 'D'})
        self.assertEqual(hazards.letters(['same', 'same on']), {'same': 'S', 'same on': 'O'})


class Harness(unittest.TestCase):
    def setUp(self):
        self.plan = plans.parse(PLAN, 'H9.toml')

    def summary(self, *lines):
        return '\n'.join(hazards.summary(FakeSession(*lines), self.plan, str))

    def test_the_committed_plans_can_be_read_and_name_cells_that_exist(self):
        everything = plans.load_all(os.path.join(os.path.dirname(HERE), 'plans'))
        self.assertEqual(everything['H1'].kind, 'hazard')
        self.assertGreater(len(everything['H2'].predictions), 10)
        self.assertGreater(len(everything['H3'].predictions), 10)

    def test_a_plan_that_cannot_be_is_refused(self):
        for old, new, words in (('"hazard_rot"', '"rm"', 'programs'), ('programs = ["hazard_rot"]', '', 'programs'),
                                ('kind = "hazard"', 'kind = "replay"', 'programs'), ('cell = "pool"', 'cell = "poodle"', 'poodle'),
                                ('low = 1', 'low = 2', 'low is above high'), ('title', 'titel', 'titel')):
            with self.assertRaises(plans.PlanError) as raised:
                plans.parse(PLAN.replace(old, new, 1), 'H9.toml')
            self.assertIn(words, str(raised.exception))

    def test_predictions_come_true_fail_or_stay_open(self):
        for line, result in ((a_line(), compare.TRUE), (a_line(counts={'error': 2, 'wrong data': 1}), compare.FALSE),
                             (a_line(counts={}, skipped='no disk'), compare.OPEN), (a_line('torn'), compare.OPEN)):
            found = hazards.prediction_result({line['key']: line}, self.plan.predictions[0])
            self.assertEqual(found[0], result, found)

    def test_a_time_whose_repetitions_lie_on_both_sides_of_a_prediction_leaves_it_open(self):
        plan = plans.load(os.path.join(os.path.dirname(HERE), 'plans', 'E9.toml'))
        p = next(p for p in plan.predictions if p['id'] == 'E9.sender')
        for times, word in (([1600, 2000, 9000], compare.TRUE), ([1400, 2000, 9000], compare.OPEN), ([900, 1000, 1400], compare.FALSE)):
            line = {**a_line('pages-1', cell='spins', counts={'sender ns': 10 * times[1]}), 'program': 'hazard_shootdown', 'trials': 10}
            line['details']['sender_ns'] = [10 * t for t in times]
            self.assertEqual(hazards.prediction_result({line['key']: line}, p)[0], word)

    def test_an_invalid_control_and_a_broken_promise_are_said_and_never_counted(self):
        line = a_line(promise_kept=False, counts={'wrong data': 3}, text='record 7 has another value')
        self.assertIn('BROKEN PROMISE: pool: lost: W3: record 7 has another value', self.summary(line))
        line['invalid'] = ['values were not right although nothing happened']
        self.assertIn('invalid: lost/pool: values were not right', self.summary(line))
        self.assertEqual(hazards.prediction_result({line['key']: line}, self.plan.predictions[0])[0], compare.OPEN)

    def test_what_was_not_produced_is_a_dash_with_its_reason(self):
        text = self.summary(a_line(), a_line('eio', counts={}, skipped='needs root'))
        self.assertIn('not produced: eio: pool: needs root', text)
        self.assertRegex(text, r'(?m)^  eio +-$')

    def test_a_program_is_done_when_all_of_its_lines_are_there(self):
        half, whole = FakeSession(a_line(of=2)), FakeSession(a_line(of=2), a_line('torn', of=2))
        self.assertFalse(hazards.is_complete(self.plan, half))
        self.assertTrue(hazards.is_complete(self.plan, whole))
        self.assertEqual(hazards.finished(whole), [('H9', 1, 'hazard_rot', 1)])

    def test_a_program_that_dies_ends_the_run_with_its_words(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'hazard_rot')
            for script, words in (('echo no room >&2; exit 3', 'status 3: no room'), ('kill -9 $$', 'status -9: no message')):
                with open(path, 'w', encoding='ascii') as f:
                    f.write(f'#!/bin/sh\n{script}\n')
                os.chmod(path, 0o755)
                with self.assertRaises(hazards.HazardError) as raised:
                    hazards.call(path, [], lambda text: None)
                self.assertIn(words, str(raised.exception))

    SUBJECTS = '''#!/bin/sh
[ "$1" = --list ] && { echo one; echo two; echo three; exit 0; }
while [ "$1" ]; do case "$1" in --subject) subject=$2;; --json) json=$2;; --disk) disk=$2;; esac; shift; done
[ "$subject" = "$(cat "$disk.bad" 2>/dev/null)" ] && { echo broken >&2; exit 3; }
[ "$subject" = one ] && sleep 0.3
for hazard in none torn; do echo "{\\"key\\":\\"$hazard/$subject\\",\\"cell\\":\\"$subject\\",\\"disk\\":\\"$disk\\"}"; done >>"$json"
echo '{"key":"none/lacking","cell":"lacking"}' >>"$json"
'''

    def by_subject(self, folder, at_once, bad=''):
        """Lines of a program with three subjects; the disks that were made, and those that are left."""
        path, disks, left = os.path.join(folder, 'hazard_rot'), [], []
        for name, text in (('hazard_rot', self.SUBJECTS), ('disk.bad', bad)):
            with open(os.path.join(folder, name), 'w', encoding='ascii') as f:
                f.write(text)
        os.chmod(path, 0o755)

        @contextlib.contextmanager
        def disk():
            disks.append(len(disks))
            left.append(disks[-1])
            try:
                yield disks[-1]
            finally:
                left.pop()
        try:
            return hazards.call_by_subject(path, lambda n: ['--disk', os.path.join(folder, 'disk')], disk, lambda text: None, at_once), disks, left
        except hazards.HazardError as error:
            return str(error), disks, left

    def test_subjects_run_side_by_side_on_disks_of_their_own_and_their_lines_stay_in_order(self):
        for at_once in (1, 2, 8):
            with tempfile.TemporaryDirectory() as folder:
                lines, disks, left = self.by_subject(folder, at_once)
            self.assertEqual([line['key'] for line in lines], ['none/one', 'torn/one', 'none/two', 'torn/two', 'none/three', 'torn/three', 'none/lacking'])
            self.assertEqual((len(disks), left), (3, []))

    def test_a_subject_that_dies_is_an_invalid_line_and_the_others_go_on(self):
        with tempfile.TemporaryDirectory() as folder:
            lines, disks, left = self.by_subject(folder, 8, 'two')
        self.assertEqual([line['key'] for line in lines], ['none/one', 'torn/one', 'ended/two', 'none/three', 'torn/three', 'none/lacking'])
        self.assertEqual(lines[2]['invalid'], ['hazard_rot ended with status 3: broken'])
        self.assertEqual((len(disks), left), (3, []))

    def run_e9(self, folder, script, *lines):
        """The lines of E9 when a session with some lines goes on, with this script as the program."""
        os.makedirs(os.path.join(folder, 'hazards'), exist_ok=True)
        for name in ('cell', 'hazards/hazard_shootdown'):
            with open(os.path.join(folder, name), 'w', encoding='ascii') as f:
                f.write(f'#!/bin/sh\n{script}\n')
            os.chmod(os.path.join(folder, name), 0o755)
        session = a_measure(os.path.join(folder, 'cell'), *lines)
        session.data = types.SimpleNamespace(folder=folder)
        hazards.measure(session, plans.load(os.path.join(os.path.dirname(HERE), 'plans', 'E9.toml')))
        return session.written

    def test_a_program_that_dies_is_an_invalid_line_and_runs_again_when_the_session_goes_on(self):
        plan = plans.load(os.path.join(os.path.dirname(HERE), 'plans', 'E9.toml'))
        right = json.dumps({'cell': 'spins', 'key': 'pages-1/spins', 'trials': 1, 'counts': {'interrupts': 1, 'sender ns': 5, 'victim ns': 5},
                            'invalid': [], 'flags': [], 'details': {'hazard': 'pages-1', 'skipped': None}})
        with tempfile.TemporaryDirectory() as folder:
            first = self.run_e9(folder, 'echo no room >&2; exit 3')
            again = self.run_e9(folder, 'echo no room >&2; exit 3', *first)
            whole = self.run_e9(folder, f"while [ \"$1\" != --json ]; do shift; done; echo '{right}' >\"$2\"", *first, *again)
            after = self.run_e9(folder, 'exit 3', *first, *again, *whole)
        for written, attempt in ((first, 1), (again, 2)):
            line, = written
            self.assertEqual((line['kind'], line['trials'], line['invalid'], line['attempt']),
                             ('hazard', 0, ['hazard_shootdown ended with status 3: no room'], attempt))
        self.assertFalse(hazards.is_complete(plan, FakeSession(*first, *again)))
        self.assertIn('status 3: no room', '\n'.join(hazards.summary(FakeSession(*first), plan, str)))
        self.assertEqual([(line['key'], line['attempt']) for line in whole], [('pages-1/spins', 3)])
        self.assertTrue(hazards.is_complete(plan, FakeSession(*first, *again, *whole)))
        self.assertEqual(hazards.last_lines(FakeSession(*first, *again, *whole)), whole)
        self.assertNotIn('status 3: no room', '\n'.join(hazards.summary(FakeSession(*first, *again, *whole), plan, str)))
        self.assertEqual(after, [])

    def test_e9_is_flagged_where_others_used_the_cpus_and_says_so(self):
        line = json.dumps({'cell': 'spins', 'key': 'pages-1/spins', 'trials': 1, 'counts': {'interrupts': 1, 'sender ns': 5, 'victim ns': 5},
                           'invalid': [], 'flags': [], 'details': {'hazard': 'pages-1', 'skipped': None}})
        script = f"while [ \"$1\" != --json ]; do shift; done; echo '{line}' >\"$2\""
        for noise, flags in (([], []), (['others used 30% of the CPU time', 'others moved 9% of the bytes of the disk'],
                                        ['R10: others used 30% of the CPU time, whose interrupts are counted too'])):
            with tempfile.TemporaryDirectory() as folder, mock.patch.object(hazards.guard, 'noise', lambda *_, noise=noise: noise):
                self.assertEqual([line['flags'] for line in self.run_e9(folder, script)], [flags])

    def test_a_disk_without_room_is_an_invalid_line(self):
        def full(*_):
            raise OSError(28, 'No space left on device')
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(hazards, 'Disk', full):
            line, = self.run_e9(folder, 'exit 0')
        self.assertIn('No space left on device', line['invalid'][0])
        self.assertEqual(line['details']['hazard'], hazards.ENDED)

    def test_lines_of_an_attempt_that_was_cut_off_count_no_more(self):
        some = [a_line('ended', of=2), a_line('torn', of=2)]
        whole = [{**a_line(hazard, of=2), 'attempt': 2} for hazard in ('lost', 'torn')]
        self.assertEqual(hazards.finished(FakeSession(*some)), [])
        self.assertEqual(hazards.last_lines(FakeSession(*some, whole[0])), whole[:1])
        self.assertEqual(hazards.finished(FakeSession(*some, whole[0])), [])
        self.assertEqual(hazards.finished(FakeSession(*some, *whole)), [('H9', 1, 'hazard_rot', 1)])

    def test_a_build_without_hazards_is_skipped_with_a_reason(self):
        session = a_measure('/nonexistent/cell')
        hazards.measure(session, self.plan)
        self.assertEqual([line['kind'] for line in session.written], ['skip'])
        self.assertIn('apt-get install check', session.written[0]['reason'])
        self.assertTrue(hazards.is_complete(self.plan, FakeSession(*session.written)))

    def test_a_disk_leaves_nothing_behind(self):
        with tempfile.TemporaryDirectory() as parent:
            with hazards.Disk(parent) as disk:
                self.assertTrue(os.path.isdir(disk.folder))
                self.assertTrue(disk.image or disk.why)
            self.assertEqual(os.listdir(parent), [])

    def test_what_a_killed_harness_left_is_removed_and_nothing_else(self):
        with tempfile.TemporaryDirectory() as parent:
            for name in ('hazard-999999999-abc/files', f'hazard-{os.getpid()}-abc/files', 'hazard-notes'):
                os.makedirs(os.path.join(parent, name))
            hazards.sweep(parent)
            self.assertEqual(sorted(os.listdir(parent)), [f'hazard-{os.getpid()}-abc', 'hazard-notes'])


if __name__ == '__main__':
    PROGRAMS = os.path.abspath(sys.argv.pop(1))
    unittest.main()
