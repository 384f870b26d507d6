#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `meson install` gives, as a program outside meets it.

usage: test_install.py PART ROOT BUILD MESON COMPILER...

PART Installed: the files, the names that the libraries export, a program built with pkg-config against
each of them. PART Subproject: a project that has Verso as its subproject, on a machine with no liburing, Check,
SQLite or LMDB.
"""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import unit_main

ROOT, BUILD, MESON = sys.argv[2:5]
COMPILER = sys.argv[5:]
EXAMPLE = os.path.join(ROOT, 'tests', 'header.c')


def run(*words, env=None, cwd=None):
    """Standard output of a program that succeeds."""
    done = subprocess.run(words, check=False, text=True, capture_output=True, cwd=cwd,
                          env={**os.environ, **(env or {})})
    assert done.returncode == 0, f'{words}\n{done.stdout}\n{done.stderr}'
    return done.stdout


def run_first_example(program, folder, env=None):
    """Runs the program in a new folder; it prints what the first example prints."""
    place = tempfile.mkdtemp(dir=folder)
    out = subprocess.run([program], check=True, text=True, capture_output=True, cwd=place,
                         env={**os.environ, **(env or {})})
    return out.stdout


def introspect(what, build=BUILD):
    return json.loads(run(MESON, 'introspect', what, build))


def build_option(name):
    return next(o['value'] for o in introspect('--buildoptions') if o['name'] == name)


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        run(MESON, 'install', '-C', BUILD, '--no-rebuild', '--destdir', cls.folder)
        cls.prefix = cls.folder + build_option('prefix')
        cls.lib = os.path.join(cls.prefix, build_option('libdir'))

    def pkg_config(self, *words):
        return run('pkg-config', f'--define-variable=prefix={self.prefix}', *words, 'verso',
                   env={'PKG_CONFIG_PATH': os.path.join(self.lib, 'pkgconfig')}).split()

    def build(self, name, *flags):
        program = os.path.join(self.folder, name)
        run(*COMPILER, '-o', program, EXAMPLE, *flags)
        return program

    def exported(self, name, *words):
        path = os.path.join(self.lib, name)
        lines = run('nm', '--defined-only', '--extern-only', '--format=posix', *words, path).split('\n')
        return {line.split()[0] for line in lines if len(line.split()) > 1}

    def declared(self):
        text = ''
        for path in glob.glob(os.path.join(self.prefix, 'include', '*.h')):
            with open(path, encoding='utf-8') as f:
                text += re.sub(r'static inline .*?\n}', '', f.read(), flags=re.S)
        return set(re.findall(r'^(?!typedef)[a-z].*[ *](verso_[a-z_]+)\(', text, re.M))

    def test_the_headers_are_there_and_nothing_else(self):
        there = {os.path.basename(p) for p in glob.glob(os.path.join(self.prefix, 'include', '*'))}
        ours = {os.path.basename(p) for p in glob.glob(os.path.join(ROOT, 'include', '*.h'))}
        self.assertEqual(there, ours)

    def test_only_libraries_of_the_user_are_installed(self):
        self.assertEqual(sorted(n for n in os.listdir(self.lib) if n.endswith('.a')), ['libverso.a'])
        shared = sorted(n for n in os.listdir(self.lib) if '.so' in n)
        self.assertEqual(shared[:2], ['libverso.so', 'libverso.so.0'])
        self.assertEqual(len(shared), 3)
        soname = run('objdump', '-p', os.path.join(self.lib, 'libverso.so'))
        self.assertRegex(soname, r'SONAME\s+libverso\.so\.0\n')

    def test_what_is_hidden_is_hidden_in_both(self):
        declared = self.declared()
        self.assertGreater(len(declared), 30)
        self.assertEqual(self.exported('libverso.so', '-D'), declared)
        self.assertEqual(self.exported('libverso.a'), declared)

    def test_a_program_with_the_shared_library(self):
        program = self.build('shared', *self.pkg_config('--cflags', '--libs'))
        self.assertIn('libverso.so.0', run('objdump', '-p', program))
        self.assertEqual(run_first_example(program, self.folder, {'LD_LIBRARY_PATH': self.lib}), '1737 km\n')

    def test_pkg_config_names_no_library_beneath_for_the_shared_one(self):
        self.assertNotIn('xxhash', ' '.join(self.pkg_config('--libs')))
        self.assertIn('-lxxhash', self.pkg_config('--static', '--libs'))

    def test_a_program_with_the_static_library(self):
        alone = os.path.join(self.folder, 'alone')
        os.makedirs(alone)
        shutil.copy(os.path.join(self.lib, 'libverso.a'), alone)
        flags = [w for w in self.pkg_config('--static', '--cflags', '--libs') if w != f'-L{self.lib}']
        program = self.build('static', '-L' + alone, *flags)
        self.assertNotIn('libverso', run('objdump', '-p', program))
        self.assertEqual(run_first_example(program, self.folder), '1737 km\n')

    def test_the_version_is_one(self):
        version = run('pkg-config', '--modversion', 'verso',
                      env={'PKG_CONFIG_PATH': os.path.join(self.lib, 'pkgconfig')}).strip()
        with open(os.path.join(self.prefix, 'include', 'verso.h'), encoding='utf-8') as f:
            of_header = re.findall(r'#define VERSO_VERSION_[A-Z]+ (\d+)', f.read())
        self.assertEqual(version, '.'.join(of_header))
        tool = os.path.join(self.prefix, 'bin', 'verso')
        if os.path.exists(tool):
            self.assertEqual(run(tool, '--version').strip(), f'verso {version}')

    def test_the_tool_its_page_and_its_completion(self):
        if not os.path.exists(os.path.join(BUILD, 'tools', 'verso')):
            self.skipTest('the build has no tool')
        self.assertEqual(os.listdir(os.path.join(self.prefix, 'bin')), ['verso'])
        completions = os.path.join(self.prefix, 'share', 'bash-completion', 'completions')
        self.assertEqual(os.listdir(completions), ['verso'])
        if os.path.exists(os.path.join(BUILD, 'docs', 'man', 'verso.1')):
            self.assertTrue(os.path.exists(os.path.join(self.prefix, build_option('mandir'), 'man1', 'verso.1')))

    def test_each_call_has_a_page(self):
        folder = os.path.join(self.prefix, build_option('mandir'), 'man3')
        if not os.path.exists(folder):
            self.skipTest('no scdoc, no man pages')
        for name in self.declared():
            self.assertTrue(os.path.exists(os.path.join(folder, name + '.3')), name)


CONSUMER = '''project('consumer', 'c', default_options: ['c_std=c11'])
verso = dependency('verso', fallback: 'verso')
executable('first', 'first.c', dependencies: verso)
'''


class Subproject(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        os.makedirs(os.path.join(self.folder, 'subprojects'))
        os.symlink(ROOT, os.path.join(self.folder, 'subprojects', 'verso'))
        shutil.copy(EXAMPLE, os.path.join(self.folder, 'first.c'))
        with open(os.path.join(self.folder, 'meson.build'), 'w', encoding='utf-8') as f:
            f.write(CONSUMER)
        # All that pkg-config knows: xxHash.
        self.known = os.path.join(self.folder, 'known')
        os.makedirs(self.known)
        pc = os.path.join(run('pkg-config', '--variable=pcfiledir', 'libxxhash').strip(), 'libxxhash.pc')
        shutil.copy(pc, self.known)

    def setup(self, *options):
        build = os.path.join(self.folder, 'build')
        done = subprocess.run([MESON, 'setup', build, self.folder, '--wrap-mode=nodownload', *options], check=False,
                              text=True, capture_output=True, env={**os.environ, 'PKG_CONFIG_LIBDIR': self.known,
                                                                   'PKG_CONFIG_PATH': ''})
        return build, done

    def test_it_needs_xxhash_alone(self):
        for kind in ('shared', 'static'):
            with self.subTest(kind=kind):
                build, done = self.setup(f'-Ddefault_library={kind}', '-Dverso:uring=disabled')
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                names = {t['name'] for t in introspect('--targets', build)}
                for unwanted in ('test_base', 'headtohead', 'bench_io', 'cell', 'verso.1'):
                    self.assertNotIn(unwanted, names)
                run(MESON, 'compile', '-C', build, '-j', '2', 'first')
                program = os.path.join(build, 'first')
                needed = run('objdump', '-p', program)
                (self.assertIn if kind == 'shared' else self.assertNotIn)('libverso.so.0', needed)
                self.assertNotIn('liburing', needed)
                self.assertEqual(run_first_example(program, self.folder), '1737 km\n')
                shutil.rmtree(build)

    def test_without_liburing_it_asks_before_it_becomes_slower(self):
        _, done = self.setup()
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('liburing', done.stdout + done.stderr)

    def test_the_library_alone_needs_no_library_of_the_tests(self):
        build = os.path.join(self.folder, 'alone')
        done = subprocess.run([MESON, 'setup', build, ROOT, '--wrap-mode=nodownload', '-During=disabled'], check=False,
                              text=True, capture_output=True, env={**os.environ, 'PKG_CONFIG_LIBDIR': self.known,
                                                                   'PKG_CONFIG_PATH': ''})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        names = {t['name'] for t in introspect('--targets', build)}
        self.assertIn('libverso.a', names)
        self.assertIn('verso', names)
        self.assertNotIn('test_base', names)
        self.assertNotIn('headtohead', names)


if __name__ == '__main__':
    part = sys.argv[1]
    for unwanted in {'Installed', 'Subproject'} - {part}:
        del globals()[unwanted]
    if not shutil.which('pkg-config'):
        print('skipped: no pkg-config')
        sys.exit(77)
    unit_main.main()
