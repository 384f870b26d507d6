#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The Python module: what threads, ends in any order and wrong use do to it.

usage: test_lifetime.py ROOT
"""
import errno
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
import warnings

import common
from common import ROOT, WAIT_S, OneDatabase

import verso


class Lifetime(OneDatabase):
    def every_call(self, txn):
        calls = [lambda: txn[b'a'], lambda: txn.get(b'a'), lambda: b'a' in txn, lambda: len(txn), lambda: list(txn),
                 lambda: txn.range(), lambda: txn.get_many([b'a']), lambda: txn.read(b'a', 0, 1)]
        if isinstance(txn, verso.ReadTransaction):
            calls += [txn.tables, lambda: txn.table('x'), txn.__enter__]
        return calls

    def test_a_transaction_that_has_ended(self):
        db = self.open()
        for end in ('commit', 'abort'):
            txn = db.write()
            table = txn.table('t')
            txn[b'a'] = b'1'
            records, names = txn.range(), iter(table)
            getattr(txn, end)()
            calls = self.every_call(txn) + self.every_call(table) + [
                lambda: next(records), lambda: next(names), txn.commit, lambda: txn.drop_table('t'),
                lambda: txn.put(b'a', b''), lambda: txn.__delitem__(b'a'), lambda: table.put(b'a', b''), txn.clear, txn.count,
                lambda: txn.replace(b'a', b''), lambda: txn.write(b'a', 0, b''), txn.delete_range,
                lambda: txn.rename_table('t', 'u')]
            for call in calls:
                with self.assertRaises(verso.EndedError) as caught:
                    call()
                self.assertIn('ended', str(caught.exception))
            txn.abort()
            records.close()

    def test_a_database_that_was_closed_under_a_cursor(self):
        db = self.open()
        with db.write() as txn:
            txn.update({b'%03d' % i: b'' for i in range(500)})
        txn = db.read()
        records = txn.range()
        next(records)
        db.close()
        calls = self.every_call(txn) + [lambda: next(records), db.read, db.write, db.sync, db.stat, db.check,
                                        lambda: db.resize_cache(1 << 20),
                                        lambda: db.copy(self.path + '-copy')]
        for call in calls:
            with self.assertRaises(verso.EndedError) as caught:
                call()
            self.assertIn('closed', str(caught.exception))
        for end in (records.close, txn.abort, db.close):
            end()
        with self.open() as db, db.read() as txn:
            self.assertEqual(len(txn), 500)

    def test_a_writer_that_was_open_at_the_close_is_forgotten(self):
        db = self.open()
        with self.assertRaises(verso.EndedError), db.write() as txn:
            txn[b'a'] = b'1'
            db.close()
            txn[b'b'] = b'2'
        with self.open() as db, db.read() as txn:
            self.assertEqual(len(txn), 0)

    def test_what_nobody_has_any_more_is_ended(self):
        gc.disable()
        self.addCleanup(gc.enable)
        db = self.open()
        txn = db.write()
        txn[b'a'] = b'1'
        records = txn.range()
        next(records)
        del txn, records # at once, not by the collector of cycles
        with db.write() as txn:
            self.assertEqual(len(txn), 0)
        readers = [db.read() for _ in range(100)]
        self.assertEqual(db.stat()['n_readers'], 100)
        del readers
        self.assertEqual(db.stat()['n_readers'], 0)

    def test_a_database_that_nobody_closed_is_closed_with_a_warning(self):
        db = verso.open(self.path, create=True, pager=self.pager)
        with db.write() as txn:
            txn[b'a'] = b'1'
        del txn
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            del db
            gc.collect()
        self.assertIn('not closed', str(caught[0].message))
        with self.open() as db, db.read() as txn:
            self.assertEqual(txn[b'a'], b'1')

    def test_results_stay(self):
        db = self.open()
        with db.write() as txn:
            txn.update({b'%04d' % i: b'%04d' % i * 100 for i in range(1000)})
        with db.read() as txn:
            values = [txn[b'%04d' % i] for i in range(1000)]
            items = list(txn.items())
        db.close()
        gc.collect()
        self.assertEqual(values, [b'%04d' % i * 100 for i in range(1000)])
        self.assertEqual(items, [(b'%04d' % i, b'%04d' % i * 100) for i in range(1000)])

    def test_a_child_after_fork(self):
        db = self.open()
        with db.write() as txn:
            txn[b'a'] = b'1'
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                db.read()
            except OSError as e:
                status = 0 if e.errno == errno.EINVAL and 'fork' in str(e) else 2
            finally:
                os._exit(status)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        with db.read() as txn:
            self.assertEqual(txn[b'a'], b'1')


class Threads(OneDatabase):
    def run_all(self, *calls):
        """Runs each in a thread; what one raises, this raises."""
        errors = []

        def guarded(call):
            try:
                call()
            except BaseException as e: # pylint: disable=broad-except
                errors.append(e)

        threads = [threading.Thread(target=guarded, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_S)
            self.assertFalse(thread.is_alive(), 'a thread hangs')
        if errors:
            raise errors[0]

    def test_commits_are_waited_for_later(self):
        db = self.open()
        gens = []
        for i in range(20):
            txn = db.write()
            txn[b'%d' % i] = b'x'
            gens.append(txn.commit_async())
            with self.assertRaises(verso.EndedError):
                txn[b'more'] = b'x'
        with db.read() as txn:
            self.assertEqual(len(txn), 0)
        n_flushes = db.stat()['n_flushes']
        self.run_all(*[lambda gen=gen: db.wait(gen) for gen in gens])
        self.assertEqual(db.stat()['n_flushes'], n_flushes + 1)
        with db.read() as txn:
            self.assertEqual(len(txn), 20)
        db.wait(0)
        with self.assertRaises(verso.Error):
            db.wait(gens[-1] + 1)

    def test_writers_wait_for_each_other(self):
        db = self.open(sync=verso.Sync.RELAXED)

        def count():
            for _ in range(50):
                with db.write() as txn:
                    txn[b'n'] = b'%d' % (int(txn.get(b'n', b'0')) + 1)

        self.run_all(*[count] * 4)
        with db.read() as txn:
            self.assertEqual(txn[b'n'], b'200')

    def test_readers_see_whole_transactions(self):
        db = self.open(sync=verso.Sync.RELAXED)
        done = threading.Event()
        with db.write() as txn:
            txn.update({b'a': b'0', b'b': b'0'})

        def write():
            for i in range(200):
                with db.write() as txn:
                    txn[b'a'] = txn[b'b'] = b'%d' % i
            done.set()

        def read():
            while not done.is_set():
                with db.read() as txn:
                    self.assertEqual(txn[b'a'], txn[b'b'])

        self.run_all(write, read, read)

    def test_one_transaction_in_many_threads(self):
        db = self.open()
        with db.write() as txn:
            def work(number):
                for i in range(300):
                    key = b'%d-%d' % (number, i)
                    txn[key] = key
                    self.assertEqual(txn[key], key)
                    next(txn.range(key))

            self.run_all(*[lambda n=n: work(n) for n in range(4)])
            self.assertEqual(len(txn), 1200)

    def test_a_close_beside_readers_is_an_exception_in_them(self):
        for _ in range(20):
            db = self.open(sync=verso.Sync.RELAXED)
            with db.write() as txn:
                txn.update({b'%04d' % i: b'x' * 50 for i in range(300)})
            started = threading.Barrier(4)

            def read():
                started.wait(WAIT_S)
                with self.assertRaises(verso.EndedError):
                    while True:
                        with db.read() as txn:
                            for _ in txn.range():
                                pass

            def close():
                started.wait(WAIT_S)
                db.close()

            self.run_all(read, read, read, close)

    def test_a_close_ends_a_writer_for_whom_another_waits(self):
        db = self.open()
        txn = db.write()
        begun = threading.Event()

        def wait():
            begun.set()
            with self.assertRaises(verso.EndedError), db.write() as other:
                other[b'a'] = b''

        def close():
            begun.wait(WAIT_S)
            db.close()

        self.run_all(wait, close)
        self.assertRaises(verso.EndedError, txn.commit)

    def test_an_interrupt_leaves_no_transaction(self):
        db = self.open()
        with self.assertRaises(KeyboardInterrupt), db.write() as txn:
            txn[b'a'] = b''
            signal.raise_signal(signal.SIGINT)
        with db.write() as txn:
            self.assertEqual(len(txn), 0)


class Program(unittest.TestCase):
    def test_an_exit_with_everything_open(self):
        with tempfile.TemporaryDirectory() as folder:
            code = ('import verso\n'
                    'db = verso.open("a", create=True, sync=verso.Sync.RELAXED)\n'
                    'with db.write() as txn: txn[b"a"] = b"1"\n'
                    'reader = db.read(); records = reader.range(); next(records); writer = db.write()\n')
            env = {**os.environ, 'PYTHONPATH': os.path.join(ROOT, 'python'), 'PYTHONWARNINGS': ''}
            done = subprocess.run([sys.executable, '-c', code], cwd=folder, env=env, check=False, capture_output=True)
            self.assertEqual((done.returncode, done.stderr), (0, b''))
            with verso.open(os.path.join(folder, 'a')) as db, db.read() as txn:
                self.assertEqual(dict(txn), {b'a': b'1'})

    def test_a_source_tree_has_its_own_library(self):
        library = os.path.realpath(verso._library.lib._name)
        env = {k: v for k, v in os.environ.items() if k not in ('VERSO_LIBRARY', 'LD_LIBRARY_PATH')}
        code = 'from verso import _library; print(_library.library_path())'
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(os.path.join(ROOT, 'python', 'verso'), os.path.join(folder, 'python', 'verso'),
                            ignore=shutil.ignore_patterns('__pycache__'))
            for name in ('build/db', 'build-test/db', 'include'):
                os.makedirs(os.path.join(folder, name))
            found = []
            for made in ('meson.build', 'include/verso.h', 'build-test/db/libverso.so.0', 'build/db/libverso.so.0'):
                os.symlink(library, os.path.join(folder, made))
                for extra in ({}, {'VERSO_LIBRARY': library}):
                    done = subprocess.run([sys.executable, '-c', code], cwd=folder, check=False, capture_output=True, text=True,
                                          env={**env, **extra, 'PYTHONPATH': os.path.join(folder, 'python')})
                    found.append(done.stdout.strip().replace(os.path.realpath(folder) + '/', ''))
        self.assertEqual(found[1::2], [library] * 4) # what is named comes first
        self.assertIn(found[0], ('', 'libverso.so.0')) # '': none is installed, so the module cannot be loaded
        self.assertEqual(found[4::2], ['build-test/db/libverso.so.0', 'build/db/libverso.so.0'])

    def test_types(self):
        done = subprocess.run([sys.executable, '-m', 'mypy', '--version'], check=False, capture_output=True)
        if done.returncode != 0:
            self.skipTest('no mypy (Debian: apt install mypy)')
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([sys.executable, '-m', 'mypy', '--strict', '--cache-dir', folder,
                                   os.path.join(ROOT, 'python', 'verso')], check=False, text=True, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stdout)


globals().update(common.on_each_pager(Lifetime, Threads))

if __name__ == '__main__':
    common.main()
