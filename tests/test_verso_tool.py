#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of the verso tool, as a user of a shell sees it; dump and load: test_verso_dump.py.

usage: test_verso_tool.py VERSO

Each function `test_*` gets a scratch folder and runs once with each pager. The last line counts them.
"""
import contextlib
import json
import os
import pty
import resource
import subprocess
import sys

import fuse_folder
from tool_shell import (ERROR, NO, OK, USAGE, VERSO, Skipped, get_file, has_open, loading,
                        put_file, run_tests, words_of)


def test_nothing_tells_what_to_do_next(sh):
    done = sh.run()
    assert done.returncode == USAGE
    for word in (b'verso put planets.verso', b'Commands:', b'verso help COMMAND'):
        assert word in done.stderr, done.stderr


def test_help_tells_of_each_command(sh):
    for name in ('get', 'put', 'del', 'scan', 'tables', 'drop', 'load', 'dump', 'check', 'stat', 'copy'):
        done = sh.run('help', name)
        assert done.returncode == OK and b'usage: verso ' + name.encode() in done.stdout, done
        assert b'--pager' in done.stdout
        assert sh.run(name, '--help').stdout == sh.run(name, 'a', '-h').stdout == done.stdout
    assert sh.run('help').returncode == OK
    assert sh.run('help', 'help').stdout == sh.run('help').stdout
    assert sh.run('help', 'nothing').returncode == USAGE
    two = sh.run('help', 'get', 'put')
    assert two.returncode == OK, two
    assert two.stdout == sh.run('help', 'get').stdout + b'\n' + sh.run('help', 'put').stdout, two
    for words, text in ((('get', 'putt'), b'did you mean `verso put`'), (('--list', 'get'), b'leave `get` out')):
        done = sh.run('help', *words)
        assert done.returncode == USAGE and text in done.stderr and not done.stdout, done
    assert sh.run('--version').stdout.startswith(b'verso ')


def test_the_welcome_works_as_printed(sh):
    sh.expect(OK, 'put', 'planets.verso', 'earth', '6371 km')
    sh.expect(OK, 'put', 'planets.verso', 'mars', '3390 km')
    sh.expect(OK, 'get', 'planets.verso', 'mars', out=b'3390 km\n')
    sh.expect(OK, 'scan', 'planets.verso', out=b'earth\t6371 km\nmars\t3390 km\n')


def test_a_missing_file_or_folder_is_named_once(sh):
    """What is missing comes first in the message, with advice that helps there."""
    sh.expect(OK, 'put', 'a', 'k', 'v')
    for words in (('get', 'none', 'k'), ('stat', 'none'), ('check', 'none'), ('copy', 'none', 'b'), ('stat', '--watch', 'none')):
        done = sh.run(*words)
        assert done.returncode == ERROR and done.stderr.count(b'none') == 1, done
        assert b'created' not in done.stderr and (b'`verso put`' in done.stderr or b'check the name' in done.stderr), done
    for words in (('put', 'no/where', 'k', 'v'), ('copy', 'a', 'no/where'), ('load', 'no/where', '--tsv')):
        done = sh.run(*words)
        assert done.returncode == ERROR and done.stderr.count(b'no/where') == 1, done
        assert b'make its folder first' in done.stderr and b'`verso put`' not in done.stderr, done
        assert done.stderr.startswith((b'verso: cannot open no/where', b'verso: no/where: ')), done


def test_usage_errors_are_2(sh):
    for words in ((), ('get',), ('get', 'a'), ('put', 'a', 'b', 'c', 'd'), ('frobnicate', 'a'),
                  ('get', 'a', 'b', '-q'), ('scan', 'a', '-n'), ('scan', 'a', '-nx'), ('scan', 'a', '-rq'),
                  ('get', 'a', 'b', '-t'), ('get', 'a', 'b', '-t', ''), ('get', 'a', 'b', '--table=\\x00'),
                  ('drop', 'a'), ('page', 'a'), ('page', 'a', 'x'), ('page', 'a', '3', '--pager=mmap'),
                  ('load', 'a', '--csv', '--crlf'), ('load', 'a', '--null', '--header'),
                  ('put', 'a', 'b', 'c', '--mode=999'), ('put', 'a', 'b', 'c', '--mode=0'),
                  ('get', 'a', 'b', '--no-such'), ('get', 'a', 'b', '--table'),
                  ('get', 'a', 'b', '--cache=much'), ('get', 'a', 'b', '--cache=-1'),
                  ('scan', 'a', '--limit=x'), ('scan', 'a', '--raw'), ('get', 'a', 'b', '--raw=1'),
                  ('get', 'a', 'b\\'), ('get', 'a', '\\q'), ('put', 'a', 'b', '\\x4'),
                  ('load', 'a', '--tsv', '--batch=0'), ('load', 'a', '--batch=9'), ('put', 'a', 'b', 'c', '--commit=three'),
                  ('put', 'a', 'b', 'c', '--page-size=5000'), ('get', 'a', 'b', '--madvise=no'),
                  ('get', 'a', 'b', '--mmap-checksum=maybe'), ('get', 'a', 'b', '--checksum=on'),
                  ('get', 'a', 'b', '--policy=nothing'), ('get', 'a', 'b', '--io=aio'),
                  ('get', 'a', 'b', '--buffered=yes'), ('get', 'a', 'b', '--cache=0'), ('put', 'a', 'b', 'c', '--page-size=0'),
                  # What is of a new database, where none is made; what is for readers, where something is written.
                  ('del', 'a', 'b', '--page-size=4K'), ('drop', 'a', 't', '--mode=600'), ('compact', 'a', '--page-size=4K'),
                  ('put', 'a', 'b', 'c', '--immutable'), ('compact', 'a', '--immutable'), ('get', 'a', 'b', '--trees')):
        done = sh.run(*words)
        assert done.returncode == USAGE, (words, done)
        assert done.stderr and not done.stdout, (words, done)
    assert sh.run('get', 'a', 'b', '--pager=both').returncode == USAGE
    assert os.listdir(sh.folder) == [], os.listdir(sh.folder)


def test_a_missing_database_is_3(sh):
    for words in (('get', 'a', 'k'), ('del', 'a', 'k'), ('scan', 'a'), ('dump', 'a'),
                  ('check', 'a'), ('stat', 'a')):
        sh.expect(ERROR, *words, err=b'verso load')
    assert os.listdir(sh.folder) == [], os.listdir(sh.folder)


def test_a_file_of_something_else_is_3(sh):
    with open(os.path.join(sh.folder, 'text'), 'w', encoding='utf-8') as f:
        f.write('hello\n' * 2000)
    sh.expect(ERROR, 'get', 'text', 'k', err=b'text')
    sh.expect(ERROR, 'put', 'text', 'k', 'v')
    sh.expect(ERROR, 'check', '.', err=b'folder')


def test_making_a_database_deletes_nobodys_file(sh):
    for name in ('planets-new', 'planets-verso-new'):
        put_file(sh, name, b'my notes')
    sh.expect(OK, 'put', 'planets', 'k', 'v')
    assert sorted(os.listdir(sh.folder)) == [
        'planets', 'planets-lock', 'planets-new', 'planets-verso-new']
    for name in ('planets-new', 'planets-verso-new'):
        assert get_file(sh, name) == b'my notes'
    put_file(sh, 'a-lock', b'the combination is 4711')
    done = sh.expect(ERROR, 'put', 'a', 'k', 'v', err=b'a-lock is in the way')
    assert b'Move it elsewhere' in done.stderr, done
    assert get_file(sh, 'a-lock') == b'the combination is 4711' and 'a' not in os.listdir(sh.folder)


def test_a_creation_that_was_cut_short_goes_on(sh):
    for page in (512, 4096, 65536):
        sh.expect(OK, 'load', 'whole', '--lines', f'--page-size={page}')
        whole = get_file(sh, 'whole')
        fresh = bytes(len(whole))
        for left in (b'', bytes(512), fresh[:len(fresh) // 2], fresh):
            put_file(sh, 'a', left)
            sh.expect(ERROR, 'get', 'a', 'k', err=b'no database in the file')
            sh.expect(OK, 'put', 'a', 'k', 'v')
            sh.expect(OK, 'check', 'a')
            os.unlink(os.path.join(sh.folder, 'a'))
        os.unlink(os.path.join(sh.folder, 'whole'))


def test_a_creation_that_fails_leaves_no_file(sh):
    for limit in (0, 512, 8192, 32768):
        # Python ignores the signal that reports the limit, and hands that down.
        done = subprocess.run(
            [VERSO, 'put', 'a', 'k', 'v', sh.pager], cwd=sh.folder, capture_output=True,
            check=False, timeout=120, restore_signals=False,
            preexec_fn=lambda n=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (n, n)))
        assert done.returncode == ERROR and b'large' in done.stderr, done
        assert set(os.listdir(sh.folder)) <= {'a-lock'}, (limit, os.listdir(sh.folder))
    sh.expect(OK, 'put', 'a', 'k', 'v')


def test_get_put_del(sh):
    sh.expect(OK, 'put', 'a', 'k', 'one')
    sh.expect(OK, 'get', 'a', 'k', out=b'one\n')
    sh.expect(OK, 'get', 'a', 'k', '--raw', out=b'one')
    sh.expect(NO, 'put', 'a', 'k', 'two', '--new', err=b'exists already')
    sh.expect(OK, 'put', 'a', 'k', 'two')
    sh.expect(OK, 'get', 'a', 'k', out=b'two\n')
    sh.expect(OK, 'put', 'a', 'k2', '--new', stdin=b'from\nstdin')
    sh.expect(OK, 'get', 'a', 'k2', '--raw', out=b'from\nstdin')
    sh.expect(OK, 'del', 'a', 'k')
    sh.expect(NO, 'del', 'a', 'k', err=b'not found')
    sh.expect(NO, 'get', 'a', 'k', out=b'', err=b'not found')
    sh.expect(OK, 'put', 'a', '--', '--k', '--v')
    sh.expect(OK, 'get', 'a', '--', '--k', out=b'--v\n')


def test_a_file_that_is_longer_than_any_value_is_not_read(sh):
    with open(os.path.join(sh.folder, 'long'), 'wb') as f:
        f.truncate((1 << 30) + 4)
    with open(os.path.join(sh.folder, 'long'), 'rb', buffering=0) as f:
        for at in (0, 3):
            f.seek(at)
            done = subprocess.run([VERSO, 'put', 'a', 'k', sh.pager], cwd=sh.folder, stdin=f, capture_output=True,
                                  check=False, timeout=120)
            assert done.returncode == ERROR and b'the longest possible value has 1073741824 bytes' in done.stderr, done
            assert f.tell() == at
        f.seek((1 << 30) - 2)
        done = subprocess.run([VERSO, 'put', 'b', 'k', sh.pager], cwd=sh.folder, stdin=f, check=False, timeout=120)
        assert done.returncode == OK
    sh.expect(OK, 'get', 'b', 'k', out=bytes(6) + b'\n')
    assert 'a' not in os.listdir(sh.folder)


def test_escapes_in_keys_and_values(sh):
    sh.expect(OK, 'put', 'a', '\\x00\\t', 'x\\ny\\\\')
    sh.expect(OK, 'get', 'a', '\\x00\\t', '--raw', out=b'x\ny\\')
    sh.expect(OK, 'scan', 'a', out=b'\\x00\\t\tx\\ny\\\\\n')
    sh.expect(OK, 'put', 'a', '', 'empty key')
    sh.expect(OK, 'get', 'a', '', out=b'empty key\n')


def test_several_keys_at_once(sh):
    sh.expect(OK, 'load', 'a', '--tsv', stdin=b'a\t1\nb\t2\nc\t3\n')
    sh.expect(OK, 'get', 'a', 'c', 'a', 'c', out=b'3\n1\n3\n')
    done = sh.expect(NO, 'get', 'a', 'a', 'x', 'b', out=b'1\n2\n')
    assert done.stderr == b'verso: x: not found\n', done
    sh.expect(OK, 'get', 'a', '--raw', 'a', 'b', out=b'12')
    done = sh.expect(NO, 'del', 'a', 'a', 'x', 'b')
    assert done.stderr == b'verso: x: not found\n', done
    sh.expect(OK, 'scan', 'a', out=b'c\t3\n')


def test_options_stand_where_they_like(sh):
    sh.expect(OK, 'load', 'a', '--tsv', '-t', 'cards', stdin=b''.join(b'%c\tv\n' % c for c in b'abcdefgh'))
    for words in (('scan', '-rkn', '2', 'a', '-t', 'cards'), ('scan', 'a', '-rkn2', '-tcards'),
                  ('scan', '--table', 'cards', '-r', '-k', '-n', '2', 'a'),
                  ('scan', 'a', '-n', '2', '--reverse', '--keys', '--table=cards')):
        assert sh.run(*words).stdout == b'h\ng\n', words
    assert sh.run('get', '-t', 'cards', 'a', '--', 'a').stdout == b'v\n'
    sh.expect(OK, 'put', 'a', '--', '-k', '-v')
    sh.expect(OK, 'get', 'a', '--', '-k', out=b'-v\n')
    sh.expect(USAGE, 'get', 'a', '-k', err=b'stands behind `--`')
    sh.expect(OK, 'put', 'a', '-', 'dash')
    sh.expect(OK, 'get', 'a', '-', out=b'dash\n')


def test_did_you_mean(sh):
    sh.expect(OK, 'put', 'a', 'k', 'v', '--table=weights')
    sh.expect(OK, 'put', 'a', 'k', 'v', '--table=heights')
    for word, meant in (('gte', 'get'), ('dmup', 'dump'), ('tabels', 'tables'), ('rm', 'del'),
                        ('set', 'put'), ('fsck', 'check'), ('hlep', 'help')):
        done = sh.run(word, 'a')
        assert done.returncode == USAGE, done
        assert b'did you mean `verso %s`' % meant.encode() in done.stderr, done
    assert b'did you mean' not in sh.run('frobnicate').stderr
    for word, meant in (('--revrse', '--reverse'), ('--lim=2', '--limit'), ('--tabel=x', '--table'),
                        ('--chache=1M', '--cache')):
        sh.expect(USAGE, 'scan', 'a', word, err=b'did you mean %s?' % meant.encode())
    # An option of another command is none of this one.
    assert b'did you mean' not in sh.expect(USAGE, 'get', 'a', 'k', '--batch=1').stderr
    sh.expect(NO, 'get', 'a', 'k', '-t', 'wieghts', err=b'did you mean `weights`?')
    sh.expect(NO, 'drop', 'a', 'height', err=b'did you mean `heights`?')
    sh.expect(NO, 'del', 'a', 'k', '-t', 'none', err=b'`verso tables a`')
    done = sh.run('tables', 'a', '--names')
    assert done.stdout == b'heights\nweights\n', done # `del -t none` has made none


def test_a_wrong_value_is_explained(sh):
    for words, text in ((('--cache=64MB',), b'K, M or G behind it'), (('--cache=1.5G',), b'--cache=1.5G: SIZE'),
                        (('--cache=99999999999G',), b'SIZE'), (('--cache= 64M',), b'SIZE'),
                        (('--readahead= -1',), b'PAGES'), (('--readahead=+1',), b'PAGES'),
                        (('--limit=ten',), b'a whole number'), (('-n', '1K'), b'a whole number'),
                        (('--pager=both',), b'bufpool|mmap|vmcache'), (('--from=\\q',), b'\\xHH'),
                        (('--readahead=far',), b'pages')):
        sh.expect(USAGE, 'scan', 'a', *words, err=text)
    sh.expect(USAGE, 'put', 'a', 'k', 'v', '--page-size=5000', err=b'power of two')
    sh.expect(USAGE, 'put', 'a', 'k', 'v', '--mode=rw', err=b'octal')
    if 'mmap' not in sh.pager:
        sh.expect(OK, 'put', 'a', 'k', 'v')
        sh.expect(ERROR, 'get', 'a', 'k', '--cache=4K', err=b'need at least --cache=')


def test_the_mode_of_a_new_file(sh):
    for mode in (0o600, 0o640, 0o400):
        sh.expect(OK, 'put', f'p{mode}', 'k', 'v', f'--mode={mode:o}')
        sh.expect(OK, 'load', f'l{mode}', '--tsv', f'--mode=0{mode:o}', stdin=b'a\tb\n')
        for name in (f'p{mode}', f'l{mode}'):
            assert os.stat(os.path.join(sh.folder, name)).st_mode & 0o7777 == mode, name


def test_tables_and_drop(sh):
    odd = b'tab\there\x1b[31m\xff'
    sh.expect(OK, 'load', 'a', '--tsv', stdin=b'x\ty\n')
    sh.expect(OK, 'load', 'a', '--tsv', '--table=t', stdin=b'x\ty\nz\ty\n')
    sh.expect(OK, 'put', 'a', 'k', 'v', b'--table=tab\\there\\x1b[31m\\xff')
    out = sh.expect(OK, 'tables', 'a').stdout.splitlines()
    assert [line.split(None, 2)[0] for line in out[1:]] == [b'1', b'2', b'1'], out
    names = sh.expect(OK, 'tables', 'a', '--names').stdout.splitlines()
    assert names == [b't', b'tab\\there\\x1b[31m\xff'], names
    sh.expect(OK, 'get', 'a', 'k', b'-t' + names[1], out=b'v\n')
    st = json.loads(sh.expect(OK, 'tables', 'a', '--json').stdout)
    assert [(t['name'], t['records']) for t in st] == [
        (None, 1), ('t', 2), (os.fsdecode(odd), 1)], st
    sh.expect(NO, 'drop', 'a', 't', 'none')
    assert sh.expect(OK, 'tables', 'a', '--names').stdout.splitlines() == names
    done = sh.expect(OK, 'drop', 'a', names[1], 't', err=b'dropped 2 tables with 3 records')
    sh.expect(OK, 'tables', 'a', '--names', out=b'')
    sh.expect(USAGE, 'drop', 'a', '', err=b'default table')
    sh.expect(OK, 'scan', 'a', out=b'x\ty\n')
    sh.expect(OK, 'check', 'a')


def test_nothing_that_a_terminal_obeys_is_sent_to_it(sh):
    evil = b'\x1b]0;title\x07\x9b31m\xc2\x9b31m\xe2\x80\xae\r\n'
    shown = b'\\x1b]0;title\\x07\\x9b31m\\xc2\\x9b31m\\xe2\\x80\\xae\\x0d\\x0a'
    typed = b'\\x1b]0;title\\x07\\x9b31m\\xc2\\x9b31m\\xe2\\x80\\xae\\x0d\\n'
    sh.expect(OK, 'put', 'a', 'k', 'v')
    for words in (('get', b'a' + evil, 'k'), ('get', 'a', evil), ('get', 'a', 'k', b'--' + evil),
                  ('get', 'a', 'k', b'--table=' + evil), ('get', 'a', 'k', b'--cache=' + evil),
                  ('load', 'a', b'f' + evil), (b'g' + evil, 'a'), ('page', 'a', evil),
                  ('put', 'a', evil * 100, 'v'), ('drop', 'a', evil), ('tree', 'a', b'-t' + evil)):
        done = sh.run(*words)
        assert done.returncode != OK, (words, done)
        assert shown in done.stderr, (words, done.stderr)
        for c in (b'\x1b', b'\x9b', b'\x07', b'\xe2\x80\xae', b'\r'):
            assert c not in done.stderr, (words, done.stderr)
    sh.expect(OK, 'put', 'a', typed, b'\xc3\xa9\\x9b' + typed, b'--table=' + typed)
    for words in (('scan', 'a', b'-t' + typed), ('tables', 'a'), ('stat', 'a')):
        leader, follower = pty.openpty()
        tool = subprocess.run([VERSO, *words], cwd=sh.folder, stdout=follower, timeout=60, check=False)
        os.close(follower)
        seen = b''
        with contextlib.suppress(OSError):
            while piece := os.read(leader, 65536):
                seen += piece
        os.close(leader)
        assert tool.returncode == OK and b'title' in seen, (words, seen)
        for c in (b'\x1b', b'\x9b', b'\x07', b'\xe2\x80\xae'):
            assert c not in seen, (words, seen)
    # Behind a pipe scan writes the escapes of a dump; both are read back.
    out = sh.expect(OK, 'scan', 'a', b'-t' + typed).stdout
    sh.expect(OK, 'load', 'b', '--lines', stdin=out)
    assert sh.expect(OK, 'get', 'b', '--raw', typed).stdout == b'\xc3\xa9\x9b' + evil, out


def test_a_closed_pipe_is_silent(sh):
    sh.expect(OK, 'load', 'a', '--tsv', stdin=b''.join(b'%06d\t%s\n' % (i, b'v' * 100) for i in range(20000)))
    for words in ('scan a', 'dump a', 'scan -r a'):
        for trap in ('', 'trap "" PIPE; '): # the signal, or a failed write
            done = subprocess.run(['sh', '-c', f'{trap}{VERSO} {words} {sh.pager} | head -c 10'], cwd=sh.folder,
                                  capture_output=True, check=False, timeout=60)
            assert done.stderr == b'' and len(done.stdout) == 10, (words, trap, done)


def test_tables(sh):
    sh.expect(OK, 'put', 'a', 'k', 'in the default table')
    sh.expect(OK, 'put', 'a', 'k', 'in t', '--table=t')
    sh.expect(OK, 'get', 'a', 'k', '--table', 't', out=b'in t\n')
    sh.expect(OK, 'get', 'a', 'k', out=b'in the default table\n')
    sh.expect(NO, 'get', 'a', 'k', '--table=u', err=b'u')
    sh.expect(OK, 'stat', 'a')
    assert b'table t' in sh.run('stat', 'a').stdout


def test_scan_ranges(sh):
    lines = b''.join(b'%c\tv\n' % c for c in b'abcdefgh')
    sh.expect(OK, 'load', 'a', '--tsv', stdin=lines)

    def keys(*words):
        return sh.expect(OK, 'scan', 'a', '--keys', *words).stdout.replace(b'\n', b'').decode()

    assert keys() == 'abcdefgh'
    assert keys('--reverse') == 'hgfedcba'
    assert keys('--from=c') == 'cdefgh'
    assert keys('--to=c') == 'ab'
    assert keys('--from=c', '--to=f') == 'cde'
    assert keys('--from=x', '--from=c', '--to=f') == 'cde' # the last one counts
    assert keys('--from=c', '--to=f', '--reverse') == 'edc'
    assert keys('--from=f', '--to=c') == ''
    assert keys('--from=f', '--to=c', '--reverse') == ''
    assert keys('--limit=2') == 'ab'
    assert keys('--limit=0') == ''
    assert keys('--limit=2', '--reverse') == 'hg'
    assert keys('--prefix=d') == 'd'
    assert keys('--prefix=z') == ''
    assert keys('--prefix=') == 'abcdefgh'
    assert keys('--prefix=\\xff\\xff') == ''
    assert keys('--from=zz') == ''
    assert keys('--to=zz', '--reverse') == 'hgfedcba'
    sh.expect(OK, 'put', 'a', '\\xff\\xffx', 'v')
    assert sh.expect(OK, 'scan', 'a', '--prefix=\\xff', '--reverse').stdout == b'\xff\xffx\tv\n'


def trace_of(sh, *words):
    """The bytes of the page trace of a command: they grow with what it asks the pager for."""
    done = sh.run('trace', 'record', 't.trace', words[0], sh.pager, *words[1:])
    assert done.returncode == OK, (words, done)
    return os.path.getsize(os.path.join(sh.folder, 't.trace'))


def test_scan_with_advice(sh):
    lines = b''.join(b'key%05d\t%s\n' % (i, b'v' * 300) for i in range(2000))
    sh.expect(OK, 'load', 'a', '--lines', stdin=lines)
    for advise in ('willneed', 'cold'):
        sh.expect(OK, 'scan', 'a', f'--advise={advise}', out=lines)
        sh.expect(OK, 'scan', 'a', '--from=key00100', '--to=key00102', f'--advise={advise}',
                  out=lines[100 * 310:102 * 310])
        sh.expect(OK, 'scan', 'a', '--prefix=x', f'--advise={advise}', out=b'')
    # One record of a wide range: the trace grows by what is wanted, and by the inner pages read.
    words = ('scan', 'a', '--from=key00100', '--to=key00900', '--limit=1')
    plain = trace_of(sh, *words)
    assert trace_of(sh, *words, '--advise=willneed') > trace_of(sh, *words, '--advise=cold') > plain
    assert b'advise' in sh.expect(USAGE, 'scan', 'a', '--advise=never').stderr
    sh.expect(USAGE, 'get', 'a', 'key00001', '--advise=cold')


def test_check_finds_damage(sh):
    sh.expect(OK, 'load', 'a', '--tsv', stdin=b''.join(b'%05d\t%s\n' % (i, b'v' * 50)
                                                      for i in range(2000)))
    done = sh.expect(OK, 'check', 'a')
    assert b'whole' in done.stdout, done
    path = os.path.join(sh.folder, 'a')
    with open(path, 'rb') as f:
        data = bytearray(f.read())
    place = data.rindex(b'v' * 50)
    data[place] ^= 1
    with open(path, 'wb') as f:
        f.write(data)
    done = sh.expect(NO, 'check', 'a')
    assert b'page' in done.stdout, done
    sh.expect(ERROR, 'dump', 'a', err=b'page')


def test_stat_as_json(sh):
    sh.expect(OK, 'put', 'a "quoted"', 'k', 'v')
    sh.expect(OK, 'put', 'a "quoted"', 'k', 'v', '--table=t"t')
    st = json.loads(sh.expect(OK, 'stat', 'a "quoted"', '--json').stdout)
    assert st['path'] == 'a "quoted"' and st['records'] == 1 and st['page_size'] == 4096, st
    assert st['tables'] == [{'name': 't"t', 'records': 1, 'height': 1}], st
    path = os.path.join(sh.folder, 'a "quoted"')
    assert st['file_bytes'] == os.path.getsize(path), st
    assert st['disk_bytes'] == os.stat(path).st_blocks * 512 and st['closed_cleanly'] == 1, st
    # Figures of the file alone: who reads them, and how, changes nothing.
    for words in (('--cache=16M',), ('--pager=mmap',), ('--pager=bufpool', '--io=sync')):
        assert json.loads(sh.run('stat', 'a "quoted"', '--json', *words).stdout) == st, words
    text = sh.expect(OK, 'stat', 'a "quoted"').stdout
    assert b'faults' not in text and b'misses' not in text, text
    more = json.loads(sh.expect(OK, 'stat', 'a "quoted"', '--json', '--process').stdout)
    assert {name: more[name] for name in st} == st, more
    assert more['pager'] in sh.pager
    assert (more['evictions'] is None) == (more['pager'] == 'mmap'), more
    assert more['minor_faults'] > 0 and more['major_faults'] >= 0, more
    text = sh.expect(OK, 'stat', 'a "quoted"', '--process').stdout
    assert (b'not known' in text) == (more['pager'] == 'mmap'), text


def test_of_a_damaged_catalogue_nothing_is_printed(sh):
    for i in range(3):
        sh.expect(OK, 'put', 'a', 'k', 'v', f'--table={i}{i}{i}')
    data = bytearray(get_file(sh, 'a'))
    data[data.rindex(b'111')] ^= 1
    put_file(sh, 'a', data)
    for words in (('stat',), ('stat', '--json'), ('tables', '--json'), ('tables',), ('tables', '--names')):
        sh.expect(ERROR, words[0], 'a', *words[1:], out=b'', err=b'page ')


def test_options_reach_the_library(sh):
    sh.expect(OK, 'put', 'a', 'k', 'v', '--cache=16M', '--page-size=8K')
    st = json.loads(sh.expect(OK, 'stat', 'a', '--json', '--process', '--cache=16M').stdout)
    assert st['page_size'] == 8192
    if st['pager'] != 'mmap':
        assert 15 << 20 <= st['memory_bytes_max'] <= 17 << 20, st
    sh.expect(ERROR, 'get', 'a', 'k', '--cache=4K') if st['pager'] != 'mmap' else None
    for words in (('--madvise=normal',), ('--madvise=sequential',), ('--madvise=populate',),
                  ('--mmap-checksum=none',), ('--mmap-checksum=always',)):
        sh.expect(OK, 'get', 'a', 'k', *words, out=b'v\n')
    for way in ('heap', 'private', 'shared'):
        sh.expect(OK, 'put', 'a', 'k', 'v', '--map-writing=' + way)
        sh.expect(OK, 'get', 'a', 'k', out=b'v\n')
    how = {'bufpool': {'--checksum=none': 'not verified', '--checksum=always': 'each get',
                       '--io=threads': 'threads',
                       '--io=sync': 'sync', '--buffered': 'buffered',
                       '--small-pages': 'small pages', '--readahead=0': 'no read-ahead', '--pin-inner': 'pins only'},
           'vmcache': {'--checksum=none': 'not verified', '--checksum=always': 'each get',
                       '--io=threads': 'threads', '--io=sync': 'sync', '--buffered': 'buffered',
                       '--readahead=0': 'no read-ahead'},
           'mmap': {'--checksum=none': 'checksum none', '--checksum=always': 'checksum always',
                    '--madvise=populate': 'madvise populate',
                    '--madvise=cursor': 'madvise cursor', '--io=threads': 'queue threads'}}[st['pager']]
    if st['pager'] == 'bufpool':
        how.update({f'--policy={word}': f'policy {word}' for word in words_of('policy')})
        assert len(how) > 12, how
    for word, text in how.items():
        sh.expect(OK, 'get', 'a', 'k', word, out=b'v\n')
        found = json.loads(sh.expect(OK, 'stat', 'a', '--json', '--process', word).stdout)['how']
        assert text in found, (word, found)


def test_every_word_of_a_switch_is_taken(sh):
    for switch in ('pager', 'madvise', 'checksum', 'map-writing', 'policy', 'io'):
        for word in words_of(switch):
            sh.run('put', 'a', 'k', 'v')
            done = sh.run('get', 'a', 'k', f'--{switch}={word}')
            # io_uring may be refused to this process.
            assert done.stdout == b'v\n' or (word == 'uring' and done.returncode == ERROR), (switch, word, done)
        assert sh.run('get', 'a', 'k', f'--{switch}=x').returncode == USAGE
    for word in ('best', 'two', 'relaxed', 'process'):
        sh.expect(OK, 'put', 'a', 'k', word, f'--commit={word}')
        sh.expect(OK, 'get', 'a', 'k', out=word.encode() + b'\n')


def test_how_results_are_had(sh):
    sh.expect(OK, 'put', 'a', 'k', stdin=b'v' * 100000)
    sh.expect(OK, 'get', 'a', 'k', '--copy', out=b'v' * 100000 + b'\n')
    sh.expect(OK, 'get', 'a', 'k', '--value-copy-max=50000', out=b'v' * 100000 + b'\n')
    sh.expect(OK, 'get', 'a', 'k', '--any-fs', out=b'v' * 100000 + b'\n')
    # What may not be assembled comes in pieces, each by a search of its own.
    assert trace_of(sh, 'get', 'a', 'k', '--value-copy-max=50000') > trace_of(sh, 'get', 'a', 'k')
    # A short value is not assembled, unless --copy has it copied: then the limit is its limit too.
    sh.expect(OK, 'put', 'a', 'short', 'ab')
    plain = trace_of(sh, 'get', 'a', 'short')
    assert trace_of(sh, 'get', 'a', 'short', '--value-copy-max=1') == plain
    assert trace_of(sh, 'get', 'a', 'short', '--copy') == plain
    assert trace_of(sh, 'get', 'a', 'short', '--copy', '--value-copy-max=1') > plain
    sh.expect(OK, 'get', 'a', 'short', '--copy', '--value-copy-max=1', out=b'ab\n')
    for words in (('--copy=1',), ('--value-copy-max=0',), ('--value-copy-max',), ('--any-fs=no',)):
        assert sh.run('get', 'a', 'k', *words).returncode == USAGE, words


def test_a_network_file_system_is_refused_unless_accepted(sh):
    folder = os.path.join(sh.folder, 'far')
    os.mkdir(folder)
    try:
        with fuse_folder.mounted(folder):
            sh.expect(ERROR, 'get', 'far/a', 'k', err=b'lies on FUSE')
            # Its file is found now, and is empty.
            done = sh.expect(ERROR, 'get', 'far/a', 'k', '--any-fs', err=b'there is no database in the file')
            assert b'FUSE' not in done.stderr, done
    except OSError as e:
        raise Skipped(f'cannot mount a file system of FUSE: {e}') from e


def test_a_database_in_use_is_read_and_written(sh):
    sh.expect(OK, 'put', 'a', 'k', 'v')
    with subprocess.Popen([VERSO, 'load', 'a', '--tsv', sh.pager], cwd=sh.folder,
                          stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as other:
        while other.poll() is None and not has_open(other.pid, 'a-lock'):
            pass
        for words in (('get', 'a', 'k'), ('scan', 'a'), ('stat', 'a'), ('dump', 'a'), ('copy', 'a', 'b')):
            sh.expect(OK, *words)
        other.communicate(b'k2\tv2\n')
    sh.expect(OK, 'get', 'a', 'k2', out=b'v2\n')


def test_what_nobody_writes_is_read_without_a_lock(sh):
    with loading(sh, '--exclusive') as other:
        while not json.loads(sh.run('stat', 'a', '--watch', '--json', '-n1').stdout)['alone']:
            pass
        for words in (('get', 'a', 'k'), ('scan', 'a'), ('tables', 'a'), ('dump', 'a'), ('check', 'a'), ('stat', 'a'),
                      ('stat', 'a', '--space'), ('copy', 'a', '-')):
            sh.expect(OK, *words, '--immutable')
        sh.expect(ERROR, 'get', 'a', 'k', err=b'open already')
        other.communicate(b'', timeout=60)


def test_a_database_that_another_has_alone_is_told(sh):
    sh.expect(OK, 'put', 'a', 'k', 'v')
    done = None
    for _ in range(50):
        with subprocess.Popen([VERSO, 'load', 'a', '--tsv', '--exclusive', sh.pager], cwd=sh.folder,
                              stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as other:
            # Whoever comes first has it: when it was not the other one, which opens that file before it locks, start anew.
            while other.poll() is None and not has_open(other.pid, 'a-lock'):
                pass
            done = sh.run('get', 'a', 'k')
            other.communicate(b'k2\tv2\n')
        if other.returncode == OK and done.returncode != OK:
            break
    assert done.returncode == ERROR and b'open already' in done.stderr, done
    sh.expect(OK, 'get', 'a', 'k2', out=b'v2\n')


def test_progress_shows_on_a_terminal_only(sh):
    lines = b''.join(b'%07d\t%s\n' % (i, b'v' * 100) for i in range(200000))
    with open(os.path.join(sh.folder, 'text'), 'wb') as f:
        f.write(lines)
    done = sh.expect(OK, 'load', 'a', 'text', '--tsv', '--commit=relaxed')
    assert b'\r' not in done.stderr, done.stderr
    leader, follower = pty.openpty()
    with subprocess.Popen([VERSO, 'load', 'b', 'text', '--tsv', sh.pager], cwd=sh.folder,
                          stderr=follower) as tool:
        os.close(follower)
        shown = b''
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        tool.wait()
    os.close(leader)
    assert tool.returncode == OK and b'loaded 200000 records' in shown, shown[-200:]


if __name__ == '__main__':
    sys.exit(run_tests(globals()))
