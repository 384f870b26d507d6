# SPDX-License-Identifier: MIT
"""An open database."""
from __future__ import annotations

import ctypes
import os
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Callable
from ctypes import byref
from types import TracebackType
from typing import Any, NamedTuple, Optional, Union

from ._library import (CHECK_TREES, COPY_COMPACT, COPY_REPLACE, EACH_FINDING, EACH_STEP, MORE, UNKNOWN, WRITE,
                       CommitMode, CompactStruct, CorruptError, EndedError, MisuseError, OptionsStruct, Pager,
                       Pointer, SpaceStruct, StatStruct, Sync, SystemCallError, lib, raise_error)
from ._transactions import KeptTable, ReadTransaction, WriteTransaction, table_name


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
        self._call(lib.verso_table_keep, table_name(name), byref(table))
        assert table.value is not None
        return KeptTable(self, name, table.value)

    def space(self) -> dict[str, Any]:
        """Where the space goes: the members of struct verso_space by their names.

        Reads the whole file; before that it waits, as long as a write transaction of any process is open.
        """
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
        """Proves that the newest committed state is whole; a list of what was found, empty when it is.

        Unless trees_only, it waits as long as a write transaction of any process is open.
        """
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
