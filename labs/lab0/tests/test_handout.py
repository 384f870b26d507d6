#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the handout of Lab 0 prints is what the programs print.

usage: test_handout.py FOLDER_OF_PROGRAMS
"""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', '..', 'tool'))

from shown import Shown  # noqa: E402

with Shown(__file__) as shown:
    shown.prints('lab0_show', 'page')
    shown.prints('lab0_show', 'transfer')
    shown.prints('lab0_show', 'seed')
    shown.prints('lab0_faults')
    shown.answers(shown.output('lab0_show', 'predicted').split('\n')[:-1] + [shown.output('lab0_faults', 'P3').strip()])
    for question in shown.questions():
        if 'choices' not in question:
            shown.drawn('lab0_show', question, r'[0-9a-f ]+\n')
        else:
            shown.that(shown.output('lab0_faults', *question['args']).strip() in question['choices'], f'{question["id"]}: no such choice')
    shown.tasks()
    shown.picture()
    shown.draws('faults.svg', 'faults.py', shown.output('lab0_faults'))
    # With other seeds too the lost writes stand until the last column.
    for seed in range(2, 5):
        rows = [line.split()[-4:] for line in shown.output('lab0_faults', str(seed)).split('\n')[1:6]]
        shown.that(rows == [['2000', '0', '0', '0']] * 2 + [['2000', '2000', '2000', '0'], ['2000', '2000', '0', '0'], ['2000', '0', '0', '0']],
                   f'the table of seed {seed} is another one: {rows}')
