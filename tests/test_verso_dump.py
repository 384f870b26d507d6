#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of `verso dump` and `verso load`, as a user of a shell sees them (docs/dump-format.md).

usage: test_verso_dump.py VERSO

Each function `test_*` gets a scratch folder and runs once with each pager. The last line counts them.
"""
import fcntl
import json
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import termios

from tool_shell import ERROR, NO, OK, USAGE, VERSO, get_file, put_file, run_tests

SEED = int(os.environ.get('VERSO_SEED') or random.randrange(1 << 32))


ESCAPES = [b'\\x%02x' % c if c < 0x20 or c == 0x7f else bytes([c]) for c in range(256)]
ESCAPES[0x09], ESCAPES[0x0a], ESCAPES[0x5c] = b'\\t', b'\\n', b'\\\\'


def escaped(raw):
    """The escapes of docs/dump-format.md, written here from the page alone."""
    return b''.join(map(ESCAPES.__getitem__, raw))


def lines_of(records):
    return b''.join(escaped(k) + b'\t' + escaped(v) + b'\n' for k, v in sorted(records.items()))


def fill(sh, name, tables):
    """Puts {table: {key: value}}; the table None is the default one."""
    for table, records in tables.items():
        words = [b'--table=' + escaped(table)] if table else []
        sh.expect(OK, 'load', name, '--lines', *words, stdin=lines_of(records))


def body_of(tables):
    """A dump's lines between its header and its end mark."""
    out = b'table\n' + lines_of(tables.get(None, {}))
    for table in sorted(t for t in tables if t):
        out += b'table ' + escaped(table) + b'\n' + lines_of(tables[table])
    return out


SMALL = {None: {b'a': b'1', b'tab\there': b'\x00\x7f'}, b't': {b'': b'empty key'}, b'empty': {}}
FRUIT = {None: {b'pear': b'green'}, b'weights': {b'pear': b'178 g', b'plum': b'\n'}}


def small_dump(sh):
    fill(sh, 'small', SMALL)
    return sh.expect(OK, 'dump', 'small').stdout


def test_a_dump_has_header_tables_and_end_mark(sh):
    dump = small_dump(sh)
    header, rest = dump.split(b'\n', 1)
    assert header == b'verso-dump 1 page-size=4096 tables=3', header
    body, end = rest[:rest.rindex(b'end ')], rest[rest.rindex(b'end '):]
    assert body == body_of(SMALL), body
    assert end.startswith(b'end tables=3 records=3 xxh3=') and len(end) == 45, end
    one = sh.expect(OK, 'dump', 'small', '--table=t').stdout
    assert one.startswith(b'verso-dump 1 page-size=4096 tables=1\ntable t\n\tempty key\nend '), one
    sh.expect(NO, 'dump', 'small', '--table=none', err=b'not found')


def test_the_checksum_is_that_of_the_format(sh):
    # By another program: printf '...' | xxhsum -H3
    sh.expect(OK, 'load', 'a', '--tsv', stdin=b'')
    dump = sh.expect(OK, 'dump', 'a').stdout
    assert dump == (b'verso-dump 1 page-size=4096 tables=1\ntable\n'
                    b'end tables=1 records=0 xxh3=eb04e4e72a39b05f\n'), dump


def test_a_dump_loads_and_dumps_the_same(sh):
    records = {b'k%06d' % i: bytes((i * j * 7 + j) % 256 for j in range(i % 97)) *
               (1 + (i % 500 == 0) * 300) for i in range(3000)}
    fill(sh, 'a', {None: records, b'second': {b'x': b'y'}, b'empty': {}})
    dump = sh.expect(OK, 'dump', 'a').stdout
    put_file(sh, 'text', dump)
    sh.expect(OK, 'load', 'b', 'text', '--commit=relaxed', err=b'loaded 3001 records')
    sh.expect(OK, 'load', 'c', '--commit=two', stdin=dump)
    other = '--pager=mmap' if 'bufpool' in sh.pager else '--pager=bufpool'
    for name in ('b', 'c'):
        assert sh.run('dump', name, other).stdout == dump
        sh.expect(OK, 'check', name)
    scan = sh.expect(OK, 'scan', 'a').stdout
    assert scan == lines_of(records)
    sh.expect(OK, 'load', 'd', '--lines', '--batch=100', stdin=scan)
    assert sh.expect(OK, 'scan', 'd').stdout == scan


