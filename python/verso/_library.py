# SPDX-License-Identifier: MIT
"""The C library by ctypes: its constants, structs, calls, and errors as exceptions.

tests/test_header.py holds all of it to the headers.
"""
from __future__ import annotations

import ctypes
import enum
import errno as _errno
import os
from ctypes import POINTER, c_char, c_char_p, c_int, c_size_t, c_uint, c_uint32, c_uint64
from ctypes import c_void_p
from typing import Any, Union

Buffer = Union[bytes, bytearray, memoryview]
Pointer = c_void_p


class Pager(enum.IntEnum):
    """How pages reach memory. The file is the same."""

    BUFPOOL = 0
    MMAP = 1
    VMCACHE = 2
    ANY = 64


class Sync(enum.IntEnum):
    """What a commit survives once it has returned."""

    FULL = 0
    RELAXED = 1
    PROCESS = 2


class CommitMode(enum.IntEnum):
    """How a commit becomes durable."""

    BEST = 0
    TWO_FLUSH = 1
    ONE_FLUSH = 2


class Madvise(enum.IntEnum):
    """How the kernel is advised to read ahead, for Pager.MMAP."""

    RANDOM = 0
    NORMAL = 1
    SEQUENTIAL = 2
    POPULATE = 3
    CURSOR = 4


class MapWriting(enum.IntEnum):
    """How the pages of Pager.MMAP reach the file."""

    HEAP = 0
    PRIVATE = 1
    SHARED = 2


class Checksum(enum.IntEnum):
    """When a page's checksum is verified."""

    ONCE = 0
    NONE = 1
    ALWAYS = 2


class Io(enum.IntEnum):
    """How a pager reaches the kernel."""

    BEST = 0
    URING = 1
    THREADS = 2
    SYNC = 3


class Policy(enum.IntEnum):
    """Which page the pool evicts when it needs a frame."""

    CLOCK = 0
    SIEVE = 1
    FIFO = 2
    LRU = 3
    TWO_Q = 4
    RANDOM = 5


class Advice(enum.IntEnum):
    """What is known of the use of a range of records."""

    WILLNEED = 0
    COLD = 1


class Flags(enum.IntFlag):
    """More of how a database is opened; CREATE, EXCL and RDONLY are open()'s arguments create, new and readonly."""

    CREATE = 1 << 0
    EXCL = 1 << 1
    RDONLY = 1 << 2
    COPY = 1 << 3
    ANY_FS = 1 << 4
    BUFFERED = 1 << 5
    SMALL_PAGES = 1 << 6
    PIN_INNER = 1 << 7
    NO_VERIFY = 1 << 11
    EXCLUSIVE = 1 << 13
    IMMUTABLE = 1 << 14


WRITE = 1 << 8
NOOVERWRITE = 1 << 9
CHECK_TREES = 1 << 10
APPEND = 1 << 12
REVERSE = 1 << 16
ESTIMATE = 1 << 17
COPY_COMPACT = 1 << 18
COPY_REPLACE = 1 << 19
NOTFOUND = 1
EXISTS = 2
MORE = 3
UNKNOWN = (1 << 64) - 1
BUSY_FOREVER = (1 << 32) - 1 # for busy_timeout_ms: without end
NO_READAHEAD = (1 << 64) - 1 # for readahead_pages: nothing is read before it is needed


class Error(Exception):
    """What the library could not do. The text says what was being done, what was found, what to try."""

    def __init__(self, code: int, text: str):
        super().__init__(text)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return self.text


class CorruptError(Error):
    """A page is not what its parent says: the file is damaged."""


class NotDatabaseError(Error):
    """The file is not a database of Verso."""


class VersionError(Error):
    """The file is of another version."""


class PoisonedError(Error):
    """A flush failed: nothing more is written until the database is opened again."""


class AbortOnlyError(Error):
    """An earlier call of the transaction failed half-way: it can only be aborted."""


class BusyError(Error):
    """Another process, pager or transaction has it."""


class PinnedError(Error):
    """Open cursors hold every frame of the pool."""


class TooBigError(Error):
    """A key or a value beyond the limit, which the text names."""


