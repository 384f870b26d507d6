#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the handout of Lab 1 prints is what the programs print.

usage: test_handout.py FOLDER_OF_PROGRAMS
"""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', '..', 'tool'))

from shown import Shown  # noqa: E402

with Shown(__file__) as shown:
    names = os.path.join(shown.lab, 'names.txt')
    shown.prints('lab1_show', 'page')
    shown.prints('lab1_show', 'inner')
    shown.prints('lab1_measure', names)
    shown.prints('lab1_measure_simple', names)
    shown.answers(shown.output('lab1_show', 'predicted').split('\n')[:-1])
    for question in shown.questions():
        shown.drawn('lab1_show', question, r'[\d ]+\n')
    shown.commands('lab1_')
    shown.tasks()
    shown.picture()
