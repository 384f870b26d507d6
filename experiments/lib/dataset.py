# SPDX-License-Identifier: MIT
"""The files that cells open: made once for a size, known by their hash (rule R2)."""
import fcntl
import glob
import hashlib
import json
import os
import shutil
import subprocess
import time

from lib import debian
from lib.child import start
from lib.program import ProgramError

RECORD_BYTES = {'verso': 118.75, 'lmdb': 124.8}  # of the file, for a record that was loaded in key order
SPARE = 1.1
POLL_S, COPY_POLL_S = 0.2, 0.02


class DataError(Exception):
    """A file that cannot be made or used; the text says why and what to do."""


def records_for(file_bytes):
    return max(1000, int(file_bytes / RECORD_BYTES['verso']))


def nobody(_part, _what):
    """Progress that is not shown."""


def sha256(path, drop=True, progress=nobody):
    """The hash of a file. drop: it leaves the page cache again."""
    digest, done, size = hashlib.sha256(), 0, os.path.getsize(path)
    with open(path, 'rb') as f:
        while block := f.read(1 << 20):
            digest.update(block)
            done += len(block)
            progress(done / size, 'hashing')
        if drop:
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return digest.hexdigest()[:16]


def copy_file(source, target, progress=nobody):
    """Byte by byte. What went wrong, or ''."""
    size = max(1, os.path.getsize(source))
    child = start(['cp', '--reflink=never', source, target], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    with child:
        while child.poll() is None:
            if os.path.exists(target):
                progress(min(1.0, os.path.getsize(target) / size), 'copying')
            time.sleep(COPY_POLL_S)
        errors = child.stderr.read().strip()
    return '' if child.returncode == 0 else errors or f'status {child.returncode}'


def check_space(folder, needed_bytes):
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise DataError(f'{folder}: expected {needed_bytes >> 20} MiB of free space, found {free >> 20} MiB; '
                        f'free some, or choose another folder with --data')


def lock(folder):
    """A file that is locked while it is open: one harness at a time uses a folder, and two would measure each other."""
    os.makedirs(folder, exist_ok=True)
    f = open(os.path.join(folder, 'lock'), 'w', encoding='ascii')
    try:
        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        f.close()
        raise DataError(f'{folder}: another harness is at work there; wait for it, or choose another folder with --data') from error
    return f


class Dataset:
    """The files of one number of records in a folder."""

    def __init__(self, folder, program, records, say=None):
        self.folder, self.program, self.records, self.say = folder, program, records, say
        os.makedirs(folder, exist_ok=True)

    def path(self, engine='verso', in_order=True):
        order = 'ordered' if in_order else 'scattered'
        return os.path.join(self.folder, f'{engine}-{self.records}-{order}-{self.program.version["cell"]}')

    def get(self, engine='verso', in_order=True, progress=nobody):
        """Dict of path, bytes, records, engine and sha256; makes the file when it is not there. progress: called with the part that is
        done, and what is done."""
        if engine == 'device':
            return {**self.get('verso', in_order, progress), 'engine': 'device'}
        path = self.path(engine, in_order)
        known = self._known(path)
        if known is None:
            self._make(path, engine, in_order, progress)
            known = self.remember(path, engine, progress)
        return {'path': path, **known}

    def _known(self, path):
        try:
            with open(path + '.json', encoding='utf-8') as f:
                about = json.load(f)
            if os.path.getsize(path) == about['bytes'] and os.stat(path).st_mtime_ns == about.pop('mtime_ns'):
                return about
        except (OSError, ValueError, KeyError):
            pass
        return None

    def remember(self, path, engine, progress=nobody):
        """A file that is there belongs to this folder from now on."""
        about = {'engine': engine, 'records': self.records, 'bytes': os.path.getsize(path), 'sha256': sha256(path, progress=progress)}
        with open(path + '.json', 'w', encoding='utf-8') as f:
            json.dump({**about, 'mtime_ns': os.stat(path).st_mtime_ns}, f)
        return about

    def _make(self, path, engine, in_order, progress):
        expected = self.records * RECORD_BYTES[engine]
        self._remove_others(path)
        check_space(self.folder, int(expected * SPARE))
        part = path + '.part'
        _remove(part)
        cache = min(max(int(expected / 8), 64 << 20), 1 << 30)
        words = [self.program.path, 'load', f'--file={part}', f'--records={self.records}', f'--engine={engine}']
        if engine == 'verso':
            words += [f'--cache={cache}', '--commit=relaxed']
        if not in_order:
            words.append('--scattered')
        child = start(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while child.poll() is None:
            if os.path.exists(part):
                progress(min(1.0, os.path.getsize(part) / expected), 'making')
            time.sleep(POLL_S)
        errors = child.stderr.read().strip()
        child.stderr.close()
        if child.returncode != 0:
            _remove(part)
            raise DataError(f'{path} could not be made: {errors or child.returncode}')
        os.replace(part, path)
        _remove(part)

    def _remove_others(self, path):
        """Files of the same kind by another build: its format or its order of loading may be another. say, where there is one, is told."""
        for other in sorted(glob.glob(glob.escape(path.rpartition('-')[0]) + '-*')):
            if other.startswith(path):
                continue
            os.remove(other)
            if self.say and not other.endswith('.json'):
                self.say(f'Removed {other}: another build made it, and this one makes its own')

    def packages(self):
        """Debian's packages, for keys = "debian": {'path', 'packages', 'sha256'}; made once for a folder."""
        path = os.path.join(self.folder, 'debian-packages')
        if not os.path.exists(path):
            try:
                debian.write(path)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise DataError(f'the packages of Debian cannot be read: {error}') from error
        with open(path, encoding='ascii') as f:
            return {'path': path, 'packages': sum(1 for _ in f), 'sha256': sha256(path)}

    def copy(self, about, progress=nobody):
        """A copy for a written workload, with its own hash (rule R2); the caller removes it. It stays dirty, as a copy is."""
        check_space(self.folder, int(about['bytes'] * SPARE))
        path = about['path'] + '.copy'
        _remove(path)
        wrong = copy_file(about['path'], path, progress)
        if wrong:
            _remove(path)
            raise DataError(f'{path}: {wrong}')
        return {**about, 'path': path, 'copied': True, 'copy_sha256': sha256(path, False, progress)}

    def drop(self, about):
        """What is still in the page cache after everything was written and dropped (rules R5, R7)."""
        try:
            return self.program.ask('drop', f'--file={about["path"]}')
        except ProgramError as error:
            raise DataError(str(error)) from error


def _remove(path):
    for name in (path, path + '-lock'):
        try:
            os.remove(name)
        except FileNotFoundError:
            pass


remove = _remove