class MisuseError(Error):
    """A wrong argument or order of calls."""


class EndedError(MisuseError):
    """The transaction has ended, or its database was closed."""

    def __init__(self, text: str):
        super().__init__(-20009, text)


class DeviceError(Error):
    """The device failed, or the file was cut under a live map."""


class FullError(Error):
    """The largest file of its format."""


class SystemCallError(Error, OSError):
    """A system call failed; `errno` is its number."""

    def __init__(self, code: int, text: str):
        Error.__init__(self, code, text)
        self.errno = -code
        self.strerror = os.strerror(-code)


class MissingFileError(SystemCallError, FileNotFoundError):
    """No such file."""


class ExistingFileError(SystemCallError, FileExistsError):
    """There is a file of that name."""


class PermissionDeniedError(SystemCallError, PermissionError):
    """No permission for the file."""


class FolderError(SystemCallError, IsADirectoryError):
    """A folder, where a file is wanted."""


class NoFolderError(SystemCallError, NotADirectoryError):
    """A part of the path is no folder."""


class ClosedPipeError(SystemCallError, BrokenPipeError):
    """Nobody reads the copy any more."""


ERRORS: dict[int, type[Error]] = {
    -20001: CorruptError, -20002: NotDatabaseError, -20003: VersionError, -20004: PoisonedError,
    -20005: AbortOnlyError, -20006: BusyError, -20007: PinnedError, -20008: TooBigError, -20009: MisuseError,
    -20010: DeviceError, -20011: FullError, -_errno.ENOENT: MissingFileError,
    -_errno.EEXIST: ExistingFileError, -_errno.EACCES: PermissionDeniedError, -_errno.EPERM: PermissionDeniedError,
    -_errno.EISDIR: FolderError, -_errno.ENOTDIR: NoFolderError, -_errno.EPIPE: ClosedPipeError,
}


class KeyArgument(ctypes.Structure):
    """struct verso_val as an argument; it keeps its bytes alive."""

    _fields_ = [('data', c_char_p), ('len', c_size_t)]


class Result(ctypes.Structure):
    """struct verso_val as a result."""

    _fields_ = [('data', Pointer), ('len', c_size_t)]

    def copy(self) -> bytes:
        return ctypes.string_at(self.data, self.len) if self.data else b''


class RangeStruct(ctypes.Structure):
    _fields_ = [('from_', KeyArgument), ('to', KeyArgument), ('flags', c_uint)]


class OptionsStruct(ctypes.Structure):
    _fields_ = [
        ('size', c_size_t), ('pager', c_int), ('sync', c_int), ('flags', c_uint), ('cache_bytes', c_size_t),
        ('page_size', c_uint32), ('mode', c_uint), ('commit_mode', c_int), ('madvise', c_int), ('checksum', c_int),
        ('io', c_int), ('policy', c_int), ('value_copy_max', c_size_t), ('map_writing', c_int), ('trace', Pointer),
        ('trace_arg', Pointer), ('readahead_pages', c_size_t), ('cache_bytes_max', c_size_t),
        ('busy_timeout_ms', c_uint),
    ]


class TableStatStruct(ctypes.Structure):
    _fields_ = [('size', c_size_t), ('n_records', c_uint64), ('height', c_uint32)]


class StatStruct(ctypes.Structure):
    _fields_ = [
        ('size', c_size_t), ('page_size', c_uint32), ('n_pages', c_uint32), ('n_free_pages', c_uint32),
        ('n_pending_pages', c_uint32), ('newest_gen', c_uint64), ('durable_gen', c_uint64), ('n_readers', c_uint32),
        ('oldest_reader_gen', c_uint64), ('n_commits', c_uint64), ('n_flushes', c_uint64),
        ('n_spilled_pages', c_uint64), ('batch_max', c_uint32), ('pager', c_int), ('sync', c_int),
        ('commit_mode', c_int), ('n_gets', c_uint64), ('n_peeks', c_uint64), ('n_misses', c_uint64),
        ('n_evictions', c_uint64), ('n_prefetched', c_uint64), ('n_barriers', c_uint64), ('read_bytes', c_uint64),
        ('write_bytes', c_uint64), ('memory_bytes_max', c_uint64), ('memory_bytes', c_uint64), ('rolled_back', c_int),
        ('poisoned', c_int), ('how', c_char * 256), ('n_major_faults', c_uint64), ('n_minor_faults', c_uint64),
        ('n_loads_get', c_uint64), ('n_loads_many', c_uint64), ('n_loads_ahead', c_uint64), ('n_victims', c_uint64),
        ('n_unneeded', c_uint64), ('n_waits_load', c_uint64), ('n_waits_limbo', c_uint64), ('n_reads', c_uint64),
        ('n_reads_max', c_uint64), ('n_loads_writer', c_uint64),
    ]


