#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of `verso salvage` and `verso dump --skip-damaged`: what comes back of a damaged database.

usage: test_verso_salvage.py VERSO

A reader of docs/file-format.md of its own (class File) says which records lie on which pages. So of each
damage it is known what must come back: every record none of whose pages is damaged, and no other.
"""
import contextlib
import ctypes
import ctypes.util
import os
import random
import resource
import signal
import struct
import subprocess
import sys

from tool_shell import ERROR, NO, OK, USAGE, VERSO, Skipped, get_file, put_file, run_tests

SEED = int(os.environ.get('VERSO_SEED') or random.randrange(1 << 32))


# --- the format, as docs/file-format.md has it ---------------------------------------------------

class File:
    """The newest commit of a database: its tables, and the pages that each record lies on."""

    def __init__(self, data):
        self.data = data
        page_size = struct.unpack_from('<I', data, 52)[0]
        self.page_size = page_size
        self.slots = (0, max(4096, page_size) // page_size)
        slot = max((struct.unpack_from('<Q', data, s * page_size + 16)[0], s * page_size) for s in self.slots)[1]
        self.slot = slot
        self.tables, self.trees, self.leaves, self.inner, self.roots = {}, {}, {}, {}, {}
        catalogue = {}
        self.walk(self.root(slot + 312, 20), catalogue, 'catalogue')
        named = {key: self.root_of(value) for key, (value, _) in catalogue.items()}
        for name, root in [(None, self.root(slot + 272, 20)), *named.items()]:
            records = self.tables[name] = {}
            self.trees[root[2]] = name
            self.roots[name] = root[0]
            self.walk(root, records, name)

    def page(self, pgno):
        return self.data[pgno * self.page_size:(pgno + 1) * self.page_size]

    def root_of(self, bytes_):
        pgno, _, level, _, _, tree = struct.unpack_from('<IQBBHI', bytes_)
        return pgno, level, tree

    def root(self, at, _):
        return self.root_of(self.data[at:at + 40])

    def walk(self, root, records, name):
        pgno, level, _ = root
        if pgno == 0:
            return
        page = self.page(pgno)
        n, prefix_len = struct.unpack_from('<HH', page, 40)
        prefix = page[self.page_size - prefix_len:]
        if level:
            self.inner[pgno] = name
            self.walk((struct.unpack_from('<I', page, 52)[0], level - 1, 0), records, name)
        else:
            self.leaves[pgno] = name
        for i in range(n):
            head, off, suffix_len = struct.unpack_from('<IHH', page, 64 + 8 * i)
            tail_len = max(0, suffix_len - 4)
            key = prefix + head.to_bytes(4, 'big')[:suffix_len]
            if level:
                self.walk((struct.unpack_from('<I', page, off)[0], level - 1, 0), records, name)
                continue
            key += page[off + 2:off + 2 + tail_len]
            held_len = struct.unpack_from('<H', page, off)[0]
            held = page[off + 2 + tail_len:][:held_len & 0x7fff]
            pages = {pgno}
            records[key] = (self.long_value(held, pages, len(key)) if held_len & 0x8000 else held, pages)

    def long_value(self, held, pages, key_len):
        length = struct.unpack_from('<Q', held)[0]
        size, odd = self.page_size - 48, 0
        if 8 + 12 * (length // size) + length % size <= (self.page_size - 64) // 2 - 10 - key_len:
            odd = length % size
        refs = held[8:len(held) - odd]
        out = b''.join(self.piece(struct.unpack_from('<I', refs, at)[0], pages) for at in range(0, len(refs), 12))
        out += held[len(held) - odd:]
        assert len(out) == length
        return out

    def piece(self, pgno, pages):
        pages.add(pgno)
        page = self.page(pgno)
        n = struct.unpack_from('<I', page, 40)[0]
        if page[13] == 0:
            return page[48:48 + n]
        return b''.join(self.piece(struct.unpack_from('<I', page, 48 + 12 * i)[0], pages) for i in range(n))

    def records(self):
        return {(name, key): value for name, records in self.tables.items() for key, (value, _) in records.items()}

    def without(self, damaged):
        """The records of which no page is damaged."""
        return {(name, key): value for name, records in self.tables.items()
                for key, (value, pages) in records.items() if not pages & damaged}


XXH3 = ctypes.CDLL(ctypes.util.find_library('xxhash') or 'libxxhash.so.0').XXH3_64bits_withSeed
XXH3.restype, XXH3.argtypes = ctypes.c_uint64, (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64)


def sealed(data, page):
    """The page with the checksum that it has in the database."""
    seed = XXH3(data[72:88], 16, 0)
    return (XXH3(bytes(page[8:]), len(page) - 8, seed) or 1).to_bytes(8, 'little') + bytes(page[8:])


# --- databases -----------------------------------------------------------------------------------

def lines(n, value, step=1):
    return b''.join(b'common/prefix/%05d\t%s\n' % (i * 7919 % 100000, value + b'v' * (i % 60)) for i in range(0, n, step))


def fill(sh, name, page_size, n):
    """Tables of several heights, values in pages of their own, and much that is of older commits."""
    sh.expect(OK, 'load', name, '--tsv', f'--page-size={page_size}', stdin=lines(n, b'old'))
    sh.expect(OK, 'load', name, '--tsv', '--table=gone', stdin=lines(n // 4, b'gone'))
    sh.expect(OK, 'load', name, '--tsv', '--table=words', stdin=lines(n // 2, b'word'))
    sh.expect(OK, 'put', name, 'empty', '', '--table=long')
    for length in (page_size // 3, 2 * page_size + 1, 30 * page_size, 90 * page_size):
        sh.expect(OK, 'put', name, f'v{length}', '--table=long', stdin=bytes(i % 251 for i in range(length)))
    sh.expect(OK, 'load', name, '--tsv', '--table=short', stdin=b'a\t1\nb\t2\n')
    before = get_file(sh, name)
    sh.expect(OK, 'drop', name, 'gone')
    keys = [line.split(b'\t')[0] for line in lines(n, b'', 9).splitlines()]
    sh.expect(OK, 'del', name, *keys)
    sh.expect(OK, 'load', name, '--tsv', '--batch=50', stdin=lines(n, b'new', 2))
    return before


def parse_dump(dump):
    """{(table, key): value} of a dump; whether its end mark says that it is partial."""
    found, table, tables = {}, None, []
    body, _, end = dump[:-1].rpartition(b'\n')
    assert end.startswith(b'end '), end
    header, *rest = body.split(b'\n')
    for line in rest:
        if b'\t' in line:
            key, value = line.split(b'\t')
            key, value = (part.decode('unicode_escape').encode('latin-1') if b'\\' in part else part
                          for part in (key, value))
            assert (table, key) not in found, (table, key)
            found[table, key] = value
        else:
            table = line[6:] or None
            tables.append(table)
    assert b'tables=%d ' % len(tables) in header + b' ', (header, tables)
    assert b'tables=%d records=%d ' % (len(tables), len(found)) in end, end
    return found, end.endswith(b' partial')


def named(found, file):
    """The same with the tables whose names are lost under the names that they had."""
    return {(file.trees.get(int(name[9:]), name) if name and name.startswith(b'salvaged-') else name, key): value
            for (name, key), value in found.items()}


def skip(sh, name, *words):
    done = sh.run('dump', '--skip-damaged', name, *words)
    assert done.returncode in (OK, NO), (name, done)
    found, is_partial = parse_dump(done.stdout)
    assert is_partial == (done.returncode == NO), done
    return done, found


@contextlib.contextmanager
def damaged_in(sh, data, pages):
    """Puts `data`, in which {pgno: bytes} are, under the name `b`."""
    out = bytearray(data)
    for at, page in pages.items():
        out[at:at + len(page)] = page
    put_file(sh, 'b', bytes(out))
    yield out


# --- each page -----------------------------------------------------------------------------------

def damages(file, pgno, rng, before):
    """Kinds of damage of a page: pairs of a word and its bytes then."""
    size = file.page_size
    page = file.page(pgno)
    flipped = bytearray(page)
    flipped[rng.randrange(size)] ^= 1 << rng.randrange(8)
    yield 'flip', bytes(flipped)
    yield 'zeros', bytes(size)
    other = rng.choice([p for p in file.leaves if p != pgno])
    yield 'astray', file.page(other)
    was = before[pgno * size:(pgno + 1) * size]
    if len(was) == size and was != page:
        yield 'lost', was


def test_of_each_damaged_page_the_rest_comes_back(on_disk):
    print(f'VERSO_SEED={SEED}')
    rng = random.Random(SEED)
    with on_disk.in_memory() as sh:
        before = fill(sh, 'a', 512, 900)
        data = get_file(sh, 'a')
        file = File(data)
        model = file.records()
        assert len(model) > 1200 and file.page(file.roots[None])[13] >= 2, len(model) # three levels or more
        assert parse_dump(sh.expect(OK, 'dump', 'a').stdout)[0] == model
        own = {p for s in file.slots for p in range(s, s + 8)}
        pages = set(file.leaves) | set(file.inner) | own
        for records in file.tables.values():
            pages = pages.union(*(pages for _, pages in records.values()))
        pages = sorted(pages | set(rng.sample(range(16, len(data) // 512), 30)))
        n = 0
        for pgno in pages:
            for kind, page in damages(file, pgno, rng, before):
                if kind == 'lost' and pgno in own:
                    continue
                with damaged_in(sh, data, {pgno * 512: page}):
                    done, found = skip(sh, 'b')
                    want = file.without({pgno})
                    assert named(found, file) == want, (SEED, pgno, kind, done.stderr, set(found) ^ set(want))
                    assert done.returncode == OK or want != model or pgno in file.inner or pgno in own or \
                        file.leaves.get(pgno) == 'catalogue', (SEED, pgno, kind, done.stderr)
                    assert (want == model) or (b' lost' in done.stderr and done.returncode == NO), (pgno, done.stderr)
                    n += 1
                    if n % 25 == 0:
                        saved_like(sh, found, done)
        assert n > 800, n


def saved_like(sh, found, skipped):
    """`salvage` gives what the dump has, as a database that is whole, and the same account."""
    was = get_file(sh, 'b')
    done = sh.run('salvage', 'b', 'c')
    assert done.returncode == skipped.returncode and done.stderr == skipped.stderr, (done, skipped.stderr)
    sh.expect(OK, 'check', 'c')
    assert parse_dump(sh.expect(OK, 'dump', 'c').stdout)[0] == found
    assert get_file(sh, 'b') == was
    os.unlink(os.path.join(sh.folder, 'c'))
    assert not [n for n in os.listdir(sh.folder) if n.startswith(('c', 'verso-load'))], os.listdir(sh.folder)


def test_of_a_cut_file_what_is_left_comes_back(on_disk):
    rng = random.Random(SEED)
    with on_disk.in_memory() as sh:
        for page_size, n_records in ((512, 900), (4096, 4000)):
            fill(sh, 'a', page_size, n_records)
            data = get_file(sh, 'a')
            file = File(data)
            for n in sorted(rng.sample(range(20, len(data) // page_size), 25)):
                put_file(sh, 'b', data[:n * page_size + rng.choice((0, 0, page_size // 2))])
                done, found = skip(sh, 'b')
                gone = set(range(n, len(data) // page_size))
                assert named(found, file) == file.without(gone), (SEED, n, done.stderr)
            os.unlink(os.path.join(sh.folder, 'a'))


def test_without_both_meta_pages_the_leaves_come_back(on_disk):
    with on_disk.in_memory() as sh:
        for page_size in (512, 2048, 4096, 16384, 65536):
            before = fill(sh, 'a', page_size, 900 if page_size < 4096 else 3000)
            data = get_file(sh, 'a')
            file, old = File(data), File(before)
            second = max(4096, page_size)
            model = file.records()
            for first, other in ((b'\xff' * 8, b'\xff' * 8), (bytes(4096), b'\xff' * 8), (bytes(4096), bytes(4096))):
                at = 40 if len(first) == 8 else 0, second + (40 if len(other) == 8 else 0)
                with damaged_in(sh, data, {at[0]: first, at[1]: other}):
                    done, found = skip(sh, 'b')
                    assert done.returncode == NO and b'both meta pages' in done.stderr, done.stderr
                    assert (b'checksums could not' in done.stderr) == (len(first) == len(other) == 4096), done.stderr
                    found = named(found, file)
                    assert {k: found.get(k) for k in model} == model, (page_size, len(found), len(model), done.stderr)
                    # What is not there any more was once; its table was dropped, or it was deleted.
                    for name, key in set(found) - set(model):
                        gone = old.tables.get(old.trees[int(name[9:])] if name and name.startswith(b'salvaged-') else name)
                        assert key in gone, (name, key)
            saved_like(sh, skip(sh, 'b')[1], done)
            os.unlink(os.path.join(sh.folder, 'a'))


def test_a_stale_leaf_never_wins(on_disk):
    """Without the bitmap it is not known which leaves are old: the newest of each key still is."""
    rng = random.Random(SEED)
    with on_disk.in_memory() as sh:
        fill(sh, 'a', 512, 900)
        data = get_file(sh, 'a')
        file = File(data)
        model = file.records()
        size = file.page_size
        bitmaps = {p * size: b'\xee' * size for p in range(16, len(data) // size)
                   if data[p * size + 12] == 2}
        assert bitmaps
        with damaged_in(sh, data, bitmaps):
            done, found = skip(sh, 'b')
            assert found == model and done.returncode == OK, done.stderr
        n_old = 0
        for _ in range(60):
            lost = set(rng.sample(sorted(set(file.leaves) | set(file.inner)), 3))
            with damaged_in(sh, data, {**bitmaps, **{p * size: b'\xee' * size for p in lost}}):
                done, found = skip(sh, 'b')
                found = named(found, file)
                for at, value in file.without(lost).items():
                    assert found.get(at) == value, (SEED, lost, at, done.stderr)
                for name, key in set(found) - set(file.without(lost)):
                    n_old += 1
                    assert name == b'salvaged-2' or key.startswith(b'common/prefix') or name == b'long', (name, key)
                assert done.returncode == NO, done.stderr
        assert n_old > 0


def killed(sh, name, mode):
    """A database whose program was killed behind some commits, the last of them of many pages."""
    sh.expect(OK, 'load', name, '--tsv', '--page-size=512', stdin=lines(600, b'old'))
    if sh.run('put', name, 'k', 'v', f'--commit={mode}', sh.pager).returncode != OK:
        raise Skipped(f'no commits of mode {mode} here')
    with subprocess.Popen([VERSO, 'load', name, '--tsv', '--batch=150', f'--commit={mode}', sh.pager], cwd=sh.folder,
                          stdin=subprocess.PIPE, stderr=subprocess.PIPE) as tool:
        tool.stdin.write(lines(450, b'new'))
        tool.stdin.flush()
        last = lines(450, b'new').splitlines()[-1].split(b'\t')
        while sh.run('get', name, last[0], sh.pager).stdout != last[1] + b'\n':
            assert tool.poll() is None
        tool.kill()
        tool.communicate()


def test_behind_a_crash_it_takes_the_commit_that_opening_takes(sh):
    """Where opening finds a whole commit, salvage gives what the library reads of it."""
    rng = random.Random(SEED)
    n_older = 0
    for mode in ('one', 'two'):
        killed(sh, mode, mode)
        data = get_file(sh, mode)
        file = File(data)
        gen = max(struct.unpack_from('<Q', data, s * 512 + 16)[0] for s in file.slots)
        new = [p for p in range(16, len(data) // 512) if struct.unpack_from('<Q', data, p * 512 + 16)[0] == gen]
        assert len(new) > 5, (mode, len(new))
        for pgno in [0, 8] + rng.sample(new, min(len(new), 20)):
            with damaged_in(sh, data, {pgno * 512: b'\xee' * 512}):
                done, found = skip(sh, 'b')
                by_library = sh.run('dump', 'b', sh.pager)
            assert done.returncode == NO or found == file.records(), (SEED, mode, pgno, done.stderr)
            if by_library.returncode == OK:
                assert parse_dump(by_library.stdout)[0] == found, (SEED, mode, pgno, done.stderr)
                n_older += b'as the database would open' in done.stderr
            else:
                assert found == file.without({pgno}), (SEED, mode, pgno, done.stderr)
            for name in ('b', 'b-lock'):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(sh.folder, name))
    assert n_older > 5, n_older


def test_no_bytes_make_it_fall(on_disk):
    rng = random.Random(SEED)
    with on_disk.in_memory() as sh:
        fill(sh, 'a', 512, 300)
        data = get_file(sh, 'a')
        pages = [n for n in range(16, len(data) // 512) if data[n * 512 + 12]]
        for i in range(400):
            forged = bytearray(data)
            slot = rng.random() < 0.2
            n = 8 * rng.randrange(2) if slot else rng.choice(pages)
            size = 4096 if slot else 512
            at = n * 512
            for _ in range(rng.choice((1, 1, 2, 8))):
                where = rng.choice((rng.randrange(12, 40), rng.randrange(40, 140), rng.randrange(40, 512)))
                if not (slot and 40 <= where < 88): # else it is no meta page any more
                    forged[at + where] = rng.choice((0, 1, 0x7f, 0x80, 0xff, rng.randrange(256)))
            forged[at:at + size] = sealed(data, forged[at:at + size])
            if i % 4 == 0: # without both metas other pages are asked for
                forged[40:48] = forged[4136:4144] = bytes(8)
            put_file(sh, 'b', bytes(forged))
            done = sh.run('dump', '--skip-damaged', 'b') # which sees to it that no signal ends the tool
            assert done.returncode in (OK, NO, ERROR), (SEED, i, done)
            if done.returncode != ERROR:
                parse_dump(done.stdout) # which sees to it that no key is there twice


def test_what_was_there_before_a_lost_write_is_not_taken(on_disk):
    """A page that is in use, and holds a leaf of the same keys of an older commit, whole."""
    rng = random.Random(SEED)
    with on_disk.in_memory() as sh:
        fill(sh, 'a', 512, 900)
        data = get_file(sh, 'a')
        file = File(data)
        leaves = [p for p, table in file.leaves.items() if table is None and b'new' in file.page(p)]
        for pgno in rng.sample(leaves, 20):
            old = bytearray(file.page(pgno).replace(b'new', b'old'))
            gen = struct.unpack_from('<Q', old, 16)[0]
            for other in (gen - 1, gen + 1):
                struct.pack_into('<QQ', old, 16, other, other)
                with damaged_in(sh, data, {pgno * 512: sealed(data, old)}):
                    done, found = skip(sh, 'b')
                assert found == file.without({pgno}), (SEED, pgno, done.stderr)
                assert b'generation' in done.stderr or b'newer' in done.stderr, done.stderr


def test_a_whole_database_comes_back_whole(sh):
    for page_size in (4096, 65536):
        name = f'a{page_size}'
        fill(sh, name, page_size, 3000)
        data = get_file(sh, name)
        dump = sh.expect(OK, 'dump', name).stdout
        done = sh.expect(OK, 'salvage', name, 'b', err=b'all that there were')
        assert b' 0 of them damaged' in done.stderr, done
        sh.expect(OK, 'check', 'b')
        assert sh.expect(OK, 'dump', 'b').stdout == dump
        assert sh.expect(OK, 'dump', '--skip-damaged', name).stdout == dump
        assert get_file(sh, name) == data
        one = sh.expect(OK, 'dump', '-t', 'words', name).stdout
        assert sh.expect(OK, 'dump', '--skip-damaged', '-t', 'words', name).stdout == one
        sh.expect(NO, 'dump', '--skip-damaged', '-t', 'none', name, err=b'no table')
        os.unlink(os.path.join(sh.folder, 'b'))


def damage_one(sh, name):
    """Damages the last leaf of the default table."""
    data = bytearray(get_file(sh, name))
    file = File(bytes(data))
    pgno = max(p for p, table in file.leaves.items() if table is None)
    data[pgno * file.page_size + 100] ^= 1
    put_file(sh, name, bytes(data))
    return file.without({pgno}), pgno


def test_a_partial_dump_says_so_and_is_loaded(sh):
    fill(sh, 'a', 4096, 2000)
    want, pgno = damage_one(sh, 'a')
    for words in (('check', 'a'), ('dump', 'a'), ('copy', 'a', 'b')):
        said = sh.run(*words, sh.pager).stderr
        assert said.count(b'`verso salvage OLD NEW` saves') == 1, (words, said)
    dump = sh.expect(NO, 'dump', '--skip-damaged', 'a', err=b'damaged: page %d: the checksum' % pgno).stdout
    assert dump.endswith(b' partial\n')
    sh.expect(OK, 'load', 'b', stdin=dump, err=b'the dump is partial')
    assert parse_dump(sh.expect(OK, 'dump', 'b').stdout) == (want, False)
    for wrong in (dump[:-1], dump.replace(b' partial\n', b' partia\n'), dump[:-2] + b'L\n', dump + b'x'):
        sh.expect(ERROR, 'load', 'c', stdin=wrong)
    # Whoever takes `partial` away has changed no record.
    sh.expect(OK, 'load', 'c', stdin=dump.replace(b' partial\n', b'\n'))


def test_what_is_there_is_not_touched(sh):
    fill(sh, 'a', 4096, 500)
    damage_one(sh, 'a')
    before = sorted(os.listdir(sh.folder))
    put_file(sh, 'taken', b'mine')
    put_file(sh, 'empty', b'')
    os.symlink('nowhere', os.path.join(sh.folder, 'link'))
    for name in ('taken', 'empty', 'link', 'a', '.'):
        sh.expect(ERROR, 'salvage', 'a', name, err=b'is there already')
    assert get_file(sh, 'taken') == b'mine' and get_file(sh, 'empty') == b''
    for words in (('salvage',), ('salvage', 'a'), ('salvage', 'a', 'b', 'c'), ('salvage', 'a', 'b', '--json')):
        assert sh.run(*words).returncode == USAGE, words
    sh.expect(ERROR, 'salvage', 'missing', 'b', err=b'No such file')
    sh.expect(ERROR, 'salvage', '.', 'b', err=b'not a file')
    for text in (b'', b'x', b'hello\n' * 5000, bytes(100000), random.Random(SEED).randbytes(100000)):
        put_file(sh, 'text', text)
        sh.expect(ERROR, 'salvage', 'text', 'b', err=b'no database')
        sh.expect(ERROR, 'dump', '--skip-damaged', 'text', err=b'no database')
    sh.expect(ERROR, 'salvage', 'a', 'no-such-folder/b', err=b'no-such-folder')
    assert sorted(os.listdir(sh.folder)) == sorted(before + ['empty', 'link', 'taken', 'text'])


def test_old_may_be_read_only(sh):
    fill(sh, 'a', 4096, 500)
    want, _ = damage_one(sh, 'a')
    os.chmod(os.path.join(sh.folder, 'a'), 0o400)
    sh.expect(NO, 'salvage', 'a', 'b')
    assert parse_dump(sh.expect(OK, 'dump', 'b').stdout)[0] == want
    sh.expect(OK, 'put', 'b', 'k', 'v')


def test_a_database_in_use_is_refused(sh):
    sh.expect(OK, 'put', 'a', 'k', 'v')
    with subprocess.Popen([VERSO, 'load', 'a', '--tsv', '--batch=1', sh.pager], cwd=sh.folder, stdin=subprocess.PIPE,
                          stderr=subprocess.PIPE) as tool:
        tool.stdin.write(b'a\tb\n')
        tool.stdin.flush()
        while sh.run('get', 'a', 'a', sh.pager).returncode != OK:
            assert tool.poll() is None
        for words in (('salvage', 'a', 'b'), ('dump', '--skip-damaged', 'a')):
            sh.expect(ERROR, *words, err=b'in use by another process')
        tool.communicate()
    assert not os.path.exists(os.path.join(sh.folder, 'b'))
    sh.expect(OK, 'salvage', 'a', 'b')


def test_a_file_that_changes_meanwhile_is_an_error(sh):
    """Another program may write to the file without any lock; the dump waits for its reader meanwhile."""
    fill(sh, 'a', 4096, 6000)
    with subprocess.Popen([VERSO, 'dump', '--skip-damaged', 'a', sh.pager], cwd=sh.folder, stdout=subprocess.PIPE, bufsize=0,
                          stderr=subprocess.PIPE) as tool:
        begin = tool.stdout.read(100)
        os.utime(os.path.join(sh.folder, 'a'), (1, 1))
        out, said = tool.communicate(timeout=60)
    assert tool.returncode == ERROR and b'was changed while it was read' in said, (tool.returncode, said)
    sh.expect(ERROR, 'load', 'b', stdin=begin + out, err=b'cut short')
    done = sh.expect(OK, 'dump', '--skip-damaged', 'a')
    assert done.stdout.startswith(begin + out) and len(out) > 1 << 16


def test_a_full_disk_leaves_nothing(sh):
    fill(sh, 'a', 4096, 3000)
    damage_one(sh, 'a')
    before = sorted(os.listdir(sh.folder))
    for limit in (0, 512, 65536):
        # Python ignores the signal that tells of the limit, and hands that down.
        done = subprocess.run(
            [VERSO, 'salvage', 'a', 'b', sh.pager], cwd=sh.folder, capture_output=True, check=False, timeout=120,
            restore_signals=False, preexec_fn=lambda n=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (n, n)))
        assert done.returncode == ERROR and b'large' in done.stderr and b'b was not made' in done.stderr, done
        assert sorted(os.listdir(sh.folder)) == before, (limit, os.listdir(sh.folder))
    with open('/dev/full', 'wb') as full:
        done = subprocess.run([VERSO, 'dump', '--skip-damaged', 'a', sh.pager], cwd=sh.folder, stdout=full,
                              stderr=subprocess.PIPE, check=False, timeout=120)
    assert done.returncode == ERROR and b'No space' in done.stderr, done


def test_a_signal_leaves_nothing(sh):
    fill(sh, 'a', 512, 30000)
    damage_one(sh, 'a')
    before = sorted(os.listdir(sh.folder))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with subprocess.Popen([VERSO, 'salvage', 'a', 'b', sh.pager], cwd=sh.folder, stderr=subprocess.PIPE,
                              preexec_fn=lambda n=number: signal.signal(n, signal.SIG_DFL)) as tool:
            while sorted(os.listdir(sh.folder)) == before:
                assert tool.poll() is None
            tool.send_signal(number)
            said = tool.communicate(timeout=60)[1]
        assert tool.returncode == -number and b'interrupted: nothing was saved' in said, (tool.returncode, said)
        assert sorted(os.listdir(sh.folder)) == before, os.listdir(sh.folder)


if __name__ == '__main__':
    sys.exit(run_tests(globals(), ['bufpool']))
