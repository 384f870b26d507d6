#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whatever is done to a database through Python, a dict and SQLite to which the same is done agree with it.

usage: test_properties.py ROOT
"""
import os
import shutil
import sqlite3
import sys
import tempfile
import unittest

try:
    from hypothesis import HealthCheck, Phase, seed, settings, strategies as st
    from hypothesis.stateful import (RuleBasedStateMachine, initialize, invariant, precondition, rule,
                                     run_state_machine_as_test)
except ImportError:
    print('skipped: no hypothesis (Debian: apt install python3-hypothesis)')
    sys.exit(77)

ROOT = sys.argv[1]
sys.path[:0] = [os.path.join(ROOT, 'python'), os.path.join(ROOT, 'tests')]
import unit_main  # noqa: E402
import verso  # noqa: E402

# Few keys that are much alike, so that they are found again.
KEYS = st.one_of(st.binary(max_size=3), st.sampled_from([b'', b'a', b'ab', b'b' * 976, b'\xff', b'\xff\xff', b'\0']),
                 st.integers(0, 300).map(lambda i: b'key%06d' % i))
VALUES = st.one_of(st.binary(max_size=20), st.integers(0, 12_000).map(lambda n: bytes([n % 251]) * n))
BOUNDS = st.one_of(st.none(), KEYS)
# To shrink what fails may take minutes: VERSO_SHRINK=1, with the seed that was printed.
PHASES = [phase for phase in Phase if phase != Phase.shrink or os.environ.get('VERSO_SHRINK')]
N_EXAMPLES = int(os.environ.get('VERSO_EXAMPLES', '25'))


class Machine(RuleBasedStateMachine):
    """One database, a write transaction now and then, readers that stay behind."""

    pager = verso.Pager.BUFPOOL

    @initialize(page_size=st.sampled_from([512, 4096, 16384]))
    def begin(self, page_size):
        self.folder = tempfile.mkdtemp()
        self.path = os.path.join(self.folder, 'a')
        self.options = {'create': True, 'pager': self.pager, 'sync': verso.Sync.RELAXED}
        self.db = verso.open(self.path, page_size=page_size, **self.options)
        self.key_max = (page_size - 64) // 4 - 32
        self.txn = None
        self.committed, self.now = {}, {}
        self.readers = []
        self.sql = sqlite3.connect(':memory:', isolation_level=None)
        self.sql.execute('create table t(k blob primary key, v blob) without rowid')

    def teardown(self):
        if hasattr(self, 'db'):
            self.db.close()
            self.sql.close()
            shutil.rmtree(self.folder)

    @precondition(lambda self: self.txn is None)
    @rule()
    def write(self):
        self.txn = self.db.write()
        self.sql.execute('begin')

    @precondition(lambda self: self.txn is not None)
    @rule(key=KEYS, value=VALUES, overwrite=st.booleans())
    def put(self, key, value, overwrite):
        if len(key) > self.key_max:
            try:
                self.txn.put(key, value, overwrite=overwrite)
            except verso.TooBigError:
                return
            raise AssertionError('a key beyond the limit was taken')
        done = self.txn.put(key, value, overwrite=overwrite)
        assert done == (overwrite or key not in self.now)
        if done:
            self.now[key] = value
            self.sql.execute('replace into t values(?, ?)', (key, value))

    @precondition(lambda self: self.txn is not None)
    @rule(keys=st.lists(st.integers(0, 300), max_size=150), length=st.integers(0, 400))
    def put_many(self, keys, length):
        more = {b'key%06d' % i: bytes([i % 256]) * length for i in keys}
        self.txn.update(more)
        self.now.update(more)
        self.sql.executemany('replace into t values(?, ?)', more.items())

    @precondition(lambda self: self.txn is not None)
    @rule(key=KEYS, value=VALUES, offset=st.integers(0, 15_000))
    def write_a_piece(self, key, value, offset):
        if len(key) > self.key_max:
            return
        old = self.now.get(key, b'')
        offset = min(offset, len(old))
        self.txn.write(key, offset, value)
        self.now[key] = old[:offset] + value + old[offset + len(value):]
        self.sql.execute('replace into t values(?, ?)', (key, self.now[key]))

    @precondition(lambda self: self.txn is not None)
    @rule(key=KEYS, value=VALUES)
    def replace(self, key, value):
        if len(key) <= self.key_max:
            assert self.txn.replace(key, value) == self.now.get(key)
            self.now[key] = value
            self.sql.execute('replace into t values(?, ?)', (key, value))

    @precondition(lambda self: self.txn is not None)
    @rule(key=KEYS)
    def delete(self, key):
        found = self.now.pop(key, None)
        try:
            del self.txn[key]
            assert found is not None
        except KeyError:
            assert found is None
        except verso.TooBigError:
            assert len(key) > self.key_max
        self.sql.execute('delete from t where k = ?', (key,))

    @precondition(lambda self: self.txn is not None)
    @rule(low=BOUNDS, high=BOUNDS, by_call=st.booleans())
    def delete_a_range(self, low, high, by_call):
        n = len([k for k in self.now if in_range(k, low, high)])
        assert self.txn.count(low, high) == n
        if by_call:
            assert self.txn.delete_range(low, high) == n
        else:
            for key, _ in self.txn.range(low, high):
                del self.txn[key]
        for key in [k for k in self.now if in_range(k, low, high)]:
            del self.now[key]
        self.sql.execute('delete from t where (?1 is null or k >= ?1) and (?2 is null or k < ?2)', (low, high))

    @precondition(lambda self: self.txn is not None)
    @rule(commits=st.booleans())
    def end(self, commits):
        if commits:
            self.txn.commit()
            self.committed = dict(self.now)
            self.sql.execute('commit')
        else:
            self.txn.abort()
            self.now = dict(self.committed)
            self.sql.execute('rollback')
        self.txn = None

    @rule()
    def read(self):
        if len(self.readers) < 4:
            self.readers.append((self.db.read(), dict(self.committed)))

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def end_a_reader(self, data):
        reader, state = self.readers.pop(data.draw(st.integers(0, len(self.readers) - 1)))
        assert list(reader.items()) == sorted(state.items())
        reader.abort()

    @rule(low=BOUNDS, high=BOUNDS, reverse=st.booleans())
    def look_at_a_range(self, low, high, reverse):
        if self.txn is None:
            return
        wanted = sorted((k, v) for k, v in self.now.items() if in_range(k, low, high))
        assert list(self.txn.range(low, high, reverse=reverse)) == (wanted[::-1] if reverse else wanted)
        order = 'desc' if reverse else 'asc'
        rows = self.sql.execute('select k, v from t where (?1 is null or k >= ?1) and (?2 is null or k < ?2) '
                                f'order by k {order}', (low, high)).fetchall()
        assert list(self.txn.range(low, high, reverse=reverse)) == rows

    @rule(prefix=KEYS)
    def look_at_a_prefix(self, prefix):
        if self.txn is not None:
            assert list(self.txn.range(prefix=prefix)) == sorted(
                (k, v) for k, v in self.now.items() if k.startswith(prefix))

    @rule(keys=st.lists(KEYS, max_size=20))
    def look_at_many(self, keys):
        for view, state in self.readers + ([(self.txn, self.now)] if self.txn else []):
            short = [k for k in keys if len(k) <= self.key_max]
            assert view.get_many(short) == [state.get(k) for k in short]
            assert [k in view for k in short] == [k in state for k in short]

    @precondition(lambda self: self.txn is None)
    @rule(pager=st.sampled_from([verso.Pager.BUFPOOL, verso.Pager.MMAP]))
    def reopen(self, pager):
        self.readers.clear()
        self.db.close()
        self.options['pager'] = pager
        self.db = verso.open(self.path, **self.options)

    @invariant()
    def agree(self):
        if getattr(self, 'txn', None) is not None:
            assert len(self.txn) == len(self.now)

    @precondition(lambda self: self.txn is None)
    @rule()
    def check(self):
        assert self.db.check() == []
        with self.db.read() as txn:
            assert list(txn.items()) == sorted(self.committed.items())
            assert list(txn.items()) == self.sql.execute('select k, v from t order by k').fetchall()


def in_range(key, low, high):
    return (low is None or key >= low) and (high is None or key < high)


class Properties(unittest.TestCase):
    def run_machine(self, the_pager):
        machine = type('Machine_' + the_pager.name, (Machine,), {'pager': the_pager})
        chosen = int(os.environ.get('VERSO_SEED', '1'))
        seed(chosen)(machine)
        print(f'seed {chosen}, {N_EXAMPLES} examples, {the_pager.name}')
        run_state_machine_as_test(machine, settings=settings(
            max_examples=N_EXAMPLES, stateful_step_count=40, deadline=None, database=None, phases=PHASES,
            suppress_health_check=list(HealthCheck)))

    def test_the_pool_agrees_with_a_dict_and_sqlite(self):
        self.run_machine(verso.Pager.BUFPOOL)

    def test_the_map_agrees_with_a_dict_and_sqlite(self):
        self.run_machine(verso.Pager.MMAP)


if __name__ == '__main__':
    unit_main.main()
