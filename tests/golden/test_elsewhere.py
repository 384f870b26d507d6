# SPDX-License-Identifier: MIT
"""The golden files as other machines read them: big-endian (s390x, emulated), and with musl.

    test_elsewhere.py     exit status 77: none of it is installed

The library is compiled whole, without liburing, with xxHash from its header; what the headers lack is
found as meson.build does it.
"""
import glob
import lzma
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
XXHASH = '/usr/include/xxhash.h'
FLOORS = ['base', 'io', 'pager', 'bufpool', 'mmap', 'vmcache', 'space', 'txn', 'btree', 'db']
OF_THE_RING = ['io/queue_background.c', 'io/queue_uring.c', 'io/uring.c'] # io/meson.build
NEWER = {'STATX_DIOALIGN': ('sys/stat.h', 'int x = STATX_DIOALIGN;'),
         'MADV_POPULATE_READ': ('sys/mman.h', 'int x = MADV_POPULATE_READ;'),
         'STRERRORDESC_NP': ('string.h', 'const char *(*x)(int) = strerrordesc_np;')}


def run(words, **more):
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=600, **more)


def has(compiler, header, line):
    return run([*compiler, '-D_GNU_SOURCE', '-Werror', '-fsyntax-only', '-xc', '-'],
               input=f'#include <{header}>\n{line}\n').returncode == 0


def build(compiler, folder):
    """read_golden for that machine. The header of xxHash must not bring the other ones of its folder."""
    shutil.copy(XXHASH, folder)
    program = os.path.join(folder, 'read_golden')
    sources = [s for floor in FLOORS for s in sorted(glob.glob(f'{floor}/*.c', root_dir=ROOT))]
    sources = [s for s in sources if s not in OF_THE_RING]
    lacking = [f'-DWITHOUT_{name}=1' for name, (h, line) in NEWER.items() if not has(compiler, h, line)]
    done = run([*compiler, '-std=c17', '-O1', '-static', '-pthread', '-D_GNU_SOURCE', '-DXXH_INLINE_ALL',
                '-DWITHOUT_LIBURING=1', *lacking, '-I.', '-Iinclude', '-isystem', folder, *sources,
                'tests/golden/read_golden.c', '-o', program], cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return program


def read_all(title, program, runner):
    for packed in sorted(glob.glob(os.path.join(HERE, '*.xz'))):
        for pager in ('bufpool', 'mmap', 'vmcache'):
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, 'db')
                with lzma.open(packed) as source, open(path, 'wb') as copy:
                    shutil.copyfileobj(source, copy)
                for mode in ([], ['w'], []): # reads, writes, and reads what it has written
                    done = run([*runner, program, path, pager, *mode])
                    assert done.returncode == 0, (title, packed, pager, mode, done.stderr)
        print(f'total: {title}, {os.path.basename(packed)}: {done.stdout.strip()}')


def elsewhere(title, compiler, runner):
    """Whether it could be tried."""
    missing = [w for w in (compiler, *runner) if not shutil.which(w)]
    if missing or not os.path.exists(XXHASH):
        print(f'skipped: {title}: not installed: {", ".join(missing) or XXHASH}')
        return False
    with tempfile.TemporaryDirectory() as folder:
        read_all(title, build([compiler], folder), runner)
    return True


tried = [elsewhere('big-endian (s390x)', 's390x-linux-gnu-gcc', ['qemu-s390x-static']),
         elsewhere('musl', 'musl-gcc', [])]
print(f'{sum(tried)} passed, 0 failed, {len(tried) - sum(tried)} skipped')
sys.exit(0 if any(tried) else 77)
