# SPDX-License-Identifier: MIT
"""Transactions, each of which is its default table too, and tables that are kept beyond one."""
from __future__ import annotations

import ctypes
import threading
from collections import deque
from ctypes import byref, c_uint64
from types import TracebackType
from typing import TYPE_CHECKING, Any, Optional, Union

from ._library import (EACH_TABLE, EXISTS, NOTFOUND, EndedError, Flags, MisuseError, Pointer, TableStatStruct, lib,
                       raise_error)
from ._tables import ReadTable, WriteTable

if TYPE_CHECKING:
    from ._database import Database


def table_name(name: str) -> bytes:
    data = name.encode('utf-8', 'surrogateescape')
    if b'\0' in data:
        raise ValueError('the name of a table has no zero in it')
    return data


class KeptTable:
    """A table's name, looked up for good: give it to table() of any transaction. Made by Database.keep_table()."""

    def __init__(self, db: Database, name: str, pointer: int):
        self.name = name
        self._db = db
        self._pointer = pointer


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
            code = lib.verso_table_open(self._live(), table_name(name), flags, byref(table))
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
            code = lib.verso_table_rename(self._live(), table_name(name), table_name(to))
        if code < 0:
            raise_error(code)
        if code == NOTFOUND:
            raise KeyError(name)
        if code == EXISTS:
            raise ValueError(f'there is a table {to} already')

    def drop_table(self, name: str) -> None:
        """Deletes a table with its records. KeyError: there is none."""
        with self._lock:
            code = lib.verso_table_drop(self._live(), table_name(name))
        if code < 0:
            raise_error(code)
        if code == NOTFOUND:
            raise KeyError(name)
