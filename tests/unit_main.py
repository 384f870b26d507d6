# SPDX-License-Identifier: MIT
"""unittest with the last line that scripts/summary.py counts: `N passed, N failed, N skipped`.

Each reason of a skip is printed. Exit status 77 (skipped) where nothing passed and nothing failed.
"""
import sys
import unittest


def main(argv=None):
    """Runs the tests of the program that calls it; argv: its name, and which of them. Ends the process."""
    program = unittest.main(argv=argv or sys.argv[:1], exit=False)
    result = program.result
    for reason in sorted({reason for _, reason in result.skipped}):
        print(f'skipped: {reason}')
    n_failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    n_passed = max(result.testsRun - n_failed - len(result.skipped), 0)
    print(f'{n_passed} passed, {n_failed} failed, {len(result.skipped)} skipped', flush=True)
    if n_failed or not result.wasSuccessful():
        sys.exit(1)
    sys.exit(0 if n_passed else 77)
