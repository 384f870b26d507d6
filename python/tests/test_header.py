#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the Python module knows of the C interface is what the headers say: sizes, places, numbers, calls, and all of
them.

usage: test_header.py ROOT COMPILER...
"""
import ctypes
import enum
import os
import re
import subprocess
import sys
import tempfile
import unittest

ROOT, COMPILER = sys.argv[1], sys.argv[2:]
sys.path[:0] = [os.path.join(ROOT, 'python'), os.path.join(ROOT, 'tests')]
import unit_main  # noqa: E402
import verso  # noqa: E402
from verso import _library  # noqa: E402

STRUCTS = {'verso_val': _library.Result, 'verso_options': _library.OptionsStruct,
           'verso_stat': _library.StatStruct, 'verso_range': _library.RangeStruct, 'verso_table_stat': _library.TableStatStruct,
           'verso_space': _library.SpaceStruct, 'verso_compact': _library.CompactStruct, 'verso_watch': _library.WatchStruct}
ENUMS = {'VERSO_': verso.Pager, 'VERSO_SYNC_': verso.Sync, 'VERSO_COMMIT_': verso.CommitMode,
         'VERSO_MADVISE_': verso.Madvise, 'VERSO_MAP_': verso.MapWriting, 'VERSO_CHECKSUM_': verso.Checksum,
         'VERSO_IO_': verso.Io, 'VERSO_POLICY_': verso.Policy, 'VERSO_ADVICE_': verso.Advice}
# Calls that Python does not make, each with its reason.
NOT_CALLED = {
    'verso_cursor_open': 'verso_cursor_open_range() of all records is the same',
    'verso_cursor_first': 'an iterator begins there, and goes one way',
    'verso_cursor_last': 'the same, of one with reverse=True',
    'verso_cursor_prev': 'an iterator goes one way; reverse=True is the other',
    'verso_cursor_seek': 'the range of an iterator says where it begins',
    'verso_cursor_get': 'an iterator has given the record where it stands',
    'verso_cursor_put': 'txn[key] = value, of the key where it stands',
    'verso_cursor_del': 'del txn[key], of the key where it stands',
}
# What the module has for a type of C; of a `const void *` it has bytes.
TYPES = {
    'void': None, 'int': ctypes.c_int, 'unsigned': ctypes.c_uint, 'size_t': ctypes.c_size_t, 'uint32_t': ctypes.c_uint32,
    'uint64_t': ctypes.c_uint64, 'enum verso_advice': ctypes.c_int, 'struct verso_val': _library.KeyArgument,
    'const char *': ctypes.c_char_p, 'const void *': ctypes.c_char_p, 'void *': _library.Pointer,
    'void **': ctypes.POINTER(_library.Pointer), 'int *': ctypes.POINTER(ctypes.c_int),
    'size_t *': ctypes.POINTER(ctypes.c_size_t), 'uint64_t *': ctypes.POINTER(ctypes.c_uint64),
    'struct verso_val *': ctypes.POINTER(_library.Result), 'const struct verso_val *': ctypes.POINTER(_library.KeyArgument),
    'const struct verso_event *': _library.Pointer, 'verso_table_fn *': _library.EACH_TABLE, 'verso_copy_fn *': _library.EACH_STEP,
    'verso_check_fn *': _library.EACH_FINDING,
    **{f'struct {name} *': _library.Pointer for name in ('verso', 'verso_txn', 'verso_table', 'verso_cursor')},
    **{f'struct {name} **': ctypes.POINTER(_library.Pointer) for name in ('verso', 'verso_txn', 'verso_table', 'verso_cursor')},
    **{f'struct {name} *': ctypes.POINTER(struct) for name, struct in STRUCTS.items() if name != 'verso_val'},
    **{f'const struct {name} *': ctypes.POINTER(struct) for name, struct in STRUCTS.items() if name != 'verso_val'},
}
CALL = re.compile(r'^(?!typedef)([a-z][^;{}()=#]*?)\b(verso_[a-z_]+)\(([^()]*)\);', re.M)
CALLBACK = re.compile(r'^typedef ([a-z ]+?) ?(verso_[a-z_]+)\(([^()]*)\);', re.M)
C_NAMES = {'TWO_Q': '2Q', 'ANY': 'PAGER_ANY'}


def numbers(*expressions):
    """What C expressions are."""
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, 'a.c')
        with open(source, 'w', encoding='utf-8') as f:
            f.write('#include "verso.h"\n#include <stdio.h>\n#include <stddef.h>\nint main(void)\n{\n')
            f.writelines(f'printf("%lld\\n", (long long)({e}));\n' for e in expressions)
            f.write('return 0;\n}\n')
        subprocess.run([*COMPILER, '-I', os.path.join(ROOT, 'include'), '-o', source[:-2], source], check=True)
        return [int(n) for n in subprocess.run([source[:-2]], check=True, capture_output=True).stdout.split()]


def headers():
    text = ''
    for name in sorted(os.listdir(os.path.join(ROOT, 'include'))):
        if name.endswith('.h'):
            with open(os.path.join(ROOT, 'include', name), encoding='utf-8') as f:
                text += f.read()
    return re.sub(r'/\*.*?\*/', '', text, flags=re.S)


def members(enumeration):
    """The constants of an enum of the headers."""
    body = re.search(r'enum ' + enumeration + r' {(.*?)}', headers(), re.S).group(1)
    return set(re.findall(r'\b(VERSO_\w+)', body))


def as_ctypes(text):
    """What the module should have for a parameter of C, named or not, or for a result."""
    words = re.sub(r'\s+', ' ', text).strip()
    if words not in TYPES: # else it has no name
        words = re.match(r'(.*?)\w+$', words).group(1).strip()
    return TYPES[words]


def declared(pattern):
    """Name to result and arguments, of the calls that the headers declare."""
    found = {}
    for result, name, arguments in pattern.findall(headers()):
        types = [] if arguments == 'void' else [as_ctypes(a) for a in arguments.split(',')]
        found[name] = (as_ctypes(result), types)
    return found


class Header(unittest.TestCase):
    def test_structs_have_the_same_layout(self):
        for name, struct in STRUCTS.items():
            fields = [f[0] for f in struct._fields_]
            members_ = [f.rstrip('_') for f in fields] # `from` is a word of Python
            found = numbers(f'sizeof(struct {name})', *[f'offsetof(struct {name}, {f})' for f in members_],
                            *[f'sizeof(((struct {name} *)0)->{f})' for f in members_])
            ours = [ctypes.sizeof(struct), *[getattr(struct, f).offset for f in fields],
                    *[getattr(struct, f).size for f in fields]]
            self.assertEqual(found, ours, name)

    def test_enums_have_the_same_numbers(self):
        for prefix, ours in ENUMS.items():
            names = [prefix + C_NAMES.get(m.name, m.name) for m in ours]
            self.assertEqual(numbers(*names), [m.value for m in ours], prefix)

    def test_no_constant_of_an_option_is_missing(self):
        for enumeration, prefix in (('verso_pager', 'VERSO_'), ('verso_sync', 'VERSO_SYNC_'),
                                    ('verso_commit_mode', 'VERSO_COMMIT_'), ('verso_madvise', 'VERSO_MADVISE_'),
                                    ('verso_map_writing', 'VERSO_MAP_'), ('verso_checksum', 'VERSO_CHECKSUM_'),
                                    ('verso_io', 'VERSO_IO_'), ('verso_policy', 'VERSO_POLICY_'),
                                    ('verso_advice', 'VERSO_ADVICE_')):
            ours = {prefix + C_NAMES.get(m.name, m.name) for m in ENUMS[prefix]}
            self.assertEqual(members(enumeration) - {'VERSO_POLICIES', 'VERSO_PAGERS'}, ours, enumeration)

    def test_flags_have_the_same_numbers(self):
        values = [f.value for f in verso.Flags]
        self.assertEqual(numbers(*['VERSO_' + f.name for f in verso.Flags]), values)
        others = ['WRITE', 'NOOVERWRITE', 'CHECK_TREES', 'APPEND', 'REVERSE', 'ESTIMATE', 'COPY_COMPACT',
                  'COPY_REPLACE', 'NOTFOUND', 'EXISTS', 'MORE']
        self.assertEqual(numbers(*['VERSO_' + n for n in others]), [getattr(_library, n) for n in others])
        self.assertEqual(numbers('VERSO_UNKNOWN == UINT64_MAX', 'VERSO_NO_READAHEAD == SIZE_MAX', 'VERSO_BUSY_FOREVER'),
                         [1, 1, verso.BUSY_FOREVER])
        self.assertEqual(verso.NO_READAHEAD, _library.UNKNOWN)

    def test_each_error_has_a_class(self):
        codes = sorted(n for n in members('verso_code') if n.startswith('VERSO_E') and n != 'VERSO_EXISTS')
        found = dict(zip(numbers(*codes), codes))
        self.assertEqual(set(found), {code for code in _library.ERRORS if code < -20000})
        self.assertEqual(verso.EndedError('').code, numbers('VERSO_EMISUSE')[0])

    def test_each_call_is_there_or_has_a_reason_not_to_be(self):
        calls = set(declared(CALL))
        self.assertGreater(len(calls), 45)
        self.assertEqual(calls - set(_library.PROTOTYPES), set(NOT_CALLED))
        self.assertEqual(set(_library.PROTOTYPES) - calls, set())

    def test_calls_have_the_types_of_the_headers(self):
        calls = declared(CALL)
        for name, (result, arguments) in _library.PROTOTYPES.items():
            self.assertEqual((result, arguments), calls[name], name)

    def test_callbacks_have_the_types_of_the_headers(self):
        calls = declared(CALLBACK)
        for name, ours in (('verso_table_fn', _library.EACH_TABLE), ('verso_copy_fn', _library.EACH_STEP),
                           ('verso_check_fn', _library.EACH_FINDING)):
            self.assertEqual((ours._restype_, list(ours._argtypes_)), calls[name], name)

    def test_what_is_public_has_a_name_and_a_docstring(self):
        for name in verso.__all__:
            self.assertTrue(getattr(verso, name).__doc__, name)
        public = {n for n, v in vars(verso).items() if isinstance(v, type) and v.__module__.startswith('verso')
                  and not n.startswith('_') and not issubclass(v, ctypes.Structure)}
        self.assertEqual(public - set(verso.__all__), set())
        self.assertTrue(issubclass(verso.Pager, enum.IntEnum))


if __name__ == '__main__':
    unit_main.main()
