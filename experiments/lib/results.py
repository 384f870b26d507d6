# SPDX-License-Identifier: MIT
"""Results: a file of JSON lines a session. docs/experiments-format.md says what each line holds.

A session is what one command measured on one machine with one version. Lines of two sessions are never put together: a session goes
on only where machine, version, budget, sizes and plans are the same (session.resumable), and each has a page of its own.
"""
import itertools
import json
import os
import re

FORMAT = 1
EVIDENCE_ROUNDS = 5
ENDING = '.jsonl'


class ResultsError(Exception):
    """A file that is no session, or none where one was expected; the text says why."""


class Writer:
    """Appends lines to a session's file. A line that a killed harness left unfinished is cut off first."""

    def __init__(self, path):
        self.path = path
        os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
        self.file = open(path, 'ab+')
        self._cut_unfinished()

    def _cut_unfinished(self):
        self.file.seek(0)
        whole = self.file.read()
        if whole and not whole.endswith(b'\n'):
            self.file.truncate(whole.rfind(b'\n') + 1)

    def write(self, line):
        """Writes a line, and has it on the disk when it returns."""
        self.file.write(json.dumps(line, separators=(',', ':')).encode() + b'\n')
        self.file.flush()
        os.fsync(self.file.fileno())

    def close(self):
        self.file.close()


def begin(folder, name, head):
    """(Writer, first line) of a new session: of that name, or, where one has it, of name-2 and so on."""
    os.makedirs(folder, exist_ok=True)
    for number in itertools.count(1):
        head = {**head, 'session': name if number == 1 else f'{name}-{number}'}
        path = os.path.join(folder, head['session'] + ENDING)
        try:
            open(path, 'xb').close()
        except FileExistsError:
            continue
        writer = Writer(path)
        writer.write(head)
        return writer, head


class Session:
    """The lines of one file."""

    def __init__(self, path):
        self.path = path
        self.lines = read_lines(path)
        if not self.lines or self.lines[0].get('kind') != 'session':
            raise ResultsError(f'{path}: expected a first line of kind "session"')
        self.head = self.lines[0]
        if self.head.get('format') != FORMAT:
            raise ResultsError(f'{path}: expected format {FORMAT}, found {self.head.get("format")}')

    def of_kind(self, kind, experiment=None):
        return [line for line in self.lines[1:] if line['kind'] == kind
                and (experiment is None or line.get('experiment') == experiment)]

    def runs(self, experiment, cell=None, copy=None):
        """The last attempt of each run, in the order of rounds; invalid ones too."""
        last = {}
        for line in self.of_kind('run', experiment):
            last[(line['round'], line['cell'], line['copy'])] = line
        return [last[key] for key in sorted(last)
                if (cell is None or key[1] == cell) and (copy is None or key[2] == copy)]

    def experiments(self):
        """Ids in the order in which they were measured first."""
        return list(dict.fromkeys(line['experiment'] for line in self.lines[1:] if 'experiment' in line))

    def whole_rounds(self, experiment):
        """How many rounds hold each cell that any of them holds."""
        by_round = {}
        for run in self.runs(experiment):
            by_round.setdefault(run['round'], set()).add((run['cell'], run['copy']))
        jobs = set().union(*by_round.values())
        return sum(found == jobs for found in by_round.values())

    def rounds_got(self):
        """{experiment: rounds} of those whose cells were run."""
        return {e: self.whole_rounds(e) for e in self.experiments() if self.of_kind('run', e)}

    def unfinished(self):
        """{experiment: rounds} of those that have fewer than the session shall have: its time was up, or it was interrupted."""
        return {e: n for e, n in self.rounds_got().items() if n < self.head['rounds']}

    def is_evidence(self):
        """Whether sizes and rounds, as far as they were measured, are those of evidence."""
        return self.head['evidence'] and all(n >= EVIDENCE_ROUNDS for n in self.rounds_got().values())


def read_lines(path):
    """The whole lines of a file; an unfinished last one is left out."""
    lines = []
    with open(path, 'rb') as f:
        for number, text in enumerate(f, 1):
            if not text.endswith(b'\n'):
                break
            try:
                line = json.loads(text)
            except ValueError as error:
                raise ResultsError(f'{path}: line {number}: {error}') from error
            if not isinstance(line, dict) or 'kind' not in line:
                raise ResultsError(f'{path}: line {number}: expected an object with a "kind"')
            lines.append(line)
    return lines


def _age(name):
    """What sorts names of files as they were begun: name-2 comes after name, and before name-10."""
    stem, number = re.fullmatch(r'(.*?)(?:-(\d+))?', name.removesuffix(ENDING)).groups()
    return stem, int(number or 1)


def sessions_in(folder):
    """Sessions of a machine's folder, oldest first; files that are none are left out."""
    found = []
    for name in sorted(os.listdir(folder), key=_age) if os.path.isdir(folder) else []:
        if name.endswith(ENDING):
            try:
                found.append(Session(os.path.join(folder, name)))
            except ResultsError:
                continue
    return found
