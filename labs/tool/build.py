# SPDX-License-Identifier: MIT
"""Builds the programs of a lab around the files of a student, with the compiler alone.

An object is compiled again when a file that it is made of is newer. All that is not the student's is
compiled once for each variant (plain, tsan, asan) and kept below build-labs/.
"""
import concurrent.futures
import fcntl
import glob
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading

import source as text_of
from common import GraderError, LabError, MINE, ROOT, TOOL, read, toml, write

VARIANTS = {
    'plain': [],
    'tsan': ['-fsanitize=thread'],
    'fast': ['-O3'],
    'asan': ['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined'],
    # A lab's two dials (btree/node.h).
    'no_heads': ['-DNODE_HEAD_BYTES=0U'],
    'no_prefixes': ['-DNODE_PREFIXES=0'],
    'simple': ['-DNODE_HEAD_BYTES=0U', '-DNODE_PREFIXES=0'],
    # With a queue for io_uring in the engine's table: the one that a student writes (lab 3).
    'ring': ['-UWITHOUT_LIBURING'],
    'ring_tsan': ['-UWITHOUT_LIBURING', '-fsanitize=thread'],
}
FLAGS = ['-std=c17', '-O1', '-g1', '-D_GNU_SOURCE', '-DWITHOUT_LIBURING=1', '-I', ROOT, '-I', os.path.join(ROOT, 'include')]
STUDENT_FLAGS = ['-g', '-Wall', '-Wextra', '-Wno-unused-parameter']
# Data and stack are never code, whatever a student's object asks for.
LINK_FLAGS = ['-Wl,-z,noexecstack,-z,separate-code']
# What older headers lack (meson.build has the same list).
PROBES = {
    'STATX_DIOALIGN': ('sys/stat.h', 'STATX_DIOALIGN'),
    'MADV_POPULATE_READ': ('sys/mman.h', 'MADV_POPULATE_READ'),
    'STRERRORDESC_NP': ('string.h', 'strerrordesc_np'),
}
COMPILE_LIMIT_S = 120