class SpaceStruct(ctypes.Structure):
    _fields_ = [
        ('size', c_size_t), ('page_size', c_uint32), ('file_bytes', c_uint64), ('n_pages', c_uint32),
        ('n_inner', c_uint32), ('n_leaf', c_uint32), ('n_overflow', c_uint32), ('slack_bytes', c_uint64),
        ('n_slack', c_uint32), ('n_free_space', c_uint32), ('n_free', c_uint32), ('n_pending', c_uint32),
        ('n_held', c_uint32), ('n_reserve', c_uint32), ('reader_gen', c_uint64), ('reader_pid', c_uint64),
        ('reader_age_ms', c_uint64), ('n_reader_held', c_uint32), ('why', c_char * 320),
    ]


class CompactStruct(ctypes.Structure):
    _fields_ = [('size', c_size_t), ('pages_max', c_uint64), ('time_max_ms', c_uint64), ('n_changed', c_uint64),
                ('n_pages', c_uint32), ('file_bytes', c_uint64)]


class WatchStruct(ctypes.Structure):
    _fields_ = [
        ('size', c_size_t), ('now_ns', c_uint64), ('is_open', c_int), ('is_alone', c_int), ('alone_pid', c_uint64),
        ('n_processes', c_uint32), ('n_readers', c_uint32), ('n_locked', c_uint32), ('pager', c_int),
        ('poisoned', c_int), ('n_commits', c_uint64), ('n_gets', c_uint64), ('n_peeks', c_uint64),
        ('n_misses', c_uint64), ('read_bytes', c_uint64), ('write_bytes', c_uint64), ('reader_pid', c_uint64),
        ('reader_age_ms', c_uint64), ('writer_pid', c_uint64), ('writer_age_ms', c_uint64),
        ('write_age_ms', c_uint64), ('alone_program', c_char * 32), ('reader_program', c_char * 32),
        ('writer_program', c_char * 32),
    ]


