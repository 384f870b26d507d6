# SPDX-License-Identifier: MIT
"""What the module's tests have in common: where it is, and a test that runs on each pager.

The program that imports it was given the source tree's folder: its first argument.
"""
import faulthandler
import os
import sys
import tempfile
import unittest

ROOT = os.path.abspath(sys.argv[1])
sys.path[:0] = [os.path.join(ROOT, 'python'), os.path.join(ROOT, 'tests')]
import unit_main  # noqa: E402
import verso  # noqa: E402

PAGERS = (verso.Pager.BUFPOOL, verso.Pager.MMAP)
WAIT_S = 60


class OneDatabase:
    """Each test on each pager, in a new folder. (No TestCase itself: its heirs are.)"""

    pager = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, 'a.verso')

    def open(self, **options):
        db = verso.open(self.path, create=True, pager=self.pager, **options)
        self.addCleanup(db.close)
        return db


def on_each_pager(*cases):
    """Classes by name: each of the cases as a TestCase on each pager."""
    made = {}
    for case in cases:
        for pager in PAGERS:
            name = case.__name__ + pager.name.title()
            made[name] = type(name, (case, unittest.TestCase), {'pager': pager, '__module__': '__main__'})
    return made


def main():
    """Runs the tests of the program that calls it. Ends the process."""
    faulthandler.dump_traceback_later(WAIT_S * 10, exit=True)
    unit_main.main()
