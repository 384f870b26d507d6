# SPDX-License-Identifier: MIT
"""Tables: mappings in the order of their keys, and the records of a range."""
from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from ctypes import byref, c_int, c_size_t, c_uint64
from typing import TYPE_CHECKING, Any, Optional

from ._library import (APPEND, ESTIMATE, EXISTS, NOOVERWRITE, NOTFOUND, REVERSE, UNKNOWN, Advice, Buffer,
                       KeyArgument, Pointer, RangeStruct, Result, TableStatStruct, as_bytes, lib, raise_error)

if TYPE_CHECKING:
    from ._transactions import ReadTransaction


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


    def advise(self, advice: Advice, start: Buffer = b'', stop: Buffer = b'') -> None:
        """Advises the pager about the pages of the records with start <= key < stop; empty: no bound.

        WILLNEED: they begin to load. COLD: they leave memory before others. No result changes.
        """
        with self._owner._lock:
            code = lib.verso_advise(self._owner._live(), self._table, _key(start), _key(stop), advice)
        if code < 0:
            raise_error(code)


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
