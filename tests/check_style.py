#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds what of the house style a program can see, in every *.c and *.h of the tree.

usage: check_style.py ROOT

clang-format agrees; lines of at most 100 columns (tabs of 8); functions of at most 80 lines and
files of at most 700, SPDX line first; no to-do notes; no blanks at the end of a line. Exit status
77 (skipped), with the reason, where all holds but clang-format is not there to ask.
"""
import os
import re
import shutil
import subprocess
import sys

COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 80
FILE_LINES_MAX = 700
NOTES = re.compile(r'\b(TO' r'DO|FIX' r'ME|XX' r'X)\b')
SKIPPED = {'.git', 'subprojects'}


def sources(root):
    for path, folders, names in os.walk(root):
        folders[:] = sorted(d for d in folders
                            if d not in SKIPPED and not d.startswith('build'))
        for name in sorted(names):
            if name.endswith(('.c', '.h')):
                yield os.path.join(path, name)


def line_errors(lines):
    """Pairs of line number and what is wrong, for one file's lines."""
    begin = None
    if not lines or 'SPDX-License-Identifier: MIT' not in lines[0]:
        yield 1, 'no SPDX line'
    if len(lines) > FILE_LINES_MAX:
        yield len(lines), f'the file has more than {FILE_LINES_MAX} lines'
    for number, line in enumerate(lines, 1):
        if len(line.expandtabs(8)) > COLUMNS_MAX:
            yield number, f'more than {COLUMNS_MAX} columns'
        if line != line.rstrip():
            yield number, 'blanks at the end of the line'
        if NOTES.search(line):
            yield number, 'a note to do later: do it, or open an issue'
        # Linux braces: a function's body, and nothing else but an initialiser, begins in column 1.
        if line == '{':
            begin = number
        elif begin and line.startswith('}'):
            if number - begin - 1 > FUNCTION_LINES_MAX:
                yield begin, f'a function of more than {FUNCTION_LINES_MAX} lines'
            begin = None


def self_test():
    spdx = '/* SPDX-License-Identifier: MIT */'
    body = ['int f(void)', '{'] + ['\tx();'] * 81 + ['}']
    assert not list(line_errors([spdx] + body[:2] + body[3:]))
    assert list(line_errors([spdx] + body))
    assert list(line_errors([spdx, '\t' * 13]))
    assert list(line_errors([spdx, '/* FIX' 'ME */']))
    assert list(line_errors(['int x;']))
    assert list(line_errors([spdx] * 701))


def main():
    self_test()
    root = sys.argv[1]
    paths = list(sources(root))
    n_bad = 0
    for path in paths:
        with open(path, encoding='utf-8') as f:
            lines = f.read().split('\n')
        if lines and not lines[-1]:
            lines.pop()
        for number, what in line_errors(lines):
            n_bad += 1
            print(f'{os.path.relpath(path, root)}:{number}: {what}')
    formatter = shutil.which('clang-format')
    if formatter and subprocess.run([formatter, '--dry-run', '-Werror', '--ferror-limit=1', *paths],
                                    cwd=root, check=False).returncode != 0:
        n_bad += 1
        print('clang-format does not agree; run clang-format -i on the files above')
    print(f'{len(paths)} files, {n_bad} findings')
    if n_bad or not paths:
        return 1
    if not formatter:
        print('skipped: no clang-format to ask about the layout')
        return 77
    return 0


if __name__ == '__main__':
    sys.exit(main())
