#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the order of the files in a folder: each calls only files above it in the README's table.

usage: check_order.py ROOT

The order of a folder stands in its README.md, in the table below the words "calls only files above
it"; the first cell of a row names files, from left to right (`node.[ch]` and `policy_*.c` too). Every
*.c of the folder is named once. A file calls another when it uses the name of a function or of data
that the other defines. A header is a part of each file that uses it: what an inline function or a
macro calls, its user calls. Floors, the order of folders, are held by check_layers.py.
"""
import fnmatch
import os
import re
import sys

FOLDERS = ('base', 'io', 'pager', 'bufpool', 'mmap', 'space', 'txn', 'btree', 'db', 'trace')
WORDS = 'calls only files above it'
FILE = re.compile(r'[\w*]+\.(?:\[ch\]|c|h)(?!\w)')
COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
ATTRIBUTE = re.compile(r'__attribute__\(\(.*?\)\)')
MACRO = re.compile(r'#\s*define\s+(\w+)(.*)', re.S)
MEMBER_OR_TAG = re.compile(r'(?:(?:\.|->)\s*|\b(?:struct|enum|union)\s+)\w+')
NAME = re.compile(r'\b[A-Za-z_]\w*')


def order_in(readme, names):
    """The *.c files of `names` in the order of a README's table, some perhaps twice; None: no table."""
    _, found, rest = readme.partition(WORDS)
    rows = re.search(r'\n((?:\|.*\n)+)', rest)
    if not found or not rows:
        return None
    order = []
    for row in rows.group(1).split('\n')[2:]:
        for pattern in FILE.findall(row.split('|')[1] if '|' in row else ''):
            pattern = pattern.replace('[ch]', 'c')
            if pattern.endswith('.c'):
                order += sorted(fnmatch.filter(names, pattern)) or [pattern]
    return order


def pieces(text):
    """What a source defines outside of functions: pairs of a name (or None) and the whole text."""
    text = COMMENT_OR_TEXT.sub(' ', text).replace('\\\n', ' ')
    lines, piece = text.split('\n'), []
    for line in lines + ['']:
        begins = line[:1].strip() and line[0] not in '{}'
        if begins and piece and (piece[-1][:1] in '};#' or piece[-1].rstrip().endswith(';')):
            yield '\n'.join(piece)
            piece = []
        if line.strip():
            piece.append(line)
    yield '\n'.join(piece)


def definition(piece):
    """The name that a piece at the top of a file defines, and whether other files see it."""
    macro = MACRO.match(piece)
    if macro:
        return macro.group(1), False
    head, begins, _ = ATTRIBUTE.sub('', piece).partition('{')
    if re.match(r'\s*(?:#|typedef|extern|_?[Ss]tatic_assert)', head):
        return None, False
    declared, is_data, _ = head.partition('=')
    function = re.search(r'(\w+)\s*\(', declared)
    data = re.search(r'(\w+)\s*(?:\[[^\]]*\]\s*)*;?\s*$', declared)
    is_type = re.match(r'\s*(?:struct|enum|union)\s+\w+\s*;?\s*$', declared)
    if function and (is_data or not begins):
        return None, False
    name = function or (None if is_type else data)
    return (name.group(1), 'static' not in head) if name else (None, False)


def scan(text, is_header):
    """The definitions that others see {name: names used in it}, and all names that the file uses."""
    seen, mine, used = {}, set(), set()
    for piece in pieces(text):
        name, is_global = definition(piece)
        uses = set(NAME.findall(MEMBER_OR_TAG.sub(' ', piece)))
        if name:
            mine.add(name)
            if is_global or is_header:
                seen.setdefault(name, set()).update(uses - {name})
        used |= uses
    return seen, used if is_header else used - mine


def calls(texts):
    """The calls between a folder's files {name: text}: triples of caller, callee, name."""
    inline, owner, used = {}, {}, {}
    for name, text in texts.items():
        seen, uses = scan(text, name.endswith('.h'))
        if name.endswith('.h'):
            for defined, what in seen.items():
                inline.setdefault(defined, set()).update(what)
        else:
            used[name] = uses
            owner.update({defined: name for defined in seen})
    for caller in sorted(used):
        todo, done = set(used[caller]), set()
        while todo:
            name = todo.pop()
            done.add(name)
            todo |= inline.get(name, set()) - done
        for name in sorted(done & owner.keys()):
            if owner[name] != caller:
                yield caller, owner[name], name


def findings(folder, readme, texts):
    """What is wrong with a folder's files {name: text} and its README."""
    names = [name for name in texts if name.endswith('.c')]
    order = order_in(readme, names)
    if order is None:
        yield f'{folder}/README.md: no table of files below the words "{WORDS}"'
        return
    for name in sorted(set(names) ^ set(order)):
        yield f'{folder}/README.md: {name} is not ' + (
            'in the table of files' if name in names else 'a file of the folder')
    for name in sorted(set(order)):
        if order.count(name) > 1:
            yield f'{folder}/README.md: {name} stands twice in the table of files'
    place = {name: number for number, name in enumerate(order)}
    for caller, callee, name in calls(texts):
        if place.get(caller, -1) < place.get(callee, -1):
            yield (f'{folder}/{caller}: uses {name} of {callee}, which stands below it in '
                   f'{folder}/README.md: move the function, or one of the two rows')


def self_test():
    """A checker that finds nothing is a defect."""
    readme = f'A file {WORDS}:\n\n| file | what |\n|---|---|\n| a.[ch] | x |\n| `b*.c`, c.c | y |\n'
    texts = {'a.c': '#include "a.h"\n\nint a(void)\n{\n\treturn 0;\n}\n', 'a.h': 'int a(void);\n',
             'b1.c': 'static int c(void)\n{\n\treturn a() + s.z + c(/* d */);\n}\n',
             'c.c': 'int c(int x,\n\tint y)\n{\n\treturn 1;\n}\n\n'
                    'const struct t z = {\n\t.a = c,\n};\n'}
    assert list(calls(texts)) == [('b1.c', 'a.c', 'a')], list(calls(texts))
    assert not list(findings('f', readme, texts))
    up = ('\nint u(void)\n{\n\treturn c(1, 2);\n}\n', '\nint (*u)(int, int) = c;\n',
          '\nconst void *u = &z;\n')
    for planted in up:
        assert list(findings('f', readme, {**texts, 'a.c': texts['a.c'] + planted})), planted
    for planted in ('static inline int h(void)\n{\n\treturn c(1, 2);\n}\n', '#define h() c(1, 2)\n'):
        assert list(findings('f', readme, {**texts, 'x_int.h': planted, 'a.c': up[0].replace(
            'c(1, 2)', 'h()')})), planted
    for table in (readme.replace('c.c', ''), readme.replace('c.c', 'c.c, d.c'), 'no table',
                  readme + '| a.c | z |\n'):
        assert list(findings('f', table, texts)), table


def read(path):
    with open(path, encoding='utf-8') as f:
        return f.read()


def main():
    self_test()
    root = sys.argv[1]
    n_bad = n_files = n_calls = 0
    for folder in FOLDERS:
        where = os.path.join(root, folder)
        texts = {name: read(os.path.join(where, name)) for name in sorted(os.listdir(where))
                 if name.endswith(('.c', '.h'))}
        n_files += len(texts)
        n_calls += len(list(calls(texts)))
        for finding in findings(folder, read(os.path.join(where, 'README.md')), texts):
            n_bad += 1
            print(finding)
    print(f'{n_files} files, {n_calls} names of one file used by another, {n_bad} findings')
    return 1 if n_bad or not n_calls else 0


if __name__ == '__main__':
    sys.exit(main())
