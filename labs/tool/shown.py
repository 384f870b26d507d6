# SPDX-License-Identifier: MIT
"""What a lab's handout shows is what its programs print: the frame of labs/labN/tests/test_handout.py.

    with Shown(__file__) as shown:
        shown.prints('lab0_show', 'page')
        shown.that(2 + 2 == 4, 'what is wrong otherwise')

The programs lie in the folder that the command line names. At the end come the faults and the totals, and the exit status.
"""
import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib


ENVIRONMENT = {'VERSO_SEED': '1', 'VERSO_IO': 'sync'}  # as ./lab runs a program: a queue that is another reads other pages ahead
ALT_CHARACTERS = 20  # a shorter text says nothing of a picture


class Shown:
    def __init__(self, test):
        self.lab = os.path.dirname(os.path.dirname(os.path.realpath(test)))
        self.n, self.n_skipped, self.bad = 0, 0, []
        self.printed = self.blocks(self.read('handout.md'))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            return
        for text in self.bad:
            print(text)
        print(f'{self.n - len(self.bad)} passed, {len(self.bad)} failed, {self.n_skipped} skipped')
        sys.exit(1 if self.bad else 0)

    def that(self, condition, text):
        self.n += 1
        if not condition:
            self.bad.append(text)

    def skip(self, why):
        self.n_skipped += 1
        print(f'skipped: {why}')

    def read(self, name):
        with open(os.path.join(self.lab, name), encoding='utf-8') as f:
            return f.read()

    @staticmethod
    def blocks(text):
        """Each indented block of a text, without its indentation."""
        return [re.sub(r'(?m)^    ', '', b).strip('\n') for b in re.findall(r'(?m)(?:^    .*\n)+', text)]

    @staticmethod
    def output(program, *args, text=None):
        """What a program of the lab prints."""
        return subprocess.run([os.path.join(sys.argv[1], program), *args], capture_output=True, text=True, check=True, timeout=60, input=text,
                              env={**os.environ, **ENVIRONMENT}).stdout

    def script(self, name, *args, text=None):
        """What a script of the lab prints."""
        return subprocess.run([sys.executable, os.path.join(self.lab, name), *args], capture_output=True, text=True, check=True, timeout=60,
                              input=text).stdout

    def prints(self, program, *args):
        """A block of the handout is what the program prints."""
        out = self.output(program, *args)
        names = [os.path.basename(arg) for arg in args]
        self.that(out.strip('\n') in self.printed, f'the handout does not show what {" ".join([program, *names])} prints:\n{out}')

    def says(self, sentence):
        """A sentence with numbers of a program stands in the handout, wherever its lines end."""
        self.that(sentence in ' '.join(self.read('handout.md').split()), f'the handout does not say: {sentence}')

    def commands(self, prefix=''):
        """Each block that begins with one command `./lab run N` and goes on shows what that prints."""
        number, n = self.lab[-1], 0
        for block in self.printed:
            command, _, rest = block.partition('\n')
            words = re.fullmatch(rf'\./lab run {number} ([^#|>]*)', command)
            if not words or not rest or './lab' in rest:
                continue
            n += 1
            program, *args = shlex.split(words.group(1))
            out = self.output(prefix + program, *args)
            # A tree stands in the middle of its first line, whose beginning the command has taken.
            same = [line.rstrip() for line in rest.strip().split('\n')] == [line.rstrip() for line in out.strip().split('\n')]
            self.that(same, f'{command}\nprints\n{out}\nand the handout shows\n{rest}')
        self.that(n > 0, 'no block shows what a program prints')

    def tasks(self):
        """Each task has a worked example and says what one need not do; each picture has a text for those who do not see it."""
        text = self.read('handout.md')
        there = re.findall(r'^### (Task [^\n(]*?) *\([^\n]*\n(.*?)(?=^#{2,3} |^\*\*Part |\Z)', text, re.M | re.S)
        self.that(len(there) > 3, f'the handout has {len(there)} tasks')
        for name, body in there:
            self.that('*Example' in body, f'{name} has no *Example*')
            self.that(re.search(r'\*You need not\*|You need not ', body), f'{name} says nothing of what one need not do')
        pictures = re.findall(r'!\[([^\]]*)\]\(([^)]*)\)', text)
        self.that(pictures, 'the handout has no picture')
        for alt, path in pictures:
            self.that(len(alt) >= ALT_CHARACTERS, f'{path} has the text {alt!r}: expected {ALT_CHARACTERS} letters or more')

    def picture(self):
        """picture.svg is what draw.py draws."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'picture.svg')
            self.script('draw.py', path)
            with open(path, encoding='utf-8') as f:
                self.that(f.read() == self.read('picture.svg'), 'picture.svg is not what draw.py draws')

    def draws(self, picture, script, text):
        """A picture is what a script draws of the output of a program."""
        self.that(self.script(script, text=text) == self.read(picture), f'{picture} is not what {script} draws')

    def answers(self, found):
        """The answers in rubric.md are these."""
        rubric = re.search(r'The predictions of the handout: (.*)\.$', self.read('rubric.md'), re.M).group(1).split('; ')
        self.that(found == rubric, f'the answers are {found}, and rubric.md has {rubric}')

    def questions(self):
        return tomllib.loads(self.read('predict.toml'))['question']

    def drawn(self, program, question, answer):
        """A seed draws another question, and the answer to it is the same each time, of the form `answer`."""
        asked = {self.output(program, *question['args'], str(seed), 'question') for seed in range(8)}
        answered = [self.output(program, *question['args'], '3', 'answer') for _ in range(2)]
        self.that(len(asked) > 4 and answered[0] == answered[1] and re.fullmatch(answer, answered[0]),
                  f'{question["id"]}: a seed does not draw it, or the answer changes: {asked} {answered}')