class Builder:
    def __init__(self, folder=None, jobs=None):
        self.folder = os.path.abspath(folder or os.path.join(ROOT, 'build-labs'))  # programs start elsewhere
        self.cc = shlex.split(os.environ.get('CC', '')) or ['cc']
        self.jobs = jobs or processors()
        self.libraries = toml(os.path.join(TOOL, 'libraries.toml'))
        self.n_compiled = 0
        self.done = {}
        self.over = []  # include folders before the project's
        self.cut_out = []  # sources of the project that a student writes
        self._flags = None
        self._system = None
        self._assembler = None
        self.preparing = threading.Lock()  # several submissions may be built at a time

    def __enter__(self):
        """One build at a time in a folder."""
        os.makedirs(self.folder, exist_ok=True)
        self.lock = open(os.path.join(self.folder, 'lock'), 'w', encoding='utf-8')
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_):
        self.lock.close()

    def run(self, command):
        status, out, complaint = self.run_apart(command)
        return status, out + complaint

    @staticmethod
    def run_apart(command, **how):
        """(status, what it prints, what it complains of)."""
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors='replace', timeout=COMPILE_LIMIT_S,
                                  check=False, stdin=subprocess.DEVNULL, **how)
        except subprocess.TimeoutExpired:
            return 1, '', f'{command[0]} took more than {COMPILE_LIMIT_S} s'
        except OSError as e:
            raise LabError(f'{command[0]}: {e.strerror}. ./lab doctor lists what is needed') from None
        return done.returncode, done.stdout, done.stderr

    def flags(self):
        if self._flags is None:
            self._flags = list(FLAGS)
            for name, (header, symbol) in PROBES.items():
                code = f'#define _GNU_SOURCE\n#include <{header}>\nint main(void)\n{{\n#ifndef {symbol}\n(void)sizeof({symbol});\n#endif\nreturn 0;\n}}\n'
                done = subprocess.run([*self.cc, '-x', 'c', '-fsyntax-only', '-'], input=code, text=True, capture_output=True,
                                      check=False)
                if done.returncode != 0:
                    self._flags.append(f'-DWITHOUT_{name}=1')
        return self._flags

    def object(self, source, variant, extra=(), to=None, over=None):
        """(path of the object, the compiler's complaint or None). over: include folders before the project's."""
        flags = [*(f'-I{folder}' for folder in (self.over if over is None else over)), *self.flags(), *VARIANTS[variant], *extra]
        tag = hashlib.sha256(' '.join(self.cc + flags).encode()).hexdigest()[:12]
        path = to or os.path.join(self.folder, variant, tag, os.path.relpath(source, ROOT).replace(os.sep, '-')[:-2] + '.o')
        if not to and is_fresh(path):
            return path, None
        os.makedirs(os.path.dirname(path), exist_ok=True)
        deps = path + '.d'
        status, text = self.run([*self.cc, *flags, '-MMD', '-MF', deps, '-c', source, '-o', path + '.part'])
        if status != 0:
            return path, text
        os.replace(path + '.part', path)
        self.n_compiled += 1
        return path, None

    def objects(self, sources, variant):
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            made = list(pool.map(lambda s: self.object(s, variant, of_cell(s, variant)), sources))
        for path, complaint in made:
            if complaint:
                raise GraderError(f'{os.path.basename(path)} of the project could not be built:\n{complaint[:2000]}')
        return [path for path, _ in made]

    @staticmethod
    def is_sanitized(variant):
        return any(flag.startswith('-fsanitize') for flag in VARIANTS[variant])

    def library(self, name, variant):
        if (name, variant) in self.done:
            return self.done[name, variant]
        if name not in self.libraries:
            raise GraderError(f'libraries.toml has no {name}')
        entry = self.libraries[name]
        objects = self.objects(find(entry['sources'], [*entry.get('without', ()), *self.cut_out]), variant)
        # Labs without headers of their own share a folder, and what is cut out of a library differs.
        members = hashlib.sha256(' '.join(objects).encode()).hexdigest()[:8]
        path = os.path.join(os.path.dirname(objects[0]), f'lib{name}-{members}.a')
        if not os.path.exists(path) or any(os.path.getmtime(o) > os.path.getmtime(path) for o in objects):
            if os.path.exists(path):
                os.remove(path)
            status, text = self.run(['ar', 'rcs', path, *objects])
            if status != 0:
                raise GraderError(text)
        self.done[name, variant] = path
        return path

    def prepare(self, lab, programs):
        """All that is not the student's, so that a student's build is one compilation and some links."""
        with self.preparing:
            self.declare(lab)
            for program in programs:
                variant = program.get('variant', 'plain')
                self.objects(find(program['sources']), variant)
                self.objects(given(lab, program), variant)
                for name in self.names(program):
                    self.library(name, variant)

    def declare(self, lab):
        """For a lab with headers: the engine is built with its own, in which the inline functions that a student
        writes are only declared."""
        self.cut_out = [os.path.relpath(path, ROOT) for path in lab.elsewhere.values()]
        self.over = [os.path.join(self.folder, 'over', f'lab{lab.number}')] if lab.headers() else []
        for short, name in lab.headers().items():
            path, text = os.path.join(self.over[0], name), declared(read(lab.path(short)), lab.out_of_line)
            if not os.path.exists(path) or read(path) != text:
                write(path, text)

    def names(self, program):
        """The libraries of a program, in the order of linking; `engine`: the floors that it needs, else all."""
        floors = [n for n, entry in self.libraries.items() if entry.get('engine')]
        unknown = set(program.get('engine', [])) - set(floors)
        if unknown:
            raise GraderError(f'{program["name"]}: no floor {", ".join(unknown)}')
        return [*program.get('libs', []), 'check_main', *[n for n in floors if n in program.get('engine', floors)]]

    def student(self, lab, folder, out, variant, names=None):
        """({file: object}, {file: what is wrong with it}) of a student's files that are there, and of the glue to their headers.
        names: these files alone."""
        made, faults, over = {}, {}, os.path.join(out, 'over')
        for short, name in lab.headers().items():
            if os.path.exists(os.path.join(folder, short)):
                os.makedirs(os.path.dirname(os.path.join(over, name)), exist_ok=True)
                shutil.copyfile(os.path.join(folder, short), os.path.join(over, name))
        mine = [os.path.join(folder, n) for n in lab.files if n not in lab.headers() and (names is None or n in names)]
        for source in [*filter(os.path.exists, mine), *(os.path.join(ROOT, n) for n in lab.glue)]:
            name = os.path.basename(source)
            try:
                made[name] = self.student_object(lab, source, variant, os.path.join(out, f'{variant}-{name[:-2]}'), over)
            except LabError as e:
                faults[name] = str(e)
        return made, faults

    def student_object(self, lab, source, variant, to, over=''):
        """The object of a file, or LabError: the compiler's complaint, or what the file must not be made of. to: its path without
        an ending."""
        name = os.path.basename(source)
        flags = [f'-I{over}'] * bool(over) + [*self.flags(), *VARIANTS[variant], *STUDENT_FLAGS]
        lines = self.student_lines(lab, source, flags, to, over)
        if self.is_sanitized(variant) and lines != self.student_lines(lab, source, [f for f in flags if f not in VARIANTS[variant]], to, over):
            raise LabError(f'refused before it was run: {name} is another code under a sanitizer than without one: what would the sanitizer prove?')
        status, complaint = self.run([*self.cc, *flags, *self.assembler(), '-S', source, '-o', to + '.s'])
        if status != 0:
            raise LabError(f'{name} does not compile:\n{complaint[:4000]}')
        # What the assembler says is not shown: it may show lines of a file that it was told to read.
        folder, short = os.path.split(to)
        if not self.assemble(short, self.assembler(), folder):
            raise LabError(f'{name} does not compile: the assembler refuses what the compiler made of it')
        # It names the C file too, which it has not read.
        read_by_it = [os.path.join(folder, n) for n in text_of.made_of(read(to + '.s.d')) if n not in (name, short + '.s')]
        text_of.refuse_strangers(name, read_by_it, [], [], [ROOT])
        return to + '.o'

    def student_lines(self, lab, source, flags, to, over):
        """A student's own lines of a file, as the compiler gets them."""
        name, mine = os.path.basename(source), [os.path.join(over, n) for n in lab.headers().values()]
        if os.path.relpath(source, ROOT) not in lab.glue:
            mine.append(source)
        for path in filter(os.path.exists, mine):
            with open(path, encoding='latin-1') as f:
                found = text_of.directive(f.read())
            if found:
                raise LabError(f'refused before it was run: {os.path.basename(path)} has {found}')
        status, out, complaint = self.run_apart([*self.cc, *flags, '-E', '-MD', '-MF', to + '.d', source])
        if os.path.exists(to + '.d'):
            text_of.refuse_strangers(name, text_of.made_of(read(to + '.d')), [os.path.realpath(p) for p in [source, *mine]], self.system(),
                                     [*lab.elsewhere.values(), MINE, self.folder], lab.of_tests)
            os.remove(to + '.d')
        if status != 0:
            raise LabError(f'{name} does not compile:\n{text_of.complaint(complaint)}')
        lines = text_of.own_lines(out, mine)
        found = text_of.words(lines)
        if found:
            raise LabError(f'refused before it was run: {name} has ' + '; '.join(found))
        return lines

    def system(self):
        """The folders of the system's headers."""
        if self._system is None:
            _, _, said = self.run_apart([*self.cc, '-E', '-v', '-x', 'c', os.devnull])
            self._system = text_of.include_folders(said)
            if not self._system:
                raise GraderError(f'{" ".join(self.cc)} does not say where the headers of the system are')
        return self._system

    def assembler(self):
        """Flags with which the compiler calls an assembler that says what it has read: an `.incbin` takes in any file."""
        if self._assembler is None:
            with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                write(os.path.join(folder, 'a.s'), '')
                works = [flags for flags in ([], ['-fno-integrated-as']) if self.assemble('a', flags, folder)]
            if not works:
                raise GraderError(f'{" ".join(self.cc)} has no assembler that knows --MD: binutils are needed')
            self._assembler = works[0]
        return self._assembler

    def assemble(self, name, flags, folder):
        """Whether the assembler makes an object of name.s, and says in name.s.d what it has read. A cache of objects would not say it."""
        command = [*self.cc, *flags, '-c', name + '.s', '-o', name + '.o', f'-Wa,--MD,{name}.s.d']
        status, _, _ = self.run_apart(command, cwd=folder, env={**os.environ, 'CCACHE_DISABLE': '1'})
        return status == 0 and os.path.exists(os.path.join(folder, name + '.s.d'))

    def link(self, lab, program, mine, out):
        """A program around the student's objects."""
        variant = program.get('variant', 'plain')
        path = os.path.join(out, f'{variant}-{program["name"]}')
        command = [*self.cc, *VARIANTS[variant], *LINK_FLAGS, '-o', path, *self.objects(find(program['sources']), variant),
                   *[mine[name] for name in [*lab.files_of(program), *map(os.path.basename, lab.glue)] if name in mine], *program.get('objects', []), *self.objects(given(lab, program), variant),
                   *[self.library(n, variant) for n in self.names(program)],
                   *external(program), *program.get('link', ()), '-lpthread']
        status, text = self.run(command)
        if status != 0:
            raise link_failed(lab, text)
        return path

    def nothing(self, variant, folder):
        """A program of this variant that does nothing."""
        source, path = os.path.join(folder, 'nothing.c'), os.path.join(folder, 'nothing')
        write(source, 'int main(void)\n{\n\treturn 0;\n}\n')
        status, text = self.run([*self.cc, *VARIANTS[variant], '-o', path, source])
        if status != 0:
            raise GraderError(text)
        return path