EACH_TABLE = ctypes.CFUNCTYPE(c_int, Pointer, c_char_p)
EACH_STEP = ctypes.CFUNCTYPE(c_int, c_void_p, c_uint64, c_uint64)
EACH_FINDING = ctypes.CFUNCTYPE(c_int, Pointer, c_uint32, c_char_p)
PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
    'verso_open': (c_int, [c_char_p, POINTER(OptionsStruct), POINTER(Pointer)]),
    'verso_close': (None, [Pointer]),
    'verso_begin': (c_int, [Pointer, c_uint, POINTER(Pointer)]),
    'verso_commit': (c_int, [Pointer]),
    'verso_commit_async': (c_int, [Pointer, POINTER(c_uint64)]),
    'verso_wait': (c_int, [Pointer, c_uint64]),
    'verso_abort': (None, [Pointer]),
    'verso_sync': (c_int, [Pointer]),
    'verso_table_open': (c_int, [Pointer, c_char_p, c_uint, POINTER(Pointer)]),
    'verso_table_keep': (c_int, [Pointer, c_char_p, POINTER(Pointer)]),
    'verso_table_drop': (c_int, [Pointer, c_char_p]),
    'verso_table_each': (c_int, [Pointer, EACH_TABLE, Pointer]),
    'verso_table_stat': (c_int, [Pointer, Pointer, POINTER(TableStatStruct)]),
    'verso_get': (c_int, [Pointer, Pointer, KeyArgument, POINTER(Result)]),
    'verso_get_many': (c_int, [Pointer, Pointer, c_size_t, POINTER(KeyArgument), POINTER(Result), POINTER(c_int)]),
    'verso_read': (c_int, [Pointer, Pointer, KeyArgument, c_uint64, Pointer, c_size_t, POINTER(c_size_t)]),
    'verso_advise': (c_int, [Pointer, Pointer, KeyArgument, KeyArgument, c_int]),
    'verso_table_clear': (c_int, [Pointer, Pointer]),
    'verso_table_rename': (c_int, [Pointer, c_char_p, c_char_p]),
    'verso_count': (c_int, [Pointer, Pointer, POINTER(RangeStruct), c_uint, POINTER(c_uint64)]),
    'verso_del_range': (c_int, [Pointer, Pointer, POINTER(RangeStruct), POINTER(c_uint64)]),
    'verso_replace': (c_int, [Pointer, Pointer, KeyArgument, KeyArgument, POINTER(Result)]),
    'verso_write': (c_int, [Pointer, Pointer, KeyArgument, c_uint64, c_char_p, c_size_t]),
    'verso_put': (c_int, [Pointer, Pointer, KeyArgument, KeyArgument, c_uint]),
    'verso_reserve': (c_int, [Pointer, Pointer, KeyArgument, c_size_t, c_uint, POINTER(Pointer)]),
    'verso_del': (c_int, [Pointer, Pointer, KeyArgument]),
    'verso_cursor_open_range': (c_int, [Pointer, Pointer, POINTER(RangeStruct), POINTER(Pointer)]),
    'verso_cursor_next': (c_int, [Pointer, POINTER(Result), POINTER(Result)]),
    'verso_cursor_close': (None, [Pointer]),
    'verso_copy': (c_int, [Pointer, c_char_p, c_uint, EACH_STEP, Pointer]),
    'verso_copy_to': (c_int, [Pointer, c_int, c_uint, EACH_STEP, Pointer]),
    'verso_check': (c_int, [Pointer, c_uint, EACH_FINDING, Pointer]),
    'verso_stat': (c_int, [Pointer, POINTER(StatStruct)]),
    'verso_space': (c_int, [Pointer, POINTER(SpaceStruct)]),
    'verso_compact': (c_int, [Pointer, POINTER(CompactStruct)]),
    'verso_watch': (c_int, [c_char_p, POINTER(WatchStruct)]),
    'verso_cache_resize': (c_int, [Pointer, c_size_t]),
    'verso_strerror': (c_char_p, [c_int]),
    'verso_errmsg': (c_char_p, [Pointer]),
    'verso_version': (c_char_p, []),
}


BUILD_FOLDERS = ('build', 'build-test') # as CONTRIBUTING.md names them


def library_path() -> str:
    """What VERSO_LIBRARY names; of a module in its source tree, what was built there; else the installed one."""
    named = os.environ.get('VERSO_LIBRARY')
    if named:
        return named
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if os.path.exists(os.path.join(root, 'include', 'verso.h')) and os.path.exists(os.path.join(root, 'meson.build')):
        for folder in BUILD_FOLDERS:
            built = os.path.join(root, folder, 'db', 'libverso.so.0')
            if os.path.exists(built):
                return built
    return 'libverso.so.0'


def load() -> ctypes.CDLL:
    library = ctypes.CDLL(library_path())
    for name, (result, arguments) in PROTOTYPES.items():
        call = getattr(library, name)
        call.restype, call.argtypes = result, arguments
    return library


lib = load()


def raise_error(code: int) -> None:
    """Raises what `code` < 0 of this thread's last call means."""
    text = lib.verso_errmsg(None).decode('utf-8', 'replace') or lib.verso_strerror(code).decode()
    raise ERRORS.get(code, SystemCallError if code > -20000 else Error)(code, text)


def as_bytes(what: Buffer) -> bytes:
    if isinstance(what, bytes):
        return what
    if isinstance(what, (bytearray, memoryview)):
        return bytes(what)
    raise TypeError(f'keys and values are bytes, not {type(what).__name__}; text: .encode()')
