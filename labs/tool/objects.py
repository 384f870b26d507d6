# SPDX-License-Identifier: MIT
"""What a student's object may use, looked at before anything of it runs.

A test program is one process: code in it could write any result. So an object may use the names on the
lab's list alone, defines none but those that the lab asks for, runs nothing before main() and enters the
kernel by no instruction of its own. Its code lies where the compiler puts code, and nowhere else can it be run:
what looks like data is data. Where a lab cuts the power in the process that it judges, an object has no memory that
would survive that (lab.toml, statics).
"""
import platform
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
# The bytes of such instructions in a number, or in the offset of a field: whoever jumps into the middle of the instruction that holds it
# runs them. Not those that two instructions have together: of 412 objects of the engine 3 have some, and no student could help it.
NUMBER = re.compile(r'(-?)0x([0-9a-f]+)')
HIDDEN = {'x86_64': (b'\x0f\x05', b'\x0f\x34', b'\xcd\x80')}
SECTION = re.compile(r'^\s*\d+ (\S+)\s+([0-9a-f]+)(?:\s+[0-9a-f]+){3}\s+2\*\*\d+\s+(.*)$')
# What compilers make, with or without a sanitizer.
SECTIONS = re.compile(r'^\.(text|data|bss|rodata|tdata|tbss|eh_frame|gcc_except_table|note|(pre)?init_array|fini_array|[cd]tors)(\.|$)')
SANITIZER_SECTIONS = re.compile(r'^(asan_globals|__sancov_\w+)$')
CHANGES = re.compile(r'^(\.data(?!\.rel\.ro)|\.bss|\.tdata|\.tbss|\*COM\*)')
SYMBOL = re.compile(r'^[0-9a-f]+ .{7} (\S+)\t([0-9a-f]+)\s+(?:\.\w+ )?(\S+)$', re.M)


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
    code = _output(['objdump', '-d', path])
    enters = ENTERS.search(code)
    if enters:
        found.append(f'it has the instruction `{enters.group(1)}`: only the engine calls the kernel')
    for sign, number in NUMBER.findall(re.sub(r'<[^<>]*>', '', code)):  # not where a jump goes to: <f+0x50f>
        held = (-int(number, 16) % (1 << 32) if sign else int(number, 16)).to_bytes(max(4, (len(number) + 1) // 2), 'little')
        if any(hidden in held for hidden in HIDDEN.get(platform.machine(), ())):
            found.append(f'the number {sign}0x{number} has the bytes of an instruction that calls the kernel: write it as a sum of two, or move '
                         'the field that lies so far from the beginning')
    return found + _places(path, sanitized) + (_memory(path, lab) if getattr(lab, 'statics', None) is not None and not sanitized else [])


def sections(path):
    """{name: (bytes, flags)}; those of one name together."""
    found = {}
    for line in _output(['objdump', '-h', '-w', path]).splitlines():
        if not re.match(r'\s*\d+ ', line):
            continue
        match = SECTION.match(line)
        name, size, flags = match.groups() if match else (line.strip(), '0', 'ALLOC')
        before = found.get(name, (0, set()))
        found[name] = (before[0] + int(size, 16), before[1] | set(flags.split(', ')))
    return found


def _places(path, sanitized):
    """Code that is data too, and the other way round."""
    found = []
    for name, (_, flags) in sections(path).items():
        is_code = 'CODE' in flags
        if name == '.note.GNU-stack':
            if is_code:
                found.append('it wants a stack that can be run as code (a function in a function, whose address is taken?)')
        elif is_code and 'READONLY' not in flags:
            found.append(f'its section {name} can be written and run')
        elif is_code != bool(re.match(r'\.text(\.|$)', name)):
            found.append(f'its section {name} holds {"code" if is_code else "data"}: code lies in .text, and nothing else does')
        elif 'ALLOC' in flags and not SECTIONS.match(name) and not (sanitized and SANITIZER_SECTIONS.match(name)):
            found.append(f'it has a section {name}, which no compiler makes of C')
    return found


def _memory(path, lab):
    """Static memory that can change, beside what lab.toml names."""
    names = {re.sub(r'\.\d+$', '', name) for section, size, name in SYMBOL.findall(_output(['objdump', '-t', path]))
             if CHANGES.match(section) and int(size, 16) > 0} - set(lab.statics)
    if not names and not lab.statics and any(size for name, (size, _) in sections(path).items() if CHANGES.match(name)):
        names = {'without a name'}
    return [f'it has static memory that can change ({", ".join(sorted(names))}): it would survive the power cut'] if names else []
