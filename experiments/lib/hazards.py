# SPDX-License-Identifier: MIT
"""Experiments of kind "hazard": programs of hazards/ that make something go wrong and count what comes of it. Counts only, so they
run once. A busy machine does no harm to what a program does to files of its own: its subjects run side by side, each on its own disk.
Two programs look at what the kernel does for everybody. H1 watches before each trigger, and a row whose pages went by themselves is
invalid; E9 counts the interrupts of the whole machine, and is flagged where others were at work (rule R10)."""
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time

from lib import compare, guard, readings, rules, shootdown
from lib.child import start

SOME = {'tiny': 0, 'quick': 1, 'standard': 2, 'full': 3}
# Words of each program's command line, by mode.
WORDS = {
    'hazard_rot': lambda size: ['--places', ('4', '40', '200', '1000')[size], '--records', ('2000', '20000', '20000', '60000')[size]],
    'hazard_flush': lambda size: ['--wait', ('1', '45', '45', '45')[size], '--watch', ('1', '3', '5', '5')[size]],
    'hazard_powercut': lambda size: ['--seeds', ('2', '20', '100', '1000')[size]],
    'hazard_shootdown': lambda size: ['--pages', ('512', '4096', '16384', '65536')[size], '--repeats', ('1', '5', '9', '15')[size]],
    'hazard_stray': lambda size: ['--stores', ('4', '200', '1000', '5000')[size]],
}
NEEDS_FOLDER = ('hazard_rot', 'hazard_flush', 'hazard_stray')
OF_MACHINE = (shootdown.PROGRAM,)  # it counts what the kernel does for everybody
NO_SEED = ('hazard_flush', 'hazard_shootdown')
IN_MEMORY = ('hazard_rot', 'hazard_stray')  # nothing of their outcomes depends on how durable a file is
GUESS_S = {'hazard_rot': (5, 30, 150, 900), 'hazard_flush': (15, 90, 110, 110), 'hazard_powercut': (1, 3, 15, 120),
           'hazard_stray': (2, 60, 300, 1500), 'hazard_shootdown': (1, 5, 30, 180)}
IMAGE_MIB = 320
BY_SUBJECT = ('hazard_rot', 'hazard_stray')  # programs that can be asked for one subject at a time
AT_ONCE = 2 * (os.cpu_count() or 1)  # most of a case is waiting: for the kernel, for a process to end
POLL_S = 0.05
UMOUNT_TRIES = 25
MEMORY = '/dev/shm'
ROUND = 1
ENDED = 'ended'  # in the place of a hazard's name: none was produced


class HazardError(rules.Refused):
    """A program that is not there, or could not do its work; the text says which and why."""


