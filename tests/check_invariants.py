#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds that every numbered invariant is cited where it is kept or tested.

usage: check_invariants.py ROOT

An invariant is defined by a line `- **T4** ...` of a folder's README.md or ` * P3  ...` at the head
of a header. A comment or a text in quotes of a *.c, *.h or *.py, other than the definition, cites it
by the word `T4` or by a range, `T1 to T14`, which counts for its ends alone; code does not (a parameter
may be called so). What is cited has to be defined, in READMEs and in docs/ too: a word of a letter that
some invariant has. Two folders may not define one name: then it is not clear which is meant.
"""
import os
import re
import sys

IN_README = re.compile(r'^- \*\*([A-Z]{1,2}\d{1,2})\*\*')
IN_HEADER = re.compile(r'^ \* ([A-Z]{1,2}\d{1,2})  \S')
WORD = re.compile(r'\b([A-Z]{1,2}\d{1,2})\b')
C_QUOTED = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)
PY_QUOTED = re.compile(r'#[^\n]*|""".*?"""|\'(?:\\.|[^\'\\\n])*\'|"(?:\\.|[^"\\\n])*"', re.S)
SKIPPED = {'.git', 'subprojects', 'golden', 'my'}


def files(root):
    for path, folders, names in os.walk(root):
        folders[:] = sorted(d for d in folders
                            if d not in SKIPPED and not d.startswith(('build', 'rel')))
        for name in sorted(names):
            if name.endswith(('.md', '.c', '.h', '.py')):
                yield os.path.relpath(os.path.join(path, name), root)


def scan(name, text):
    """The invariants that a file defines, and those that it cites, as pairs of a word and a line."""
    defined, cited = [], []
    is_text = name.endswith('.md')
    pattern = (IN_README if name.endswith('README.md') else
               IN_HEADER if name.endswith('.h') else None)
    if not is_text: # blanks for code, so that lines keep their numbers
        quoted = PY_QUOTED if name.endswith('.py') else C_QUOTED
        kept, at = [], 0
        for match in quoted.finditer(text):
            kept += ['\n' * text.count('\n', at, match.start()) or ' ', match.group(0)]
            at = match.end()
        text = ''.join(kept)
    for number, line in enumerate(text.split('\n'), 1):
        match = pattern and pattern.match(line)
        if match:
            defined.append((match.group(1), number))
            line = line[match.end(1):]
        cited += [(word, number, not match) for word in WORD.findall(line)]
    return defined, cited


def findings(texts):
    """What is wrong with the files {name: text}."""
    places, cited, words = {}, set(), []
    for name, text in texts.items():
        defined, found = scan(name, text)
        words += [(word, f'{name}:{number}') for word, number, _ in found]
        cited.update(word for word, _, elsewhere in found if elsewhere and not name.endswith('.md'))
        for invariant, number in defined:
            places.setdefault(invariant, []).append(f'{name}:{number}')
    for invariant, where in sorted(places.items()):
        if len(where) > 1:
            yield f'{where[1]}: {invariant} is defined by {where[0]} too'
        if invariant not in cited:
            yield f'{where[0]}: {invariant} is cited by no comment or text of code or test'
    families = {name.rstrip('0123456789') for name in places}
    for word, where in words:
        if word not in places and word.rstrip('0123456789') in families:
            yield f'{where}: {word} is cited, and no invariant has this name'
    if not places:
        yield 'no invariant was found'


def self_test():
    readme = '- **T1** A law.\n- **T2** Another.\n'
    code = '/* T1: kept here. */\n'
    assert list(findings({'txn/README.md': readme, 'txn/a.c': code})) == [
        'txn/README.md:2: T2 is cited by no comment or text of code or test']
    law = {'a/README.md': '- **T1** A law.\n'}
    for kept in ({'a/a.c': code}, {'a/a.c': 'ASSERT(x, "T1");\n'}, {'a/a.c': '/*\n * T1: C11.\n */\n'},
                 {'a/a.py': '# T1\n'}, {'a/a.py': '"""\nT1\n"""\n'}):
        assert not list(findings({**law, **kept})), kept
    for wrong in ({'a/a.c': 'int T1;\n'}, {'a/a.py': 'T1 = 1\n'}, {'b/README.md': 'See T1.\n'}):
        assert list(findings({**law, **wrong})) == [
            'a/README.md:1: T1 is cited by no comment or text of code or test'], wrong
    assert list(findings({**law, 'a/a.c': 'x;\n\n' + code + '/* T7 */\n'})) == [
        'a/a.c:4: T7 is cited, and no invariant has this name']
    assert list(findings({**law, 'a/a.c': code, 'docs/a.md': 'T7\n'}))
    assert list(findings({'a/README.md': '- **T1** A law.\n', 'b/README.md': '- **T1** B.\n',
                          'a/a.c': code})) == ['b/README.md:1: T1 is defined by a/README.md:1 too']
    assert list(findings({'p/p.h': '/*\n * P1  A law.\n */\n'}))
    assert not list(findings({'p/p.h': '/*\n * P1  A law.\n */\n', 'p/p.c': '/* P1 */\n'}))
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
