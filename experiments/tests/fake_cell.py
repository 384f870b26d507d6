#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A cell with scripted behaviour. The environment's FAKE_CELL is JSON:

    steps      [[seconds, operations a second], ...]: what it does, the last step for ever (default: 1000 a second)
    histogram  of each phase (default: the operations, 1000 ns each)
    die        the word of the command line at which it ends by a signal, such as "--seed=7"
    words      a file to which each command line is appended
    build      what it says of itself that is not ordinary
    load_s     how long it makes a file
    batches    whether it tells the batch of each phase
"""
import json
import mmap
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

from lib import live  # noqa: E402

SCRIPT = json.loads(os.environ.get('FAKE_CELL', '{}'))


def option(name, default=None):
    return next((w.split('=', 1)[1] for w in sys.argv[2:] if w.startswith(f'--{name}=')), default)


def operations(seconds):
    """How many have ended after so many seconds."""
    total = 0.0
    steps = SCRIPT.get('steps', [[1, 1000]])
    for i, (length, rate) in enumerate(steps):
        part = seconds if i == len(steps) - 1 else min(seconds, length)
        total += part * rate
        seconds -= part
    return int(total)


def phase_line(number, seconds, ops):
    return {'phase': number, 'ops': ops, 'checked': ops, 'wrong': 0, 'max_ns': 1000, 'ns': int(seconds * 1e9) + 1,
            'user_ns': 1000 * ops, 'system_ns': 0, 'minor_faults': 0, 'major_faults': ops, 'voluntary_switches': 0,
            'involuntary_switches': 0, 'device_read_bytes': 0, 'device_write_bytes': 0, 'pager': None,
            'histogram': SCRIPT.get('histogram', [[1000, ops]])}


def run():
    descriptor = int(option('live-fd'))
    words = memoryview(mmap.mmap(descriptor, live.SIZE_BYTES)).cast('Q')
    words[live.THREADS + live.EVICTIONS] = live.UNKNOWN
    words[live.STATE] = live.READY
    phases, start, batches = [], None, {}
    while not words[live.STOP]:
        now, number = time.monotonic(), words[live.PHASE]
        if number and start is None:
            start = now
        if number and (not phases or phases[-1][0] != number):
            phases.append((number, now, operations(now - start)))
        if number and SCRIPT.get('batches'):
            batches[number] = words[live.BATCH]
        if start is not None:
            words[live.THREADS] = operations(now - start)
        time.sleep(0.002)
    phases.append((0, time.monotonic(), operations(time.monotonic() - start) if start else 0))
    lines = [phase_line(a[0], b[1] - a[1], b[2] - a[2]) for a, b in zip(phases, phases[1:])]
    print(json.dumps({'engine': 'verso', 'open_ns': 1, 'evicted_bytes': 0, 'how': f'fake {batches}' if batches else 'fake', 'phases': lines}))


def main():
    command = sys.argv[1]
    if SCRIPT.get('words'):
        with open(SCRIPT['words'], 'a', encoding='utf-8') as f:
            f.write(' '.join(sys.argv[1:]) + '\n')
    if SCRIPT.get('die') in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
    if command == 'version':
        print(json.dumps({'verso': SCRIPT.get('version', '0'), 'engines': ['verso'],
                          'build': {'optimization': '3', 'sanitizer': 'none', 'coverage': False, 'hostile': False, **SCRIPT.get('build', {})}}))
    elif command == 'load':
        time.sleep(SCRIPT.get('load_s', 0))
        with open(option('file'), 'wb') as f:
            f.write(bytes(8192))
    elif command == 'run' and option('live-fd'):
        run()
    elif command == 'run':
        print(json.dumps({'phases': [{'histogram': [[1000, 10000]]}]}))
    else:
        print('{"cached_bytes":0,"dirty_bytes":0,"recently_evicted_bytes":0}')


if __name__ == '__main__':
    main()
