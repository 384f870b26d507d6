#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of `verso stat --watch`, beside programs that work, wait, end and are killed.

usage: test_verso_watch.py VERSO

Each function `test_*` gets a scratch folder and runs once with each pager. The last line counts them. The
program that is watched is a `verso load` that commits each line and waits for the next.
"""
import contextlib
import json
import os
import signal
import subprocess
import sys

from tool_shell import ERROR, OK, USAGE, VERSO, feed, loading, put_file, run_tests

COLUMNS = b'commits/s commits processes misses/s hits% readers oldest age writer turn write'.split()
NOBODY = b'nobody has it open'


@contextlib.contextmanager
def watching(sh, *words):
    with subprocess.Popen([VERSO, 'stat', 'a', '--watch=0.02', *words], cwd=sh.folder,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tool:
        try:
            yield tool
        finally:
            tool.kill()


def objects(tool):
    for line in tool.stdout:
        yield json.loads(line)


def test_the_commits_of_another_program_are_seen(sh):
    with loading(sh) as other, watching(sh, '--json') as watch:
        looks = objects(watch)
        feed(other, 0, 8)
        look = next(o for o in looks if (o['commits'] or 0) >= 7)
        assert look['open'] and look['processes'] == 1 and look['readers'] == 0, look
        assert look['gets'] + look['peeks'] > 0 and not look['alone'], look
        before = look['commits']
        feed(other, 8, 30)
        seen = []
        for look in looks:
            seen.append(look)
            if look['commits'] >= before + 30:
                break
        assert [o['commits'] for o in seen] == sorted(o['commits'] for o in seen), seen
        assert any(o['commits_per_s'] > 0 for o in seen), seen
        # It waits for a line with a transaction open, so it is the writer; who that is, is told.
        look = next(o for o in looks if o['writer_pid'])
        assert look['writer_pid'] == other.pid and look['writer_program'] == 'verso', look
        look = next(o for o in looks if o['write_age_ms'] is not None and o['write_age_ms'] > 50)
        assert look['writer_age_ms'] >= look['write_age_ms'], look


def test_a_program_that_is_killed_or_ends_is_not_there_any_more(sh):
    for ends in (lambda tool: tool.kill(), lambda tool: tool.stdin.close()):
        with loading(sh) as other, watching(sh) as watch:
            feed(other, 0, 3)
            writer = str(other.pid).encode()
            assert any(writer in line.split() for line in watch.stdout)
            ends(other)
            assert any(line.strip() == NOBODY for line in watch.stdout)
            other.wait(60)
        with loading(sh) as other, watching(sh) as watch: # and comes again
            feed(other, 3, 3)
            assert any(str(other.pid).encode() in line.split() for line in watch.stdout)


def test_a_signal_ends_it_behind_a_whole_line(sh):
    sh.expect(OK, 'put', 'a', 'k', 'v')
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with watching(sh, '--json') as watch:
            first = watch.stdout.readline()
            watch.send_signal(number)
            rest, said = watch.communicate(timeout=60)
        assert watch.returncode == OK and not said, (number, watch.returncode, said)
        for line in (first + rest).splitlines(keepends=True):
            assert line.endswith(b'}\n') and json.loads(line)['open'] is False, line


def test_the_end_of_its_reader_ends_it(sh):
    sh.expect(OK, 'put', 'a', 'k', 'v')
    with watching(sh) as watch:
        watch.stdout.readline()
        watch.stdout.close()
        said = watch.stderr.read()
        watch.wait(60)
    assert watch.returncode == -signal.SIGPIPE and not said, (watch.returncode, said)


def test_a_header_stands_above_each_twenty_lines(sh):
    sh.expect(OK, 'put', 'a', 'k', 'v')
    lines = sh.run('stat', 'a', '--watch=0.01', '-n', '41').stdout.splitlines()
    assert [i for i, line in enumerate(lines) if line.split() == COLUMNS] == [0, 21, 42], lines
    assert len(lines) == 44 and lines.count(NOBODY) == 41, lines
    with loading(sh) as other:
        feed(other, 0, 2)
        while True:
            lines = sh.run('stat', 'a', '--watch', '-n1').stdout.splitlines()
            if lines[1] != NOBODY:
                break
        assert len(lines) == 2 and len(lines[1].split()) == len(COLUMNS), lines
        assert all(b.rfind(w) > 0 for b, w in ((lines[0], c) for c in COLUMNS[1:]))


def test_hits_are_not_known_where_the_kernel_caches(sh):
    with loading(sh) as other, watching(sh, '--json') as watch:
        known = []
        for i in range(20):
            feed(other, i * 20, 20)
            look = next(objects(watch))
            known.append(look['hit_percent'])
            assert look['misses'] is None or look['misses'] <= look['gets'] + look['peeks'], look
        if 'mmap' in sh.pager:
            assert known == [None] * 20, known
        else:
            assert all(k is None or 0 <= k <= 100 for k in known), known


def test_who_has_it_alone_is_named(sh):
    with loading(sh, '--exclusive') as other, watching(sh) as watch:
        line = next(line for line in watch.stdout if b'(verso)' in line) # it writes that down a little later
        assert line.startswith(b'process %d (verso) has it alone' % other.pid), line


def test_what_cannot_be_watched_is_told(sh):
    put_file(sh, 'text', b'hello\n' * 2000)
    for name in ('a', 'text'):
        done = sh.run('stat', name, '--watch')
        assert done.returncode == ERROR and name.encode() + b': ' in done.stderr, done
    sh.expect(OK, 'put', 'a', 'k', 'v')
    for words in (('--watch=0',), ('--watch=x',), ('--watch=1e9',), ('--watch=-1',), ('--watch=',),
                  ('--watch', '-n', '0'), ('--watch', '--count=x'), ('-n', '3')):
        done = sh.run('stat', 'a', *words)
        assert done.returncode == USAGE and done.stderr and not done.stdout, (words, done)
    for word in ('--space', '--process', '--pager=mmap', '--cache=1M', '--wait=1', '--immutable'):
        done = sh.run('stat', 'a', '--watch', '-n1', word)
        assert done.returncode == USAGE and not done.stdout, (word, done)
        assert f'no {word.partition("=")[0]} with it'.encode() in done.stderr, (word, done)
    sh.expect(USAGE, 'stat', 'a', '--count=3', out=b'', err=b'--count (-n) says how many lines --watch prints')
    # A word behind --watch is no value of it.
    assert sh.run('stat', '--watch', 'a', '-n1').returncode == OK
    assert os.listdir(sh.folder).count('a-lock') == 1


if __name__ == '__main__':
    sys.exit(run_tests(globals()))
