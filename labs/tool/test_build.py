#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What programs are made of, and what a student's file takes in."""
import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import build  # noqa: E402
import source  # noqa: E402
from build import Builder, declared  # noqa: E402
from common import GraderError, LabError, ROOT, write  # noqa: E402

HEADER = ('int a;\n\nstatic inline int f(int x)\n{\n\treturn x;\n}\n\n/* g */\nstatic inline unsigned long\ng(int x,\n\tint y)\n{\n\tif (x) {\n'
          '\t\treturn y;\n\t}\n\treturn f(x);\n}\n\nint h(void);\n')


class Headers(unittest.TestCase):
    def test_an_inline_function_is_declared(self):
        self.assertEqual(declared(HEADER, ['g']), HEADER[:HEADER.index('static inline unsigned')] +
                         'unsigned long\ng(int x,\n\tint y);\n\nint h(void);\n')
        self.assertEqual(declared(HEADER, []), HEADER)
        for name in ('h', 'a', 'q'):
            with self.assertRaises(GraderError):
                declared(HEADER, [name])
        with self.assertRaises(GraderError):
            declared(HEADER + HEADER, ['g'])


class Archives(unittest.TestCase):
    def test_what_a_lab_cuts_out_of_a_library_is_there_for_the_others(self):
        with tempfile.TemporaryDirectory() as folder:
            def members(cut_out):
                builder = Builder(folder)
                builder.cut_out = cut_out
                return subprocess.run(['ar', 't', builder.library('store', 'plain')], capture_output=True, text=True, check=True).stdout.split()
            without, whole = members(['tests/crash/store_none.c']), members([])
            self.assertEqual(len(whole), len(without) + 1)
            self.assertEqual([n for n in whole if n not in without], ['tests-crash-store_none.o'])
            self.assertEqual(members(['tests/crash/store_none.c']), without)

    def test_programs_are_found_from_any_working_folder(self):
        self.assertTrue(os.path.isabs(Builder('folder').folder))


