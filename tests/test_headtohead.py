#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The main job on few records: every engine returns what the model has, and the report says so.

usage: test_headtohead.py HEADTOHEAD
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HEADTOHEAD = os.path.abspath(sys.argv[1])
N_UPDATES = 2000


def stanzas(n):
    return ''.join(f'Package: p{i * 7919 % 10007}\nVersion: {i}\nText: {"x" * (i % 900)}\n\n'
                   for i in range(n))


def run(folder, n, *switches):
    path = os.path.join(folder, 'packages')
    with open(path, 'w', encoding='ascii') as f:
        f.write(stanzas(n))
    return subprocess.run([HEADTOHEAD, *switches, path, folder, '16'], capture_output=True, check=False,
                          timeout=300, encoding='utf-8')


def check_report(out):
    assert re.search(r'SQLite, by key: .*WITHOUT ROWID.*the like', out), out
    assert re.search(r'SQLite, row ids: ', out), out
    row = re.search(r'^files while open, with the log +(.*)$', out, re.M)
    assert row and len(re.findall(r'[0-9.]+ MB', row[1])) == 4, out


def test_few_records_are_updated_again_and_again(folder):
    # Of 30 records each tenth update finds the same ones, which it deletes again and again.
    for n in (1, 30, 701):
        done = run(folder, n)
        assert done.returncode == 0, (n, done)
        last = done.stdout.splitlines()[-1]
        assert re.match(r'All 4 engines agree on all [0-9,]+ records that 2,000 updates left', last), \
            (n, last)
        left = int(re.search(r'all ([0-9,]+) records', last)[1].replace(',', ''))
        check_report(done.stdout)
        assert n - N_UPDATES // 10 <= left <= n and (n < 30 or left < n), (n, left)


def test_switches_reach_both_pagers_and_wrong_ones_are_told(folder):
    done = run(folder, 30, '--checksum=always', '--policy=lru', '--commit=two')
    assert done.returncode == 0, done
    for words in (r'bufpool: two flushes a commit; .*verified at each get; policy lru',
                  r'mmap: two flushes a commit; .*checksum always'):
        assert re.search(words, done.stdout), done.stdout
    for word in ('--policy=nothing', '--policy', '--buffered=1', '--frobnicate'):
        done = run(folder, 1, word)
        assert done.returncode == 2 and f'{word}: expected' in done.stderr, done


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
    n_failed = 0
    # 2,000 durable updates through four engines: in memory, where there is a place.
    parent = '/dev/shm' if os.path.isdir('/dev/shm') else os.environ.get('TMPDIR') or '/var/tmp'
    for name, f in tests:
        folder = tempfile.mkdtemp(prefix='verso-headtohead-', dir=parent)
        try:
            f(folder)
        except AssertionError as e:
            n_failed += 1
            print(f'FAILED {name}: {e}')
        finally:
            shutil.rmtree(folder)
    print(f'{len(tests) - n_failed} passed, {n_failed} failed, 0 skipped')
    return 1 if n_failed else 0


if __name__ == '__main__':
    sys.exit(main())