def _run(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        raise OSError(f'{words[0]}: {done.stderr.strip() or done.returncode}')
    return done.stdout.strip()


def sweep(parent):
    """Removes the disks of harnesses that were killed."""
    for name in os.listdir(parent):
        words = name.split('-')
        if words[0] != 'hazard' or len(words) != 3 or not words[1].isdigit() or os.path.exists(f'/proc/{words[1]}'):
            continue
        base = os.path.join(parent, name)
        if os.path.ismount(os.path.join(base, 'files')):
            subprocess.run(['umount', os.path.join(base, 'files')], capture_output=True, check=False)
            found = subprocess.run(['losetup', '-n', '-O', 'NAME', '-j', os.path.join(base, 'image')], capture_output=True, text=True,
                                   check=False)
            for loop in found.stdout.split():
                subprocess.run(['losetup', '-d', loop], capture_output=True, check=False)
        shutil.rmtree(base, ignore_errors=True)


class Disk:
    """A folder for the files. As root on a file system of its own, whose image can be changed behind the kernel's back: `image`.
    Else `image` is None and `why` says why. memory: the disk will be made to fail. So it has no journal, which would end it; and
    its image is in this folder, in memory, if it fits: no flush waits for a disk."""

    def __init__(self, parent, memory=None, mib=IMAGE_MIB):
        self.mib = mib
        self.features = ['-O', '^has_journal'] if memory else []
        if memory and os.geteuid() == 0 and os.path.isdir(memory) and shutil.disk_usage(memory).free > 4 * IMAGE_MIB << 20:
            parent = memory
        sweep(parent)
        self.base = tempfile.mkdtemp(prefix=f'hazard-{os.getpid()}-', dir=parent)
        self.folder, self.image, self.why = os.path.join(self.base, 'files'), None, None
        self.loop = None
        os.mkdir(self.folder)

    def __enter__(self):
        tools = [name for name in ('mkfs.ext4', 'losetup', 'mount', 'umount') if not shutil.which(name)]
        if os.geteuid() != 0:
            self.why = 'needs root'
        elif tools:
            self.why = f'{tools[0]} is not there: apt-get install e2fsprogs mount'
        else:
            self._mount()
        return self

    def _mount(self):
        image = os.path.join(self.base, 'image')
        try:
            with open(image, 'wb') as f:
                f.truncate(self.mib << 20)
            _run('mkfs.ext4', '-q', '-F', *self.features, image)
            self.loop = _run('losetup', '-f', '--show', image)
            _run('mount', '-o', 'noatime,errors=continue', self.loop, self.folder)
            self.image = image
        except OSError as error:
            self.why = str(error)
            self._detach()

    def _detach(self):
        if self.loop:
            subprocess.run(['losetup', '-d', self.loop], capture_output=True, check=False)
            self.loop = None

    def __exit__(self, *_):
        for _ in range(UMOUNT_TRIES if self.image else 0):  # a process that was killed may take a moment
            if subprocess.run(['umount', self.folder], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.2)
        self._detach()
        shutil.rmtree(self.base, ignore_errors=True)


def find(cell_path, name):
    """The program of that name in the build of the cell, or None."""
    path = os.path.join(os.path.dirname(cell_path), 'hazards', name)
    return path if os.access(path, os.X_OK) else None


def call(path, words, say):
    """Runs a program with --json. Its lines as dicts. say: called with each line of its progress."""
    with tempfile.NamedTemporaryFile('r', suffix='.jsonl', encoding='utf-8') as lines:
        last = ''
        with start([path, *words, '--json', lines.name], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
            try:
                for text in child.stderr:
                    last = text.strip() or last
                    say(text.strip())
            except BaseException:
                child.kill()
                raise
        if child.returncode not in (0, 1):
            raise HazardError(f'{os.path.basename(path)} ended with status {child.returncode}: {last or "no message"}')
        return [json.loads(text) for text in lines]


class Running:
    """A program at work on one subject. Closed, it has ended."""

    def __init__(self, path, words):
        self.path = path
        self.lines = tempfile.NamedTemporaryFile('r', suffix='.jsonl', encoding='utf-8')
        self.errors = tempfile.TemporaryFile('w+', encoding='utf-8')
        self.child = start([path, *words, '--json', self.lines.name], stdout=subprocess.DEVNULL, stderr=self.errors)

    def has_ended(self):
        return self.child.poll() is not None

    def result(self):
        """Its lines as dicts."""
        self.errors.seek(0)
        last = self.errors.read().strip().rpartition('\n')[2]
        if self.child.returncode not in (0, 1):
            raise HazardError(f'{os.path.basename(self.path)} ended with status {self.child.returncode}: {last or "no message"}')
        return [json.loads(text) for text in self.lines]

    def close(self):
        if not self.has_ended():
            self.child.kill()
            self.child.wait()
        self.lines.close()
        self.errors.close()


def subjects_of(path):
    done = subprocess.run([path, '--list'], capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        raise HazardError(f'{os.path.basename(path)} --list ended with status {done.returncode}: {done.stderr.strip() or "no message"}')
    return done.stdout.split()


def call_by_subject(path, words_on, disk, say, at_once=AT_ONCE):
    """Runs a program for each of its subjects, some at once. The lines are those of one run for all of them, in the same order.
    words_on: of a Disk, its words. disk: makes a Disk."""
    subjects, found = subjects_of(path), {}
    with contextlib.ExitStack() as stack:
        waiting, running = list(subjects), {}
        while waiting or running:
            while waiting and len(running) < at_once:
                mine = stack.enter_context(contextlib.ExitStack())
                words = words_on(mine.enter_context(disk()))
                subject = waiting.pop(0)
                running[subject] = Running(path, [*words, '--subject', subject]), mine
                mine.callback(running[subject][0].close)
            for subject, (program, mine) in list(running.items()):
                if program.has_ended():
                    found[subject] = _result_or_line(program, subject)
                    mine.close()
                    del running[subject]
                    say(f'{os.path.basename(path)}: {len(found)} of {len(subjects)} subjects')
            time.sleep(POLL_S)
    # What this build lacks is told by each of them.
    by_key = {line['key']: line for subject in subjects for line in found[subject]}
    return sorted(by_key.values(), key=lambda line: line['cell'] not in subjects)


def dead(who, error):
    """The line of a program, or of one of its subjects, that could not do its work: invalid. The program runs again when the session
    goes on."""
    return {'cell': who, 'key': f'{ENDED}/{who}', 'trials': 0, 'counts': {}, 'invalid': [str(error)], 'flags': [],
            'details': {'hazard': ENDED, 'skipped': None}}


def _result_or_line(program, subject):
    try:
        return program.result()
    except HazardError as error:
        return [dead(subject, error)]


def _words(name, mode, seed, disk):
    words = WORDS[name](SOME.get(mode, 1))
    if name not in NO_SEED:
        words += ['--seed', str(seed)]
    if name in NEEDS_FOLDER:
        words += ['--dir', disk.folder]
    if name == 'hazard_rot' and disk.image:
        words += ['--image', disk.image]
    return words


def guess_s(plan, mode, done):
    """What the programs that have not run will take."""
    return sum(GUESS_S[name][SOME.get(mode, 1)] for name in plan.programs if (plan.id, ROUND, name, 1) not in done)


def measure(session, plan):
    """Runs the programs of the plan that have not run. session: a session.Measure."""
    mode, seed = session.head['mode'], session.head['seed']
    for name in plan.programs:
        job = plan.id, ROUND, name, 1
        if job in session.done:
            continue
        path = find(session.program.path, name)
        if not path:
            session.writer.write({'kind': 'skip', 'experiment': plan.id, 'cell': name, 'reason':
                                  'this build has no hazards, which use the tests: apt-get install check libsqlite3-dev, and build again'})
            continue
        session.progress.show(f'{plan.id}: {name}', force=True)
        folder = session.data.folder
        with _Others(folder) as others:
            try:
                lines = _lines_of(path, name, mode, seed, folder, lambda text: session.progress.show(text, force=True))
            except (HazardError, OSError, subprocess.SubprocessError) as error:
                lines = [dead(name, error)]
        for line in lines:
            if name in OF_MACHINE:
                line['flags'] += others.flags
            session.writer.write({'kind': 'hazard', 'experiment': plan.id, 'plan': plan.hash, 'round': ROUND, 'seed': seed,
                                  'program': name, 'attempt': session.attempts.get(job, 0) + 1, 'of': len(lines), **line})
        session.progress.finish(GUESS_S[name][SOME.get(mode, 1)])


class _Others:
    """Rule R10 while a program lasts: flags about others that used the CPUs."""

    def __init__(self, folder):
        self.disk, self.flags = readings.disk_of(folder), []

    def __enter__(self):
        self.before, self.own_s = readings.machine(self.disk), sum(os.times()[:4])
        return self

    def __exit__(self, *_):
        found = guard.noise(self.before, readings.machine(self.disk), sum(os.times()[:4]) - self.own_s, None)
        self.flags = [f'R10: {text}, whose interrupts are counted too' for text in found if 'CPU time' in text]


def _lines_of(path, name, mode, seed, folder, say):
    def disk():
        return Disk(folder, MEMORY if name in IN_MEMORY else None)
    if name in BY_SUBJECT:
        return call_by_subject(path, lambda disk: _words(name, mode, seed, disk), disk, say)
    with disk() as one:
        return call(path, _words(name, mode, seed, one), say)


def _job(line):
    return line['experiment'], line['round'], line.get('program'), 1


def attempts(session):
    """{(experiment, round, program, 1): how often it has run}."""
    found = {}
    for line in session.of_kind('hazard'):
        found[_job(line)] = max(found.get(_job(line), 0), line.get('attempt', 1))
    return found


def last_lines(session, experiment=None):
    """What counts: of the last attempt of each program the last line of each key, in the order in which keys came first."""
    last = attempts(session)
    return list({(*_job(line), line['key']): line for line in session.of_kind('hazard', experiment)
                 if line.get('attempt', 1) == last[_job(line)]}.values())


def finished(session):
    """(experiment, round, program, 1) of the programs all of whose lines are there, and that did not end before their work was done."""
    found = {}
    for line in last_lines(session):
        found.setdefault(_job(line), []).append(line)
    return [job for job, lines in found.items()
            if len(lines) >= max(line['of'] for line in lines) and all(line['details']['hazard'] != ENDED for line in lines)]


def runs_again(plan, done, tried):
    """Whether a program of the plan ended before its work was done, or was cut off, when the session was measured before. It may do so
    again, so it comes after all else."""
    keys = [(plan.id, ROUND, name, 1) for name in plan.programs]
    return any(key in tried and key not in done for key in keys)


def is_complete(plan, session):
    left_out = {line['cell'] for line in session.of_kind('skip', plan.id)}
    done = set(finished(session))
    return all((plan.id, ROUND, name, 1) in done or name in left_out for name in plan.programs)


def lines_by_key(session, plan):
    """The lines that count, by their keys."""
    return {line['key']: line for line in last_lines(session, plan.id)}


def letters(names):
    """{name: letter}: the initial of the first word, or where another name has that, of the last one that is free."""
    found = {}
    for name in names:
        words = name.split()
        free = [word[0].upper() for word in [words[0], *reversed(words[1:])] if word[0].upper() not in found.values()]
        found[name] = free[0] if free else name.upper()
    return found


def _cell(line):
    if line['invalid']:
        return 'invalid'
    if not line['trials']:
        return '-'
    return ' '.join(f'{letter}{line["counts"][name]}' for name, letter in letters(line['counts']).items() if line['counts'][name])


def _table(lines):
    """Rows of hazards, columns of cells, for the lines of one program."""
    cells = list(dict.fromkeys(line['cell'] for line in lines))
    rows = list(dict.fromkeys(line['details']['hazard'] for line in lines))
    found = {(line['details']['hazard'], line['cell']): _cell(line) for line in lines}
    names = list(dict.fromkeys(name for line in lines for name in line['counts']))
    width = max([len(c) for c in cells] + [len(text) for text in found.values()]) + 2
    first = max(len(row) for row in rows) + 2
    text = ['  ' + ', '.join(f'{letter} {name}' for name, letter in letters(names).items()) + ', - not produced']
    text.append('  ' + ' ' * first + ''.join(c.ljust(width) for c in cells).rstrip())
    for row in rows:
        text.append('  ' + row.ljust(first) + ''.join(found.get((row, c), '-').ljust(width) for c in cells).rstrip())
    return text


def _reasons(lines):
    """Why something was not produced: each reason once, with where."""
    found = {}
    for line in lines:
        why = line['details']['skipped'] or line['details'].get('not_produced_why')
        if why:
            found.setdefault((line['details']['hazard'], why), []).append(line['cell'])
    return [f'  not produced: {hazard}: {", ".join(cells)}: {why}' for (hazard, why), cells in found.items()]


def word_of(prediction, value, repeats_ns, trials):
    """A count is what it is; a time is known as far as its repetitions agree."""
    low, high = (min(repeats_ns) / trials, max(repeats_ns) / trials) if repeats_ns else (value, value)
    if prediction['low'] <= low and high <= prediction['high']:
        return compare.TRUE
    return compare.FALSE if high < prediction['low'] or low > prediction['high'] else compare.OPEN


def prediction_result(lines, prediction):
    """(compare.TRUE, FALSE or OPEN, what was found) of a prediction: a share of the trials of one hazard and cell."""
    line = lines.get(f'{prediction["phase"]}/{prediction["cell"]}')
    if line is None or not line['trials'] or line['invalid']:
        return compare.OPEN, 'not produced here'
    n, trials = line['counts'].get(prediction['metric'], 0), line['trials']
    word = word_of(prediction, n / trials, line['details'].get('sender_ns') if prediction['metric'] == shootdown.SENDER else None, trials)
    found = f'{n / trials:.3g} {prediction["metric"]} a page' if line['program'] == shootdown.PROGRAM else f'{n} of {trials} {prediction["metric"]}'
    return word, found


def _unit(plan):
    return 'a page' if shootdown.PROGRAM in plan.programs else 'of the trials'


def summary(session, plan, red):
    """Lines of a terminal's summary."""
    by_key = lines_by_key(session, plan)
    text = []
    for name in plan.programs:
        mine = [line for line in by_key.values() if line['program'] == name]
        if mine:
            text += (shootdown.summary(mine) if name == shootdown.PROGRAM else _table(mine)) + _reasons(mine)
    for line in by_key.values():
        text += [red(f'  invalid: {line["key"]}: {why}') for why in line['invalid']]
        if line['details'].get('promise_kept') is False:
            text.append(red(f'  BROKEN PROMISE: {line["cell"]}: {line["details"]["hazard"]}: {_cell(line)}: {line["details"]["text"]}'))
    for p in plan.predictions:
        result, found = prediction_result(by_key, p)
        text.append(f'  predicted: {p["says"]} ({p["low"]} to {p["high"]} {_unit(plan)}): {result}, {found}')
    return text
