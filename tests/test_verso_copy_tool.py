#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of `verso copy`, `verso compact` and `verso stat --space`, as a user of a shell sees it.

usage: test_verso_copy_tool.py VERSO

Each function `test_*` gets a scratch folder and runs once with each pager. The last line counts them.
"""
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys

from tool_shell import C_WORDS, ERROR, OK, USAGE, VERSO, get_file, put_file, run_tests


def fill(sh, name, n):
    sh.expect(OK, 'load', name, '--tsv', '--commit=relaxed',
              stdin=b''.join(b'%07d\t%s\n' % (i * 7919 % n, b'v' * 100) for i in range(n)))


def test_a_copy_has_the_same_records(sh):
    fill(sh, 'a', 5000)
    sh.expect(OK, 'put', 'a', 'k', 'v', '--table=other')
    dump = sh.expect(OK, 'dump', 'a').stdout
    sh.expect(OK, 'copy', 'a', 'b', out=b'', err=b'')
    sh.expect(OK, 'copy', 'a', 'c', '--compact')
    for name in 'bc':
        sh.expect(OK, 'check', name)
        assert sh.expect(OK, 'dump', name).stdout == dump
    assert len(get_file(sh, 'c')) < len(get_file(sh, 'a'))
    assert sorted(n for n in os.listdir(sh.folder) if 'lock' not in n) == ['a', 'b', 'c']


def test_compact_makes_the_file_smaller_and_changes_no_record(sh):
    fill(sh, 'a', 20000)
    sh.expect(OK, 'put', 'a', 'k', 'v', '--table=other')
    sh.expect(OK, 'drop', 'a', 'other')
    sh.expect(OK, 'del', 'a', *('%07d' % i for i in range(3000)))
    before, dump = len(get_file(sh, 'a')), sh.expect(OK, 'dump', 'a').stdout
    said = sh.expect(OK, 'compact', 'a').stdout
    assert b' pages before, ' in said and b' now' in said, said
    assert len(get_file(sh, 'a')) < before
    sh.expect(OK, 'check', 'a')
    assert sh.expect(OK, 'dump', 'a').stdout == dump
    sh.expect(ERROR, 'compact', 'missing')
    sh.expect(USAGE, 'compact')


def test_a_copy_goes_to_standard_output(sh):
    fill(sh, 'a', 2000)
    dump = sh.expect(OK, 'dump', 'a').stdout
    for words in ((), ('--compact',)):
        put_file(sh, 'b', sh.expect(OK, 'copy', 'a', '-', *words).stdout)
        sh.expect(OK, 'check', 'b')
        assert sh.expect(OK, 'dump', 'b').stdout == dump


def test_standard_output_is_no_terminal(sh):
    sh.expect(OK, 'put', 'a', 'k', 'v')
    leader, follower = pty.openpty()
    done = subprocess.run([VERSO, 'copy', 'a', '-'], cwd=sh.folder, stdout=follower, check=False,
                          stderr=subprocess.PIPE, timeout=60)
    os.close(follower)
    os.close(leader)
    assert done.returncode == USAGE and b'terminal' in done.stderr, done


def test_what_is_there_stays(sh):
    sh.expect(OK, 'put', 'a', 'k', 'v')
    put_file(sh, 'b', b'mine')
    sh.expect(ERROR, 'copy', 'a', 'b', err=b'--replace')
    assert get_file(sh, 'b') == b'mine'
    sh.expect(OK, 'copy', 'a', 'b', '--replace')
    sh.expect(OK, 'get', 'b', 'k', out=b'v\n')
    sh.expect(ERROR, 'copy', 'a', 'a', '--replace', err=b'open')
    # Restoring is a copy back.
    sh.expect(OK, 'put', 'a', 'k', 'wrong')
    sh.expect(OK, 'copy', 'b', 'a', '--replace')
    sh.expect(OK, 'get', 'a', 'k', out=b'v\n')


def test_a_link_to_nothing_stays(sh):
    sh.expect(OK, 'put', 'a', 'k', 'v')
    os.symlink('nothing', os.path.join(sh.folder, 'b'))
    for words in ((), ('--replace',)):
        done = sh.expect(ERROR, 'copy', 'a', 'b', *words, err=b'b is a link to nothing: remove it')
        assert b'--replace' not in done.stderr, done
    assert os.readlink(os.path.join(sh.folder, 'b')) == 'nothing'


def test_standard_output_replaces_nothing(sh):
    sh.expect(OK, 'put', 'a', 'k', 'v')
    sh.expect(USAGE, 'copy', 'a', '-', '--replace', out=b'', err=b'--replace is for a file')


def test_usage(sh):
    for words in (('copy',), ('copy', 'a'), ('copy', 'a', 'b', 'c'), ('copy', 'a', 'b', '--json')):
        assert sh.run(*words).returncode == USAGE, words
    sh.expect(ERROR, 'copy', 'none', 'b')
    assert not os.path.exists(os.path.join(sh.folder, 'b'))
    done = sh.run('help', 'copy')
    assert done.returncode == OK and b'--compact' in done.stdout


def test_damage_is_not_copied(sh):
    fill(sh, 'a', 2000)
    data = bytearray(get_file(sh, 'a'))
    data[4096 * 20 + 2000] ^= 1
    put_file(sh, 'a', bytes(data))
    for words in ((), ('--compact',)):
        done = sh.run('copy', 'a', 'b', *words)
        assert done.returncode == ERROR and b'restore it from a copy' in done.stderr, done
        assert b'VERSO_' not in done.stderr and b'verso_' not in done.stderr, done
        assert not os.path.exists(os.path.join(sh.folder, 'b'))


def test_a_signal_leaves_nothing(sh):
    fill(sh, 'a', 60000)
    with subprocess.Popen([VERSO, 'copy', 'a', '-', sh.pager], cwd=sh.folder, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as tool:
        tool.stdout.read(100000)  # it waits for its reader now
        tool.send_signal(signal.SIGINT)
        tool.stdout.close()
        text = tool.stderr.read()
        tool.wait(60)
    assert tool.returncode == -signal.SIGINT or tool.returncode == -signal.SIGPIPE, (tool.returncode, text)
    sh.expect(OK, 'check', 'a')


def test_a_signal_ends_a_copy_that_nobody_reads(sh):
    fill(sh, 'a', 20000)
    for words in ((), ('--compact',)):
        with subprocess.Popen([VERSO, 'copy', 'a', '-', *words], cwd=sh.folder, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as tool:
            select.select([tool.stdout], [], [], 60)  # it has begun, and waits for room in the pipe
            tool.send_signal(signal.SIGINT)
            try:
                assert tool.wait(60) == -signal.SIGINT, tool.returncode
            finally:
                tool.kill()


def test_the_sentence_names_the_command(sh):
    sh.expect(OK, 'load', 'a', '--tsv', stdin=b''.join(b'%06d\t%01000d\n' % (i, i) for i in range(2000)))
    with subprocess.Popen([VERSO, 'scan', sh.pager, os.path.join(sh.folder, 'a')], stdout=subprocess.PIPE) as reader:
        assert reader.stdout.read(10)  # and then it waits, since nobody reads on
        sh.expect(OK, 'del', 'a', *['%06d' % i for i in range(10, 2000)])
        found = json.loads(sh.expect(OK, 'stat', 'a', '--space', '--json').stdout)
        # A reader that has only a lock wrote down neither its name nor its time.
        assert found['held_pages'] > 100 and found['reader_pid'] is None and found['reader_age_ms'] is None, found
        text = sh.expect(OK, 'stat', 'a', '--space').stdout
        assert re.search(rb'oldest reader, process +not known', text) and b'kept for readers' in text, text
        reader.kill()
    why = json.loads(sh.expect(OK, 'stat', 'a', '--space', '--json').stdout)['why']
    assert '`verso compact`' in why and not C_WORDS.search(why), why


def test_stat_says_where_the_space_goes(sh):
    fill(sh, 'a', 5000)
    done = sh.expect(OK, 'stat', 'a', '--space')
    for word in (b'free', b'held by readers', b'of long values', b'The file is as large as its records need'):
        assert word in done.stdout, done.stdout
    assert b'verso_' not in done.stdout
    found = json.loads(sh.expect(OK, 'stat', 'a', '--space', '--json').stdout)
    parts = ('leaf_pages', 'inner_pages', 'overflow_pages', 'free_space_pages', 'free_pages', 'pending_pages')
    assert sum(found[p] for p in parts) == found['pages'], found


if __name__ == '__main__':
    sys.exit(run_tests(globals()))
