# SPDX-License-Identifier: MIT
"""The cell's program: where it is, what it is, and its short commands."""
import glob
import hashlib
import json
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.realpath(__file__))
BUILD = 'build-experiments'
OPTIMIZED = ('2', '3', 's')
NOTHING_TO_DO = 'no work to do'  # as ninja says it


def digest(paths):
    """A hash of some files, with their names."""
    whole = hashlib.sha256()
    for path in sorted(paths):
        with open(path, 'rb') as f:
            whole.update(os.path.basename(path).encode() + b'\0' + hashlib.sha256(f.read()).digest())
    return whole.hexdigest()[:12]


def hazards_beside(cell_path):
    """The programs of hazards/ in the build of a cell."""
    return [p for p in glob.glob(os.path.join(os.path.dirname(cell_path), 'hazards', 'hazard_*')) if os.path.isfile(p)]


class ProgramError(Exception):
    """The program is not there, or one of its commands failed; the text says which and why."""


class Program:
    """The program at `path`."""

    def __init__(self, path):
        if not os.access(path, os.X_OK):
            raise ProgramError(f'{path}: no such program; build it: meson setup {BUILD} && ninja -C {BUILD}')
        self.path = os.path.abspath(path)
        about = self.ask('version')
        self.engines = about['engines']
        self.build = about.get('build')  # how it was compiled; None: a build of before, which does not say
        self.why_no_dtlb = about.get('why_no_dtlb')
        self.version = {'verso': about['verso'], 'cell': digest([self.path]), 'hazards': digest(hazards_beside(self.path)),
                        'harness': digest(glob.glob(os.path.join(HERE, '*.py')))}

    def ask(self, *words, timeout=3600):
        """Runs a command that prints one JSON object, or nothing: then {}."""
        done = subprocess.run([self.path, *words], capture_output=True, text=True, check=False, timeout=timeout)
        if done.returncode != 0:
            raise ProgramError(done.stderr.strip() or f'{" ".join(words)}: status {done.returncode}')
        return json.loads(done.stdout) if done.stdout.strip() else {}


def words(options):
    """Options of a plan as words of a command line."""
    found = []
    for name, value in options.items():
        if value is True:
            found.append(f'--{name}')
        elif value is not False:
            found.append(f'--{name}={value}')
    return found


def why_not_measured(build):
    """Why a build is not what people run, or None. build: what the program says of itself."""
    if build is None:
        return 'it does not say how it was built'
    found = [text for wrong, text in (
        (build['sanitizer'] != 'none', f'it has the sanitizer {build["sanitizer"]}'),
        (build['hostile'], 'it is hostile: it does the worst legal thing at every step'),
        (build['coverage'], 'it counts coverage'), (build['optimization'] not in OPTIMIZED, f'its optimization is {build["optimization"]}')) if wrong]
    return ', and '.join(found) or None


def check(a_program):
    """Refuses a build whose times and counts would be those of its checks."""
    why = why_not_measured(a_program.build)
    if why:
        raise ProgramError(f'{a_program.path}: expected an ordinary, optimized build, but {why}; build one: '
                           f'meson setup {BUILD} --buildtype=release && ninja -C {BUILD}, or name another with --cell=')
    return a_program


def _meson():
    return '/usr/bin/meson' if os.access('/usr/bin/meson', os.X_OK) else shutil.which('meson')


def _build(*commands):
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ProgramError(f'{" ".join(command)} failed:\n{(done.stdout + done.stderr)[-2000:]}')


def _bring_up_to_date(path, compiling, say):
    """Builds what is older than its sources. A cell that is there is measured all the same where that fails."""
    looked = subprocess.run([*compiling, '--ninja-args=-n'], capture_output=True, text=True, check=False)
    if looked.returncode == 0 and NOTHING_TO_DO in looked.stdout:
        return
    say(f'Building in {BUILD}')
    try:
        _build(compiling)
    except ProgramError as error:
        say(f'{error}\nWhat was built before is measured: {path}')


def _rank(path):
    """Of builds that will do: those that have hazards first, then the newest."""
    return any(hazards_beside(path)), os.path.getmtime(path)


def find(root, say):
    """The cell of BUILD, brought up to date; else the best of the ordinary builds of the tree at root; else BUILD is made."""
    folder, meson = os.path.join(root, BUILD), _meson()
    path = os.path.join(folder, 'experiments', 'cell')
    compiling = [meson, 'compile', '-C', folder, 'experiment_programs']
    if os.path.exists(path):
        if meson and os.access(folder, os.W_OK):
            _bring_up_to_date(path, compiling, say)
        return check(Program(path))
    for other in sorted(glob.glob(os.path.join(root, 'build*', 'experiments', 'cell')), key=_rank, reverse=True):
        try:
            return check(Program(other))
        except ProgramError as error:
            say(f'not measured: {error}')
    if not meson:
        raise ProgramError('meson is not installed: apt-get install meson ninja-build gcc pkg-config libxxhash-dev liburing-dev')
    say(f'Building in {BUILD}')
    _build([meson, 'setup', folder, root, '--buildtype=release', '-Dbench=disabled'], compiling)
    return check(Program(path))
