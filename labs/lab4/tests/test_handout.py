#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the handout of Lab 4 prints of every machine is what the program prints, and each task has its example.

usage: test_handout.py FOLDER_OF_PROGRAMS
"""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', '..', 'tool'))

from shown import Shown  # noqa: E402

with Shown(__file__) as shown:
    shown.commands('lab4_')
    shown.tasks()
    shown.picture()
