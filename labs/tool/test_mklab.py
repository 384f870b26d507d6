#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A reference that is cut, and what a pack has: each mistake is found, and said."""
import os
import re
import sys
import tempfile
import tomllib
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import main  # noqa: E402
import mklab  # noqa: E402
from common import GraderError, Lab, LABS, ROOT, numbers, read, write  # noqa: E402

REFERENCE = ('/* SPDX */\n#include "a.h"\n\nint f(void)\n{\n\t/* LAB 1.1 begin: do it */\n\tint telling_name_of_this_region = 1;\n'
             '\n\treturn telling_name_of_this_region;\n\t/* LAB 1.1 end: return LAB_TODO("1.1"); */\n}\n')


class Cut(unittest.TestCase):
    def test_starter_and_regions_make_the_reference(self):
        starter, regions = mklab.cut(REFERENCE)
        self.assertNotIn('telling', starter)
        self.assertIn('\treturn LAB_TODO("1.1");\n', starter)
        self.assertEqual(mklab.join(starter, regions), REFERENCE)
        self.assertEqual(mklab.fill(REFERENCE, {'1.1'}).count('telling'), 2)
        self.assertEqual(mklab.fill(REFERENCE, set()).count('telling'), 0)

    def test_what_stubs_need_is_included_once(self):
        for text in (mklab.cut(REFERENCE)[0], mklab.fill(REFERENCE, set())):
            self.assertEqual(text.count('labs/lib/todo.h'), 1)
            self.assertLess(text.index('a.h'), text.index('todo.h'))
            self.assertLess(text.index('todo.h'), text.index('LAB_TODO("'))
        own = REFERENCE.replace('a.h', 'labs/lib/todo.h')
        for text in (mklab.cut(own)[0], mklab.fill(own, set())):
            self.assertEqual(text.count('labs/lib/todo.h'), 1)
        self.assertEqual(mklab.join(*mklab.cut(own)), own)

    def test_stubs_are_counted_whatever_the_encoding_of_the_comments(self):
        with tempfile.TemporaryDirectory() as folder:
            lab = type('L', (), {'files': ['a.c', 'b.c', 'c.c'], 'mine': folder})
            with open(os.path.join(folder, 'a.c'), 'wb') as f:
                f.write(b'/* f\xfcr */\n\treturn LAB_TODO("2.9");\n\tLAB_TODO_VOID("2.11");\n\tLAB_TODO_VOID("2.11");\n')
            write(os.path.join(folder, 'b.c'), '/* für */\n')
            self.assertEqual(mklab.left(lab), {'2.9': 1, '2.11': 2})

    def test_wrong_markers(self):
        for old, new in (('LAB 1.1 end', 'LAB 1.2 end'), ('\t/* LAB 1.1 end: return LAB_TODO("1.1"); */\n', ''),
                         ('/* LAB 1.1 begin: do it */', '/* LAB 1.1 begin */'),
                         ('/* LAB 1.1 end: return LAB_TODO("1.1"); */', 'x; /* LAB 1.1 end: y */'),
                         ('\n\treturn telling', '\n\t/* LAB 1.3 begin: another */\n\treturn telling')):
            self.assertIn(old, REFERENCE)
            with self.assertRaises(GraderError):
                mklab.cut(REFERENCE.replace(old, new))
        with self.assertRaises(GraderError):
            mklab.cut(REFERENCE + REFERENCE)

    def test_leak_is_found(self):
        starter, regions = mklab.cut(REFERENCE)
        line = 'int telling_name_of_this_region = 1;'
        self.assertEqual(mklab.leaks(regions, starter, {'labs/a.md': f'see\n    {line}\n'})[0], [('labs/a.md', line)])
        found, shared = mklab.leaks(regions, starter, {'labs/a.md': line, 'txn/b.c': line})
        self.assertEqual((found, shared), ([], [line]))


