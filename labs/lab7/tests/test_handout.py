#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the handout of Lab 7 computes by hand is what the harness computes, and each task has its example."""
import os
import re
import sys

sys.dont_write_bytecode = True
ROOT = os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', '..', '..')
sys.path[:0] = [os.path.join(ROOT, 'labs', 'tool'), os.path.join(ROOT, 'experiments')]

from lib import stats  # noqa: E402
from shown import Shown  # noqa: E402


def numbers(text):
    return [float(x) for x in re.findall(r'-?\d+\.\d+', text)]


with Shown(__file__) as shown:
    shown.tasks()
    shown.picture()
    text = shown.read('handout.md')
    # The table: a ratio, its logarithm, the distance from the mean, the square; below it the mean and the sum.
    rows = re.search(r'ratio +logarithm +distance +square\n((?: +[-\d. ]+\n)+) +mean +(\S+) +sum +(\S+)\n', text)
    table = [numbers(line) for line in rows.group(1).strip('\n').split('\n')]
    found = stats.estimate([row[0] for row in table])
    logs = [stats.math.log(ratio) for ratio in found.points]
    mean = sum(logs) / len(logs)
    for (ratio, *rest), log in zip(table, logs):
        real = [round(log, 4), round(log - mean, 4), round((log - mean) ** 2, 5)]
        shown.that(rest == real, f'the row of {ratio} is {rest}, and should be {real}')
    shown.that(float(rows.group(2)) == round(mean, 4), f'the mean is {mean}')
    shown.that(float(rows.group(3)) == round(sum((log - mean) ** 2 for log in logs), 5), 'the sum of the squares is another one')
    shown.that(f'is {found.deviation:.4f}. This is the **deviation**' in text, f'the deviation is {found.deviation}')
    for n, factor in ((5, '2.776'), (4, '3.18'), (10, '2.26')):
        real = stats.student_quantile(0.975, n - 1)
        shown.that(round(real, len(factor) - 2) == float(factor) and factor in text, f"Student's factor for {n} values is {real}")
    shown.that(f'`{found.ratio:.2f} [{found.low:.2f}, {found.high:.2f}]`' in text, f'the interval is {found}')
    word = stats.verdict(found)
    shown.that((word.word, word.rounds_needed) == ('not decided', 9) and 'nine rounds' in text, f'the word is {word}')
    # The other example, alone and beside an A/A that is wide.
    ratios = re.search(r'\*Another example\*: ([\d., ]+)\. The values', text).group(1)
    other = stats.estimate(numbers(ratios))
    shown.that(f'{other.ratio:.2f} [{other.low:.2f}, {other.high:.2f}]' in text and stats.verdict(other).word == 'less', f'the other interval is {other}')
    twins = stats.estimate([0.95, 1.04, 1.0, 0.93, 1.06])
    shown.that(f'{twins.ratio:.2f} [{twins.low:.2f}, {twins.high:.2f}]' in text, f'A/A is {twins}')
    shown.that(stats.verdict(other, twins).word == 'not decided', 'beside that A/A the word is another one')