def test_the_page_size_goes_with_a_dump(sh):
    sh.expect(OK, 'load', 'a', '--tsv', '--page-size=16K', stdin=b'k\tv\n')
    dump = sh.expect(OK, 'dump', 'a').stdout

    def page_size(name):
        return json.loads(sh.expect(OK, 'stat', name, '--json').stdout)['page_size']

    sh.expect(OK, 'load', 'same', stdin=dump)
    assert page_size('same') == 16384
    sh.expect(OK, 'load', 'asked', '--page-size=8K', stdin=dump)
    assert page_size('asked') == 8192
    sh.expect(OK, 'put', 'there', 'k', 'v')
    sh.expect(OK, 'load', 'there', stdin=dump)
    assert page_size('there') == 4096
    put_file(sh, 'empty', b'')
    sh.expect(OK, 'load', 'empty', stdin=dump)
    assert page_size('empty') == 16384


def test_any_bytes_come_back(sh):
    print(f'VERSO_SEED={SEED}')
    rng = random.Random(SEED)

    def some(low, high):
        alphabet = rng.choice((bytes(range(256)), b'\\\t\n', b'\\tnx0\x00', b'end table\t\n'))
        return bytes(rng.choice(alphabet) for _ in range(rng.randint(low, high)))

    tables = {None: {}}
    while len(tables) < 6:
        # A name comes in a word of a command line, which holds no zero byte.
        tables[some(1, 60).replace(b'\x00', b'\x01')] = {}
    for records in tables.values():
        for _ in range(60):
            records[some(0, 80)] = some(0, rng.choice((10, 200, 9000)))
    fill(sh, 'a', tables)
    dump = sh.expect(OK, 'dump', 'a').stdout
    assert dump[dump.index(b'\n') + 1:dump.rindex(b'end ')] == body_of(tables), SEED
    sh.expect(OK, 'load', 'b', stdin=dump)
    assert sh.expect(OK, 'dump', 'b').stdout == dump, SEED
    for table, records in tables.items():
        words = [b'--table=' + escaped(table)] if table else []
        for key, val in list(records.items())[:3]:
            sh.expect(OK, 'get', 'b', '--raw', *words, b'--', escaped(key), out=val)


def test_any_database_comes_back_through_a_pipe(on_disk):
    print(f'VERSO_SEED={SEED}')
    rng = random.Random(SEED)

    def some(low, high):
        alphabet = rng.choice((bytes(range(256)), b'\0', b'\\xN\t\n\r', b'end table', 'é\u202e'.encode()))
        return bytes(rng.choices(alphabet, k=rng.randint(low, high)))

    with on_disk.in_memory() as sh:
        for n, page_size in enumerate((512, 4096, 65536)):
            key_max = (page_size - 64) // 4 - 32
            tables = {None: {b'': b''}, b'empty': {}, b'one': {b'': b''}}
            for _ in range(rng.randrange(8)):
                # A name and its description are no longer than a key.
                tables[some(1, min(255, key_max - 41)).replace(b'\0', b'\1')] = {}
            for name, records in tables.items():
                if name not in (b'empty', b'one'):
                    for _ in range(rng.choice((1, 10, 60))):
                        records[some(0, rng.choice((5, 60, min(key_max, 1000))))] = some(
                            0, rng.choice((5, 100, 3000)))
            tables[None][some(key_max, key_max)] = rng.randbytes(rng.randint(100000, 200000))
            fill_sized(sh, f'a{n}', tables, page_size)
            pipe = (f'{VERSO} dump {sh.pager} a{n} --value-copy-max={rng.choice(("1", "1000", "256M"))} | '
                    f'{VERSO} load {sh.pager} b{n} --cache=32M')
            done = subprocess.run(['bash', '-c', 'set -o pipefail; ' + pipe], cwd=sh.folder, check=False,
                                  capture_output=True, timeout=120)
            assert done.returncode == OK, (SEED, done)
            assert b'%d records' % sum(len(r) for r in tables.values()) in done.stderr, (SEED, done)
            for name in (f'a{n}', f'b{n}'):
                assert same_as(sh, name, tables), (SEED, name)
                sh.expect(OK, 'check', name)
            stats = [sh.expect(OK, 'tables', name).stdout for name in (f'a{n}', f'b{n}')]
            assert len(stats[0].splitlines()) == len(stats[1].splitlines()) == len(tables) + 1