def processors(groups='/sys/fs/cgroup'):
    """How many this process may use: a container's quota counts, of both versions of cgroups."""
    n = len(os.sched_getaffinity(0))
    for paths in (['cpu.max'], ['cpu/cpu.cfs_quota_us', 'cpu/cpu.cfs_period_us']):
        try:
            quota, period = ' '.join(read(os.path.join(groups, path)) for path in paths).split()
            if int(quota) > 0 and int(period) > 0:
                n = min(n, max(1, -(-int(quota) // int(period))))
        except (OSError, ValueError):  # no such file, or no quota: `max`
            pass
    return n


def given(lab, program):
    """Sources of the project that stand before the engine's."""
    return [os.path.join(ROOT, s) for s in program.get('given', lab.given)]


def declared(text, names):
    """A header in which these inline functions have no bodies."""
    for name in names:
        text, n = re.subn(r'^static inline (\w[^;{}]*?\b' + name + r'\([^;{}]*\))\n\{\n.*?^\}$', r'\1;', text, flags=re.M | re.S)
        if n != 1:
            raise GraderError(f'the function {name}() is defined {n} times')
    return text


def external(program):
    args = []
    for name in ['check', 'libxxhash', *program.get('packages', [])]:
        done = subprocess.run(['pkg-config', '--libs', name], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LabError(f'{name} is not installed: ./lab doctor')
        args += done.stdout.split()
    return args


def link_failed(lab, text):
    """Whose fault it is: of a student's objects it is known what they use and define (objects.py), so only
    a name that the lab asks for can be missing."""
    missing = set(re.findall(r'undefined reference to .(\w+)', text))
    if missing and missing <= lab.exports:
        return LabError(f'your files do not define {", ".join(sorted(missing))}, which the lab asks for; '
                        'is the name spelled as in the header, and not `static`?')
    return GraderError('the project\'s own parts do not link:\n' + '\n'.join(text.split('\n')[:12]))


def find(patterns, without=()):
    sources = []
    for pattern in patterns:
        found = sorted(glob.glob(os.path.join(ROOT, pattern)))
        if not found:
            raise GraderError(f'no source {pattern}')
        sources += [f for f in found if os.path.relpath(f, ROOT) not in without]
    return sources


def is_fresh(path):
    try:
        made = os.path.getmtime(path)
        with open(path + '.d', encoding='utf-8') as f:
            deps = f.read().replace('\\\n', ' ').split(':', 1)[1].split()
        return all(os.path.getmtime(d) <= made for d in deps)
    except (OSError, IndexError):
        return False


def links_with(flag):
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run([*(shlex.split(os.environ.get('CC', '')) or ['cc']), flag, '-x', 'c', '-', '-o', os.path.join(folder, 'a')],
                                  input='int main(void) { return 0; }\n', text=True, capture_output=True, check=False)
        except OSError:
            return False
    return done.returncode == 0


def of_cell(source, variant):
    """What the cell of an experiment is told of its own build (experiments/meson.build): the harness refuses one that is not optimized."""
    if os.path.relpath(source, ROOT) != os.path.join('experiments', 'cell', 'main.c'):
        return []
    level = next((flag for flag in reversed([*FLAGS, *VARIANTS[variant]]) if flag.startswith('-O')))[2:]
    return [f'-DCELL_OPTIMIZATION="{level}"', '-DCELL_SANITIZER="none"', '-DCELL_COVERAGE=0', '-DCELL_HOSTILE=0']


def optional():
    """What a few commands need and no test does: pairs as of doctor()."""
    yield shutil.which('gdb') is not None, 'gdb: the debugger, for ./lab test N ID --gdb (Debian: gdb)'
    yield shutil.which('meson') is not None and shutil.which('ninja') is not None, 'meson and ninja: for ./lab measure 7 alone (Debian: meson, ninja-build)'


def doctor():
    """Pairs of whether it is there and what it is."""
    yield sys.version_info >= (3, 11), 'Python 3.11 or later'
    for name, why in (('cc', 'a C compiler (gcc or clang)'), ('ar', 'binutils'), ('nm', 'binutils'), ('objdump', 'binutils'),
                      ('pkg-config', 'pkg-config')):
        yield shutil.which(os.environ.get('CC', name).split()[-1] if name == 'cc' else name) is not None, f'{name}: {why}'
    yield links_with('-fsanitize=thread'), 'ThreadSanitizer: comes with the compiler (the long tests of some labs)'
    for name in ('check', 'libxxhash', 'sqlite3'):
        have = shutil.which('pkg-config') and subprocess.run(['pkg-config', '--exists', name], check=False).returncode == 0
        yield bool(have), f'{name}: a library (Debian: check, libxxhash-dev, libsqlite3-dev)'
