# SPDX-License-Identifier: MIT
"""The cell's program: where it is, what it is, and its short commands."""
import glob
import hashlib
import json
import os
import shutil
import subprocess

BUILD = 'build-experiments'


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
        self.why_no_dtlb = about.get('why_no_dtlb')
        with open(self.path, 'rb') as f:
            self.version = {'verso': about['verso'], 'cell': hashlib.sha256(f.read()).hexdigest()[:12]}

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


def find(root, say):
    """The newest cell of the builds of the tree at root; builds one when there is none."""
    paths = glob.glob(os.path.join(root, 'build*', 'experiments', 'cell'))
    if paths:
        return Program(max(paths, key=os.path.getmtime))
    meson = '/usr/bin/meson' if os.access('/usr/bin/meson', os.X_OK) else shutil.which('meson')
    if not meson:
        raise ProgramError('meson is not installed: apt-get install meson ninja-build gcc pkg-config libxxhash-dev liburing-dev')
    folder = os.path.join(root, BUILD)
    say(f'Building in {BUILD}')
    for command in ([meson, 'setup', folder, root, '--buildtype=release', '-Dbench=disabled'],
                    [meson, 'compile', '-C', folder, 'experiment_programs']):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ProgramError(f'{" ".join(command)} failed:\n{(done.stdout + done.stderr)[-2000:]}')
    return Program(os.path.join(folder, 'experiments', 'cell'))
