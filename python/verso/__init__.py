# SPDX-License-Identifier: MIT
"""Verso: an ordered, transactional key-value store in one file.

    import verso

    with verso.open("planets.verso", create=True) as db, db.write() as txn:
        txn[b"moon"] = b"1737 km"
    with verso.open("planets.verso") as db, db.read() as txn:
        print(txn[b"moon"])

A transaction is a mapping of bytes to bytes, in the order of the keys: the database's default table. A
read transaction sees one state, whatever others commit. A write transaction commits where its `with`
ends, and is forgotten where an exception leaves it.

What is returned is a copy, which stays. Errors are exceptions of class Error with the library's text; of a
system call each is also what Python has for that, such as FileNotFoundError or PermissionError. A
transaction that has ended, or whose database was closed, raises EndedError. Any thread may use any
object: calls on one transaction wait for each other. After os.fork() a child opens databases of its own.

The library is libverso.so.0, or the file that the environment's VERSO_LIBRARY names; in the source tree of Verso
the one that was built there. Everything that `man 3 verso` says holds here.
"""
from __future__ import annotations

import ctypes
import os
from ctypes import byref
from typing import Any, Union

from ._database import Compaction, Database, Finding
from ._library import (BUSY_FOREVER, NO_READAHEAD, UNKNOWN, AbortOnlyError, Advice, BusyError, Checksum, ClosedPipeError,
                       CommitMode, CorruptError, DeviceError, EndedError, Error, ExistingFileError, Flags, FolderError,
                       FullError, Io, Madvise, MapWriting, MisuseError, MissingFileError, NoFolderError, NotDatabaseError,
                       OptionsStruct, Pager, PermissionDeniedError, PinnedError, PoisonedError, Policy, Sync,
                       SystemCallError, TooBigError, VersionError, WatchStruct, lib, raise_error)
from ._tables import ReadTable, Records, WriteTable
from ._transactions import KeptTable, ReadTransaction, WriteTransaction

__all__ = [
    'BUSY_FOREVER', 'NO_READAHEAD', 'AbortOnlyError', 'Advice', 'BusyError', 'Checksum', 'ClosedPipeError',
    'CommitMode', 'Compaction', 'CorruptError', 'Database', 'DeviceError', 'EndedError',
    'Error', 'ExistingFileError', 'Finding', 'Flags', 'FolderError', 'FullError', 'Io', 'KeptTable', 'Madvise', 'MapWriting',
    'MisuseError', 'MissingFileError', 'NoFolderError', 'NotDatabaseError', 'Pager', 'PermissionDeniedError',
    'PinnedError', 'PoisonedError', 'Policy', 'ReadTable', 'ReadTransaction', 'Records',
    'Sync', 'SystemCallError', 'TooBigError', 'VersionError', 'WriteTable', 'WriteTransaction', 'open', 'version',
    'watch',
]


def version() -> str:
    """The version of the running library, "0.1.0"."""
    text: bytes = lib.verso_version()
    return text.decode()


def watch(path: Union[str, bytes, os.PathLike[str]]) -> dict[str, Any]:
    """What the processes do that have a database open, which this one need not have.

    The members of struct verso_watch by their names; None: not known.
    """
    found = WatchStruct(size=ctypes.sizeof(WatchStruct))
    name = os.fsencode(path)
    if b'\0' in name:
        raise ValueError('a path has no zero in it')
    code = lib.verso_watch(name, byref(found))
    if code < 0:
        raise_error(code)
    members: dict[str, Any] = {}
    for field in WatchStruct._fields_[1:]:
        value = getattr(found, field[0])
        members[field[0]] = value.decode() if isinstance(value, bytes) else None if value == UNKNOWN else value
    for flag in ('is_open', 'is_alone', 'poisoned'):
        members[flag] = bool(members[flag])
    members['pager'] = None if found.pager < 0 else Pager(found.pager)
    return members


def open(path: Union[str, bytes, os.PathLike[str]], *, create: bool = False, new: bool = False, # noqa: A001
         readonly: bool = False, pager: Pager = Pager.BUFPOOL, sync: Sync = Sync.FULL, cache_bytes: int = 0,
         page_size: int = 0, mode: int = 0, commit_mode: CommitMode = CommitMode.BEST,
         madvise: Madvise = Madvise.RANDOM, checksum: Checksum = Checksum.ONCE, io: Io = Io.BEST,
         policy: Policy = Policy.CLOCK, value_copy_max: int = 0, map_writing: MapWriting = MapWriting.HEAP,
         readahead_pages: int = 0, cache_bytes_max: int = 0, busy_timeout_ms: int = 0,
         flags: Flags = Flags(0)) -> Database:
    """Opens a database.

    create: make it where there is none; new: the same, and FileExistsError where there is one.
    The other arguments are the members of struct verso_options (`man 3 verso_open`); 0 is the default.
    readahead_pages may be NO_READAHEAD, and busy_timeout_ms BUSY_FOREVER.
    """
    for number in (cache_bytes, value_copy_max, readahead_pages, cache_bytes_max):
        if not 0 <= number <= UNKNOWN:
            raise ValueError(f'{number}: sizes are from 0 to 2^64 - 1')
    for number in (page_size, mode, busy_timeout_ms):
        if not 0 <= number < 1 << 32:
            raise ValueError(f'{number}: page_size, mode and busy_timeout_ms are from 0 to 2^32 - 1')
    all_flags = flags | (Flags.CREATE if create or new else 0) | (Flags.EXCL if new else 0)
    all_flags |= Flags.RDONLY if readonly else 0
    return Database(path, OptionsStruct(
        ctypes.sizeof(OptionsStruct), pager, sync, all_flags, cache_bytes, page_size, mode, commit_mode, madvise, checksum,
        io, policy, value_copy_max, map_writing, None, None, readahead_pages, cache_bytes_max, busy_timeout_ms))
