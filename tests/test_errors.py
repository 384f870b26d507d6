#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/errors.md has the table that error_table makes by failing each call of the disk.

usage: test_errors.py PROGRAM ROOT [--update]
"""
import os
import subprocess
import sys

BEGIN, END = '<!-- table: begin -->\n', '<!-- table: end -->\n'


def main():
    program, root = sys.argv[1:3]
    path = os.path.join(root, 'docs', 'errors.md')
    done = subprocess.run([program], check=False, text=True, capture_output=True)
    if done.returncode != 0:
        print(done.stderr)
        return 1
    with open(path, encoding='utf-8') as f:
        page = f.read()
    head, _, rest = page.partition(BEGIN)
    table, _, tail = rest.partition(END)
    found = '\n' + done.stdout
    print(done.stderr.strip())
    if sys.argv[3:] == ['--update']:
        with open(path, 'w', encoding='utf-8') as f:
            f.write(head + BEGIN + found + END + tail)
        return 0
    if table == found:
        return 0
    for old, new in zip(table.split('\n'), found.split('\n')):
        if old != new:
            print(f'docs/errors.md:  {old}\nthe program now: {new}\n')
    print('docs/errors.md has another table than the program makes. When the change is meant: test_errors.py PROGRAM ROOT --update')
    return 1


if __name__ == '__main__':
    sys.exit(main())
