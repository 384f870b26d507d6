#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the handout of Lab 5 prints is what the programs print, and its pictures are what is drawn.

usage: test_handout.py FOLDER_OF_PROGRAMS
"""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', '..', 'tool'))

from shown import Shown  # noqa: E402

with Shown(__file__) as shown:
    shown.prints('lab5_show', 'bytes')
    shown.prints('lab5_fill')
    shown.prints('lab5_fill_share')
    shown.commands('lab5_')
    shown.tasks()
    shown.answers(shown.output('lab5_show', 'predicted').split('\n')[:-1])
    for question in shown.questions():
        shown.drawn('lab5_show', question, r'[\w ]+\n')
    shown.draws('fill.svg', 'plot.py', shown.output('lab5_fill', 'leaves') + shown.output('lab5_fill_share', 'leaves'))
    shown.picture()
