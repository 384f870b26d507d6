# SPDX-License-Identifier: MIT
"""What a student's object may use, looked at before anything of it runs.

A test program is one process: code in it could write any result. So an object may use the names on the
lab's list alone, defines none but those that the lab asks for, runs nothing before main() and enters the
kernel by no instruction of its own.
"""
import re
import subprocess

from common import GraderError

# What compilers put in by themselves.
FREE = re.compile(r'^(__stack_chk_fail|_GLOBAL_OFFSET_TABLE_)$')
# What compilers make of an allowed name: _FORTIFY_SOURCE, which some systems switch on, checks the size of what is copied
# to; clang compares with bcmp() where only equality is asked.
MADE_OF = {**{f'__{name}_chk': name for name in ('memcpy', 'memmove', 'memset', 'mempcpy')}, 'bcmp': 'memcmp'}
# Calls that the sanitizers' compilers make. Not those by which a program would set a sanitizer up, or hide a race from it.
SANITIZER = re.compile(r'^__((asan(?!_set_(?!shadow_))|ubsan_handle)_\w+|tsan_(init|func_(entry|exit)|vptr_(update|read)|mem(cpy|move|set)|'
                       r'(unaligned_)?(volatile_)?(read|write|read_write)(\d+|_range)(_pc)?|atomic\d+_\w+|atomic_(thread|signal)_fence))$')
EARLY = re.compile(r'^\s*\d+ (\.(?:pre)?init(?:_array)?\S*|\.fini(?:_array)?\S*|\.ctors\S*|\.dtors\S*)\s+([0-9a-f]+)', re.M)
ENTERS = re.compile(r'\t(syscall|sysenter|int +\$0x80|svc\b.*)')


def _output(command):
    done = subprocess.run(command, capture_output=True, text=True, errors='replace', check=False)
    if done.returncode != 0:
        raise GraderError(f'{command[0]}: {done.stderr.strip()}')
    return done.stdout


def findings(path, lab, sanitized=False):
    """Sentences on what is wrong with an object; none: it may run. sanitized: a sanitizer put in calls and a
    constructor of its own."""
    found = []
    for line in _output(['nm', path]).splitlines():
        kind, name = line.split()[-2:]
        if kind in 'Uwv' and len(line.split()) == 2:
            if MADE_OF.get(name, name) not in lab.symbols and name not in lab.exports and not FREE.match(name) and not (sanitized and SANITIZER.match(name)):
                found.append(f'it uses {name}(), which this lab does not allow (lab.toml lists what it does)')
        elif kind == 'i':
            found.append(f'{name} is chosen by a function when the program starts: not allowed')
        elif (kind.isupper() or kind in 'wvu') and name not in lab.exports and not (sanitized and name.startswith('__odr_asan.')):
            found.append(f'it defines {name} for other files; make it `static`')
    for section, size in EARLY.findall(_output(['objdump', '-h', path])) if not sanitized else []:
        if int(size, 16) > 0:
            found.append(f'it has a section {section}: code that runs before or after the tests')
    enters = ENTERS.search(_output(['objdump', '-d', path]))
    if enters:
        found.append(f'it has the instruction `{enters.group(1)}`: only the engine calls the kernel')
    return found
