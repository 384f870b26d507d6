# SPDX-License-Identifier: MIT
"""Runs the verso tool, sys.argv[1], as a user of a shell does, and a module's tests of it."""
import concurrent.futures
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

VERSO = os.path.abspath(sys.argv[1])
OK, NO, USAGE, ERROR = 0, 1, 2, 3

# What only a C program knows. (VERSO_IO is a variable of the environment.)
C_WORDS = re.compile(r'\bVERSO_(?!IO\b)[A-Z]\w*|\bverso_[a-z]\w*|\b\w+\(\)|\bNULL\b|'
                     r'(?<!\|)\b(?:handle|cursor|callback)s?\b|\b[a-z]+_(?:bytes|max|size)\b|\boptions\.')


class Skipped(Exception):
    """The machine refuses what a test needs."""


class Shell:
    """Runs the tool in a folder with one pager, and compares what it prints."""

    def __init__(self, folder, pager):
        self.folder = folder
        self.pager = f'--pager={pager}'

    def run(self, *words, stdin=b''):
        done = subprocess.run([VERSO, *words], cwd=self.folder, input=stdin, capture_output=True,
                              check=False, timeout=120)
        said = done.stderr.decode('utf-8', 'replace')
        assert done.returncode in (OK, NO, USAGE, ERROR), (words, done)
        assert not C_WORDS.search(said), (words, said)
        return done

    def expect(self, status, *words, stdin=b'', out=None, err=None):
        words = [w.encode() if isinstance(w, str) else w for w in words]
        done = self.run(words[0], self.pager.encode(), *words[1:], stdin=stdin)
        assert done.returncode == status, (words, done)
        if out is not None:
            assert done.stdout == out, (words, done.stdout[:500], out[:500])
        if err is not None:
            assert err in done.stderr, (words, done.stderr[:500], err)
        return done

    @contextlib.contextmanager
    def in_memory(self):
        """The same in a folder that needs no disk, for tests of many short runs."""
        folder = tempfile.mkdtemp(prefix='verso-tool-',
                                  dir='/dev/shm' if os.path.isdir('/dev/shm') else self.folder)
        try:
            yield Shell(folder, self.pager.split('=')[1])
        finally:
            shutil.rmtree(folder)


def words_of(switch):
    """The values that the help of `verso get` lists for a switch."""
    text = subprocess.run([VERSO, 'help', 'get'], capture_output=True, check=True, timeout=60).stdout
    found = re.search(rf'--{switch}=(\S+)', text.decode())
    return found.group(1).split('|')


def put_file(sh, name, data):
    with open(os.path.join(sh.folder, name), 'wb') as f:
        f.write(data)


def get_file(sh, name):
    with open(os.path.join(sh.folder, name), 'rb') as f:
        return f.read()


@contextlib.contextmanager
def loading(sh, *words):
    """A program with a write transaction open on `a`: it waits for lines, and commits each unless words say otherwise."""
    sh.expect(OK, 'put', 'a', 'k', 'v')
    with subprocess.Popen([VERSO, 'load', 'a', '--tsv', '--batch=1', sh.pager, *words], cwd=sh.folder,
                          stdin=subprocess.PIPE, stderr=subprocess.PIPE) as tool:
        try:
            yield tool
        finally:
            tool.kill()


def feed(tool, first, n):
    tool.stdin.write(b''.join(b'k%d\tv\n' % i for i in range(first, first + n)))
    tool.stdin.flush()


def has_open(pid, name):
    """Whether the process has a file of that name open."""
    folder = f'/proc/{pid}/fd'
    try:
        return any(os.readlink(os.path.join(folder, fd)).endswith('/' + name)
                   for fd in os.listdir(folder))
    except OSError:
        return False


def outcome(name, f, pager, parent):
    """Runs a test in a scratch folder: ('FAILED', 'skipped' or '', the line to print or '')."""
    folder = tempfile.mkdtemp(prefix='verso-tool-', dir=parent)
    try:
        f(Shell(folder, pager))
    except AssertionError as e:
        return 'FAILED', f'FAILED {name} with {pager}: {e}'
    except Skipped as e:
        return 'skipped', f'skipped {name} with {pager}: {e}'
    finally:
        shutil.rmtree(folder)
    return '', ''


def run_tests(module, pagers=None, n_at_a_time=1):
    """Runs each function `test_*` of globals() with each pager, or these; the exit status. n_at_a_time: for tests that
    mostly wait."""
    parent = os.environ.get('VERSO_TEST_DIR') or os.environ.get('TMPDIR') or '/var/tmp'
    pagers = pagers or words_of('pager')
    runs = [(name, f, pager, parent) for name, f in sorted(module.items()) if name.startswith('test_') for pager in pagers]
    states = []
    with concurrent.futures.ThreadPoolExecutor(n_at_a_time) as pool:
        each = pool.map if n_at_a_time > 1 else map # which is this thread, the only one
        for state, line in each(lambda run: outcome(*run), runs):
            states.append(state)
            if line:
                print(line, flush=True)
    print(f'{states.count("")} passed, {states.count("FAILED")} failed, {states.count("skipped")} skipped')
    return 1 if 'FAILED' in states else 0
