#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of what the tool does while it waits for another program: it says for whom, goes on then, and a signal ends it.

usage: test_verso_waits.py VERSO

Each function `test_*` gets a scratch folder and runs once with each pager. The last line counts them. The program
that is waited for is a `verso load` that waits for its next line.
"""
import contextlib
import json
import os
import signal
import subprocess
import sys

from tool_shell import ERROR, OK, USAGE, VERSO, feed, loading, run_tests

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WAITS_FOR_A_WRITER = (('put', 'a', 'k2', 'v'), ('del', 'a', 'k'), ('drop', 'a', 't'), ('load', 'a', '--tsv'),
                      ('compact', 'a'), ('check', 'a'), ('stat', 'a', '--space'))
SECONDS_MAX = 60 # after which something that should have ended has not
AT_A_TIME = 8 # the tool waits a second before it says so


@contextlib.contextmanager
def writing(sh):
    """A program with a write transaction open on `a`, which has a table `t`."""
    sh.expect(OK, 'put', 'a', 'k', 'v', '--table=t')
    with loading(sh, '--batch=1000') as tool:
        feed(tool, 0, 1)
        while json.loads(sh.run('stat', 'a', '--watch', '--json', '-n1').stdout)['write_age_ms'] is None:
            pass
        yield tool


@contextlib.contextmanager
def started(sh, *words, stdin=subprocess.DEVNULL):
    with subprocess.Popen([VERSO, *words, sh.pager], cwd=sh.folder, stdin=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as tool:
        try:
            yield tool
        finally:
            tool.kill()


@contextlib.contextmanager
def waiting_for(sh, other):
    """Each command that waits for a writer, when it has said that it waits for the other program."""
    with contextlib.ExitStack() as stack:
        tools = [(words, stack.enter_context(started(sh, *words))) for words in WAITS_FOR_A_WRITER]
        for words, tool in tools:
            said = tool.stderr.readline().decode()
            before, _, after = said.partition(' s, and ')
            assert before.startswith(f'verso: a: process {other.pid} (verso) has had a write transaction open for '), said
            assert after == f'`verso {words[0]}` waits until it ends\n', said
        yield tools


def ended(tool, number):
    """What a program said that the signal ends."""
    tool.send_signal(number)
    _, said = tool.communicate(timeout=SECONDS_MAX)
    assert tool.returncode == -number, (tool.args, number, tool.returncode, said)
    return said.decode()


def test_what_waits_for_a_writer_goes_on_when_that_ends(sh):
    with writing(sh) as other, waiting_for(sh, other) as tools:
        other.communicate(b'', timeout=SECONDS_MAX)
        for words, tool in tools:
            _, said = tool.communicate(timeout=SECONDS_MAX)
            assert tool.returncode == OK, (words, said)
    sh.expect(OK, 'check', 'a')
    sh.expect(OK, 'scan', 'a', '--keys', out=b'k0\nk2\n')


def test_a_signal_ends_what_waits_for_a_writer(sh):
    dump = None
    for number in SIGNALS:
        with writing(sh) as other:
            dump = dump or sh.expect(OK, 'dump', 'a').stdout
            with waiting_for(sh, other) as tools:
                said = {words[0]: ended(tool, number) for words, tool in tools}
        assert said.pop('load') == 'verso: interrupted: nothing was loaded\n', said
        assert said.pop('compact') == 'verso: a: ended while another program was writing; what was done stays\n', said
        assert set(said.values()) == {''}, said
        sh.expect(OK, 'check', 'a')
        assert sh.expect(OK, 'dump', 'a').stdout == dump


def test_a_signal_ends_a_load_that_waits_between_two_batches(sh):
    for number in SIGNALS:
        with loading(sh) as tool:
            feed(tool, 0, 2)
            while sh.run('get', 'a', 'k1').returncode != OK:
                pass
            with started(sh, 'load', 'a', '--tsv', stdin=subprocess.PIPE) as other:
                assert other.stderr.readline() # it waits for its turn, and gets it now
                feed(tool, 2, 1)
                assert f'process {other.pid} (verso)'.encode() in tool.stderr.readline()
                said = ended(tool, number)
        assert said == 'verso: interrupted: the first 3 records were loaded and stay, up to line 3\n', said
        sh.expect(OK, 'scan', 'a', '--keys', out=b'k\nk0\nk1\nk2\n')
        sh.expect(OK, 'del', 'a', 'k0', 'k1', 'k2')


def says_who_has_it(tool, name, other, command):
    """The tool says that it waits until the other program has closed the database."""
    said = tool.stderr.readline().decode()
    assert said == f'verso: {name}: process {other.pid} (verso) has it open, and `verso {command}` waits until it is closed\n', said


def wait_until_alone(sh):
    while not json.loads(sh.run('stat', 'a', '--watch', '--json', '-n1').stdout)['alone']:
        pass


def test_a_signal_ends_a_load_that_waits_for_one_that_has_it_alone(sh):
    for number in SIGNALS:
        with loading(sh, '--exclusive') as other:
            wait_until_alone(sh)
            with started(sh, 'load', 'a', '--tsv', '--wait=forever') as tool:
                says_who_has_it(tool, 'a', other, 'load')
                assert ended(tool, number) == 'verso: interrupted: nothing was loaded\n'
            assert other.poll() is None
    sh.expect(OK, 'scan', 'a', '--keys', out=b'k\n')


def test_what_waits_until_it_is_closed_goes_on_then(sh):
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(loading(sh, '--exclusive'))
        wait_until_alone(sh)
        tools = [stack.enter_context(started(sh, *words, f'--wait={SECONDS_MAX}'))
                 for words in (('get', 'a', 'k'), ('put', 'a', 'k2', 'v'))]
        for tool in tools:
            says_who_has_it(tool, 'a', other, tool.args[1])
        other.communicate(b'', timeout=SECONDS_MAX)
        for tool in tools:
            _, said = tool.communicate(timeout=SECONDS_MAX)
            assert (tool.returncode, said) == (OK, b''), tool.args
    with writing(sh) as other, started(sh, 'copy', 'old', 'a', '--replace', f'--wait={SECONDS_MAX}') as tool:
        _, said = tool.communicate(timeout=SECONDS_MAX)
        assert b'old' in said and b'waits' not in said, said # there is none to copy: nothing is waited for
    sh.expect(OK, 'put', 'old', 'k', 'of old')
    with writing(sh) as other, started(sh, 'copy', 'old', 'a', '--replace', f'--wait={SECONDS_MAX}') as tool:
        says_who_has_it(tool, 'a', other, 'copy')
        other.communicate(b'', timeout=SECONDS_MAX)
        _, said = tool.communicate(timeout=SECONDS_MAX)
        assert (tool.returncode, said) == (OK, b'')
    sh.expect(OK, 'get', 'a', 'k', out=b'of old\n')


def test_nothing_is_waited_for_where_nobody_asks_for_it(sh):
    sh.expect(OK, 'put', 'old', 'k', 'of old')
    with loading(sh, '--exclusive'):
        wait_until_alone(sh)
        for seconds in ('0', '0.001'):
            done = sh.expect(ERROR, 'get', 'a', 'k', f'--wait={seconds}', err=b'open already')
            assert b'waits' not in done.stderr, done
            sh.expect(ERROR, 'copy', 'old', 'a', '--replace', f'--wait={seconds}', err=b'the database is open already, by process ')
    for value in ('', 'x', '-1', '1s', '1e10', 'for'):
        sh.expect(USAGE, 'get', 'a', 'k', f'--wait={value}', err=b'a number of seconds')


def test_a_signal_ends_a_copy_that_waits_until_what_it_replaces_is_closed(sh):
    sh.expect(OK, 'put', 'old', 'k', 'of old')
    for words in ((), ('--compact',)):
        for number in SIGNALS:
            with writing(sh) as other, started(sh, 'copy', 'old', 'a', '--replace', '--wait=forever', *words) as tool:
                says_who_has_it(tool, 'a', other, 'copy')
                assert ended(tool, number) == ''
            sh.expect(OK, 'get', 'a', 'k', out=b'v\n')
    assert sorted(os.listdir(sh.folder)) == ['a', 'a-lock', 'old', 'old-lock']


def test_a_check_of_the_trees_waits_for_nobody(sh):
    with writing(sh):
        done = sh.expect(OK, 'check', 'a', '--trees', err=b'')
        assert done.stdout.startswith(b'a: the trees are whole, '), done


if __name__ == '__main__':
    sys.exit(run_tests(globals(), n_at_a_time=AT_A_TIME))
