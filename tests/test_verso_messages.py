#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds what the tool says to its users: messages, help, examples.

usage: test_verso_messages.py VERSO ROOT

Every text of the tool's source, and every error text of the library's source as the tool hands it
on (tools/verso/words.c), is looked at: what only a C program can do stands in none. Every example
of `verso help COMMAND` runs in a folder of its own. (Every message that another test makes the
tool print is looked at too: tool_shell.py.)
"""
import os
import re
import subprocess
import sys

from tool_shell import C_WORDS, OK, VERSO, run_tests

ROOT = sys.argv[2] if len(sys.argv) > 2 else '.'
LIBRARY = ('base', 'io', 'pager', 'bufpool', 'mmap', 'vmcache', 'space', 'txn', 'btree', 'db', 'trace')
COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*', re.S)
INCLUDE = re.compile(r'^\s*#\s*include[^\n]*', re.M)
TEXT = re.compile(r'"((?:\\.|[^"\\\n])*)"')
JOINED = re.compile(r'"(?:\s+|\s*(PRI[a-zX0-9]+)\s*)"')
# Calls whose text is for a program that uses the library wrongly, which the tool does not.
MISUSE = re.compile(r'\b(misuse|wrong)\(\s*$|error_set\(VERSO_EMISUSE,\s*$')
# Other texts that never reach the tool, each with its reason.
NEVER = {
    'has no cache whose size could change': 'the tool never changes the size of a cache',
    'has no memory for the pages that are pinned now': 'the same',
    'address space was reserved': 'the same',
    'pages of finished transactions are held': 'the tool has one transaction at a time',
    'was dropped while a damaged reference has it pinned': 'the same',
    'the values to be copied have': 'the tool asks for one value at a time',
    'allows to assemble in memory': 'the tool reads such a value in pieces',
    'another handle of this ': 'the tool opens a database once',
    'write it in pieces with verso_write()': 'the tool has a value before it puts it',
    'have one order': 'the compiler says it',
    'each policy stands in enum': 'the same',
    'an earlier call of this transaction was left in its middle': 'the tool handles no SIGBUS',
}


def sources(folder):
    for name in sorted(os.listdir(os.path.join(ROOT, folder))):
        if name.endswith(('.c', '.h')):
            with open(os.path.join(ROOT, folder, name), encoding='utf-8') as f:
                yield f'{folder}/{name}', f.read()


def texts(source):
    """The strings of a C source, each with what stands before it."""
    source = INCLUDE.sub('', COMMENT.sub(' ', source))
    source = JOINED.sub(lambda m: '%' if m.group(1) else '', source)
    for match in TEXT.finditer(source):
        yield source[max(0, match.start() - 60):match.start()], match.group(1)


def pairs():
    """What tools/verso/words.c replaces, in its order."""
    with open(os.path.join(ROOT, 'tools/verso/words.c'), encoding='utf-8') as f:
        table = f.read().partition('words[] = {')[2].partition('\n};')[0]
    return re.findall(r'\{"([^"]*)",\s*"([^"]*)"\}', JOINED.sub('', table))


def in_shell(text):
    for in_c, words in pairs():
        text = text.replace(in_c, words, 1)
    return text


def test_the_tool_itself_has_no_word_of_c(sh):
    n = 0
    for name, source in [s for folder in ('tools/verso', 'tools/common') for s in sources(folder)]:
        if name == 'tools/verso/words.c':
            continue
        for _, text in texts(source):
            n += 1
            # Names in JSON and in the end mark are not messages.
            if '\\"' not in text and ' ' in text:
                assert not C_WORDS.search(text), (name, text)
    assert n > 300, n


def test_the_library_speaks_shell_through_the_tool(sh):
    n_seen = n_replaced = 0
    used, unused = set(), set(pairs())
    for name, source in [s for folder in LIBRARY for s in sources(folder)]:
        for before, text in texts(source):
            # wrong() puts the name of the call before it.
            text = 'verso_open: ' + text if '`page_size`' in text else text
            unused -= {p for p in unused if p[0] in text}
            if ' ' not in text or MISUSE.search(before) and '`page_size`' not in text:
                continue
            if never := [part for part in NEVER if part in text]:
                used.update(never)
                continue
            n_seen += 1
            n_replaced += in_shell(text) != text
            found = C_WORDS.search(in_shell(text))
            assert not found, f'{name}: "{text}": {found}; see tools/verso/words.c'
    assert n_seen > 200 and n_replaced > 5, (n_seen, n_replaced)
    assert not unused, f'words.c replaces what is said no more: {unused}'
    assert used == set(NEVER), f'said no more: {set(NEVER) - used}'


def commands():
    done = subprocess.run([VERSO, 'help', '--list'], capture_output=True, check=True, timeout=60)
    lines = [line.split('\t') for line in done.stdout.decode().splitlines()]
    return [line[1] for line in lines if line[0] == 'command'], lines


def test_each_example_works(sh):
    os.symlink(VERSO, os.path.join(sh.folder, 'verso'))
    names, _ = commands()
    assert len(names) > 12
    for name in names:
        text = sh.run('help', name).stdout.decode()
        example = text.partition('\nExample:\n\n')[2].partition('\n\n')[0]
        lines = [line[2:] for line in example.splitlines()]
        assert any(re.search(rf'\bverso {name}\b', line) for line in lines), (name, lines)
        folder = os.path.join(sh.folder, 'in-' + name)
        os.mkdir(folder)
        done = subprocess.run(['sh', '-ec', '\n'.join(lines)], cwd=folder, capture_output=True, check=False,
                              timeout=120, env={**os.environ, 'PATH': sh.folder + ':' + os.environ['PATH']})
        assert done.returncode == OK and b'verso: ' not in done.stderr, (name, lines, done)


def test_help_fits_a_terminal(sh):
    names, _ = commands()
    for words in [('help',)] + [('help', name) for name in names]:
        for line in sh.run(*words).stdout.decode().splitlines():
            assert len(line) <= 100, (words, line)


def test_the_list_has_what_help_has(sh):
    names, lines = commands()
    welcome = sh.run('help').stdout.decode()
    for line in lines:
        if line[0] == 'command':
            _, name, words, summary = line
            assert re.search(rf'^  {name} +{re.escape(words)} +{re.escape(summary)}$', welcome, re.M), line
            text = sh.run('help', name).stdout.decode()
            n_options = sum(other[:2] == ['option', name] for other in lines)
            assert n_options == len(re.findall(r'^  (?:-., )?--', text, re.M)), name
        else:
            _, name, option, letter, value, what = line
            value = '[=' + value[1:] if value.startswith('[') else '=' + value if value else ''
            shown = (letter + ', ' if letter else '') + option + value
            text = re.sub(r'\n {20,}', '  ', sh.run('help', name).stdout.decode())
            assert re.search(rf'^  {re.escape(shown)} +{re.escape(what)}$', text, re.M), line


if __name__ == '__main__':
    sys.exit(run_tests(globals(), ['bufpool']))
