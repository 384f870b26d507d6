#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every example of docs/manual/ is compiled and run, and prints what stands below it.

usage: test_manual.py ROOT TOOL LIBRARY COMPILER... [--update]

A block of C, or of C++, with a main() is a program, which gets the name of a database and, in a second run, `mmap`. One
without is the inside of a function (docs/manual/README.md). Blocks of Python and of the shell run as they are. Each in
an empty folder. `--update` writes what they print into the pages.
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest

import unit_main

UPDATE = sys.argv[-1] == '--update'
ROOT, TOOL, LIBRARY = (os.path.abspath(p) for p in sys.argv[1:4])
COMPILER = sys.argv[4:-1] if UPDATE else sys.argv[4:]
MANUAL = os.path.join(ROOT, 'docs', 'manual')
BLOCK = re.compile(r'^```(\S*)(?: (\w+))?\n(.*?)^```\n', re.M | re.S)
PAGERS = ('bufpool', 'mmap')
# What begins as an error's name does.
NO_ERRORS = {'VERSO_EXISTS', 'VERSO_EXCL', 'VERSO_EXCLUSIVE', 'VERSO_ESTIMATE'}

FRAME = '''#include "example.h"
#include "verso_key.h"

static void example(struct verso *db)
{
(void)db;
%s}

int main(int argc, char **argv)
{
	struct verso *db = open_database(argc, argv);

	example(db);
	verso_close(db);
	return 0;
}
'''


class Example:
    """A block, and what should stand below it: a dict of pager (None: every one) to text."""

    def __init__(self, page, line, language, code):
        self.page, self.line, self.language, self.code = page, line, language, code
        self.outputs = {}
        self.output_spans = {}

    def __str__(self):
        return f'{self.page}:{self.line} ({self.language})'


def read_page(name):
    """The examples of a page."""
    with open(os.path.join(MANUAL, name), encoding='utf-8') as f:
        text = f.read()
    examples = []
    for match in BLOCK.finditer(text):
        language, word, body = match.groups()
        if language == 'output':
            examples[-1].outputs[word] = body
            examples[-1].output_spans[word] = match.span(3)
        else:
            examples.append(Example(name, text[:match.start()].count('\n') + 1, language, body))
    return text, examples


def environment(folder):
    """What an example finds: the tool, the library, the module, this python."""
    names = os.path.join(folder, 'bin')
    os.makedirs(names)
    os.symlink(TOOL, os.path.join(names, 'verso'))
    os.symlink(sys.executable, os.path.join(names, 'python3'))
    return {**os.environ, 'PATH': names + ':' + os.environ['PATH'], 'VERSO_LIBRARY': LIBRARY, 'LC_ALL': 'C.UTF-8',
            'PYTHONPATH': os.path.join(ROOT, 'python'), 'PYTHONDONTWRITEBYTECODE': '1', 'PYTHONWARNINGS': 'error'}


def run(words, folder, env):
    done = subprocess.run(words, cwd=folder, env=env, check=False, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    assert done.returncode == 0, f'{done.stdout}{done.stderr}'
    return done.stdout


CPP = ['-x', 'c++', '-std=c++17']


def has_cpp():
    """Whether there is a compiler for C++ beside that for C."""
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, 'a.cc')
        with open(source, 'w', encoding='utf-8') as f:
            f.write('#include <memory>\nint main() {}\n')
        return subprocess.run([*COMPILER, *CPP, '-o', source[:-3], source, '-lstdc++'], check=False,
                              capture_output=True).returncode == 0


