#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the object of a student's file may have."""
import os
import platform
import re
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import objects  # noqa: E402
from build import Builder  # noqa: E402
from common import write  # noqa: E402


class Objects(unittest.TestCase):
    """What the object of a student's file may use, define and hold."""

    def test_objects(self):
        class One:
            symbols, exports = {'free'}, {'f'}
        good = 'void free(void *); static int g; int f(void) { free(&g); return g; }\n'
        with tempfile.TemporaryDirectory() as folder:
            source, to = os.path.join(folder, 'a.c'), os.path.join(folder, 'a.o')
            for code, word in ((good, None), (good + 'int h;', 'defines h'), (good + 'void *q(void); void *r(void) { return q(); }', 'uses q'),
                               (good + 'static int z; __attribute__((constructor)) static void c(void) { z++; __asm__(""); }', 'before or after'),
                               (good + 'static int z; __attribute__((destructor)) static void c(void) { z++; __asm__(""); }', 'before or after'),
                               (good + 'void __tsan_func_exit(void); void g2(void) { __tsan_func_exit(); }', 'uses __tsan_func_exit'),
                               (good + 'extern int environ; int *p = &environ;', 'uses environ')):
                write(source, code)
                _, complaint = Builder(folder).object(source, 'plain', to=to)
                self.assertIsNone(complaint)
                found = objects.findings(to, One)
                self.assertTrue((not found) if word is None else any(word in f for f in found), (code, found))
            # Code that is data too, a stack that is code, and memory that outlives a power cut.
            One.statics = []
            for code, word in (('static const int t[] = {1, 2}; int f(void) { return t[1]; }', None),
                               ('static int n; int f(void) { return ++n; }', 'change .n'),
                               ('int f(void) { static int n = 3; return ++n; }', 'change .n'),
                               ('static _Thread_local int n; int f(void) { return ++n; }', 'change .n'),
                               ('int f(int); static int (*const t[])(int) = {f, 0}; int f(int i) { return t[i] != 0; }', None),
                               ('__attribute__((section(".mine,\\"awx\\",@progbits#"))) int f(void) { return 1; }', 'written and run|code lies in'),
                               ('__attribute__((section(".mine"))) int f(void) { return 1; }', 'code lies in .text'),
                               ('__attribute__((section(".interp"))) static const char t[] = "/x"; const char *f(void) { return t; }', 'a section .interp'),
                               ('int f(int (*g)(int (*)(void))) { int n = 0; int h(void) { return ++n; } return g(h); }', 'run as code'),
                               ('int f(void) { return 0x90050f; }', 'number 0x90050f has'),
                               ('struct s { char a[0x50f]; volatile char b; }; int f(struct s *s) { return s->b; }', 'instruction that calls'),
                               ('struct s { char a[0x340f00]; volatile char b; }; void f(struct s *s) { s->b = 1; }', 'instruction that calls'),
                               ('struct s { char a[0xfffafa]; volatile char b; }; int f(char *s) { return ((struct s *)(s - 0x1f5f5eb))->b; }', 'number -0xf5faf1 has'),
                               ('__asm__(".text; g: jmp g+0x50f; .skip 0x600, 0x90"); int f(void) { return 1; }', None),
                               ('struct s { char a[0x50e]; volatile char b; }; int f(struct s *s) { return s->b; }', None)):
                write(source, code)
                if Builder(folder).object(source, 'plain', to=to)[1]:  # GNU C, which clang does not know in all of it
                    self.assertIn('int h', code)
                    continue
                found = objects.findings(to, One)
                on_others = platform.machine() != 'x86_64' and 'instruction' in (word or '')
                self.assertTrue((not found) if word is None or on_others else any(re.search(word, f) for f in found), (code, found))
            One.statics = ['n']
            write(source, 'static int n; int f(void) { return ++n; }')
            self.assertIsNone(Builder(folder).object(source, 'plain', to=to)[1])
            self.assertEqual(objects.findings(to, One), [])
            del One.statics
            # What compilers make of honest code by themselves: a fortified copy, bcmp() for a comparison with 0.
            One.symbols = {'memcpy', 'memcmp'}
            for code, good_too in (('void *__memcpy_chk(void *, const void *, unsigned long, unsigned long);\n'
                                    'void *f(void *a) { return __memcpy_chk(a, a, 1, 1); }\n', True),
                                   ('int bcmp(const void *, const void *, unsigned long); int f(void *a) { return bcmp(a, a, 9); }\n', True),
                                   ('void *__memset_chk(void *, int, unsigned long, unsigned long);\n'
                                    'void *f(void *a) { return __memset_chk(a, 1, 1, 1); }\n', False),
                                   ('int __printf_chk(int, const char *, ...); int f(void) { return __printf_chk(1, ""); }\n', False)):
                write(source, code)
                self.assertIsNone(Builder(folder).object(source, 'plain', ['-fno-builtin'], to=to)[1])
                self.assertEqual(not objects.findings(to, One), good_too, code)
            One.symbols = {'free'}
            # Under a sanitizer, its own calls and constructor are free; what a student hides there is not.
            hidden = '#ifdef __SANITIZE_THREAD__\nvoid *q(void);\nvoid r(void);\n__attribute__((constructor)) void r(void) { q(); }\n#endif\n'
            for code, words in ((good, []), (good + hidden, ['uses q', 'defines r'])):
                write(source, code)
                for variant, expected in (('plain', []), ('tsan', words)):
                    self.assertIsNone(Builder(folder).object(source, variant, to=to)[1])
                    found = objects.findings(to, One, Builder.is_sanitized(variant))
                    self.assertEqual(len(found), len(expected), found)
                    self.assertTrue(all(w in ' '.join(found) for w in expected), found)


if __name__ == '__main__':
    unittest.main()