def fill_sized(sh, name, tables, page_size):
    sh.expect(OK, 'load', name, '--tsv', f'--page-size={page_size}', stdin=b'')
    fill(sh, name, tables)


def same_as(sh, name, tables):
    """Whether the database has these tables with these records, and no others."""
    names = sh.expect(OK, 'tables', '--names', name).stdout.splitlines()
    return names == [escaped(t) for t in sorted(t for t in tables if t)] and all(
        sh.expect(OK, 'scan', name, *([b'-t' + escaped(t)] if t else [])).stdout == lines_of(records)
        for t, records in tables.items())


def refused(sh, name, dump, before):
    """The dump is refused; the folder and the database `kept` are as they were."""
    done = sh.run('load', sh.pager, name, stdin=dump)
    assert done.returncode == ERROR and done.stderr.startswith(b'verso: '), (dump, done)
    assert sorted(os.listdir(sh.folder)) == before, os.listdir(sh.folder)
    return done


def test_every_cut_is_refused_and_changes_nothing(on_disk):
    with on_disk.in_memory() as sh:
        dump = small_dump(sh)
        sh.expect(OK, 'put', 'kept', 'a', 'old')
        was = sh.expect(OK, 'dump', 'kept').stdout
        before = sorted(os.listdir(sh.folder))
        for n in range(len(dump)):
            done = refused(sh, 'fresh', dump[:n], before)
            if n % 16 == 0:
                refused(sh, 'kept', dump[:n], before)
                assert sh.run('dump', 'kept').stdout == was, n
        assert b'cut short' in done.stderr, done
        sh.expect(OK, 'load', 'fresh', stdin=dump)


def test_every_changed_byte_is_refused_and_changes_nothing(on_disk):
    with on_disk.in_memory() as sh:
        dump = small_dump(sh)
        sh.expect(OK, 'put', 'kept', 'a', 'old')
        was = sh.expect(OK, 'dump', 'kept').stdout
        before = sorted(os.listdir(sh.folder))
        for n in range(len(dump)):
            changed = dump[:n] + bytes([dump[n] ^ (1 << n % 8)]) + dump[n + 1:]
            refused(sh, 'fresh', changed, before)
            if n % 16 == 0:
                refused(sh, 'kept', changed, before)
                assert sh.run('dump', 'kept').stdout == was, n


def test_lines_lost_doubled_or_moved_are_refused(on_disk):
    with on_disk.in_memory() as sh:
        lines = small_dump(sh).splitlines(keepends=True)
        before = sorted(os.listdir(sh.folder))
        for n in range(len(lines)):
            refused(sh, 'fresh', b''.join(lines[:n] + lines[n + 1:]), before)
            refused(sh, 'fresh', b''.join(lines[:n + 1] + lines[n:]), before)
        for n in range(len(lines) - 1):
            refused(sh, 'fresh', b''.join(lines[:n] + [lines[n + 1], lines[n]] + lines[n + 2:]),
                    before)
        dump = b''.join(lines)
        for more in (b'\n', b'a\tb\n', b'x', dump):
            assert b'follows' in refused(sh, 'fresh', dump + more, before).stderr
        newer = dump.replace(b'verso-dump 1', b'verso-dump 2', 1)
        assert b'newer verso' in refused(sh, 'fresh', newer, before).stderr


