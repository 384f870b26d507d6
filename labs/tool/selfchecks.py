# SPDX-License-Identifier: MIT
"""The self-check of one lab in this process, or of several, each in a process of its own; and their table.

What a lab proves is in selfcheck.py. Several share build folders: one lab at a time has one, and the next finds the engine in it.
"""
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time

import build
import selfcheck
from common import Lab, ROOT, read, say, write

LABS_AT_A_TIME = 2  # much of a lab is one process that compiles, or waits
ALL_CPU_S, ALL_QUICK_CPU_S = 2 * 1800, 2 * 180  # seconds of processor time, on two processors
COLUMNS = (('reference', 'points of the reference'), ('starter', 'of the starter'), ('bugs', 'bugs found'), ('cheats', 'cheats refused'),
           ('own tests', 'bugs found by own tests'), ('build', 'first build'), ('quick', 'quick tests'), ('grading', 'grading'), ('all', 'all this'))
INTERRUPTED = (130, -signal.SIGINT)  # status after Ctrl-C: of ./lab, and of one that has just begun
_saying = threading.Lock()


def table(cells):
    """The labs and what was proved of each, as Markdown. The last columns are seconds of processor time."""
    columns = [(key, head) for key, head in COLUMNS if any(key in row for row in cells.values())]
    yield '| lab | ' + ' | '.join(head for _, head in columns) + ' |'
    yield '|---' * (len(columns) + 1) + '|'
    for of_lab, row in cells.items():
        yield f'| {of_lab} | ' + ' | '.join(row.get(key, '-') for key, _ in columns) + ' |'


def main(numbers, args):
    """Checks these labs. The status of the command."""
    if len(numbers) > 1:
        return of_labs(numbers, args)
    check = selfcheck.check_lab(Lab(numbers[0]), args)
    give({numbers[0]: check.cells}, args.json)
    return 1 if check.bad or not check.n else 0


def give(cells, path):
    """The table: printed, or as JSON {lab: {column: cell}} in a file."""
    if path:
        write(path, json.dumps(cells, indent=1) + '\n')
    else:
        say('\n'.join(table(cells)))


def of_labs(numbers, args):
    """Each lab by a process of its own, some at a time, and what no lab can show alone: the time that all take together."""
    n_at_a_time = 1 if args.quick else LABS_AT_A_TIME  # quick: in a second folder the engine would be built a second time
    folders, base, is_over = queue.SimpleQueue(), build.Builder(args.build).folder, threading.Event()
    for n in range(n_at_a_time):  # one build at a time in each
        folders.put(base + (f'-{n + 1}' if n else ''))

    def run(number):
        folder = folders.get_nowait()  # there are as many as are checked at a time
        try:
            return (False, {}) if is_over.is_set() else by_process(number, args, folder)
        except BaseException:  # Ctrl-C too: no other lab begins before the main thread knows
            is_over.set()
            raise
        finally:
            folders.put(folder)
    began, bad, cells = time.monotonic(), [], {}
    for n, (passed, row) in selfcheck.at_a_time(n_at_a_time, run, numbers):
        cells[n] = row
        if not passed:
            bad.append(n)
    give(cells, args.json)
    used = sum(float(row.get('all', 0)) for row in cells.values())
    say(f'{len(numbers) - len(bad)} labs passed, {len(bad)} failed' + ''.join(f' ({n})' for n in bad) +
        f'; {used:.0f} s of processor time, {time.monotonic() - began:.0f} s by the clock')
    most = ALL_QUICK_CPU_S if args.quick else ALL_CPU_S
    if args.runs == selfcheck.RUNS and used >= most:
        say(f'FAILED: the self-check of all labs takes {used:.0f} s of processor time, of {most}')
        bad.append('all')
    return 1 if bad else 0


def by_process(number, args, folder):
    """(whether all of a lab is proved, its cells). Each line that the process says comes with the number of the lab."""
    with tempfile.TemporaryDirectory() as out:
        cells = os.path.join(out, 'cells.json')
        command = [sys.executable, os.path.join(ROOT, 'lab'), 'selfcheck', number, *args.names, '--runs', str(args.runs), *['--quick'] * args.quick,
                   '--build', folder, '--json', cells]
        # In the group of this process, so that Ctrl-C ends both. Where this one stops reading, the other ends with its next line.
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace') as process:
            for line in process.stdout:
                say_whole(f'{number}  {line.rstrip()}')
        if process.returncode in INTERRUPTED:
            raise KeyboardInterrupt
        if not os.path.exists(cells):
            say_whole(f'{number}  FAILED: the self-check of lab {number} broke off, with status {process.returncode}')
            return False, {}
        return process.returncode == 0, json.loads(read(cells))[number]


def say_whole(line):
    """print() writes a line and its end one after the other, and another lab may come between."""
    with _saying:
        say(line)
