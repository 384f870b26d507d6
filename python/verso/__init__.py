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

What is returned is a copy, which stays. Errors are exceptions of class Error with the library's text. A
transaction that has ended, or whose database was closed, raises EndedError. Any thread may use any
object: calls on one transaction wait for each other. After os.fork() a child opens databases of its own.

The library is libverso.so.0, or the file that the environment's VERSO_LIBRARY names; in the source tree of Verso
the one that was built there. Everything that `man 3 verso` says holds here.
"""
from __future__ import annotations

import contextlib
import ctypes
import os
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from ctypes import byref, c_int, c_size_t, c_uint64
from types import TracebackType
from typing import Any, NamedTuple, Optional, Union

from ._library import (APPEND, CHECK_TREES, COPY_COMPACT, COPY_REPLACE, EACH_FINDING, EACH_STEP, EACH_TABLE,
                       ESTIMATE, EXISTS, MORE, NOOVERWRITE, NOTFOUND, REVERSE, UNKNOWN, WRITE, AbortOnlyError, Buffer,
                       BusyError, Checksum, CommitMode, CompactStruct, CorruptError, DeviceError, EndedError, Error,
                       ExistingFileError, Flags, FullError, Io, KeyArgument, Madvise, MapWriting, MisuseError,
                       MissingFileError, NotDatabaseError, OptionsStruct, Pager, PinnedError, Pointer, PoisonedError,
                       Policy, RangeStruct, Result, SpaceStruct, StatStruct, Sync, SystemCallError,
                       TableStatStruct, TooBigError, VersionError, WatchStruct, as_bytes, lib, raise_error)

__all__ = [
    'AbortOnlyError', 'BusyError', 'Checksum', 'CommitMode', 'Compaction', 'CorruptError', 'Database', 'DeviceError', 'EndedError',
    'Error', 'ExistingFileError', 'Finding', 'Flags', 'FullError', 'Io', 'KeptTable', 'Madvise', 'MapWriting', 'MisuseError',
    'MissingFileError',
    'NotDatabaseError', 'Pager', 'PinnedError', 'PoisonedError', 'Policy', 'ReadTable', 'ReadTransaction', 'Records',
    'Sync', 'SystemCallError', 'TooBigError', 'VersionError', 'WriteTable', 'WriteTransaction', 'open', 'version',
    'watch',
]


def _key(what: Buffer) -> KeyArgument:
    data = as_bytes(what)
    return KeyArgument(data, len(data))


def _range(start: Optional[Buffer], stop: Optional[Buffer], prefix: Optional[Buffer], flags: int) -> RangeStruct:
    """The range of keys that are in both: from start to stop, and those that begin with prefix."""
    low = None if start is None else as_bytes(start)
    high = None if stop is None else as_bytes(stop)
    if prefix is not None:
        begin = as_bytes(prefix)
        low = begin if low is None else max(low, begin)
        cut = begin.rstrip(b'\xff')
        if cut: # else no key is above all that begin so
            end = cut[:-1] + bytes([cut[-1] + 1])
            high = end if high is None else min(high, end)
    return RangeStruct(KeyArgument(low, len(low or b'')), KeyArgument(high, len(high or b'')), flags)


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


class Finding(NamedTuple):
    """What check() found: a page number (0: of no single page), and what was expected and found."""

    pgno: int
    text: str


class Compaction(NamedTuple):
    """What a step of compact() did; more: there is more to do."""

    more: bool
    n_changed: int
    n_pages: int
    file_bytes: int


class KeptTable:
    """A table's name, looked up for good: give it to table() of any transaction. Made by Database.keep_table()."""

    def __init__(self, db: 'Database', name: str, pointer: int):
        self.name = name
        self._db = db
        self._pointer = pointer