def test_a_large_dump_with_a_wrong_end_changes_nothing(sh):
    # More than the pool holds, so that pages are written before the end is seen.
    lines = b''.join(b'%08d\t%s\n' % (i, b'v' * 1000) for i in range(12000))
    sh.expect(OK, 'load', 'large', '--tsv', '--commit=relaxed', stdin=lines)
    dump = sh.expect(OK, 'dump', 'large').stdout
    sh.expect(OK, 'put', 'kept', '00000005', 'old')
    was = sh.expect(OK, 'dump', 'kept').stdout
    before = sorted(os.listdir(sh.folder))
    for wrong in (dump[:-1], dump.replace(b'vvv', b'vwv', 1)):
        for name in ('fresh', 'kept'):
            done = sh.run('load', sh.pager, name, '--cache=8M', stdin=wrong)
            assert done.returncode == ERROR and b'othing was loaded' in done.stderr, done
            assert sorted(os.listdir(sh.folder)) == before, os.listdir(sh.folder)
        assert sh.expect(OK, 'dump', 'kept').stdout == was
        sh.expect(OK, 'check', 'kept')
    sh.expect(OK, 'load', 'kept', '--cache=8M', stdin=dump)
    assert sh.expect(OK, 'dump', 'kept').stdout == dump


def test_a_load_that_fails_leaves_no_file(sh):
    sh.expect(OK, 'load', 'a', '--tsv', '--page-size=16K', stdin=b'k' * 2000 + b'\tv\n')
    dump = sh.expect(OK, 'dump', 'a').stdout
    before = sorted(os.listdir(sh.folder))
    sh.expect(ERROR, 'load', 'b', '--page-size=4K', stdin=dump, err=b'line 3')
    sh.expect(ERROR, 'load', 'b', '--tsv', stdin=b'a\tb\nno tab\n', err=b'line 2')
    sh.expect(ERROR, 'load', 'b', '--tsv', '--batch=1', stdin=b'a\tb\nno tab\n')
    sh.expect(ERROR, 'load', 'b', '--tsv', '.', err=b'directory')
    sh.expect(ERROR, 'load', 'no-such-folder/b', stdin=dump, err=b'no-such-folder')
    sh.expect(USAGE, 'load', 'b', '--page-size=4097', stdin=dump)
    assert sorted(os.listdir(sh.folder)) == before, os.listdir(sh.folder)
    for limit in (0, 512, 65536):
        # Python ignores the signal that tells of the limit, and hands that down.
        done = subprocess.run(
            [VERSO, 'load', 'b', sh.pager], cwd=sh.folder, input=dump, capture_output=True,
            check=False, timeout=120, restore_signals=False,
            preexec_fn=lambda n=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (n, n)))
        assert done.returncode == ERROR and b'large' in done.stderr, done
        assert sorted(os.listdir(sh.folder)) == before, (limit, os.listdir(sh.folder))


def test_a_load_that_is_interrupted_leaves_no_file(sh):
    dump = small_dump(sh)
    before = sorted(os.listdir(sh.folder))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Who runs the tests in the background may ignore the signal, and a tool inherits that.
        with subprocess.Popen([VERSO, 'load', 'b', sh.pager], cwd=sh.folder,
                              stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                              preexec_fn=lambda n=number: signal.signal(n, signal.SIG_DFL)) as tool:
            tool.stdin.write(dump[:60])
            tool.stdin.flush()
            while sorted(os.listdir(sh.folder)) == before:
                assert tool.poll() is None
            tool.send_signal(number)
            tool.wait(timeout=60)
            assert tool.returncode == -number, tool.returncode
            tool.stderr.read()
        assert sorted(os.listdir(sh.folder)) == before, os.listdir(sh.folder)


