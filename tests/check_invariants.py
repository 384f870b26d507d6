#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds that every numbered invariant is cited where it is kept or tested.

usage: check_invariants.py ROOT

An invariant is defined by a line `- **T4** ...` of a folder's README.md or ` * P3  ...` at the head
of a header. A line of a *.c, *.h or *.py, other than the definition, cites it by the word `T4` or by
a range, `T1 to T14`, which counts for its ends alone. Two folders may not define one name: then
it is not clear which is meant.
"""
import os
import re
import sys

IN_README = re.compile(r'^- \*\*([A-Z]{1,2}\d{1,2})\*\*')
IN_HEADER = re.compile(r'^ \* ([A-Z]{1,2}\d{1,2})  \S')
WORD = re.compile(r'\b([A-Z]{1,2}\d{1,2})\b')
SKIPPED = {'.git', 'subprojects', 'golden'}


def files(root):
    for path, folders, names in os.walk(root):
        folders[:] = sorted(d for d in folders
                            if d not in SKIPPED and not d.startswith(('build', 'rel')))
        for name in sorted(names):
            if name == 'README.md' or name.endswith(('.c', '.h', '.py')):
                yield os.path.relpath(os.path.join(path, name), root)


def scan(name, text):
    """The invariants that a file defines, and the words by which it cites some."""
    defined, cited = [], set()
    pattern = IN_README if name.endswith('.md') else IN_HEADER if name.endswith('.h') else None
    for number, line in enumerate(text.split('\n'), 1):
        match = pattern and pattern.match(line)
        if match:
            defined.append((match.group(1), number))
        elif not name.endswith('.md'):
            cited.update(WORD.findall(line))
    return defined, cited


def findings(texts):
    """What is wrong with the files {name: text}."""
    places, cited = {}, set()
    for name, text in texts.items():
        defined, words = scan(name, text)
        cited |= words
        for invariant, number in defined:
            places.setdefault(invariant, []).append(f'{name}:{number}')
    for invariant, where in sorted(places.items()):
        if len(where) > 1:
            yield f'{where[1]}: {invariant} is defined by {where[0]} too'
        if invariant not in cited:
            yield f'{where[0]}: {invariant} is cited by no line of code or test'
    if not places:
        yield 'no invariant was found'


def self_test():
    readme = '- **T1** A law.\n- **T2** Another.\n'
    code = '/* T1: kept here. */\n'
    assert list(findings({'txn/README.md': readme, 'txn/a.c': code})) == [
        'txn/README.md:2: T2 is cited by no line of code or test']
    assert not list(findings({'a/README.md': '- **T1** A law.\n', 'a/a.c': code}))
    assert list(findings({'a/README.md': '- **T1** A law.\n', 'b/README.md': '- **T1** B.\n',
                          'a/a.c': code})) == ['b/README.md:1: T1 is defined by a/README.md:1 too']
    assert list(findings({'p/p.h': ' * P1  A law.\n'}))
    assert not list(findings({'p/p.h': ' * P1  A law.\n', 'p/p.c': '/* P1 */\n'}))
    assert list(findings({}))


def main():
    self_test()
    root = sys.argv[1]
    own = os.path.relpath(os.path.abspath(__file__), os.path.abspath(root))
    texts = {}
    for name in files(root):
        if name != own:
            with open(os.path.join(root, name), encoding='utf-8') as f:
                texts[name] = f.read()
    wrong = list(findings(texts))
    for finding in wrong:
        print(finding)
    print(f'{len(texts)} files, {len(wrong)} findings')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
