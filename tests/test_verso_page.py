#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of `verso page` and `verso tree`, which read the file by docs/file-format.md alone.

usage: test_verso_page.py VERSO

What they say is compared with what the library says of the same file, so the two readers of the
format prove each other.
"""
import ctypes
import ctypes.util
import json
import os
import random
import re
import sys

from tool_shell import ERROR, NO, OK, get_file, put_file, run_tests

SEED = int(os.environ.get('VERSO_SEED') or random.randrange(1 << 32))
PLACES = re.compile(rb'^(referred to by|free|pending|place) ', re.M)


def fill(sh, name, page_size):
    """A database with named tables, long values, an older state's pages and free ones."""
    lines = b''.join(b'common/prefix/%06d\t%s\n' % (i * 7919 % 3000, b'v' * (i % 90)) for i in range(3000))
    sh.expect(OK, 'load', name, '--tsv', f'--page-size={page_size}', stdin=lines)
    sh.expect(OK, 'load', name, '--tsv', '--table=short', stdin=b'a\t1\nb\t2\n')
    sh.expect(OK, 'load', name, '--tsv', '--table=gone', stdin=lines[:20000])
    sh.expect(OK, 'put', name, 'empty', '', '--table=long')
    for n in (1000, 30000, 300000):
        sh.expect(OK, 'put', name, f'v{n}', '--table=long', stdin=b'x' * n)
    sh.expect(OK, 'drop', name, 'gone')


def n_pages(sh, name):
    st = json.loads(sh.expect(OK, 'stat', name, '--json').stdout)
    return st['pages'], st['file_bytes'] // st['page_size']


def page(sh, name, n, *words):
    done = sh.run('page', name, str(n), *words)
    assert done.returncode == OK and not done.stderr, (n, done)
    return done.stdout


