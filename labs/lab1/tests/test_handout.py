#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the handout of Lab 1 prints is what the programs print.

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


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def blocks(text):
    """Each indented block, without its indentation."""
    return [re.sub(r'(?m)^    ', '', b).strip('\n') for b in re.findall(r'(?m)(?:^    .*\n)+', text)]


def main():
    show, measure, simple = (os.path.join(sys.argv[1], 'lab1_' + name) for name in ('show', 'measure', 'measure_simple'))
    printed, checks = blocks(read('handout.md')), []
    for command in ((show, 'page'), (show, 'inner'), (measure, os.path.join(LAB, 'names.txt')), (simple, os.path.join(LAB, 'names.txt'))):
        checks.append((output(*command).strip('\n') in printed,
                       f'the handout does not print what {" ".join(map(os.path.basename, command))} prints'))
    answers = output(show, 'predicted').split('\n')[:-1]
    rubric = re.search(r'The predictions of the handout: (.*)\.$', read('rubric.md'), re.M).group(1).split('; ')
    checks.append((answers == rubric, f'the answers are {answers}, and rubric.md has {rubric}'))
    # Drawn questions differ by seed, and have an answer that does not.
    for question in tomllib.loads(read('predict.toml'))['question']:
        asked = {output(show, *question['args'], str(seed), 'question') for seed in range(8)}
        answered = [output(show, *question['args'], '3', 'answer') for _ in range(2)]
        checks.append((len(asked) > 4 and answered[0] == answered[1] and re.fullmatch(r'[\d ]+\n', answered[0]),
                       f'{question["id"]}: {asked} {answered}'))
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
