#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the handout of Lab 5 prints is what the programs print, and its pictures are what is drawn.

usage: test_handout.py FOLDER_OF_PROGRAMS
"""
import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib

HERE = os.path.dirname(os.path.realpath(__file__))
LAB = os.path.dirname(HERE)


def read(name):
    with open(os.path.join(LAB, name), encoding='utf-8') as f:
        return f.read()


def output(*command, text=None):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, input=text).stdout


def blocks(text):
    """Each indented block, without its indentation."""
    return [re.sub(r'(?m)^    ', '', b).strip('\n') for b in re.findall(r'(?m)(?:^    .*\n)+', text)]


def main():
    show, fill, share = (os.path.join(sys.argv[1], 'lab5_' + name) for name in ('show', 'fill', 'fill_share'))
    printed, checks = blocks(read('handout.md')), []
    for command in ((show, 'bytes'), (fill,), (share,)):
        checks.append((output(*command).strip('\n') in printed,
                       f'the handout does not print what {" ".join(map(os.path.basename, command))} prints'))
    # A block that begins with a command `show edit` goes on with what it prints.
    edits = [b.split('\n', 1) for b in printed if b.startswith('./lab run 5 show edit')]
    checks.append((len(edits) >= 3, f'the handout shows {len(edits)} edits'))
    for command, rest in edits:
        real = output(show, *shlex.split(command)[4:]).strip('\n')
        checks.append((real.strip() == rest.strip('\n').strip(), f'{command} prints\n{real}\nand the handout\n{rest}'))
    answers = output(show, 'predicted').split('\n')[:-1]
    rubric = re.search(r'The predictions of the handout: (.*)\.$', read('rubric.md'), re.M).group(1).split('; ')
    checks.append((answers == rubric, f'the answers are {answers}, and rubric.md has {rubric}'))
    # Drawn questions differ by seed, and have an answer that does not.
    for question in tomllib.loads(read('predict.toml'))['question']:
        asked = {output(show, *question['args'], str(seed), 'question') for seed in range(8)}
        answered = [output(show, *question['args'], '3', 'answer') for _ in range(2)]
        checks.append((len(asked) > 4 and answered[0] == answered[1] and re.fullmatch(r'[\w ]+\n', answered[0]),
                       f'{question["id"]}: {asked} {answered}'))
    leaves = output(fill, 'leaves') + output(share, 'leaves')
    checks.append((output(sys.executable, os.path.join(LAB, 'plot.py'), text=leaves) == read('fill.svg'),
                   'fill.svg is not what plot.py draws of fill and fill_share'))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'picture.svg')
        output(sys.executable, os.path.join(LAB, 'draw.py'), path)
        with open(path, encoding='utf-8') as f:
            checks.append((f.read() == read('picture.svg'), 'picture.svg is not what draw.py draws'))
    bad = [text for good, text in checks if not good]
    for text in bad:
        print(text)
    print(f'{len(checks) - len(bad)} passed, {len(bad)} failed, 0 skipped')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
