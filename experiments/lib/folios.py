# SPDX-License-Identifier: MIT
"""E19: folios of the page cache, the pieces in which the kernel keeps a file. A fault brings a small one, of a page; read() in order
brings large ones, of many pages in a row.

`load` brings back by read() what a cell had in memory; `large_share` looks which folios there are.
"""
import mmap
import os
import struct
import subprocess
import sys

from lib import child, readings, rules

PIECE_BYTES = 1 << 20  # what of the file is read, or is not
READ_S = 120
COMPOUND_HEAD, COMPOUND_TAIL = 1 << 15, 1 << 16  # bits of /proc/kpageflags: a folio of more than one page
PRESENT, FRAME = 1 << 63, (1 << 55) - 1  # of /proc/self/pagemap

READER = '''
import os, sys
descriptor = os.open(sys.argv[1], os.O_RDONLY)
piece = bytearray(int(sys.argv[2]))
for offset in map(int, sys.stdin):
    os.preadv(descriptor, [piece], offset)
'''


def pieces(path):
    """Offsets of the pieces of a file of which at least half is in the page cache."""
    cache = readings.PageCache(path)
    try:
        offsets = range(0, os.path.getsize(path), PIECE_BYTES)
        found = [(offset, cache.read(offset, PIECE_BYTES)) for offset in offsets]
    finally:
        cache.close()
    if any(counts is None for _, counts in found):
        raise rules.Refused('before: "run-load" asks for cachestat (Linux 6.5), which says what a cell has used')
    return [offset for offset, counts in found if counts['cached_bytes'] >= PIECE_BYTES // 2]


def load(path, offsets, a_budget):
    """Reads pieces of a file in order, as a process of the group, which keeps them in its page cache."""
    words = a_budget.command([sys.executable, '-c', READER, path, str(PIECE_BYTES)])
    reader = child.start(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        a_budget.attach(reader.pid)
        _, said = reader.communicate(''.join(f'{offset}\n' for offset in offsets), timeout=READ_S)
    finally:
        if reader.poll() is None:
            reader.kill()
            reader.wait()
    if reader.returncode != 0:
        why = (said.strip().splitlines() or [f'it ended with status {reader.returncode}'])[-1]
        raise rules.Refused(f'before: "run-load": {path} could not be read: {why}')


def large_share(path):
    """Of the pages of a file that are in the page cache, the part in folios of more than one page. None: there are none, or this user
    may not know (root may)."""
    try:
        flags = os.open('/proc/kpageflags', os.O_RDONLY)
    except OSError:
        return None
    try:
        return _share(path, flags)
    finally:
        os.close(flags)


def _share(path, flags):
    n_pages, n_large = 0, 0
    with open(path, 'rb') as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as view, open('/proc/self/pagemap', 'rb', buffering=0) as pages:
        view.madvise(mmap.MADV_RANDOM)  # a look brings nothing in
        address = _address(path)
        for offset in pieces(path):
            length = min(PIECE_BYTES, len(view) - offset)
            for at in range(offset, offset + length, readings.PAGE_BYTES):
                view[at]  # so that it has a place in the page table
            found = os.pread(pages.fileno(), length // readings.PAGE_BYTES * 8, (address + offset) // readings.PAGE_BYTES * 8)
            for entry, in struct.iter_unpack('<Q', found):
                if entry & PRESENT:
                    n_pages += 1
                    n_large += _is_large(flags, entry & FRAME)
    return n_large / n_pages if n_pages else None


def _address(path):
    """Where the mapping lies, by the list of the process's: the module has no call for it, and ctypes takes no buffer that may not be
    written."""
    inode = os.stat(path).st_ino
    with open('/proc/self/maps', encoding='utf-8') as f:
        found = [line.split(maxsplit=5) for line in f]
    return next(int(words[0].split('-')[0], 16) for words in found if words[1] == 'r--s' and int(words[4]) == inode)


def _is_large(flags, frame):
    data = os.pread(flags, 8, frame * 8)
    return len(data) == 8 and bool(struct.unpack('<Q', data)[0] & (COMPOUND_HEAD | COMPOUND_TAIL))
