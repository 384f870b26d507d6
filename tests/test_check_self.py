#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: test_check_self.py CHECK_SELF: what a test program says of tests that end in every way."""
import os
import re
import subprocess
import sys


def run(program, name=None, rounds=None):
    env = {k: v for k, v in os.environ.items() if not k.startswith('VERSO_')}
    if name:
        env['VERSO_TEST'] = name
    if rounds:
        env['VERSO_ROUNDS'] = str(rounds)
    done = subprocess.run([program], env=env, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout


def main(program):
    status, out = run(program)
    assert status != 0 and out.endswith('5 passed, 4 failed, 1 skipped\n'), out
    assert 'skipped: is_skipped: there is no reason here\n' in out, out
    assert '\nleaves_by_exit: the process ended before the test did\n' in out, out
    assert 'the jar is full' in out, out
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'check_self.c'), encoding='utf-8') as f:
        line = 1 + [text.strip() for text in f].index('ck_assert_ptr_null(NULL);')
    assert re.search(rf'^dies_of_a_signal: the last assertion that held: .*check_self.c:{line}$', out, re.M), out
    for name, status_is_0, last in (
            ('comes_to_its_end', True, '3 passed, 0 failed, 0 skipped\n'),
            ('returns_early', True, '1 passed, 0 failed, 0 skipped\n'),
            ('leaves_by_exit', False, '0 passed, 1 failed, 0 skipped\n'),
            ('is_skipped', True, '0 passed, 0 failed, 1 skipped\n'),
            ('skips_and_fails', False, '0 passed, 1 failed, 0 skipped\n'),
            ('nothing_of_this_name', False, '0 passed, 1 failed, 0 skipped\n')):
        status, out = run(program, name)
        assert (status == 0) == status_is_0 and out.endswith(last), (name, status, out)
    assert 'there is no test nothing_of_this_name here\n' in out, out
    for every, more in ((1, 0), (2, 0), (3, 0), (3, 1), (3, 2), (100, 0)):
        n = sum(i == 0 or (i + more + sum(b'comes_to_its_end')) % every == 0 for i in range(3))
        status, out = run(program, 'comes_to_its_end', f'{every}+{more}')
        assert status == 0 and out.endswith(f'{n} passed, 0 failed, 0 skipped\n'), (every, out)


if __name__ == '__main__':
    main(sys.argv[1])