def n_unread(pipe):
    """Bytes in the pipe that its reader has not taken yet."""
    return struct.unpack('i', fcntl.ioctl(pipe, termios.FIONREAD, b'\0' * 4))[0]


def test_an_interrupted_load_puts_no_part_of_a_record(sh):
    sh.expect(OK, 'put', 'kept', 'k', 'v')
    for words in (('--tsv',), ('--lines',)):
        with subprocess.Popen([VERSO, 'load', 'kept', *words, '--batch=1', sh.pager],
                              cwd=sh.folder, stdin=subprocess.PIPE,
                              stderr=subprocess.PIPE) as tool:
            tool.stdin.write(b'longkey\tthis is a part of a val')
            tool.stdin.flush()
            while n_unread(tool.stdin) > 0:
                assert tool.poll() is None
            tool.send_signal(signal.SIGTERM)
            tool.wait(timeout=60)
            assert tool.returncode == -signal.SIGTERM, tool.returncode
            tool.stderr.read()
        sh.expect(OK, 'scan', 'kept', out=b'k\tv\n')


def test_a_header_without_an_end_is_not_read_on(sh):
    with subprocess.Popen([VERSO, 'load', 'b', sh.pager], cwd=sh.folder, stdin=subprocess.PIPE,
                          stderr=subprocess.PIPE) as tool:
        n_written = 0
        try:
            while n_written < 64 << 20:
                n_written += os.write(tool.stdin.fileno(), bytes(1 << 16))
        except BrokenPipeError:
            pass
        _, err = tool.communicate()
    assert n_written < 64 << 20, n_written
    assert tool.returncode == ERROR and b'not a dump' in err, (tool.returncode, err)
    assert os.listdir(sh.folder) == []


def test_a_name_that_is_taken_meanwhile_is_not_replaced(sh):
    dump = small_dump(sh)
    before = sorted(os.listdir(sh.folder))
    with subprocess.Popen([VERSO, 'load', 'b', sh.pager], cwd=sh.folder, stdin=subprocess.PIPE,
                          stderr=subprocess.PIPE) as tool:
        tool.stdin.write(dump[:60])
        tool.stdin.flush()
        while sorted(os.listdir(sh.folder)) == before:
            assert tool.poll() is None
        put_file(sh, 'b', b'mine')
        _, err = tool.communicate(dump[60:])
    assert tool.returncode == ERROR and b'exists' in err, (tool.returncode, err)
    assert get_file(sh, 'b') == b'mine'
    assert sorted(os.listdir(sh.folder)) == sorted(before + ['b']), os.listdir(sh.folder)


def test_a_load_through_a_link_to_nothing_makes_its_target(sh):
    dump = small_dump(sh)
    os.mkdir(os.path.join(sh.folder, 'other'))
    os.symlink('second', os.path.join(sh.folder, 'first'))
    os.symlink('other/place', os.path.join(sh.folder, 'second'))
    os.symlink(os.path.join(sh.folder, 'whole'), os.path.join(sh.folder, 'absolute'))
    os.symlink('loop', os.path.join(sh.folder, 'loop'))
    sh.expect(OK, 'load', 'first', stdin=dump)
    assert os.readlink(os.path.join(sh.folder, 'first')) == 'second'
    assert sh.expect(OK, 'dump', 'other/place').stdout == dump
    sh.expect(OK, 'load', 'absolute', stdin=dump)
    assert sh.expect(OK, 'dump', 'whole').stdout == dump
    sh.expect(ERROR, 'load', 'loop', stdin=dump, err=b'loop')


def test_a_long_name_can_be_loaded(sh):
    dump = small_dump(sh)
    name = 'n' * 250  # with the name of its side file behind it, the longest there is
    sh.expect(OK, 'load', name, stdin=dump)
    assert sh.expect(OK, 'dump', name).stdout == dump
    before = sorted(os.listdir(sh.folder))
    sh.expect(ERROR, 'load', 'n' * 256, stdin=dump, err=b'too long')
    assert sorted(os.listdir(sh.folder)) == before, os.listdir(sh.folder)