class ReadTable(Mapping[bytes, bytes]):
    """A table as a transaction sees it: a mapping in the order of the keys."""

    _table: Optional[int]

    def __init__(self, txn: ReadTransaction, table: Optional[int]):
        self._of = txn
        self._table = table

    @property
    def _owner(self) -> ReadTransaction:
        return self._of

    def __getitem__(self, key: Buffer) -> bytes:
        data = as_bytes(key)
        found = self._get(data)
        if found is None:
            raise KeyError(data)
        return found

    def _get(self, key: bytes) -> Optional[bytes]:
        val = Result()
        with self._owner._lock:
            code = lib.verso_get(self._owner._live(), self._table, KeyArgument(key, len(key)), byref(val))
            if code == 0:
                return val.copy()
        if code < 0:
            raise_error(code)
        return None

    def get(self, key: Buffer, default: Any = None) -> Any:
        found = self._get(as_bytes(key))
        return default if found is None else found

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, (bytes, bytearray, memoryview)):
            return False
        n = c_size_t()
        with self._owner._lock: # a piece of no bytes: the value is not read
            code = lib.verso_read(self._owner._live(), self._table, _key(key), 0, None, 0, byref(n))
        if code < 0:
            raise_error(code)
        return bool(code == 0)

    def __len__(self) -> int:
        stat = TableStatStruct(size=ctypes.sizeof(TableStatStruct))
        with self._owner._lock:
            code = lib.verso_table_stat(self._owner._live(), self._table, byref(stat))
        if code < 0:
            raise_error(code)
        return int(stat.n_records)

    def __iter__(self) -> Iterator[bytes]:
        return (key for key, _ in Records(self, _range(None, None, None, 0), False))

    def __reversed__(self) -> Iterator[bytes]:
        return (key for key, _ in Records(self, _range(None, None, None, REVERSE), False))

    def range(self, start: Optional[Buffer] = None, stop: Optional[Buffer] = None, *,
              prefix: Optional[Buffer] = None, reverse: bool = False) -> Records:
        """The records with start <= key < stop that begin with prefix, in the order of their keys.

        The iterator sees what its own transaction changes meanwhile.
        """
        return Records(self, _range(start, stop, prefix, REVERSE if reverse else 0), True)

    def count(self, start: Optional[Buffer] = None, stop: Optional[Buffer] = None, *,
              prefix: Optional[Buffer] = None, estimate: bool = False) -> int:
        """How many records range() would give; with estimate about how many, in the time of two gets."""
        n = c_uint64()
        with self._owner._lock:
            code = lib.verso_count(self._owner._live(), self._table, byref(_range(start, stop, prefix, 0)),
                                   ESTIMATE if estimate else 0, byref(n))
        if code < 0:
            raise_error(code)
        return n.value

    def get_many(self, keys: Iterable[Buffer]) -> list[Optional[bytes]]:
        """The values of many keys, which costs much less than one by one where they are not in memory."""
        wanted = [as_bytes(key) for key in keys]
        n = len(wanted)
        arguments = (KeyArgument * n)(*[KeyArgument(key, len(key)) for key in wanted])
        results, codes = (Result * n)(), (c_int * n)()
        with self._owner._lock:
            code = lib.verso_get_many(self._owner._live(), self._table, n, arguments, results, codes)
            if code == 0:
                return [results[i].copy() if codes[i] == 0 else None for i in range(n)]
        raise_error(code)
        return []

    def read(self, key: Buffer, offset: int, length: int) -> bytes:
        """A piece of a value, shorter than length at its end. KeyError: no such key."""
        if offset < 0 or length < 0:
            raise ValueError('offset and length are not negative')
        buffer, n = ctypes.create_string_buffer(max(length, 1)), c_size_t()
        with self._owner._lock:
            code = lib.verso_read(self._owner._live(), self._table, _key(key), offset, buffer, length, byref(n))
        if code < 0:
            raise_error(code)
        if code == NOTFOUND:
            raise KeyError(as_bytes(key))
        return buffer.raw[:n.value]


