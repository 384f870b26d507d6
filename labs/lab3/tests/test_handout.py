#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the handout of Lab 3 prints is what the program show prints, but for addresses.

usage: test_handout.py FOLDER_OF_PROGRAMS
"""
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', '..', 'tool'))

from shown import Shown  # noqa: E402

ADDRESSES = (slice(16, 24), slice(32, 40)), (slice(0, 8),)  # of an entry of each ring: the buffer, and the request


def entries(text):
    """The bytes of the two entries, addresses blotted out."""
    made = []
    for part, addresses in zip(re.split(r'(?m)^an entry of .*$', text)[1:], ADDRESSES):
        found = [word for line in part.strip('\n').split('\n') for word in line.split()[1:]]
        for where in addresses:
            found[where] = ['..'] * 8
        made.append(found)
    return made


with Shown(__file__) as shown:
    for what in ('short', 'knee', 'flush'):
        shown.prints('lab3_show', what)
    mine = [b for b in shown.printed if b.startswith('an entry of the submission ring')]
    shown.that(len(mine) == 1 and [len(e) for e in entries(mine[0])] == [64, 16], 'an entry is not whole')
    real = shown.output('lab3_show', 'entry')
    if 'no io_uring' in real:
        shown.skip('the entries, which the headers of this system do not know')
    else:
        shown.that(entries(mine[0]) == entries(real), 'the handout has other entries than `show entry`')
    shown.commands('lab3_')
    shown.tasks()
    shown.picture()