def closed_folder(sh):
    """Makes the folder `closed`; how to start a tool that cannot list it when its mode says so."""
    closed = os.path.join(sh.folder, 'closed')
    os.mkdir(closed)
    options = {'cwd': sh.folder, 'stdin': subprocess.PIPE, 'stderr': subprocess.PIPE}
    if os.geteuid() != 0:
        return closed, [VERSO, 'load', 'closed/b', sh.pager], options
    # Root may list any folder: another user runs a copy of the tool, where it can be reached.
    shutil.copy(VERSO, os.path.join(sh.folder, 'verso'))
    os.chmod(sh.folder, 0o755)
    os.chown(closed, 65534, 65534)
    return closed, ['./verso', 'load', 'closed/b', sh.pager], {**options, 'user': 65534,
                                                               'group': 65534}


def test_a_load_in_a_folder_that_cannot_be_listed(sh):
    dump = small_dump(sh)
    closed, words, options = closed_folder(sh)
    os.chmod(closed, 0o300)
    with subprocess.Popen(words, **options) as tool:
        _, err = tool.communicate(dump)
    os.chmod(closed, 0o700)
    assert tool.returncode == OK, err
    assert os.listdir(closed) == ['b'], os.listdir(closed)
    assert sh.expect(OK, 'dump', 'closed/b').stdout == dump


def test_a_loaded_database_stays_when_its_name_cannot_be_flushed(sh):
    dump = small_dump(sh)
    closed, words, options = closed_folder(sh)
    with subprocess.Popen(words, **options) as tool:
        # What follows the first piece is read when the new database is open.
        for piece in (dump[:60], dump[60:-1]):
            tool.stdin.write(piece)
            tool.stdin.flush()
            while n_unread(tool.stdin) > 0:
                assert tool.poll() is None
        made = [os.path.join(folder, 'b') for folder, _, names in os.walk(closed) if 'b' in names]
        os.chmod(made[0], 0)
        os.chmod(closed, 0o300)
        _, err = tool.communicate(dump[-1:])
    os.chmod(closed, 0o700)
    assert tool.returncode == ERROR and b'power cut' in err, (tool.returncode, err)
    assert os.listdir(closed) == ['b'], os.listdir(closed)
    os.chmod(os.path.join(closed, 'b'), 0o600)
    assert sh.expect(OK, 'dump', 'closed/b').stdout == dump


def test_a_dump_of_one_table_goes_where_it_is_asked_to(sh):
    fill(sh, 'a', FRUIT)
    one = sh.expect(OK, 'dump', 'a', '--table=weights').stdout
    sh.expect(OK, 'load', 'b', stdin=one)
    sh.expect(OK, 'get', 'b', 'pear', '--table=weights', out=b'178 g\n')
    sh.expect(OK, 'load', 'b', '--table=copy', stdin=one)
    sh.expect(OK, 'get', 'b', 'plum', '--table=copy', out=b'\n\n')
    both = sh.expect(OK, 'dump', 'a').stdout
    sh.expect(ERROR, 'load', 'b', '--table=copy', stdin=both, err=b'2 tables')


def test_a_load_keeps_what_the_dump_does_not_name(sh):
    fill(sh, 'a', FRUIT)
    dump = sh.expect(OK, 'dump', 'a').stdout
    fill(sh, 'b', {None: {b'pear': b'yellow', b'fig': b'blue'}, b'other': {b'x': b'y'}})
    sh.expect(OK, 'load', 'b', stdin=dump)
    sh.expect(OK, 'scan', 'b', out=b'fig\tblue\npear\tgreen\n')
    sh.expect(OK, 'scan', 'b', '--table=other', out=b'x\ty\n')