class WriteTable(ReadTable, MutableMapping[bytes, bytes]):
    """A table in a write transaction."""

    def __setitem__(self, key: Buffer, value: Buffer) -> None:
        self.put(key, value)

    def put(self, key: Buffer, value: Buffer, *, overwrite: bool = True, append: bool = False) -> bool:
        """Sets the value of a key. False: without overwrite, and the key is there; nothing changes.

        append: the key is above all others of the table, or it is refused with MisuseError.
        """
        with self._owner._lock:
            code = lib.verso_put(self._owner._live(), self._table, _key(key), _key(value),
                                 (0 if overwrite else NOOVERWRITE) | (APPEND if append else 0))
        if code < 0:
            raise_error(code)
        return bool(code != EXISTS)

    def __delitem__(self, key: Buffer) -> None:
        with self._owner._lock:
            code = lib.verso_del(self._owner._live(), self._table, _key(key))
        if code < 0:
            raise_error(code)
        if code == NOTFOUND:
            raise KeyError(as_bytes(key))


    def replace(self, key: Buffer, value: Buffer) -> Optional[bytes]:
        """Sets the value of a key, and returns the one that was there before; None: there was none."""
        old = Result()
        with self._owner._lock:
            code = lib.verso_replace(self._owner._live(), self._table, _key(key), _key(value), byref(old))
            if code >= 0:
                return None if old.data is None else old.copy()
        raise_error(code)
        return None

    @contextlib.contextmanager
    def reserve(self, key: Buffer, length: int, *, overwrite: bool = True) -> Iterator[bytearray]:
        """Room for a value that is made in place: with txn.reserve(b"k", 1 << 20) as room: file.readinto(room)

        It is stored where the `with` ends, unless an exception leaves it. KeyError: without overwrite, and the key
        is there then.
        """
        data = as_bytes(key)
        room, place = bytearray(length), Pointer()
        yield room
        if len(room) != length:
            raise ValueError(f'the room was of {length} bytes, and is of {len(room)} now')
        with self._owner._lock:
            code = lib.verso_reserve(self._owner._live(), self._table, KeyArgument(data, len(data)), length,
                                     0 if overwrite else NOOVERWRITE, byref(place))
            if code == 0 and length > 0:
                ctypes.memmove(place, (ctypes.c_char * length).from_buffer(room), length)
            if code == 0: # a long value is stored by the next call: so errors are raised here
                code = lib.verso_read(self._owner._live(), self._table, KeyArgument(data, len(data)), 0, None, 0,
                                      byref(c_size_t()))
        if code < 0:
            raise_error(code)
        if code == EXISTS:
            raise KeyError(data)

    def write(self, key: Buffer, offset: int, data: Buffer) -> None:
        """Writes into a value from offset on, which is at most its length; a missing record is made."""
        if not 0 <= offset <= UNKNOWN:
            raise ValueError('offset is not negative')
        piece = as_bytes(data)
        with self._owner._lock:
            code = lib.verso_write(self._owner._live(), self._table, _key(key), offset, piece, len(piece))
        if code < 0:
            raise_error(code)

    def delete_range(self, start: Optional[Buffer] = None, stop: Optional[Buffer] = None, *,
                     prefix: Optional[Buffer] = None) -> int:
        """Deletes the records that range() would give, and returns how many they were."""
        n = c_uint64()
        with self._owner._lock:
            code = lib.verso_del_range(self._owner._live(), self._table, byref(_range(start, stop, prefix, 0)), byref(n))
        if code < 0:
            raise_error(code)
        return n.value

    def clear(self) -> None:
        """Deletes all records."""
        with self._owner._lock:
            code = lib.verso_table_clear(self._owner._live(), self._table)
        if code < 0:
            raise_error(code)


