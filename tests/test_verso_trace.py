#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of `verso trace`: what is recorded, the curve, bad files, the plot.

usage: test_verso_trace.py VERSO
"""
import os
import re
import shutil
import subprocess
import sys

from tool_shell import ERROR, NO, OK, USAGE, VERSO, run_tests, words_of


def trace(sh, status, *words, env=None):
    done = subprocess.run([VERSO, 'trace', *words], cwd=sh.folder, capture_output=True, check=False,
                          timeout=120, env=env)
    assert done.returncode == status, (words, done)
    return done


def record(sh, status, command, *words):
    return trace(sh, status, 'record', 't', command, sh.pager, *words)


def replay(sh, status, *words, env=None):
    return trace(sh, status, 'replay', *words, env=env)


def test_a_trace_is_recorded_and_replayed(sh):
    lines = ''.join(f'key{i:05}\t{"v" * 300}\n' for i in range(3000))
    sh.expect(OK, 'load', 'a', '--tsv', stdin=lines.encode())
    plain = sh.expect(OK, 'scan', 'a').stdout
    assert record(sh, OK, 'scan', 'a').stdout == plain
    out = replay(sh, OK, 't').stdout.decode().splitlines()
    found = re.fullmatch(r'\d+ reads of pages and 0 pages made, (\d+) pages in all; .*', out[0])
    assert found, out
    assert out[1].split() == ['frames', *words_of('policy'), 'optimum'], out
    rows = [[float(word) for word in line.split()] for line in out[2:]]
    assert rows[-1][0] == int(found.group(1)) and len(rows) > 8, out
    for row in rows:
        assert min(row[1:-1]) >= row[-1] > 0, row
    # With a frame for each page all miss each page once.
    assert len(set(rows[-1][1:])) == 1, rows[-1]
    one = replay(sh, OK, 't', '--frames=100').stdout.decode().splitlines()
    assert len(one) == 3 and one[2].split()[0] == '100', one
    # A command prints what it would without the trace.
    record(sh, NO, 'get', 'a', 'nobody')
    record(sh, OK, 'put', 'a', 'k', 'v')
    made = replay(sh, OK, 't').stdout.decode()
    assert int(made.split()[5]) > 0, made


def test_bad_traces_are_told(sh):
    sh.expect(OK, 'put', 'a', 'k', 'v')
    for words, status, text in (
            (('record',), USAGE, 'usage'), (('record', 't'), USAGE, 'usage'),
            (('replay',), USAGE, 'usage'), (('play', 't'), USAGE, 'expected record or replay'),
            (('record', 't', 'frobnicate', 'a'), USAGE, 'no command'),
            (('record', 't', 'trace', 'replay'), USAGE, 'another command'),
            (('record', 'no/such/t', 'get', 'a', 'k'), ERROR, 'No such file'),
            (('record', '/dev/full', 'get', 'a', 'k'), ERROR, 'No space left'),
            (('replay', 'a'), ERROR, 'is no page trace'),
            (('replay', 'none'), ERROR, 'No such file'),
            (('replay', 't', '--frames=0'), USAGE, 'N is a whole number'),
            (('replay', 't', '--pager=mmap'), USAGE, 'unknown option')):
        assert text in trace(sh, status, *words).stderr.decode(), words
    record(sh, OK, 'get', 'a', 'k')
    path = os.path.join(sh.folder, 't')
    os.truncate(path, os.path.getsize(path) - 1)
    assert 'cut short' in replay(sh, ERROR, 't').stderr.decode()
    os.truncate(path, 16)
    assert 'nothing was read' in replay(sh, ERROR, 't').stderr.decode()


def test_a_plot_needs_gnuplot_and_says_so(sh):
    sh.expect(OK, 'put', 'a', 'k', 'v')
    record(sh, OK, 'get', 'a', 'k')
    if shutil.which('gnuplot'):
        replay(sh, OK, 't', "--plot=it's.svg")
        with open(os.path.join(sh.folder, "it's.svg"), encoding='utf-8') as f:
            assert '<svg' in f.read()
    done = replay(sh, ERROR, 't', '--plot=x.svg', env={'PATH': '/nowhere'})
    assert b'apt-get install gnuplot' in done.stderr, done


if __name__ == '__main__':
    sys.exit(run_tests(globals()))