def run_c(example, outside, env):
    """What a block of C or C++ prints with each pager; None: it is compiled only."""
    code = example.code
    is_outside = code.startswith('#include') and 'main(' not in code
    if 'main(' not in code and not is_outside:
        code = FRAME % code
    source, program = os.path.join(outside, 'a.c'), os.path.join(outside, 'a')
    with open(source, 'w', encoding='utf-8') as f:
        f.write(code)
    flags = ['-Wall', '-Wextra', '-Werror', '-I', os.path.join(ROOT, 'include'), '-I', os.path.join(ROOT, 'examples')]
    if is_outside:
        run([*COMPILER, *flags, '-Wno-unused', '-c', '-o', source + '.o', source], outside, env)
        return None
    folder = os.path.dirname(LIBRARY)
    language, libraries = (CPP, ['-lstdc++']) if example.language == 'cpp' else (['-std=gnu11'], [])
    run([*COMPILER, *language, *flags, '-o', program, source, '-L', folder, '-lverso', *libraries, '-Wl,-rpath,' + folder],
        outside, env)
    found = {}
    for pager in PAGERS:
        with tempfile.TemporaryDirectory() as place:
            found[pager] = run([program, 'manual.verso', *(['mmap'] if pager == 'mmap' else [])], place, env)
    return found


def run_example(example):
    with tempfile.TemporaryDirectory() as outside, tempfile.TemporaryDirectory() as place:
        env = environment(outside)
        if example.language in ('c', 'cpp'):
            return run_c(example, outside, env)
        words = {'python': ['python3', '-c'], 'sh': ['bash', '-eu', '-c']}[example.language]
        return {None: run([*words, example.code], place, env)}


class Manual(unittest.TestCase):
    def check_page(self, name):
        text, examples = read_page(name)
        for example in examples:
            with self.subTest(example=str(example)):
                self.assertIn(example.language, ('c', 'cpp', 'python', 'sh'))
                if example.language == 'cpp' and not has_cpp():
                    self.skipTest('no compiler for C++')
                found = run_example(example)
                if found is None:
                    self.assertEqual(example.outputs, {})
                    continue
                self.assertTrue(example.outputs or not any(found.values()), f'nothing stands below it: {found}')
                for pager, printed in found.items():
                    key = pager if pager in example.outputs else None
                    if UPDATE and key in example.output_spans and example.outputs[key] != printed:
                        self.update(name, text, example.output_spans[key], printed)
                        return True
                    self.assertEqual(printed, example.outputs.get(key, ''), pager)
        return False

    def update(self, name, text, span, printed):
        with open(os.path.join(MANUAL, name), 'w', encoding='utf-8') as f:
            f.write(text[:span[0]] + printed + text[span[1]:])

    def test_each_page_is_listed(self):
        with open(os.path.join(MANUAL, 'README.md'), encoding='utf-8') as f:
            listed = set(re.findall(r'\((\S+?\.md)\)', f.read()))
        self.assertEqual(listed, set(os.listdir(MANUAL)) - {'README.md'})

    def test_each_error_has_a_row(self):
        text = ''
        for name in os.listdir(os.path.join(ROOT, 'include')):
            if name.endswith('.h'):
                with open(os.path.join(ROOT, 'include', name), encoding='utf-8') as f:
                    text += f.read()
        codes = set(re.findall(r'-E[A-Z]+\b|\bVERSO_E[A-Z]+\b', text)) - NO_ERRORS
        self.assertGreater(len(codes), 25)
        rows = re.findall(r'^\| (`[^|]*) \|', read_page('errors.md')[0], re.M)
        self.assertEqual(codes, set(re.findall(r'`(.*?)`', ' '.join(rows))))

    def test_links_lead_somewhere(self):
        for name in os.listdir(MANUAL):
            for link in re.findall(r'\]\(([^)#]+)', read_page(name)[0]):
                self.assertTrue(os.path.exists(os.path.join(MANUAL, link)), f'{name}: {link}')

    def test_the_first_example_is_the_header_s(self):
        with open(os.path.join(ROOT, 'include', 'verso.h'), encoding='utf-8') as f:
            header = f.read()
        header = header[header.index(' * First example'):header.index(' * Build it with')]
        code = re.sub(r'^ \*\t?', '', header, flags=re.M)
        ours = next(e.code for e in read_page('start.md')[1] if e.language == 'c')
        self.assertEqual(''.join(ours[ours.index('int main'):].split()), ''.join(code[code.index('int main'):].split()))


def add_pages():
    for name in sorted(os.listdir(MANUAL)):
        def test(self, name=name):
            while self.check_page(name):
                pass
        setattr(Manual, 'test_' + re.sub(r'\W', '_', name[:-3]).lower(), test)


if __name__ == '__main__':
    add_pages()
    unit_main.main()