def test_plain_lines_are_read_when_asked_for(sh):
    before = sorted(os.listdir(sh.folder))
    for text in (b'usr-lib\\x2d\tv\n', b'', b'\n', b'verso-dump', b'a\tb'):
        done = sh.expect(ERROR, 'load', 'a', stdin=text, err=b'not a dump')
        assert b'--tsv' in done.stderr and b'--lines' in done.stderr, done
    assert sorted(os.listdir(sh.folder)) == before
    sh.expect(OK, 'load', 'a', '--tsv', stdin=b'usr-lib\\x2d\tv\\t\tw\r\n\\q\t\\\nlast\tline')
    sh.expect(OK, 'scan', 'a', out=b'\\\\q\t\\\\\nlast\tline\nusr-lib\\\\x2d\tv\\\\t\\tw\\x0d\n')
    sh.expect(OK, 'load', 'b', '--lines', stdin=b'usr-lib\\x2D\tv\\t\tw\nlast\tline')
    sh.expect(OK, 'get', 'b', 'usr-lib-', '--raw', out=b'v\t\tw')
    sh.expect(OK, 'get', 'b', 'last', out=b'line\n')
    sh.expect(OK, 'load', 'c', '--lines', stdin=b'', err=b'loaded 0 records')
    # What `verso dump` of 0.1.0 wrote: no header, no end mark.
    sh.expect(OK, 'load', 'd', '--lines', '--table=t', stdin=lines_of(SMALL[None]))
    sh.expect(OK, 'scan', 'd', '--table=t', out=lines_of(SMALL[None]))


def test_bad_lines_are_told_with_their_number(sh):
    sh.expect(OK, 'put', 'a', 'k', 'v')
    for words in (('--lines',), ('--tsv',)):
        sh.expect(ERROR, 'load', 'a', *words, stdin=b'a\tb\nno tab\n', err=b'line 2')
        sh.expect(NO, 'get', 'a', 'a')
    done = sh.expect(ERROR, 'load', 'a', '--lines', '--batch=1', stdin=b'a\tb\nc\t\\q\n',
                     err=b'line 2')
    assert b'first 1 records' in done.stderr, done
    sh.expect(OK, 'get', 'a', 'a', out=b'b\n')
    for bad in (b'\\', b'\\x', b'\\x4', b'\\xg0', b'\\x0g', b'\\T'):
        sh.expect(ERROR, 'load', 'a', '--lines', stdin=b'key\t' + bad + b'\n', err=b'backslash')
        sh.expect(ERROR, 'load', 'a', '--lines', stdin=bad + b'\tvalue\n', err=b'backslash')
    sh.expect(ERROR, 'load', 'a', 'no-such-file', err=b'no-such-file')
    sh.expect(ERROR, 'load', 'a', '--tsv', stdin=b'k' * 2000 + b'\tv\n', err=b'line 1')


def test_a_damaged_database_makes_a_dump_that_is_refused(sh):
    sh.expect(OK, 'load', 'a', '--tsv', stdin=b''.join(b'%05d\t%s\n' % (i, b'v' * 50)
                                                      for i in range(2000)))
    path = os.path.join(sh.folder, 'a')
    with open(path, 'rb') as f:
        data = bytearray(f.read())
    data[data.rindex(b'v' * 50)] ^= 1
    put_file(sh, 'a', bytes(data))
    done = sh.expect(ERROR, 'dump', 'a', err=b'page')
    sh.expect(ERROR, 'load', 'b', stdin=done.stdout, err=b'cut short')
    assert 'b' not in os.listdir(sh.folder)


def test_a_dump_that_cannot_be_written_is_3(sh):
    small_dump(sh)
    with open('/dev/full', 'wb') as full:
        done = subprocess.run([VERSO, 'dump', 'small', sh.pager], cwd=sh.folder, stdout=full,
                              stderr=subprocess.PIPE, check=False, timeout=120)
    assert done.returncode == ERROR and b'No space' in done.stderr, done


if __name__ == '__main__':
    sys.exit(run_tests(globals()))
