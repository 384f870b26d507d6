#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the handout of Lab 6 prints is what the programs print.

usage: test_handout.py FOLDER_OF_PROGRAMS
"""
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', '..', 'tool'))

from shown import Shown  # noqa: E402


def bare(image):
    return re.sub(r'\s', '', image)


with Shown(__file__) as shown:
    for what in ('images', 'shadow', 'log'):
        shown.prints('show', what)
    # The predictions: an image of a question is possible exactly when the disk makes it.
    sections = re.split(r'(?m)^(\S.*:)$', shown.output('show', 'predict'))
    images = {sections[i]: {bare(line) for line in sections[i + 1].split('\n') if line.strip()} for i in range(1, len(sections), 2)}
    answers = {q['id']: [n for n, image in enumerate(q['images']) if bare(image) in images[q['section']]] for q in shown.questions()}
    shown.that(answers == {'P1': [0, 1, 2, 4], 'P2': [0, 2]}, f'other answers than the rubric has: {answers}')
    shown.tasks()
    shown.picture()
    shown.draws('heat.svg', 'heat.py', shown.output('heat', '--json', '-'))
    # The table of the design: where it is red, and where it may not be.
    table = {row.split()[0]: row.split()[1:-1] for row in shown.output('heat').split('\n')[3:] if row}
    red = {name: [cell not in ('-', '0%') for cell in cells] for name, cells in table.items()}
    for name, cells in red.items():
        shown.that(any(cells) == (name in ('none-pool', 'none-map', 'none-copied', 'log-map')), f'{name}: {table[name]}')
    shown.that(len(red) == 9 and red['log-map'] == [True, True, True] + [False] * 5, f'log-map: {table.get("log-map")}')