class Packs(unittest.TestCase):
    """What a pack has, and what it has not."""

    def test_rules_for_assistants_are_in_every_pack(self):
        rules = read(os.path.join(LABS, 'AGENTS.md')).encode()
        for lab in map(Lab, numbers()):
            files = mklab.pack_files(lab)
            self.assertEqual((files['AGENTS.md'], files['labs/AGENTS.md']), (rules, rules))
            self.assertFalse([n for n in files if n.startswith('labs/teach/')])

    def test_what_a_text_of_a_pack_refers_to_is_in_the_pack(self):
        for lab in map(Lab, numbers()):
            files = mklab.pack_files(lab)
            there = set(files)
            for name in files:
                while os.path.dirname(name):
                    name = os.path.dirname(name)
                    there.add(name)
            for name, data in files.items():
                if name.endswith('.md') and name.startswith(('labs/', 'AGENTS')):
                    for target in re.findall(r'\]\(([^)#:]+)\)', data.decode()):
                        self.assertIn(os.path.normpath(os.path.join(os.path.dirname(name), target)), there, f'pack of lab {lab.number}: {name}')
            readme = files['labs/README.md'].decode()
            self.assertFalse([n for n in re.findall(r'^    \./lab \w+ (\d)', readme.split('## How')[0], re.M) if n != lab.number])
            self.assertNotIn('selfcheck', readme)

    def test_a_pack_may_have_no_hints(self):
        for lab in [lab for lab in map(Lab, numbers()) if not lab.is_report]:
            name = f'labs/lab{lab.number}/points.toml'
            with open(os.path.join(ROOT, name), 'rb') as f:
                whole = f.read()
            bare = mklab.without_hints(lab, {name: whole, 'a': b'hints'})
            self.assertEqual(bare['a'], b'hints')
            self.assertFalse([t for t in tomllib.loads(bare[name].decode())['test'] if 'hints' in t])
            self.assertEqual([{k: v for k, v in t.items() if k != 'hints'} for t in lab.tests], tomllib.loads(bare[name].decode())['test'])

    def test_a_pack_to_measure_has_the_starters_of_what_is_measured(self):
        files = mklab.pack_files(Lab('7'))
        for number, name in (('2', 'labs/lab2/pool.c'), ('4', 'labs/lab4/map.c')):
            self.assertEqual(files[name].decode(), mklab.starters(Lab(number))[os.path.basename(name)])
            self.assertEqual(mklab.leaks(mklab.all_regions(Lab(number)), files[name].decode(), {n: d.decode(errors='replace') for n, d in files.items()})[0], [])
        self.assertIn('experiments/run', files)
        self.assertFalse([n for n in files if os.path.basename(n) in mklab.NOT_IN_PACK and n.startswith(('labs/lab', 'labs/tool'))])

    def test_a_pack_has_the_reference_of_no_later_lab(self):
        labs = [lab for lab in map(Lab, numbers()) if not lab.is_report]
        for lab in labs:
            packed = mklab.pack_files(lab)
            texts = {n: data.decode(errors='replace') for n, data in packed.items() if n.startswith(('labs/', 'tests/'))}
            self.assertFalse([n for n in packed if n.startswith(('labs/lab', 'labs/tool/')) and os.path.basename(n) in mklab.NOT_IN_PACK])
            for other in labs:
                for name in other.files:
                    path = os.path.relpath(other.path(name), ROOT)
                    if path not in packed:
                        continue
                    if other.number == lab.number:
                        self.assertEqual(mklab.cut(packed[path].decode(), name)[1], {}, path)
                    elif int(other.number) > int(lab.number):
                        self.assertFalse(path.startswith(('labs/', 'tests/')), f'pack of lab {lab.number}: {path}')
                if int(other.number) > int(lab.number):
                    self.assertEqual(mklab.leaks(mklab.all_regions(other), '', texts)[0], [], f'pack of lab {lab.number}: regions of lab {other.number}')

    def test_and_in_every_student_folder(self):
        class Mine:
            number, files, own_tests = '1', [], None
        with tempfile.TemporaryDirectory() as folder:
            Mine.mine = os.path.join(folder, 'my')
            self.assertEqual(main.start(Mine), main.OK)
            path = os.path.join(Mine.mine, 'AGENTS.md')
            self.assertEqual(read(path), read(os.path.join(LABS, 'AGENTS.md')))
            write(path, 'mine')
            main.start(Mine)
            self.assertEqual(read(path), 'mine')

    def test_a_pack_of_a_folder_without_git_has_the_files_at_its_top(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ('lab', 'base/a.c', 'build-labs/b.c', 'labs/my/lab0/page.c', '.git2/c'):
                write(os.path.join(folder, name), 'x')
            root, mklab.ROOT = mklab.ROOT, folder
            try:
                self.assertEqual(mklab.project_files(), ['base/a.c', 'lab'])
            finally:
                mklab.ROOT = root


if __name__ == '__main__':
    unittest.main()
