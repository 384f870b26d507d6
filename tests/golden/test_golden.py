# SPDX-License-Identifier: MIT
"""Golden files: those of the tree are read, record by record, and new ones are as they were made.

    test_golden.py MAKE_GOLDEN READ_GOLDEN          the test
    test_golden.py MAKE_GOLDEN READ_GOLDEN --make   writes the files of this version anew
"""
import lzma
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
MAKE, READ = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])

# The files of the format that this version writes, and what is in each at least: types of pages.
META, BITMAP, REGIONS, PENDING, NODE, OVERFLOW = range(1, 7)
COMMON = {META, BITMAP, NODE, OVERFLOW}
FILES = {
    'v2-4k': (['4096'], COMMON | {PENDING}),
    'v2-16k': (['16384'], COMMON),
    'v2-64k': (['65536'], COMMON),
    'v2-4k-regions': (['4096', 'regions'], COMMON | {PENDING, REGIONS}),
}


def page_types(image, page_size):
    """The types of the pages, and of nodes and overflow pages the levels: (type, level)."""
    kinds = set()
    for at in range(0, len(image), page_size):
        if any(image[at:at + 8]) and int.from_bytes(image[at + 8:at + 12], 'little') * page_size == at:
            kinds.add((image[at + 12], image[at + 13]))
    return kinds


def make(name, folder):
    path = os.path.join(folder, name)
    subprocess.run([MAKE, path] + FILES[name][0], check=True, timeout=120)
    with open(path, 'rb') as file:
        return path, file.read()


def read(path, *words):
    done = subprocess.run([READ, path, *words], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, (path, words, done.stderr)
    return done.stdout.strip()


def golden_files():
    return sorted(n[:-3] for n in os.listdir(HERE) if n.endswith('.xz'))


def test_every_golden_file_is_read():
    assert set(FILES) <= set(golden_files()), 'a file of this version is missing'
    for name in golden_files():
        with open(os.path.join(HERE, name + '.xz'), 'rb') as file:
            image = lzma.decompress(file.read())
        for pager in ('bufpool', 'mmap', 'vmcache'):
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, name)
                with open(path, 'wb') as file:
                    file.write(image)
                said = read(path, pager)
                with open(path, 'rb') as file:
                    assert file.read() == image, f'{name}: reading changed it'
                assert read(path, pager, 'w') == said
        print(f'total: {name}, {len(image) >> 10} KiB: {said}')


def test_golden_files_have_every_kind_of_page():
    for name, (words, wanted) in FILES.items():
        with open(os.path.join(HERE, name + '.xz'), 'rb') as file:
            kinds = page_types(lzma.decompress(file.read()), int(words[0]))
        types = {t for t, _ in kinds}
        assert wanted <= types, (name, 'has only pages of the types', sorted(types))
        assert (NODE, 0) in kinds and (OVERFLOW, 0) in kinds, name
        if words[0] != '65536':
            assert (NODE, 1) in kinds and (OVERFLOW, 1) in kinds, name


def test_new_files_can_be_read():
    for name in FILES:
        with tempfile.TemporaryDirectory() as folder:
            path, image = make(name, folder)
            read(path, 'bufpool', 'w')
        with tempfile.TemporaryDirectory() as folder:
            assert make(name, folder)[1] == image, f'{name}: made twice, it differs'


def write_golden():
    with tempfile.TemporaryDirectory() as folder:
        for name in FILES:
            packed = lzma.compress(make(name, folder)[1], preset=9 | lzma.PRESET_EXTREME)
            with open(os.path.join(HERE, name + '.xz'), 'wb') as file:
                file.write(packed)
            print(f'{name}.xz: {len(packed)} bytes')


if '--make' in sys.argv:
    write_golden()
else:
    for title, case in sorted(globals().items()):
        if title.startswith('test_'):
            print(title)
            case()