def test_each_page_is_in_one_place(on_disk):
    with on_disk.in_memory() as sh:
        kinds = set()
        for page_size in (512, 4096):
            name = f'db{page_size}'
            fill(sh, name, page_size)
            pages, in_file = n_pages(sh, name)
            n_slots = 2 * max(1, 4096 // page_size)
            for n in range(in_file) if page_size == 4096 else range(0, in_file, 5):
                out = page(sh, name, n)
                kinds.add(out.split(b'\n')[0].partition(b': ')[2])
                places = PLACES.findall(out)
                assert len(places) == (0 if n < n_slots else 1), (page_size, n, out)
                assert (b'beyond the' in out) == (n >= pages), (n, out)
        for kind in (b'an inner node of the default table', b'a leaf of the default table',
                     b'an overflow page of table long', b'a leaf of the catalogue of tables'):
            assert kind in kinds, (kind, kinds)


def test_the_leaves_hold_what_a_scan_finds(sh):
    fill(sh, 'a', 4096)
    found = []
    for n in range(n_pages(sh, 'a')[1]):
        out = page(sh, 'a', n, '--wide')
        if not out.startswith(b'page %d of a: a leaf of the default table' % n) or b'\nfree ' in out or \
                b'\npending ' in out:
            continue
        rows = out.partition(b'\n entry ')[2].splitlines()[1:]
        found += [row[14:].split(b'  ')[0] for row in rows]
    assert len(found) == 3000
    assert sorted(found) == sh.expect(OK, 'scan', 'a', '--keys').stdout.splitlines()


def test_what_a_person_reads(sh):
    sh.expect(OK, 'put', 'a', 'earth', '6371 km')
    sh.expect(OK, 'put', 'a', 'mars', stdin=b'\x1b[31m' + b'r' * 500)
    meta = page(sh, 'a', 0) + page(sh, 'a', 1)
    root = int(re.search(rb'newest commit.*?default table +page (\d+)', meta, re.S).group(1))
    out = page(sh, 'a', root).decode()
    for text in (f'page {root} of a: a leaf of the default table\n', ', right\n', ' of incarnation 1',
                 'referred to by  the meta page, as the root of the default table\n', 'entries         2\n'):
        assert text in out, (text, out)
    rows = out.splitlines()[-2:]
    assert re.match(r' +0 +\d+  earth +6371 km$', rows[0]), rows
    assert re.match(r' +1 +\d+  mars +\\x1b\[31mr+\.\.\. 505 bytes$', rows[1]), rows
    assert ' 36 33 37 31 ' not in out and b' 36 33 37 31 ' in page(sh, 'a', root, '-x').replace(b'  ', b' ')
    sh_done = sh.run('page', 'a', '99999')
    assert sh_done.returncode == NO and b'no page 99999' in sh_done.stderr, sh_done


def test_a_damaged_page_is_shown_with_what_is_wrong(sh):
    sh.expect(OK, 'put', 'a', 'earth', '6371 km')
    data = bytearray(get_file(sh, 'a'))
    n = data.rindex(b'6371 km') // 4096
    data[n * 4096 + 4000] ^= 1
    put_file(sh, 'a', bytes(data))
    out = page(sh, 'a', n)
    assert b'checksum does not fit' in out and b'referred to by  the meta page' in out, out
    done = sh.run('tree', 'a')
    assert done.returncode == NO and b'page %d: the checksum' % n in done.stderr, done
    # A table that only a damaged catalogue could name.
    sh.expect(OK, 'put', 'named', 'earth', '6371 km', '--table=planets')
    done = sh.run('tree', 'named', '--table=planet')
    assert done.returncode == NO and b'did you mean `planets`' in done.stderr, done
    data = bytearray(get_file(sh, 'named'))
    n = int(re.search(rb'catalogue of tables: .* its root is page (\d+)', sh.run('tree', 'named').stdout)[1])
    data[n * 4096 + 1000] ^= 1
    put_file(sh, 'named', bytes(data))
    done = sh.run('tree', 'named', '--table=planets')
    assert done.returncode == NO and b'the catalogue of tables is damaged' in done.stderr, done
    # Without the first meta page the second one is found, whatever the page size.
    for page_size in ('512', '4K', '16K', '64K'):
        name = 'm' + page_size
        sh.expect(OK, 'put', name, 'earth', '6371 km', f'--page-size={page_size}')
        data = bytearray(get_file(sh, name))
        data[100] ^= 1
        put_file(sh, name, bytes(data))
        out = page(sh, name, 0)
        assert b'not valid: its checksum' in out, out
        assert b'1 records' in sh.run('tree', name).stdout, page_size
    for text in (b'', b'x', b'hello\n' * 5000, bytes(100000)):
        put_file(sh, 'text', text)
        for words in (('page', 'text', '0'), ('tree', 'text')):
            done = sh.run(*words)
            assert done.returncode == ERROR and b'meta page' in done.stderr, done
    assert sh.run('page', '.', '0').returncode == ERROR
    assert b'No such file' in sh.run('tree', 'none').stderr


def test_tree_agrees_with_the_library(sh):
    for page_size in (512, 4096, 65536):
        name = f'db{page_size}'
        fill(sh, name, page_size)
        tables = json.loads(sh.expect(OK, 'tables', name, '--json').stdout)
        out = sh.run('tree', name).stdout.decode()
        parts = {part.partition(':')[0]: part for part in out.split('\n\n')}
        assert 'the catalogue of tables' in parts
        used = 0
        for table in tables:
            part = parts['table ' + table['name'] if table['name'] else 'the default table']
            rows = re.findall(r'^ +(\d+) +(\d+) +(\d+) +[\d.]+  [#.]{10} +(\d+) %', part, re.M)
            assert len(rows) == table['height'] and f": {table['records']} records" in part, (table, part)
            assert int(rows[-1][2]) == table['records'], part
            for upper, lower in zip(rows, rows[1:]):
                assert upper[2] == lower[1], part # as many children as there are nodes below
            assert all(0 <= int(row[3]) <= 100 for row in rows), part
        for part in parts.values():
            used += sum(int(n) for n in re.findall(r'^ +\d+ +(\d+) +\d+ +[\d.]+  [#.]{10}', part, re.M))
            used += sum(int(n) for n in re.findall(r'lie in (\d+) more pages', part))
        st = json.loads(sh.expect(OK, 'stat', name, '--json').stdout)
        # What is left are the meta slots, the bitmaps, the index, and pages of the pending list.
        rest = st['pages'] - st['free_pages'] - st['pending_pages'] - used
        assert 0 < rest < 40, (page_size, rest, st, out)
        one = sh.run('tree', name, '-t', 'long').stdout.decode()
        assert one.startswith('table long: 4 records') and one in out, one
        assert sh.run('tree', name, '-t', 'none').returncode == NO
        assert b'did you mean `short`?' in sh.run('tree', name, '-t', 'shrot').stderr


def test_no_bytes_make_it_fall(on_disk):
    print(f'VERSO_SEED={SEED}')
    rng = random.Random(SEED)
    lib = ctypes.CDLL(ctypes.util.find_library('xxhash') or 'libxxhash.so.0')
    xxh3 = lib.XXH3_64bits_withSeed
    xxh3.restype, xxh3.argtypes = ctypes.c_uint64, (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64)
    with on_disk.in_memory() as sh:
        fill(sh, 'a', 512)
        data = get_file(sh, 'a')
        seed = xxh3(data[72:88], 16, 0)
        pages = [n for n in range(16, len(data) // 512) if data[n * 512 + 12]]
        for _ in range(300):
            forged = bytearray(data)
            slot = rng.random() < 0.2
            n = 8 * rng.randrange(2) if slot else rng.choice(pages)
            size = 4096 if slot else 512
            at = n * 512
            for _ in range(rng.choice((1, 1, 2, 8))):
                where = rng.choice((rng.randrange(40, 72), rng.randrange(40, 140), rng.randrange(40, 512)))
                if not (slot and 40 <= where < 88): # else it is no meta page any more
                    forged[at + where] = rng.choice((0, 1, 0x7f, 0x80, 0xff, rng.randrange(256)))
            if rng.random() < 0.2 and not slot:
                forged[at + 13] = rng.choice((0, 1, 2, 63, 64, 255))
            sum_of = xxh3(bytes(forged[at + 8:at + size]), size - 8, seed) or 1
            forged[at:at + 8] = sum_of.to_bytes(8, 'little')
            put_file(sh, 'b', bytes(forged))
            for words in (('tree', 'b'), ('page', 'b', str(n), '-wx'), ('page', 'b', str(rng.choice(pages)))):
                done = sh.run(*words) # which sees to it that no signal ends the tool
                assert done.returncode in (OK, NO, ERROR), (SEED, n, words, done)


if __name__ == '__main__':
    sys.exit(run_tests(globals(), ['bufpool']))
