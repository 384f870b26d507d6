#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Completion for bash offers what the tool takes, all of it and nothing else.

usage: test_completion.py TOOL COMPLETION
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import unit_main

TOOL, COMPLETION = (os.path.abspath(p) for p in sys.argv[1:3])

ASK = '''
. "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_verso "$1" && printf '%s\\n' "${COMPREPLY[@]}"
'''


def complete(*words):
    """What is offered for the last of the words behind `verso`."""
    out = subprocess.run(['bash', '-c', ASK, 'bash', COMPLETION, TOOL, *words], check=True, text=True,
                         capture_output=True)
    assert not out.stderr, out.stderr
    return [line for line in out.stdout.split('\n') if line]


def run(*words):
    return subprocess.run([TOOL, *words], check=False, text=True, capture_output=True)


def listed():
    """The lines of `verso help --list`, as fields."""
    return [line.split('\t') for line in run('help', '--list').stdout.split('\n')]


def help_of(command):
    """Option to value (None: it takes none), as the tool's own table has them for a command."""
    found = {}
    for fields in listed():
        if fields[:2] == ['option', command]:
            for name in filter(None, fields[2:4]):
                found[name] = fields[4] or None
    return found


def needs_value(value):
    return value is not None and not value.startswith('[')


class Completion(unittest.TestCase):
    def test_every_command_is_offered_and_is_one(self):
        offered = complete('')
        self.assertGreaterEqual(len(offered), 9)
        for name in offered:
            self.assertEqual(run('help', name).returncode, 0)
            if name != 'help':
                self.assertNotIn('no command', run(name).stderr)
        self.assertEqual(sorted(set(offered) - {'help'}), sorted(f[1] for f in listed() if f[0] == 'command'))
        shown = run('help').stdout.split('Commands:\n')[1].split('\n\n')[0]
        self.assertEqual(sorted(set(offered) - {'help'}), sorted(set(re.findall(r'^  ([a-z-]+)', shown, re.M)) - {'help'}))

    def test_a_part_of_a_word_is_completed(self):
        self.assertEqual(complete('du'), ['dump'])
        self.assertEqual(complete('help', 'du'), ['dump'])
        self.assertEqual(complete('help', 'get', 'pu'), ['put'])
        self.assertEqual(complete('nosuch', '--'), [])

    def test_the_options_of_each_command_are_offered_and_taken(self):
        for command in set(complete('')) - {'help'}:
            with self.subTest(command=command):
                known = help_of(command)
                self.assertTrue(known)
                self.assertEqual(sorted(complete(command, 'DB', '-')),
                                 sorted(name + ('=' if needs_value(value) and name.startswith('--') else '')
                                        for name, value in known.items()))
                for name, value in known.items():
                    word = name if not value or not name.startswith('--') else f'{name}={value.split("|")[0]}'
                    self.assertNotIn('unknown option', run(command, word).stderr, word)

    def test_the_words_of_an_option_are_offered(self):
        n_words = 0
        for command in set(complete('')) - {'help'}:
            for name, value in help_of(command).items():
                if value and '|' in value:
                    n_words += 1
                    first = value.split('|')[0]
                    if name.startswith('--'):
                        self.assertEqual(sorted(complete(command, 'DB', name, '=')), sorted(value.split('|')))
                        self.assertIn(first, complete(command, 'DB', name, '=', first[:2]))
                    self.assertIn(first, complete(command, 'DB', name, first[:2]))
        self.assertGreater(n_words, 9)

    def test_files_are_offered_for_a_database(self):
        folder = tempfile.mkdtemp()
        try:
            path = os.path.join(folder, 'planets.verso')
            with open(path, 'wb'):
                pass
            self.assertEqual(complete('scan', path[:-6]), [path])
            self.assertEqual(complete('scan', '--reverse', path[:-6]), [path])
        finally:
            shutil.rmtree(folder)


if __name__ == '__main__':
    if not shutil.which('bash'):
        print('skipped: no bash')
        sys.exit(77)
    unit_main.main()
