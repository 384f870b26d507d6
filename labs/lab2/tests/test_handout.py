#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the handout of Lab 2 prints is what the programs print, and each task has its example.

usage: test_handout.py FOLDER_OF_PROGRAMS
"""
import decimal
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', '..', 'tool'))

from shown import Shown  # noqa: E402

with Shown(__file__) as shown:
    shown.prints('lab2_show', 'page')
    names, *rows = [line.split(',') for line in shown.output('lab2_curves', '--csv').split()]
    misses = dict(zip(names, *[[decimal.Decimal(n).quantize(decimal.Decimal('0.1'), decimal.ROUND_HALF_UP) for n in row] for row in rows if row[0] == '100']))
    shown.says('With 100 frames, of 100 reads FIFO misses {fifo}, LRU {lru}, CLOCK {clock}, SIEVE {sieve} and the optimum {optimum}.'.format(**misses))
    shown.commands('lab2_')
    shown.tasks()
    shown.picture()
