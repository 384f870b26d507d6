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

FOLDERS = ('base', 'io', 'pager', 'bufpool', 'mmap', 'vmcache', 'space', 'txn', 'btree', 'db', 'trace')
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


def without_brackets(text):
    """The text without what stands in braces, brackets and parentheses."""
    n = 1
    while n:
        text, n = re.subn(r'\{[^{}]*\}|\[[^][]*\]|\([^()]*\)', ' ', text)
    return text


def definitions(piece):
    """The names that a piece at the top of a file defines, and whether other files see them."""
    macro = MACRO.match(piece)
    if macro:
        return [macro.group(1)], False
    piece = ATTRIBUTE.sub('', piece)
    head, begins, _ = piece.partition('{')
    if re.match(r'\s*(?:#|typedef|extern|_?[Ss]tatic_assert)', head):
        return [], False
    declared = head.partition('=')[0]
    function = re.search(r'(\w+)\s*\(', declared)
    if function:
        is_body = begins and re.search(r'\)\s*$', declared)
        names, before = [function.group(1)] if is_body else [], declared[:function.start()]
    else:
        flat = without_brackets(piece)
        is_type = re.match(r'\s*(?:struct|enum|union)\b\s*\w*\s*;?\s*$', flat)
        each = [] if is_type else [re.search(r'(\w+)\s*;?\s*$', one.partition('=')[0])
                                   for one in flat.split(',')]
        names, before = [data.group(1) for data in each if data], declared
    return names, not re.search(r'\bstatic\b', before)


def scan(text, is_header):
    """The definitions that others see {name: names used in it}, and all names that the file uses."""
    seen, mine, used = {}, set(), set()
    for piece in pieces(text):
        names, is_global = definitions(piece)
        uses = set(NAME.findall(MEMBER_OR_TAG.sub(' ', piece)))
        mine.update(names)
        for name in names if is_global or is_header else ():
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
    for piece, names in (('int x, *y[2] = {&p, &q}, z = 1;', ['x', 'y', 'z']),
                         ('int is_static(void)\n{\n}', ['is_static']),
                         ('int f(int a[static 4])\n{\n}', ['f']), ('int v[N];', ['v']),
                         ('struct t s = {\n\t.a = 1,\n};', ['s']), ('struct t {\n\tint a, b;\n};', []),
                         ('int f(int a, int b);', [])):
        assert definitions(piece) == (names, True), (piece, definitions(piece))
    for piece in ('static int x, y;', 'static inline int f(int a)\n{\n}', 'static const int v[] = {\n1};'):
        assert definitions(piece)[0] and not definitions(piece)[1], piece
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