class Records(Iterator['tuple[bytes, bytes]']):
    """Records in the order of their keys. Close it, or let it go, to end its cursor early."""

    def __init__(self, table: ReadTable, records: RangeStruct, wants_values: bool):
        self._txn = table._owner
        self._cursor: Optional[Pointer] = None
        self._done = False
        self._wants_values = wants_values
        cursor = Pointer()
        with self._txn._lock:
            code = lib.verso_cursor_open_range(self._txn._live(), table._table, byref(records), byref(cursor))
        if code < 0:
            raise_error(code)
        self._cursor = cursor

    def __iter__(self) -> Records:
        return self

    def __next__(self) -> tuple[bytes, bytes]:
        key, val = Result(), Result()
        with self._txn._lock:
            self._txn._live()
            if self._done:
                raise StopIteration
            code = lib.verso_cursor_next(self._cursor, byref(key), byref(val) if self._wants_values else None)
            if code == 0:
                return key.copy(), val.copy()
        self.close()
        if code < 0:
            raise_error(code)
        raise StopIteration

    def close(self) -> None:
        """Ends it. Again, or behind the end of its transaction: nothing happens."""
        with self._txn._lock:
            cursor, self._cursor, self._done = self._cursor, None, True
            if cursor is not None:
                lib.verso_cursor_close(cursor)

    def __del__(self) -> None:
        # In any thread at any moment: it must not wait for a lock.
        cursor = getattr(self, '_cursor', None)
        if cursor is not None:
            self._txn._dropped.append(cursor)
            if self._txn._lock.acquire(blocking=False):
                self._txn._close_dropped()
                self._txn._lock.release()


class ReadTransaction(ReadTable):
    """A snapshot of the database, and its default table. Made by Database.read()."""

    def __init__(self, db: Database, flags: int):
        self._lock = threading.RLock() # held in each call
        self._dropped: deque[Pointer] = deque() # cursors that nobody has any more
        self._db = db
        self._ptr: Optional[int] = None
        self._ended = 'this transaction has ended: begin another one'
        self._table = None
        self._ptr = db._begin(self, flags)

    @property
    def _owner(self) -> ReadTransaction:
        return self # never kept in itself: an object that nobody has any more ends at once

    def _live(self) -> int:
        """The handle; the lock is held."""
        if self._dropped:
            self._close_dropped()
        if self._ptr is None:
            raise EndedError(self._ended)
        return self._ptr

    def _close_dropped(self) -> None:
        while self._dropped:
            lib.verso_cursor_close(self._dropped.popleft())

    def __enter__(self) -> Any:
        self._live()
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.abort()

    def abort(self) -> None:
        """Ends it; changes are forgotten. One that has ended: nothing happens."""
        self._end(None)

    def _end(self, why: Optional[str]) -> None:
        with self._lock:
            self._close_dropped()
            ptr, self._ptr = self._ptr, None
            if ptr is not None:
                self._ended = why or self._ended
                lib.verso_abort(ptr)
                self._db._forget(self)

    def _table_pointer(self, name: str, flags: int) -> int:
        table = Pointer()
        with self._lock:
            code = lib.verso_table_open(self._live(), _name(name), flags, byref(table))
        if code < 0:
            raise_error(code)
        if code == NOTFOUND or table.value is None:
            raise KeyError(name)
        return table.value

    def _kept_pointer(self, kept: KeptTable, flags: int) -> int:
        stat = TableStatStruct(size=ctypes.sizeof(TableStatStruct))
        if kept._db is not self._db:
            raise MisuseError(-20009, 'the table was kept by another database, or by this one before it was closed')
        with self._lock:
            code = lib.verso_table_stat(self._live(), kept._pointer, byref(stat))
        if code < 0:
            raise_error(code)
        return kept._pointer if code == 0 else self._table_pointer(kept.name, flags)

    def table(self, name: Union[str, KeptTable]) -> ReadTable:
        """A named table, until the transaction ends. KeyError: there is none."""
        if isinstance(name, KeptTable):
            return ReadTable(self, self._kept_pointer(name, 0))
        return ReadTable(self, self._table_pointer(name, 0))

    def tables(self) -> list[str]:
        """The names of all tables but the default one, in the order of their bytes."""
        names: list[str] = []

        def each(_arg: Any, name: bytes) -> int:
            names.append(name.decode('utf-8', 'surrogateescape'))
            return 0

        with self._lock:
            code = lib.verso_table_each(self._live(), EACH_TABLE(each), None)
        if code < 0:
            raise_error(code)
        return names

    def __del__(self) -> None:
        if getattr(self, '_ptr', None) is not None:
            self._db._abandon(self)


