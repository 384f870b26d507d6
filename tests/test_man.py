#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The man pages have every public call, type, member and constant, and every command and option.

usage: test_man.py ROOT [TOOL PAGE_1 PAGE_3...]

The pages are what the build has made. Without a tool and pages (no scdoc), only the templates are held
to the headers.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import unit_main

ROOT = sys.argv[1]
TOOL = sys.argv[2] if len(sys.argv) > 2 else None
PAGES = sys.argv[3:]
SCRIPT = os.path.join(ROOT, 'scripts', 'man_page.py')
INCLUDE = os.path.join(ROOT, 'include')
MAN = os.path.join(ROOT, 'docs', 'man')


def unnamed(man, include):
    out = subprocess.run([sys.executable, SCRIPT, '--unnamed', man, include], check=False, text=True,
                         capture_output=True)
    return out.returncode, out.stdout + out.stderr


def roff_text(path):
    """The words of a page, without its roff."""
    with open(path, encoding='utf-8') as f:
        return re.sub(r'\\f[BIPR]|\\&|\\', '', f.read())


class Templates(unittest.TestCase):
    def test_everything_public_is_on_a_page(self):
        self.assertEqual(unnamed(MAN, INCLUDE), (0, '\n'))

    def test_what_is_missing_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            include = shutil.copytree(INCLUDE, os.path.join(folder, 'include'))
            with open(os.path.join(include, 'verso.h'), encoding='utf-8') as f:
                text = f.read()
            with open(os.path.join(include, 'verso.h'), 'w', encoding='utf-8') as f:
                f.write(text.replace('\n/* "0.1.0"', '\n/* New. */\nint verso_new(int x);\n\n'
                                     'enum verso_newer {\n\tVERSO_NEWEST\n};\n\n/* "0.1.0"'))
            code, found = unnamed(MAN, include)
        self.assertEqual(code, 1)
        for name in ('verso_new()', 'verso_newer', 'VERSO_NEWEST'):
            self.assertIn(name, found)

    def test_a_call_on_two_pages_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            man = shutil.copytree(MAN, os.path.join(folder, 'man'))
            with open(os.path.join(man, 'verso_put.3.scd'), 'a', encoding='utf-8') as f:
                f.write('\n@call verso_get\n')
            self.assertIn('verso_get() stands on 2 pages', unnamed(man, INCLUDE)[1])

    def test_pages_refer_to_pages_that_are_there(self):
        for name in os.listdir(MAN):
            if not name.endswith('.scd'):
                continue
            with open(os.path.join(MAN, name), encoding='utf-8') as f:
                for page, section in re.findall(r'\*(\w+)\*\((\d)\)', f.read()):
                    if page.startswith('verso'):
                        self.assertTrue(os.path.exists(os.path.join(MAN, f'{page}.{section}.scd')), (name, page))

    def test_the_first_page_names_all_others(self):
        with open(os.path.join(MAN, 'verso.3.scd'), encoding='utf-8') as f:
            named = set(re.findall(r'^- \*(verso_\w+)\*\(3\)', f.read(), re.M))
        pages = {n.split('.')[0] for n in os.listdir(MAN) if n.endswith('.3.scd')} - {'verso'}
        self.assertEqual(named, pages)


@unittest.skipUnless(PAGES, 'the pages are not built: no scdoc')
class Pages(unittest.TestCase):
    def test_there_is_a_page_for_each_template(self):
        self.assertEqual(sorted(os.path.basename(p) + '.scd' for p in PAGES),
                         sorted(n for n in os.listdir(MAN) if n.endswith('.scd')))

    def test_the_tool_s_page_has_every_command_and_option(self):
        text = next(roff_text(p) for p in PAGES if p.endswith('verso.1'))
        listed = subprocess.run([TOOL, 'help'], check=True, text=True, capture_output=True).stdout
        commands = re.findall(r'^  ([a-z-]+)', listed.split('Commands:\n')[1].split('\n\n')[0], re.M)
        self.assertGreater(len(commands), 8)
        for command in commands:
            part = re.split(rf'^\.SS {command}$', text, flags=re.M)
            self.assertEqual(len(part), 2, command)
            part = re.split(r'^\.S[SH] ', part[1], flags=re.M)[0]
            help_text = subprocess.run([TOOL, 'help', command], check=True, text=True, capture_output=True).stdout
            for option in re.findall(r'^  .*?(--[a-z-]+)', help_text, re.M):
                self.assertIn(option, part, command)

    def test_roff_finds_nothing_wrong(self):
        if not shutil.which('man'):
            self.skipTest('no man to render with')
        for page in PAGES:
            out = subprocess.run(['man', '--warnings', '-l', '-E', 'UTF-8', page], check=True, text=True,
                                 capture_output=True, env=dict(os.environ, MANWIDTH='100', MANPAGER='cat'))
            self.assertEqual(out.stderr, '', page)
            self.assertGreater(len(out.stdout), 500)


if __name__ == '__main__':
    unit_main.main()
