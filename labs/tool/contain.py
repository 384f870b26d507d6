# SPDX-License-Identifier: MIT
"""Runs a program that somebody else wrote: limits of time, memory and output, no network, no leftovers, and files that it
may only read, but for those of its working folder.

A process group and, where the system has them, name spaces of its own: when the program ends, or is ended,
all that it started ends too. What the machine refuses is named in `how`.

Whether the program was started at all is said on a pipe of its own, before it is: what a program prints, or how it ends,
cannot pass for a refusal of the machine (Run.refused).
"""
import os
import resource
import select
import signal
import subprocess
import tempfile
import threading
import time

OUTPUT_BYTES = 4 << 20
MEMORY_BYTES = 4 << 30
FILE_BYTES = 1 << 30
LOOK_S = 0.25          # between two looks at memory and processes
PROCESSES = 512


class Run:
    def __init__(self):
        self.status = None     # of the exit; negative: a signal
        self.output = ''
        self.is_late = False   # it was ended after its time
        self.is_loud = False   # more output than OUTPUT_BYTES
        self.is_big = False    # more than MEMORY_BYTES, or than PROCESSES
        self.refused = ''      # why this machine could not start it: then nothing of it ran
        self.seconds = 0.0


def _try(command):
    try:
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([*command, os.path.realpath(folder), 'true'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=20, check=False)
            return done.returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


# What the shells get as $1 is the folder that may be written. Their standard input is the pipe for "started"; the program
# has none of it. The shell forks first: that may fail too.
START = 'shift; (printf s >&0 && exec "$@" </dev/null); exit $?'
# In a name space for mounts: the folder is a mount of its own, and the others are for reading. Those of the kernel stay, as
# devices are no files. One that another program has unmounted and removed meanwhile is gone. But /proc shows nobody outside, whose memory is a file there.
READ_ONLY = r'''
set -e
mount --bind "$1" "$1"
mount -t proc -o ro,nosuid,nodev,noexec proc /proc
while read -r _ _ _ _ at options _; do
	case "$at" in
	"$1"|/proc|/proc/*|/sys|/sys/*|/dev|/dev/pts|/dev/mqueue) continue;;
	esac
	case ",$options," in
	*,ro,*) continue;;
	esac
	at=$(printf %b "$at")
	mount -o "remount,bind,ro,${options#rw,}" "$at" </dev/null || [ ! -e "$at" ]
done </proc/self/mountinfo
cd "$1"
set +e
'''
NOT_STARTED = (126, 127)  # a shell's status for a program that it could not start

_wrapper, _lock = None, threading.Lock()


def wrapper():
    """What stands before a command, after which come the folder that it may write and the command; and in words what it forbids."""
    global _wrapper
    with _lock:  # several tests begin at a time
        if _wrapper is None:
            _wrapper = _best()
    return _wrapper


def _best():
    for extra, script, what in ((['--mount'], READ_ONLY + START, 'network, processes and files'), ([], START, 'network and processes')):
        # The shell is process 1 of the space, which no signal of its children ends; the program is not.
        rest = ['--net', '--pid', '--fork', '--kill-child', *extra, 'sh', '-c', script, 'sh']
        for command in (['unshare', *rest], ['unshare', '--map-root-user', *rest]):
            if _try(command):
                return command, f'name spaces of its own for {what}'
    return ['sh', '-c', START, 'sh'], 'a process group; this system refuses name spaces, so the network is not cut off'


def _session(leader):
    """(process, its own bytes of memory) of all that a program has started, whatever group it is in."""
    for name in os.listdir('/proc'):
        if not name.isdigit():
            continue
        try:
            with open(f'/proc/{name}/stat', encoding='utf-8', errors='replace') as f:
                if int(f.read().rsplit(')', 1)[1].split()[3]) != leader:
                    continue
            with open(f'/proc/{name}/statm', encoding='utf-8') as f:
                pages = f.read().split()
        except (OSError, ValueError, IndexError):
            continue
        yield int(name), (int(pages[1]) - int(pages[2])) * resource.getpagesize()


def _end(leader):
    for _ in range(20):  # what forks while it is being ended
        left = [p for p, _ in _session(leader)]
        for process in left:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if set(left) <= {leader}:
            return


def _limits(limit_s):
    """A shell sets them and becomes the program: code between fork and exec would not be safe beside threads."""
    blocks = FILE_BYTES // 512
    return ['sh', '-c', f'ulimit -c 0; ulimit -t {limit_s * 4 + 10}; ulimit -f {blocks}; exec "$@"', 'sh']


def _cannot_load(command):
    """Why the system cannot start a program, or ''. The loader is asked, and runs nothing of it."""
    try:
        done = subprocess.run(command[:1], env={**os.environ, 'LD_TRACE_LOADED_OBJECTS': '1'}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors='replace', timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return ''
    except OSError as e:
        return f'{os.path.basename(command[0])}: {e.strerror}'
    missing = [line.strip() for line in done.stdout.split('\n') if line.endswith('not found')]
    return '; '.join(missing)


def _handed(seed):
    """A pipe with a number in it (tests/seed.h)."""
    reads, writes = os.pipe()
    os.write(writes, f'{seed}\n'.encode())
    os.close(writes)
    return reads


def run(command, limit_s, env=None, cwd=None, seed=None):
    """cwd: the folder that it may write, where the system allows to forbid the others; without one, a new one. seed: handed over in a
    pipe, so that whoever takes it first is the last to see it; environments and arguments can be read as long as there are processes."""
    if cwd is None:
        with tempfile.TemporaryDirectory() as folder:
            return run(command, limit_s, env, folder, seed)
    result = Run()
    handed = [] if seed is None else [_handed(seed)]
    if handed:
        env = {**(os.environ if env is None else env), 'VERSO_SEED_FD': str(handed[0])}
    began = time.monotonic()
    started, says_started = os.pipe()
    try:
        process = subprocess.Popen([*_limits(limit_s), *wrapper()[0], os.path.realpath(cwd), *command], stdin=says_started,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, cwd=cwd, start_new_session=True, pass_fds=handed)
    except OSError:
        os.close(started)
        raise
    finally:
        for descriptor in (says_started, *handed):
            os.close(descriptor)
    chunks, n_bytes, looked = [], 0, began
    out = process.stdout.fileno()
    try:
        while True:
            left = began + limit_s - time.monotonic()
            if left <= 0:
                result.is_late = True
                break
            if time.monotonic() > looked + LOOK_S:
                looked = time.monotonic()
                memory = [n for _, n in _session(process.pid)]
                if sum(memory) > MEMORY_BYTES or len(memory) > PROCESSES:
                    result.is_big = True
                    break
            ready, _, _ = select.select([out], [], [], min(left, 0.2))
            if ready:
                data = os.read(out, 65536)
                if not data:
                    break
                chunks.append(data)
                n_bytes += len(data)
                if n_bytes > OUTPUT_BYTES:
                    result.is_loud = True
                    break
            elif process.poll() is not None:  # a child of it holds the pipe; what was written before is there
                while select.select([out], [], [], 0)[0] and n_bytes <= OUTPUT_BYTES:
                    data = os.read(out, 65536)
                    if not data:
                        break
                    chunks.append(data)
                    n_bytes += len(data)
                break
        if not result.is_late and not result.is_loud and not result.is_big:
            try:
                process.wait(max(0.1, began + limit_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                result.is_late = True
    finally:
        _end(process.pid)  # the children too, however it ended
        process.wait()
        process.stdout.close()
        is_started = bool(select.select([started], [], [], 0)[0] and os.read(started, 1))
        os.close(started)
    result.status = process.returncode
    if result.status > 128:  # as a shell reports the signal that ended its child
        result.status = 128 - result.status
    result.seconds = time.monotonic() - began
    result.output = b''.join(chunks)[:OUTPUT_BYTES].decode(errors='replace')
    if not is_started:
        result.refused = result.output.strip()[-200:] or f'status {result.status} before it was started'
    elif result.status in NOT_STARTED:
        result.refused = _cannot_load(command)
    return result