class WriteTransaction(ReadTransaction, WriteTable):
    """A write transaction, and the default table. Made by Database.write()."""

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        if kind is None and self._ptr is not None:
            self.commit()
        else:
            self.abort()

    def commit(self) -> None:
        """Makes the changes visible, and as durable as `sync` says. Ends it, whatever happens."""
        with self._lock:
            ptr, self._ptr = self._live(), None
            code = lib.verso_commit(ptr)
            self._db._forget(self)
        if code < 0:
            raise_error(code)

    def commit_async(self) -> int:
        """The same without waiting for the flush: give what it returns to Database.wait()."""
        gen = c_uint64()
        with self._lock:
            ptr, self._ptr = self._live(), None
            code = lib.verso_commit_async(ptr, byref(gen))
            self._db._forget(self)
        if code < 0:
            raise_error(code)
        return gen.value

    def table(self, name: Union[str, KeptTable], *, create: bool = True) -> WriteTable:
        """A named table, which is made where it is missing. KeyError: without create, and there is none."""
        if isinstance(name, KeptTable):
            return WriteTable(self, self._kept_pointer(name, Flags.CREATE if create else 0))
        return WriteTable(self, self._table_pointer(name, Flags.CREATE if create else 0))

    def rename_table(self, name: str, to: str) -> None:
        """Gives a table another name. KeyError: there is none; ValueError: there is one of the other name."""
        with self._lock:
            code = lib.verso_table_rename(self._live(), _name(name), _name(to))
        if code < 0:
            raise_error(code)
        if code == NOTFOUND:
            raise KeyError(name)
        if code == EXISTS:
            raise ValueError(f'there is a table {to} already')

    def drop_table(self, name: str) -> None:
        """Deletes a table with its records. KeyError: there is none."""
        with self._lock:
            code = lib.verso_table_drop(self._live(), _name(name))
        if code < 0:
            raise_error(code)
        if code == NOTFOUND:
            raise KeyError(name)


def _name(name: str) -> bytes:
    data = name.encode('utf-8', 'surrogateescape')
    if b'\0' in data:
        raise ValueError('the name of a table has no zero in it')
    return data


