#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Adds up what the test programs of several builds said.

usage: summary.py BUILD...

A program's last line `N passed, N failed, N skipped` counts its cases; one without such a line is a
case itself. Lines that begin with `total:` (what a big run did) and `skipped:` (with the reason) are
passed on. A program that ended badly counts at least one failure, and its output is printed. The
last line of all is the sum. Exit status 1 when anything failed.
"""
import json
import os
import re
import subprocess
import sys

COUNTS = re.compile(r'^(\d+) passed, (\d+) failed, (\d+) skipped$')
TAIL_LINES = 60


def read_log(build):
    """The results of one build: dicts of name, result and stdout."""
    folder = os.path.join(build, 'meson-logs')
    results = []
    for name in sorted(os.listdir(folder)):
        if name.startswith('testlog') and name.endswith('.json'):
            with open(os.path.join(folder, name), encoding='utf-8', errors='replace') as f:
                results += [json.loads(line) for line in f if line.strip()]
    return results


def count(test):
    """(passed, failed, skipped) of one program."""
    found = (0, 0, 0)
    has_counts = False
    for line in test.get('stdout', '').splitlines():
        match = COUNTS.match(line.strip())
        if match:
            found = tuple(int(n) for n in match.groups())
            has_counts = True
    if test['result'] == 'SKIP' and not has_counts:
        return (0, 0, 1)
    if test['result'] in ('OK', 'SKIP'):
        return found if has_counts else (1, 0, 0)
    return (found[0], max(found[1], 1), found[2])


def lines_that_begin(tests, start):
    for test in tests:
        for line in test.get('stdout', '').splitlines():
            if line.startswith(start):
                yield test, line


def can_do(build):
    """What the tool says of this machine: (io_uring, O_DIRECT)."""
    path = os.path.join(build, 'summary.verso')
    tool = os.path.join(build, 'tools', 'verso')
    for name in (path, path + '-lock'):
        if os.path.exists(name):
            os.remove(name)
    subprocess.run([tool, 'put', path, 'a', 'b'], check=False, capture_output=True)
    out = subprocess.run([tool, 'stat', '--json', '--process', path], check=False, capture_output=True)
    try:
        how = json.loads(out.stdout)['how']
    except (ValueError, KeyError):
        return (False, False)
    return ('uring' in how and 'no uring' not in how, 'direct' in how and 'buffered' not in how)


def main():
    builds = sys.argv[1:]
    total = [0, 0, 0]
    skips = {}
    for build in builds:
        tests = read_log(build)
        for test in tests:
            counts = count(test)
            total = [a + b for a, b in zip(total, counts)]
            if test['result'] not in ('OK', 'SKIP'):
                print(f'--- {build}: {test["name"]}: {test["result"]}')
                text = test.get('stdout', '') + test.get('stderr', '')
                print('\n'.join(text.splitlines()[-TAIL_LINES:]))
        for test, line in lines_that_begin(tests, 'total:'):
            print(f'{build}, {test["name"]}: {line[len("total:"):].strip()}')
        for test, line in lines_that_begin(tests, 'skipped:'):
            skips.setdefault(line[len('skipped:'):].strip(), set()).add(build)
        if not tests:
            print(f'{build}: no test has run')
            total[1] += 1
    for text in sorted(skips):
        print(f'skipped: {text} ({", ".join(sorted(skips[text]))})')
    everything = ' '.join(skips)
    if 'uring' in everything and 'O_DIRECT' in everything and all(can_do(builds[0])):
        print('io_uring and O_DIRECT were both skipped, but this machine has both')
        total[1] += 1
    print(f'{total[0]} passed, {total[1]} failed, {total[2]} skipped')
    return 1 if total[1] > 0 else 0


if __name__ == '__main__':
    sys.exit(main())
