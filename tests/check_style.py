#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds what of the house style a program can see, in every *.c and *.h of the tree.

usage: check_style.py ROOT

clang-format agrees; lines of at most 100 columns (tabs of 8); functions of at most 80 lines and
files of at most 700, SPDX line first; no to-do notes; no blanks at the end of a line. In these and
in every *.md, no name that was replaced by the field's word (RENAMED; docs/GLOSSARY.md has the words
that are used). Exit status 77 (skipped), with the reason, where all holds but clang-format is not
there to ask.
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
SKIPPED = {'.git', 'subprojects', 'my'}  # labs/my: a student's

# Identifiers and phrases of old, and what is said instead. Plain English words are not refused.
RENAMED = [(re.compile(old), new) for old, new in (
    (r'\b(the|each|every|next|lower|lowest|which) rungs?\b|(?i:_rung\b|\brung_)', 'I/O backend'),
    (r'(?i:read_medium|_medium\b|\bmedium_)', 'device'),
    (r'\b(pager|queue|io|simdisk)_barrier', 'flush'),
    (r'\broom_(get|put|take|give)|\bn_room\b', 'pin quota'),
    (r'\bWORD_LENT\b|\bLENT\b', 'INACTIVE'),
    (r'\b(word|page|pool)_?(de|pro)mote', 'deactivate, activate'),
    (r'\beras?\b|\b\w+_era\b', 'epoch'),
    (r'(?i:\borphan(s|ed)?\b|_orphan|orphan_)', 'unlinked frame'),
    (r'\bedge_(txn|db|cursor|val|table)\b', 'boundary_'),
    (r'\bdb_site\b', 'db_hooks'),
    (r'\btxn_prepare(_for)?\b', 'txn_reserve'),
    (r'\bbuild_prepare\b|\bedit_prepare\b', 'reserve'),
    (r'\btree_leaf_answer\b', 'tree_leaf_result'),
    (r'\bspace_regions?\b|\bregion_(promise|set|get)\b', 'allocation group'),
    (r'\bchunk_fill\b|\bpending_chunk', 'page of the pending list'),
    (r'\blosing slot\b', 'older meta page'),
    (r'\batomic sequence\b', 'seqlock'),
    (r'\bthe books\b', 'accounting'),
    (r'\b(functions?|calls?|callers?|it|which|that|fn|\w+\(\)) answers?\b(?! to )', 'returns'),
    (r'; answers |\bwhatever it answers\b|\banswered as durable\b', 'returns; reported as durable'),
)]


def files(root, endings):
    for path, folders, names in os.walk(root):
        folders[:] = sorted(d for d in folders
                            if d not in SKIPPED and not d.startswith('build'))
        for name in sorted(names):
            if name.endswith(endings):
                yield os.path.join(path, name)


def word_errors(lines):
    """Pairs of line number and what is wrong, for the words of one file's lines."""
    for number, line in enumerate(lines, 1):
        for old, new in RENAMED:
            match = old.search(line)
            if match:
                yield number, f'"{match.group(0)}": use "{new}" (docs/GLOSSARY.md)'


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
    for old in ('the rung', 'guard_era(', 'txn_prepare(', 'an orphan', 'verso_get() answers 0'):
        assert list(word_errors([old])), old
    for good in ('the operation', 'several', 'a flush', 'the right answer', 'a medium one'):
        assert not list(word_errors([good])), good


def read_lines(path):
    with open(path, encoding='utf-8') as f:
        lines = f.read().split('\n')
    if lines and not lines[-1]:
        lines.pop()
    return lines


def main():
    self_test()
    root = sys.argv[1]
    paths = list(files(root, ('.c', '.h')))
    n_bad = 0
    for path in paths + list(files(root, ('.md',))):
        lines = read_lines(path)
        errors = list(word_errors(lines))
        if not path.endswith('.md'):
            errors += line_errors(lines)
        for number, what in errors:
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