class Database:
    """An open database. Made by open(). Any thread."""

    def __init__(self, path: Union[str, bytes, os.PathLike[str]], options: OptionsStruct):
        self._ptr: Optional[int] = None
        self._closing = False
        self._lock = threading.RLock() # of what follows; not held across a call that waits
        self._idle = threading.Condition(self._lock)
        self._n_calls = 0              # in the library, but for those of transactions
        self._copying: list[int] = []  # threads
        self._txns: dict[int, weakref.ref[ReadTransaction]] = {}
        self._abandoned: deque[tuple[int, Optional[int]]] = deque()
        pointer = Pointer()
        self.path = os.fsdecode(path)
        name = os.fsencode(path)
        if b'\0' in name:
            raise ValueError('a path has no zero in it')
        code = lib.verso_open(name, byref(options), byref(pointer))
        if code < 0:
            raise_error(code)
        self._ptr = pointer.value

    def _enter(self) -> int:
        with self._lock:
            if self._ptr is None or self._closing:
                raise EndedError(f'{self.path}: this database was closed')
            self._abort_abandoned()
            self._n_calls += 1
            return self._ptr

    def _leave(self) -> None:
        with self._lock:
            self._n_calls -= 1
            self._idle.notify_all()

    def _begin(self, txn: ReadTransaction, flags: int) -> int:
        pointer = Pointer()
        db = self._enter()
        try:
            code = lib.verso_begin(db, flags, byref(pointer))
            if code < 0:
                raise_error(code)
            with self._lock:
                if self._closing: # meanwhile
                    lib.verso_abort(pointer)
                    raise EndedError(f'{self.path}: this database was closed')
                assert pointer.value is not None
                self._txns[id(txn)] = weakref.ref(txn)
                return pointer.value
        finally:
            self._leave()

    def _forget(self, txn: ReadTransaction) -> None:
        with self._lock:
            if (ref := self._txns.get(id(txn))) is not None and ref() is txn:
                del self._txns[id(txn)]

    def _abandon(self, txn: ReadTransaction) -> None:
        """Of a transaction that nobody has any more, in any thread at any moment: waits for no lock."""
        self._abandoned.append((id(txn), txn._ptr))
        if self._lock.acquire(blocking=False):
            self._abort_abandoned()
            self._lock.release()

    def _abort_abandoned(self) -> None:
        """The lock is held."""
        while self._abandoned:
            number, ptr = self._abandoned.popleft()
            if (ref := self._txns.get(number)) is not None and ref() is None: # else one at the same place
                del self._txns[number]
            if self._ptr is not None:
                lib.verso_abort(ptr)

    def read(self) -> ReadTransaction:
        """A snapshot: the newest committed state, until it ends. Waits for nobody."""
        return ReadTransaction(self, 0)

    def write(self) -> WriteTransaction:
        """A write transaction. Waits for the one that another thread has open."""
        return WriteTransaction(self, WRITE)

    def sync(self) -> None:
        """Returns when all that was committed before is durable."""
        self._call(lib.verso_sync)

    def wait(self, gen: int) -> None:
        """Returns when the commit for which commit_async() returned gen is durable, and all before it."""
        self._call(lib.verso_wait, gen)

    def keep_table(self, name: str) -> KeptTable:
        """What table() of each transaction takes in the place of the name, and resolves at once. Until the close."""
        table = Pointer()
        self._call(lib.verso_table_keep, _name(name), byref(table))
        assert table.value is not None
        return KeptTable(self, name, table.value)

    def space(self) -> dict[str, Any]:
        """Where the space goes: the members of struct verso_space by their names. Reads the whole file."""
        space = SpaceStruct(size=ctypes.sizeof(SpaceStruct))
        self._call(lib.verso_space, byref(space))
        return {**{field[0]: getattr(space, field[0]) for field in SpaceStruct._fields_[1:]}, 'why': space.why.decode()}

    def compact(self, *, pages_max: int = 0, time_max_ms: int = 0) -> Compaction:
        """Makes the file smaller, while others read and write; ends soon after a limit, if one is given.

            while db.compact(pages_max=1000, time_max_ms=50).more:
                pass
        """
        for number in (pages_max, time_max_ms):
            if not 0 <= number <= UNKNOWN:
                raise ValueError(f'{number}: limits are from 0 to 2^64 - 1')
        limits = CompactStruct(ctypes.sizeof(CompactStruct), pages_max, time_max_ms)
        code = self._call(lib.verso_compact, byref(limits))
        return Compaction(code == MORE, limits.n_changed, limits.n_pages, limits.file_bytes)

    def resize_cache(self, cache_bytes: int) -> None:
        """Changes how much memory the pool has for pages."""
        self._call(lib.verso_cache_resize, cache_bytes)

    def _call(self, call: Any, *arguments: Any) -> int:
        db = self._enter()
        try:
            code = int(call(db, *arguments))
            if code < 0:
                raise_error(code)
            return code
        finally:
            self._leave()

    def check(self, *, trees_only: bool = False) -> list[Finding]:
        """Proves that the newest committed state is whole; a list of what was found, empty when it is."""
        findings: list[Finding] = []

        def each(_arg: Any, pgno: int, text: bytes) -> int:
            findings.append(Finding(pgno, text.decode('utf-8', 'replace')))
            return 0

        try:
            self._call(lib.verso_check, CHECK_TREES if trees_only else 0, EACH_FINDING(each), None)
        except CorruptError:
            if not findings:
                raise
        return findings

    def stat(self) -> dict[str, Any]:
        """The members of struct verso_stat by their names; None: not known."""
        stat = StatStruct(size=ctypes.sizeof(StatStruct))
        self._call(lib.verso_stat, byref(stat))
        found: dict[str, Any] = {}
        for field in StatStruct._fields_[1:]:
            value = getattr(stat, field[0])
            found[field[0]] = None if value == UNKNOWN else value
        found['how'] = stat.how.decode()
        found['pager'], found['sync'] = Pager(stat.pager), Sync(stat.sync)
        found['commit_mode'] = CommitMode(stat.commit_mode)
        found['rolled_back'], found['poisoned'] = bool(stat.rolled_back), bool(stat.poisoned)
        return found

    def copy(self, target: Union[str, bytes, os.PathLike[str], int], *, compact: bool = False, replace: bool = False,
             progress: Optional[Callable[[int, int], Any]] = None) -> None:
        """Copies the newest committed state, while others read and write.

        target: a path, whose name appears when the copy is whole and durable; or a descriptor, to which the bytes
        are written in order. compact: the smallest file. replace: a file of that name is replaced. progress is
        called with bytes done and in all; what it raises ends the copy and is raised here.
        """
        raised: list[BaseException] = []

        def each(_arg: Any, done: int, total: int) -> int:
            try:
                if progress is not None:
                    progress(done, total)
            except BaseException as error: # pylint: disable=broad-except
                raised.append(error)
            return len(raised)

        flags = (COPY_COMPACT if compact else 0) | (COPY_REPLACE if replace else 0)
        thread = threading.get_ident()
        self._copying.append(thread)
        try:
            if isinstance(target, int):
                self._call(lib.verso_copy_to, target, flags, EACH_STEP(each), None)
            else:
                name = os.fsencode(target)
                if b'\0' in name:
                    raise ValueError('a path has no zero in it')
                self._call(lib.verso_copy, name, flags, EACH_STEP(each), None)
        except SystemCallError:
            if not raised:
                raise
        finally:
            self._copying.remove(thread)
        if raised:
            raise raised[0]

    def close(self) -> None:
        """Closes it: open transactions are aborted, and what was committed is flushed. Again: nothing happens."""
        if threading.get_ident() in self._copying: # it would wait for itself
            raise MisuseError(-20009, f'{self.path}: a copy that calls this is not finished; close the database behind it')
        with self._lock:
            if self._ptr is None or self._closing:
                return
            self._closing = True
            txns = [ref() for ref in list(self._txns.values())]
        for txn in txns:
            if txn is not None:
                txn._end(f'{self.path}: this database was closed, which has ended the transaction')
        with self._lock:
            while self._n_calls:
                self._idle.wait()
            ptr, self._ptr = self._ptr, None
            lib.verso_close(ptr)

    def __enter__(self) -> Database:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, '_ptr', None) is not None:
            self.close()
            warnings.warn(f'{self.path}: a database that was not closed', ResourceWarning, stacklevel=2, source=self)


