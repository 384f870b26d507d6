#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The main job on few records: every engine returns what the model has, and the report says so.

usage: test_headtohead.py HEADTOHEAD
"""
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

HEADTOHEAD = os.path.abspath(sys.argv[1])
N_UPDATES = 2000
N_RECORDS = 10000  # of the tests in little memory
LITTLE_BYTES = 10 << 20
WITHIN = (sys.executable, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'experiments', 'run'), 'within')
# struct answer of tools/headtohead/small.c: two phases of a count and what they used, then wrong answers and bytes in memory.
ANSWER = struct.Struct('=7Q7Q2Q')


class Skipped(Exception):
    """Why a test cannot run here."""


def stanzas(n, most=900):
    return ''.join(f'Package: p{i * 7919 % 10007}\nVersion: {i}\nText: {"x" * (i % most)}\n\n'
                   for i in range(n))


def run(folder, n, *switches, most=900):
    path = os.path.join(folder, 'packages')
    with open(path, 'w', encoding='ascii') as f:
        f.write(stanzas(n, most))
    return subprocess.run([HEADTOHEAD, *switches, path, folder, '16'], capture_output=True, check=False,
                          timeout=300, encoding='utf-8')


def n_engines(out):
    return 5 if re.search(r' LMDB: ', out) else 4


def check_report(out, has_spread):
    assert re.search(r'SQLite, by key: .*WITHOUT ROWID.*the like', out), out
    assert re.search(r'SQLite, row ids: ', out), out
    row = re.search(r'^files while open, with the log +(.*)$', out, re.M)
    assert row and len(re.findall(r'[0-9.]+ [KM]B', row[1])) == n_engines(out), out
    row = re.search(r'^get, empty caches, gets/s +(.*)$', out, re.M)
    assert row and len(re.findall(r'[0-9.]+[kM]?(?: ±[0-9]+%)?', row[1])) == n_engines(out), out
    assert ('±' in row[1]) == has_spread, out


def test_few_records_are_updated_again_and_again(folder):
    # Of 30 records each tenth update finds the same ones, which it deletes again and again.
    for n in (1, 30, 701):
        done = run(folder, n, '--rounds=1' if n == 1 else '--rounds=2')
        assert done.returncode == 0, (n, done)
        last = done.stdout.splitlines()[-1]
        assert re.match(rf'All {n_engines(done.stdout)} engines agree on all [0-9,]+ records '
                        r'that 2,000 updates left', last), (n, last)
        left = int(re.search(r'all ([0-9,]+) records', last)[1].replace(',', ''))
        check_report(done.stdout, n > 1)
        assert n - N_UPDATES // 10 <= left <= n and (n < 30 or left < n), (n, left)


def test_json_has_every_round_and_says_what_the_table_says(folder):
    path = os.path.join(folder, 'out.json')
    done = run(folder, 701, '--rounds=4', f'--json={path}')
    assert done.returncode == 0, done
    with open(path, encoding='utf-8') as f:
        out = json.load(f)
    assert out['agree'] and out['rounds'] == 4 and out['records'] == 701, out
    assert len(out['engines']) == n_engines(done.stdout), out
    for engine in out['engines']:
        phases = engine['phases']
        assert {name: len(samples) for name, samples in phases.items()} == {
            'load': 1, 'get_empty_caches': 4, 'scan_empty_caches': 4, 'get_after_scan': 4,
            'scan_after_scan': 4, 'fill_quarter_of_memory': 0, 'get_in_quarter_of_memory': 0, 'durable_update': 4, 'verify': 1}, phases
        assert sum(s['operations'] for s in phases['durable_update']) == N_UPDATES, phases
        assert all(s['ns'] > 0 for samples in phases.values() for s in samples), phases
        assert engine['wrong_answers'] == 0 and engine['failed_stages'] == 0, engine
    assert len({engine['digest'] for engine in out['engines']}) == 1, out


def records_and_a_command_that_limits_nothing(folder):
    """17 MB of records through all engines, with the reads in little memory, within a command that notes what it was asked for and does
    nothing else. (The run, the limits, its JSON.)"""
    within = os.path.join(folder, 'within')
    with open(within, 'w', encoding='ascii') as f:
        f.write(f'#!/bin/sh\necho "$1" >>{folder}/limits\nshift 2\nexec "$@"\n')
    os.chmod(within, 0o755)
    os.environ['HEADTOHEAD_WITHIN'] = within
    try:
        done = run(folder, N_RECORDS, '--rounds=1', f'--json={folder}/out.json', most=3400)
    finally:
        del os.environ['HEADTOHEAD_WITHIN']
    assert done.returncode == 0, done
    with open(os.path.join(folder, 'limits'), encoding='ascii') as f:
        limits = f.read().split()
    with open(os.path.join(folder, 'out.json'), encoding='utf-8') as f:
        return done, limits, json.load(f)


def test_reads_in_little_memory_run_within_the_command_and_one_that_limits_nothing_gives_no_result(folder):
    done, limits, out = records_and_a_command_that_limits_nothing(folder)
    assert limits == [str(out['data_bytes'] // 4)] * len(out['engines']), (limits, out)
    for engine in out['engines']:
        phases = [engine['phases'][f'{what}_quarter_of_memory'] for what in ('fill', 'get_in')]
        assert engine['wrong_answers'] == 0 and engine['failed_stages'] == 0, engine
        told = f'{engine["title"]}: not measured in little memory: {folder}/within limits nothing' in done.stderr
        # A pool that bypasses the page cache keeps within its memory by itself.
        assert told and phases == [[], []] or engine['title'] == 'Verso, pool', (engine, done.stderr)


def test_little_memory_is_full_when_as_much_was_read_as_it_holds(folder):
    on_disk = tempfile.mkdtemp(prefix='headtohead-', dir=os.path.dirname(HEADTOHEAD))
    try:
        if os.major(os.stat(on_disk).st_dev) == 0:
            raise Skipped('the build does not lie on a disk')
        if subprocess.run([*WITHIN, str(LITTLE_BYTES), '--', 'true'], capture_output=True, check=False).returncode != 0:
            raise Skipped('nothing here limits memory (experiments/run within)')
        _, _, out = records_and_a_command_that_limits_nothing(folder)
        for engine, name in (('Verso, pool', 'bufpool.verso'), ('Verso, map', 'mmap.verso'), ('SQLite, by key', 'by-key.sqlite')):
            assert engine in [e['title'] for e in out['engines']], out
            for file in ('probes', name):
                shutil.copy(os.path.join(folder, file), on_disk)
            done = subprocess.run([*WITHIN, str(LITTLE_BYTES), '--', HEADTOHEAD, '--small-gets', name, on_disk, str(LITTLE_BYTES), '0'],
                                  capture_output=True, check=False, timeout=100)
            assert done.returncode == 0 and len(done.stdout) == ANSWER.size, (engine, done)
            fill_n, _, fill_read, *_, count_n, _, _, _, _, _, _, n_wrong, held = ANSWER.unpack(done.stdout)
            # What it returns was updated since, so some of it is "wrong"; before that, the run above found nothing wrong.
            assert n_wrong < (fill_n + count_n) / 2, (engine, n_wrong, fill_n, count_n)
            # It is far from having read each record.
            assert fill_read >= LITTLE_BYTES and 0 < fill_n < N_RECORDS and count_n > 0, (engine, fill_n, fill_read)
            assert LITTLE_BYTES / 2 < held < LITTLE_BYTES * 1.05, (engine, held)
    finally:
        shutil.rmtree(on_disk)


def test_an_engine_that_fails_is_told_and_left_out(folder):
    os.mkdir(os.path.join(folder, 'mmap.verso'))
    done = run(folder, 30, '--rounds=1')
    assert done.returncode == 1, done
    assert re.search(r'^Verso, map did not finish$', done.stdout, re.M), done.stdout
    assert done.stdout.splitlines()[-1] == 'The engines DO NOT agree.', done.stdout
    os.rmdir(os.path.join(folder, 'mmap.verso'))


def test_switches_reach_both_pagers_and_wrong_ones_are_told(folder):
    done = run(folder, 30, '--rounds=1', '--checksum=always', '--policy=lru', '--commit=two')
    assert done.returncode == 0, done
    for words in (r'Verso, pool: two flushes a commit; .*verified at each get; policy lru',
                  r'Verso, map: two flushes a commit; .*checksum always'):
        assert re.search(words, done.stdout), done.stdout
    done = run(folder, 30, '--rounds=1', '--pager=vmcache', '--checksum=always')
    assert done.returncode == 0 and f'All {n_engines(done.stdout) + 1} engines agree' in done.stdout, done
    assert re.search(r'Verso, vmcache: .*vmcache; .*verified at each get', done.stdout), done.stdout
    for word in ('--policy=nothing', '--policy', '--buffered=1', '--frobnicate', '--rounds=0',
                 '--rounds=x', '--rounds=33', '--json=', '--rounds'):
        done = run(folder, 1, word)
        assert done.returncode == 2 and f'{word}: expected' in done.stderr, done
    done = run(folder, 1, 'a', 'b', 'c', '0')
    assert done.returncode == 2 and 'expected' in done.stderr, done


def test_a_file_without_stanzas_is_an_error(folder):
    path = os.path.join(folder, 'empty')
    for text in ('', 'nothing here\n'):
        with open(path, 'w', encoding='ascii') as f:
            f.write(text)
        done = subprocess.run([HEADTOHEAD, path, folder], capture_output=True, check=False,
                              timeout=60, encoding='utf-8')
        assert done.returncode == 1 and path in done.stderr, done


def main():
    tests = [(name, f) for name, f in sorted(globals().items()) if name.startswith('test_')]
    n_failed = n_skipped = 0
    # 2,000 durable updates through four engines: in memory, where there is a place.
    parent = '/dev/shm' if os.path.isdir('/dev/shm') else os.environ.get('TMPDIR') or '/var/tmp'
    for name, f in tests:
        folder = tempfile.mkdtemp(prefix='verso-headtohead-', dir=parent)
        try:
            f(folder)
        except AssertionError as e:
            n_failed += 1
            print(f'FAILED {name}: {e}')
        except Skipped as why:
            n_skipped += 1
            print(f'SKIPPED {name}: {why}')
        finally:
            shutil.rmtree(folder)
    print(f'{len(tests) - n_failed - n_skipped} passed, {n_failed} failed, {n_skipped} skipped')
    return 1 if n_failed else 0


if __name__ == '__main__':
    sys.exit(main())
