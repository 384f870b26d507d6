# SPDX-License-Identifier: MIT
"""What a file has in the page cache by pieces, reading it back, and in which folios it then lies (lib/folios.py)."""
import mmap
import os
import unittest

import support
from lib import budget, folios, readings, rules

PIECES = 24
LARGE_SHARE = 0.5  # of what was read in order


class Folios(support.Scratch):
    def setUp(self):
        super().setUp()
        self.file = self.path('file')
        with open(self.file, 'wb') as f:
            f.write(os.urandom(PIECES * folios.PIECE_BYTES))
            os.fsync(f.fileno())
        self.drop()

    def drop(self):
        with open(self.file, 'rb') as f:
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def fault(self, offsets):
        with open(self.file, 'rb') as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as view:
            view.madvise(mmap.MADV_RANDOM)
            for offset in offsets:
                for at in range(offset, offset + folios.PIECE_BYTES, readings.PAGE_BYTES):
                    view[at]

    def test_pieces_are_those_that_were_used(self):
        self.assertEqual(folios.pieces(self.file), [])
        used = [3 * folios.PIECE_BYTES, 17 * folios.PIECE_BYTES]
        self.fault(used)
        self.assertEqual(folios.pieces(self.file), used)

    def test_what_was_used_is_read_back(self):
        used = [n * folios.PIECE_BYTES for n in range(4, 20)]
        with budget.make('cooperative', 1 << 30) as a_budget:
            folios.load(self.file, used, a_budget)
        self.assertLessEqual(set(used), set(folios.pieces(self.file)))

    def test_a_file_that_cannot_be_read_is_refused(self):
        with budget.make('cooperative', 1 << 30) as a_budget, self.assertRaisesRegex(rules.Refused, 'could not be read: FileNotFoundError'):
            folios.load(self.path('none'), [0], a_budget)

    @unittest.skipUnless(os.geteuid() == 0, 'only root may read /proc/kpageflags')
    def test_faults_leave_small_folios_and_reading_large_ones(self):
        used = [n * folios.PIECE_BYTES for n in range(4, 20)]
        self.assertIsNone(folios.large_share(self.file))  # nothing is in memory
        self.fault(used)
        self.assertLess(folios.large_share(self.file), 0.05)
        self.drop()
        with budget.make('cooperative', 1 << 30) as a_budget:
            folios.load(self.file, used, a_budget)
        found = folios.large_share(self.file)
        if found == 0:
            self.skipTest('this file system has no large folios')
        self.assertGreater(found, LARGE_SHARE)


if __name__ == '__main__':
    unittest.main()
