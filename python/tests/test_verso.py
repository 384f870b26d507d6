#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The Python module: what it does, and what it refuses.

usage: test_verso.py ROOT
"""
import errno
import os
import threading

import common
from common import WAIT_S, OneDatabase

import verso


class Use(OneDatabase):
    def test_the_example_of_the_docstring(self):
        with self.open() as db, db.write() as txn:
            txn[b'moon'] = b'1737 km'
        with verso.open(self.path, pager=self.pager) as db, db.read() as txn:
            self.assertEqual(txn[b'moon'], b'1737 km')
            self.assertEqual(db.stat()['pager'], self.pager)

    def test_a_transaction_is_a_mapping(self):
        with self.open().write() as txn:
            txn.update({b'b': b'2', b'a': b'1', b'c': b''})
            self.assertEqual(dict(txn), {b'a': b'1', b'b': b'2', b'c': b''})
            self.assertEqual(list(txn), [b'a', b'b', b'c'])
            self.assertEqual(list(reversed(txn)), [b'c', b'b', b'a'])
            self.assertEqual(list(txn.items())[0], (b'a', b'1'))
            self.assertEqual(list(txn.values()), [b'1', b'2', b''])
            self.assertEqual(len(txn), 3)
            self.assertIn(b'c', txn)
            self.assertNotIn(b'd', txn)
            self.assertNotIn('c', txn)
            self.assertEqual(txn.get(b'd', b'no'), b'no')
            self.assertEqual(txn.get(bytearray(b'a')), b'1')
            self.assertEqual(txn.pop(b'a'), b'1')
            self.assertEqual(txn.setdefault(b'b', b'x'), b'2')
            self.assertEqual(txn.popitem(), (b'b', b'2'))
            txn.clear()
            self.assertEqual(len(txn), 0)
            for call in (lambda: txn[b'a'], lambda: txn.__delitem__(b'a'), lambda: txn.read(b'a', 0, 1)):
                self.assertRaises(KeyError, call)

    def test_put_without_overwriting(self):
        with self.open().write() as txn:
            self.assertTrue(txn.put(b'k', b'1', overwrite=False))
            self.assertFalse(txn.put(b'k', b'2', overwrite=False))
            self.assertEqual(txn[b'k'], b'1')
            self.assertTrue(txn.put(b'k', b'3'))
            self.assertEqual(txn[b'k'], b'3')

    def test_more_ways_to_write(self):
        with self.open().write() as txn:
            self.assertIsNone(txn.replace(b'k', b'1'))
            self.assertEqual(txn.replace(b'k', b''), b'1')
            self.assertEqual(txn.replace(b'k', b'2'), b'')
            self.assertTrue(txn.put(b'l', b'', append=True))
            self.assertRaises(verso.MisuseError, txn.put, b'a', b'', append=True)
            txn.write(b'long', 0, b'a' * 10_000)
            txn.write(b'long', 9_999, b'b' * 5)
            self.assertEqual(txn[b'long'], b'a' * 9_999 + b'b' * 5)
            self.assertRaises(verso.MisuseError, txn.write, b'long', 20_000, b'x')
            self.assertRaises(ValueError, txn.write, b'long', -1, b'x')
            txn.update({b'%04d' % i: b'' for i in range(1000)})
            self.assertEqual(txn.delete_range(b'0100', b'0200'), 100)
            self.assertEqual(txn.delete_range(prefix=b'05'), 100)
            self.assertEqual(txn.count(prefix=b'0'), 800)
            self.assertGreater(txn.count(prefix=b'0', estimate=True), 200)
            txn.table('a')[b'x'] = b'y'
            txn.rename_table('a', 'b')
            self.assertEqual(txn.tables(), ['b'])
            self.assertRaises(KeyError, txn.rename_table, 'a', 'c')
            self.assertRaises(ValueError, txn.rename_table, 'b', 'b')
            txn.clear()
            self.assertEqual((len(txn), len(txn.table('b'))), (0, 1))

    def test_ranges(self):
        keys = [b'', b'a', b'ab', b'abc', b'b', b'\xff', b'\xff\xff', b'\xff\xff1']
        bounds = [None, *keys, b'0', b'aa', b'\xff\xff\xff']
        with self.open().write() as txn:
            txn.update({key: b'v' + key for key in keys})
            for low in bounds:
                for high in bounds:
                    wanted = [k for k in keys if (low is None or k >= low) and (high is None or k < high)]
                    self.assertEqual([k for k, _ in txn.range(low, high)], wanted, (low, high))
                    self.assertEqual([k for k, _ in txn.range(low, high, reverse=True)], wanted[::-1], (low, high))
                    self.assertEqual(txn.count(low, high), len(wanted), (low, high))
            for prefix in bounds[1:]:
                wanted = [(k, b'v' + k) for k in keys if k.startswith(prefix)]
                self.assertEqual(list(txn.range(prefix=prefix)), wanted, prefix)
                self.assertEqual(list(txn.range(prefix=prefix, reverse=True)), wanted[::-1], prefix)
            self.assertEqual([k for k, _ in txn.range(b'ab', prefix=b'a')], [b'ab', b'abc'])

    def test_a_range_sees_what_its_transaction_changes(self):
        with self.open().write() as txn:
            txn.update({b'%03d' % i: b'' for i in range(100)})
            seen = []
            for key, _ in txn.range():
                seen.append(key)
                if len(seen) == 1:
                    del txn[b'001']
                    txn[b'0005'] = b''
            self.assertEqual(seen[:3], [b'000', b'0005', b'002'])
            records = txn.range()
            next(records)
            records.close()
            self.assertRaises(StopIteration, next, records)
            self.assertRaises(StopIteration, next, txn.range(b'zzz'))

    def test_get_many_and_pieces(self):
        with self.open().write() as txn:
            long = os.urandom(100_000)
            txn.update({b'a': b'1', b'long': long, b'empty': b''})
            self.assertEqual(txn.get_many([b'long', b'no', b'a', b'a', b'empty']), [long, None, b'1', b'1', b''])
            self.assertEqual(txn.get_many([]), [])
            self.assertEqual(txn.read(b'long', 5000, 20_000), long[5000:25_000])
            self.assertEqual(txn.read(b'long', 99_990, 100), long[99_990:])
            self.assertEqual(txn.read(b'long', 200_000, 100), b'')
            self.assertRaises(ValueError, txn.read, b'long', -1, 1)
            self.assertEqual(txn[b'long'], long)

    def test_tables(self):
        db = self.open()
        with db.write() as txn:
            moons = txn.table('moons')
            moons[b'io'] = b'1822 km'
            txn.table('zürich')[b'a'] = b''
            txn[b'io'] = b'other'
            self.assertEqual(txn.tables(), ['moons', 'zürich'])
            txn.drop_table('zürich')
            self.assertRaises(KeyError, txn.drop_table, 'zürich')
            self.assertRaises(KeyError, txn.table, 'none', create=False)
            self.assertRaises(ValueError, txn.table, 'a\0b')
            self.assertRaises(verso.MisuseError, txn.table, '')
            self.assertRaises(verso.TooBigError, txn.table, 'x' * 256)
        with db.read() as txn:
            self.assertEqual(dict(txn.table('moons')), {b'io': b'1822 km'})
            self.assertEqual(txn[b'io'], b'other')
            self.assertRaises(KeyError, txn.table, 'zürich')

    def test_an_exception_aborts_and_the_end_commits(self):
        db = self.open()
        with self.assertRaises(ZeroDivisionError), db.write() as txn:
            txn[b'a'] = b'1'
            raise ZeroDivisionError
        with db.write() as txn:
            self.assertEqual(len(txn), 0)
            txn[b'b'] = b'2'
        with db.write() as txn:
            txn[b'c'] = b'3'
            txn.abort()
        txn = db.write()
        txn[b'd'] = b'4'
        txn.commit()
        with db.read() as txn:
            self.assertEqual(list(txn), [b'b', b'd'])

    def test_a_snapshot_stays(self):
        db = self.open()
        with db.write() as txn:
            txn[b'a'] = b'1'
        with db.read() as before:
            with db.write() as txn:
                txn[b'a'] = b'2'
            with db.read() as after:
                self.assertEqual((before[b'a'], after[b'a']), (b'1', b'2'))

    def test_what_the_database_says_of_itself(self):
        db = self.open(sync=verso.Sync.RELAXED, page_size=8192, cache_bytes=16 << 20)
        with db.write() as txn:
            txn[b'a'] = b'1'
        db.sync()
        stat = db.stat()
        self.assertEqual((stat['page_size'], stat['sync'], stat['n_readers']), (8192, verso.Sync.RELAXED, 0))
        self.assertEqual(stat['newest_gen'], stat['durable_gen'])
        self.assertEqual(stat['n_evictions'] is None, self.pager == verso.Pager.MMAP)
        self.assertFalse(stat['poisoned'])
        self.assertEqual(db.check(), [])
        self.assertEqual(db.check(trees_only=True), [])
        self.assertRegex(verso.version(), r'^\d+\.\d+\.\d+$')


    def test_kept_tables(self):
        db = self.open()
        kept = db.keep_table('t')
        with db.read() as txn:
            self.assertRaises(KeyError, txn.table, kept)
        with db.write() as txn:
            self.assertRaises(KeyError, txn.table, kept, create=False)
            txn.table(kept)[b'a'] = b'1'
            txn.table(kept)[b'b'] = b'2'
            self.assertEqual(dict(txn.table('t')), {b'a': b'1', b'b': b'2'})
        old = db.read()
        with db.write() as txn:
            txn.drop_table('t')
            self.assertRaises(KeyError, txn.table, kept, create=False)
        self.assertEqual(dict(old.table(kept)), {b'a': b'1', b'b': b'2'})
        with db.read() as txn:
            self.assertRaises(KeyError, txn.table, kept)
        old.abort()
        self.assertRaises(ValueError, db.keep_table, 'a\0b')
        self.assertRaises(verso.TooBigError, db.keep_table, 'a' * 256)
        with verso.open(self.path + '2', create=True, pager=self.pager) as other, other.read() as txn:
            self.assertRaises(verso.MisuseError, txn.table, kept)
        db.close()
        self.assertRaises(verso.EndedError, db.keep_table, 't')
        again = self.open()
        again.keep_table('u')  # the library may keep it where the other one was
        with again.write() as txn:
            self.assertRaises(verso.MisuseError, txn.table, kept)

    def test_room_for_a_value(self):
        with self.open().write() as txn:
            for length in (0, 5, 3000, 1 << 20): # in a leaf, and beyond it
                with txn.reserve(b'k', length) as room:
                    self.assertEqual(room, bytes(length))
                    room[:] = (b'0123456789' * (length // 10 + 1))[:length]
                self.assertEqual(txn[b'k'], (b'0123456789' * (length // 10 + 1))[:length])
            with self.assertRaises(ZeroDivisionError), txn.reserve(b'other', 10) as room:
                room[:] = b'x' * (10 // 0)
            self.assertNotIn(b'other', txn)
            with self.assertRaises(KeyError), txn.reserve(b'k', 3, overwrite=False):
                pass
            self.assertEqual(len(txn[b'k']), 1 << 20)
            with self.assertRaises(ValueError), txn.reserve(b'k', 3) as room:
                room += b'more'
            with self.assertRaises(verso.TooBigError), txn.reserve(b'k' * 5000, 3):
                pass
        with self.assertRaises(verso.EndedError), txn.reserve(b'k', 3):
            pass

    def test_space_and_compaction(self):
        db = self.open()
        with db.write() as txn:
            txn.update({b'%06d' % i: bytes(500) for i in range(5000)})
        with db.write() as txn:
            txn.delete_range(b'000100')
        space = db.space()
        parts = ('n_inner', 'n_leaf', 'n_overflow', 'n_free_space', 'n_free', 'n_pending')
        self.assertEqual(sum(space[p] for p in parts), space['n_pages'])
        self.assertEqual(space['file_bytes'], os.path.getsize(self.path))
        self.assertTrue(space['why'].endswith('.'), space['why'])
        n_steps = 0
        while (step := db.compact(pages_max=1)).more:
            n_steps += 1
            self.assertLess(n_steps, 1000)
        self.assertLess(step.file_bytes, space['file_bytes'] // 2)
        self.assertEqual(step.file_bytes, os.path.getsize(self.path))
        self.assertFalse(db.compact(time_max_ms=60000).more)
        self.assertRaises(ValueError, db.compact, pages_max=-1)
        self.assertEqual(db.check(), [])
        with db.write():
            self.assertRaises(verso.MisuseError, db.space)
            self.assertRaises(verso.MisuseError, db.compact)

    def test_what_others_see(self):
        self.assertRaises(FileNotFoundError, verso.watch, self.path)
        db = self.open()
        for i in range(3):
            with db.write() as txn:
                txn[b'k'] = b'%d' % i
        with db.read(), db.write():
            seen = verso.watch(self.path)
        self.assertEqual((seen['is_open'], seen['pager'], seen['n_processes'], seen['n_commits'], seen['n_readers']),
                         (True, self.pager, 1, 3, 1))
        self.assertEqual((seen['writer_pid'], seen['reader_pid']), (os.getpid(), os.getpid()))
        self.assertIsNone(verso.watch(self.path)['write_age_ms'])
        db.close()
        seen = verso.watch(self.path)
        self.assertEqual((seen['is_open'], seen['pager'], seen['writer_pid']), (False, None, 0))
        self.assertRaises(ValueError, verso.watch, 'a\0b')

    def test_copies(self):
        db = self.open()
        with db.write() as txn:
            txn.update({b'%05d' % i: b'v' * 100 for i in range(20_000)})
        with db.write() as txn:
            txn.delete_range(b'00100')
        path, steps = self.path + '-copy', []
        with db.read() as reader:
            db.copy(path, progress=lambda done, total: steps.append((done, total, len(reader))))
        self.assertEqual({n for _, _, n in steps}, {100})
        self.assertRaises(FileExistsError, db.copy, path)
        size = os.path.getsize(path)
        db.copy(path, replace=True, compact=True)
        self.assertLess(os.path.getsize(path), size / 4)
        read, write = os.pipe()
        with open(read, 'rb') as pipe, open(self.path + '-pipe', 'wb') as file:
            thread = threading.Thread(target=lambda: file.write(pipe.read()))
            thread.start()
            db.copy(write)
            os.close(write)
            thread.join(WAIT_S)
        for name in ('-copy', '-pipe'):
            with verso.open(self.path + name, pager=self.pager) as copy, copy.read() as txn:
                self.assertEqual(list(txn), [b'%05d' % i for i in range(100)])
            with verso.open(self.path + name, pager=self.pager) as copy:
                self.assertEqual(copy.check(), [])

    def test_a_copy_is_ended_by_what_its_progress_raises(self):
        db = self.open()
        with db.write() as txn:
            txn.update({b'%05d' % i: b'v' * 100 for i in range(20_000)})

        def stop(_done, _total):
            raise ZeroDivisionError

        self.assertRaises(ZeroDivisionError, db.copy, self.path + '-copy', progress=stop)
        self.assertRaises(verso.MisuseError, db.copy, self.path + '-copy', progress=lambda *_: db.close())
        self.assertFalse(os.path.exists(self.path + '-copy'))
        self.assertRaises(ValueError, db.copy, 'a\0b')
        db.copy(self.path + '-copy')


    def test_advice_loads_the_pages_of_a_range(self):
        with self.open() as db, db.write() as txn:
            txn.update({b'%06d' % i: b'v' * 100 for i in range(10_000)})
        with verso.open(self.path, pager=self.pager, io=verso.Io.SYNC, readahead_pages=verso.NO_READAHEAD,
                        busy_timeout_ms=verso.BUSY_FOREVER) as db, db.read() as txn:
            def ahead():
                return db.stat()['n_loads_ahead']

            known = ahead() is not None # the kernel loads what is mapped
            self.assertEqual(known, self.pager == verso.Pager.BUFPOOL)
            txn.advise(verso.Advice.COLD, b'000100', b'000200')
            if known:
                self.assertEqual(ahead(), 0)
            txn.advise(verso.Advice.WILLNEED, b'000100', b'000200')
            if known:
                few = ahead()
                self.assertTrue(0 < few < 10, few)
            txn.advise(verso.Advice.WILLNEED, b'000100')
            if known:
                self.assertGreater(ahead(), 10 * few)
            self.assertRaises(verso.MisuseError, txn.advise, 7)
            self.assertRaises(TypeError, txn.advise, verso.Advice.COLD, 'a')
            self.assertEqual(len(list(txn.range(b'000100', b'000200'))), 100)


class Refused(OneDatabase):
    def test_errors_have_class_code_and_text(self):
        with self.assertRaises(FileNotFoundError) as caught:
            verso.open(self.path, pager=self.pager)
        self.assertIsInstance(caught.exception, verso.Error)
        self.assertEqual(caught.exception.errno, errno.ENOENT)
        self.assertIn(self.path, str(caught.exception))
        self.open()
        with self.assertRaises(OSError) as caught:
            verso.open(self.path, new=True, pager=self.pager)
        self.assertEqual((caught.exception.errno, caught.exception.code), (errno.EEXIST, -errno.EEXIST))
        with self.assertRaises(verso.BusyError) as caught:
            verso.open(self.path, pager=self.pager, flags=verso.Flags.EXCLUSIVE)
        self.assertIn(self.path, caught.exception.text)

    def test_what_a_system_call_says_is_what_python_has_for_it(self):
        db = self.open()
        self.assertRaises(IsADirectoryError, verso.open, os.path.dirname(self.path), pager=self.pager)
        self.assertRaises(NotADirectoryError, verso.open, os.path.join(self.path, 'b'), pager=self.pager)
        reader, writer = os.pipe()
        os.close(reader)
        self.addCleanup(os.close, writer)
        self.assertRaises(BrokenPipeError, db.copy, writer)
        for number in (errno.EACCES, errno.EPERM): # root is refused nothing
            with self.assertRaises(PermissionError) as caught:
                verso._library.raise_error(-number)
            self.assertIsInstance(caught.exception, verso.Error)
            self.assertEqual((caught.exception.errno, caught.exception.code), (number, -number))

    def test_another_file_is_no_database(self):
        with open(self.path, 'wb') as f:
            f.write(b'hello' * 10_000)
        self.assertRaises(verso.NotDatabaseError, verso.open, self.path, pager=self.pager)

    def test_what_is_no_bytes(self):
        with self.open().write() as txn:
            for call in (lambda: txn['a'], lambda: txn.__setitem__('a', b''), lambda: txn.__setitem__(b'a', 'b'),
                         lambda: txn.__setitem__(b'a', 5), lambda: txn.range('a'), lambda: txn.get_many(['a'])):
                self.assertRaises(TypeError, call)
            self.assertEqual(len(txn), 0)
            txn[b'zero\0in it'] = b'a\0b'
            self.assertEqual(txn[memoryview(b'zero\0in it')], b'a\0b')

    def test_sizes_beyond_the_limit(self):
        with self.open().write() as txn:
            with self.assertRaises(verso.TooBigError) as caught:
                txn[b'k' * 977] = b''
            self.assertIn('976', str(caught.exception))
            txn[b'k' * 976] = b''
        for bad in ({'cache_bytes': -1}, {'page_size': 1 << 33}, {'mode': -5}, {'value_copy_max': 1 << 64}):
            self.assertRaises(ValueError, verso.open, self.path, create=True, **bad)
        self.assertRaises(ValueError, verso.open, 'a\0b')
        self.assertRaises(verso.MisuseError, verso.open, self.path + '2', create=True, page_size=1000)

    def test_a_reader_cannot_write(self):
        db = self.open()
        with db.read() as txn:
            self.assertFalse(hasattr(txn, 'commit') or hasattr(txn, 'put') or hasattr(txn, '__setitem__'))
        db.close()
        with verso.open(self.path, readonly=True, pager=self.pager) as db, self.assertRaises(OSError) as caught:
            db.write()
        self.assertEqual(caught.exception.errno, errno.EROFS)

    def test_a_second_writer_of_the_same_thread(self):
        db = self.open()
        with db.write():
            self.assertRaises(verso.MisuseError, db.write)
        with db.write() as txn:
            txn[b'a'] = b''

    def test_a_damaged_page(self):
        with self.open() as db, db.write() as txn:
            txn.update({b'%05d' % i: b'v' * 100 for i in range(5000)})
        with open(self.path, 'r+b') as f:
            data = f.read()
            f.seek(data.rindex(b'v' * 100))
            f.write(b'X')
        with verso.open(self.path, pager=self.pager) as db:
            findings = db.check()
            self.assertIn('checksum', ''.join(f.text for f in findings))
            self.assertTrue(any('page' in f.text for f in findings), findings)
            with db.read() as txn, self.assertRaises(verso.CorruptError) as caught:
                dict(txn)
            self.assertIn('page', str(caught.exception))


globals().update(common.on_each_pager(Use, Refused))

if __name__ == '__main__':
    common.main()
