#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the handout of Lab 6 prints is what the programs print.

usage: test_handout.py FOLDER_OF_PROGRAMS
"""
import os
import re
import subprocess
import sys
import tempfile
import tomllib

HERE = os.path.dirname(os.path.realpath(__file__))
LAB = os.path.dirname(HERE)


def read(name):
    with open(os.path.join(LAB, name), encoding='utf-8') as f:
        return f.read()


def output(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, **more).stdout


def blocks(text):
    """Each indented block, without its indentation."""
    return [re.sub(r'(?m)^    ', '', b).strip('\n') for b in re.findall(r'(?m)(?:^    .*\n)+', text)]


def main():
    show, heat = (os.path.join(sys.argv[1], name) for name in ('show', 'heat'))
    printed, bad = blocks(read('handout.md')), []
    for what in ('images', 'shadow', 'log'):
        if output(show, what).strip('\n') not in printed:
            bad.append(f'the handout does not print what `show {what}` prints')
    # The predictions: an image of a question is possible exactly when the disk makes it.
    sections = re.split(r'(?m)^(\S.*:)$', output(show, 'predict'))
    images = {sections[i]: {re.sub(r'\s', '', line) for line in sections[i + 1].split('\n') if line.strip()}
              for i in range(1, len(sections), 2)}
    answers = {q['id']: [n for n, image in enumerate(q['images']) if re.sub(r'\s', '', image) in images[q['section']]]
               for q in tomllib.loads(read('predict.toml'))['question']}
    if answers != {'P1': [0, 1, 2, 4], 'P2': [0, 2]}:
        bad.append(f'other answers than the rubric has: {answers}')
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'picture.svg')
        output(sys.executable, os.path.join(LAB, 'draw.py'), path)
        with open(path, encoding='utf-8') as f:
            if f.read() != read('picture.svg'):
                bad.append('picture.svg is not what draw.py draws')
    if output(sys.executable, os.path.join(LAB, 'heat.py'), input=output(heat, '--json', '-')) != read('heat.svg'):
        bad.append('heat.svg is not what heat and heat.py make')
    # The table of the design: where it is red, and where it may not be.
    table = {row.split()[0]: row.split()[1:-1] for row in output(heat).split('\n')[3:] if row}
    red = {name: [cell not in ('-', '0%') for cell in cells] for name, cells in table.items()}
    for name, cells in red.items():
        if any(cells) != (name in ('none-pool', 'none-map', 'none-copied', 'log-map')):
            bad.append(f'{name}: {table[name]}')
    if len(red) != 9 or red['log-map'] != [True, True, True] + [False] * 5:
        bad.append(f'log-map: {table.get("log-map")}')
    for line in bad:
        print(line)
    print(f'{9 - len(bad)} passed, {len(bad)} failed, 0 skipped')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