def open(path: Union[str, bytes, os.PathLike[str]], *, create: bool = False, exclusive: bool = False, # noqa: A001
         readonly: bool = False, pager: Pager = Pager.BUFPOOL, sync: Sync = Sync.FULL, cache_bytes: int = 0,
         page_size: int = 0, mode: int = 0, commit_mode: CommitMode = CommitMode.BEST,
         madvise: Madvise = Madvise.RANDOM, checksum: Checksum = Checksum.ONCE, io: Io = Io.BEST,
         policy: Policy = Policy.CLOCK, value_copy_max: int = 0, map_writing: MapWriting = MapWriting.HEAP,
         readahead_pages: int = 0, cache_bytes_max: int = 0, busy_timeout_ms: int = 0,
         flags: Flags = Flags(0)) -> Database:
    """Opens a database.

    create: make it where there is none; exclusive: FileExistsError where there is one.
    The other arguments are the members of struct verso_options (`man 3 verso_open`); 0 is the default.
    """
    for number in (cache_bytes, value_copy_max, readahead_pages, cache_bytes_max):
        if not 0 <= number <= UNKNOWN:
            raise ValueError(f'{number}: sizes are from 0 to 2^64 - 1')
    for number in (page_size, mode, busy_timeout_ms):
        if not 0 <= number < 1 << 32:
            raise ValueError(f'{number}: page_size, mode and busy_timeout_ms are from 0 to 2^32 - 1')
    all_flags = flags | (Flags.CREATE if create or exclusive else 0) | (Flags.EXCL if exclusive else 0)
    all_flags |= Flags.RDONLY if readonly else 0
    return Database(path, OptionsStruct(
        ctypes.sizeof(OptionsStruct), pager, sync, all_flags, cache_bytes, page_size, mode, commit_mode, madvise, checksum,
        io, policy, value_copy_max, map_writing, None, None, readahead_pages, cache_bytes_max, busy_timeout_ms))