class Sources(unittest.TestCase):
    """What a student's file takes in, and which words it may not have."""

    class One:
        files, glue, elsewhere, number = ['a.c'], [], {'b.h': os.path.join(ROOT, 'btree', 'node.h')}, '1'
        of_tests = ['tests/crash/store.h']

        @staticmethod
        def headers():
            return {}

    def refused(self, code, variant='plain'):
        """What is said of this file; '': it was compiled."""
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, 'a.c')
            write(source, code)
            write(os.path.join(folder, 'seed'), '4711\n')
            try:
                made = Builder(folder).student_object(self.One, source, variant, os.path.join(folder, 'made'))
                self.assertTrue(os.path.exists(made))
                return ''
            except LabError as e:
                return str(e)

    def test_headers_of_verso_and_of_the_system(self):
        self.assertEqual(self.refused('#include "base/error.h"\n#include "labs/lib/cache.h"\n#include <pthread.h>\nint x;\n'), '')

    def test_other_files(self):
        for name in ('labs/lab2/pool.c', 'btree/node.h', os.path.join(ROOT, 'labs/lab2/pool.c'), './seed', '/etc/passwd', '/proc/self/stat'):
            said = self.refused(f'int x =\n#include "{name}"\n;\n')
            self.assertIn('takes in', said, name)
            self.assertNotIn('4711', said)
        self.assertIn('takes in labs/lab2/pool.c', self.refused('#define NAME "labs/lab2/pool.c"\n#include NAME\n'))
        # Of the tests: those that the lab names. What the judge of a lab is made of is none of them.
        self.assertEqual(self.refused('#include "tests/crash/store.h"\nint x;\n'), '')
        for name in ('tests/crash/crash.h', 'tests/check_main.h', 'labs/lab6/tests/store_bench.h', 'labs/lib/ledger.h', 'labs/../tests/crash/crash.h'):
            self.assertIn('takes in', self.refused(f'#include "{name}"\nint x;\n'), name)
        # What the preprocessor complains of is shown, and no line of the file in which it is.
        said = self.refused('#if\n#include "./seed"\n')
        self.assertIn('does not compile', said)
        self.assertIn('a.c:1', said)
        self.assertNotIn('4711', said)

    def test_what_the_assembler_takes_in(self):
        words, source.words = source.words, lambda _: []
        try:
            self.assertIn('takes in', self.refused('__asm__(".pushsection .rodata; .incbin \\"seed\\"; .popsection");\nint x;\n'))
            said = self.refused('__asm__(".include \\"seed\\"");\nint x;\n')
            self.assertIn('does not compile', said)
            self.assertNotIn('4711', said)
        finally:
            source.words = words

    def test_words(self):
        for code, says in (('void f(void) { __asm__ volatile("nop"); }', 'assembly'), ('int f(void) __asm("g");', 'assembly'),
                           ('#define A(x) __a##x\nvoid f(void) { A(sm__)("nop"); }', 'assembly'),
                           ('__attribute__((no_sanitize("thread"))) void f(void);', 'no_sanitize'),
                           ('__attribute__((__no_sanitize_address__)) void f(void);', 'no_sanitize'),
                           ('#define J(a, b) a##b\n__attribute__((J(no_sani, tize_thread))) void f(void);', 'no_sanitize'),
                           ('__attribute__((section(".x"))) int x;', 'section'), ('int y; extern int x __attribute__((alias("y")));', 'alias'),
                           ('#line 1 "/usr/include/stdio.h"\nvoid f(void) { __asm__("nop"); }', '#line'),
                           ('# 1 "/usr/include/stdio.h" 1 3 4\nvoid f(void) { __asm__("nop"); }', '#1'),
                           ('%:/**/line 1 "x"\n', '#line'), ('#\\\n line 1 "x"\n', '#line'), ("#if 0\ndon't /*\n#endif\n#line 1 \"x\"\n/* */\n", '#line'),
                           ('#ident "x"\n', '#ident'), ('int f(void) { return 1 }\n', 'does not compile')):
            self.assertIn(says, self.refused(code), code)
        for code in ('const char *x = "asm, section (no_sanitize)"; /* #line 1\n# 3 */', 'int section, asmx; /* asm */', 'int x; // # 3\n'):
            self.assertEqual(self.refused(code), '', code)

    def test_other_code_under_a_sanitizer(self):
        for code in ('#ifdef __SANITIZE_THREAD__\nint x;\n#else\nint y;\n#endif\n', '#define S(x) __SANI##x\n#if S(TIZE_THREAD__)\nint x;\n#endif\n',
                     '#ifdef __has_feature\n#if __has_feature(thread_sanitizer)\nint x;\n#endif\n#endif\n#ifdef __SANITIZE_THREAD__\nint x;\n#endif\n'):
            self.assertEqual(self.refused(code + 'int z;\n'), '')
            self.assertIn('another code under a sanitizer', self.refused(code + 'int z;\n', 'tsan'), code)
        self.assertEqual(self.refused('#include "base/assert.h"\nint f(int x);\nint f(int x) { ASSERT(x > 0); return x; }\n', 'asan'), '')


class Processors(unittest.TestCase):
    def test_the_quota_of_a_container_counts(self):
        with tempfile.TemporaryDirectory() as folder:
            mine = len(os.sched_getaffinity(0))
            for name, texts in (('cpu.max', ('150000 100000\n',)), ('cpu/cpu.cfs_quota_us', ('150000\n', '100000\n'))):
                for path, text in zip((name, name.replace('quota', 'period')), texts):
                    write(os.path.join(folder, path), text)
                self.assertEqual(build.processors(folder), min(mine, 2), name)
                os.remove(os.path.join(folder, name))
            for text in ('max 100000\n', '', 'x y\n', '0 0\n'):
                write(os.path.join(folder, 'cpu.max'), text)
                self.assertEqual(build.processors(folder), mine, text)
            write(os.path.join(folder, 'cpu.max'), '5000 100000\n')
            self.assertEqual(build.processors(folder), 1)


if __name__ == '__main__':
    unittest.main()
