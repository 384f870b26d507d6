# SPDX-License-Identifier: MIT
"""A memory budget for a cell: frames, page cache, page tables, heap and stacks, all of it (rule R3).

The best way that the machine allows is used, in the order of KINDS:

    scope        a cgroup that systemd made for this user; needs no root
    group2       root: a cgroup (version 2) that the harness makes and removes
    group1       root: the same, version 1
    container    the limit under which the harness itself runs; only where it is asked for, as it is the same for all cells
    cooperative  no limit: a thread of the cell evicts what is above the budget (cell/evict.h). A substitute
"""
import glob
import os
import re
import subprocess
import time

from lib.readings import read_table, read_text

KINDS = ('scope', 'group2', 'group1', 'container', 'cooperative')
ASKED_FOR = ('container',)  # its limit cannot be chosen, so cells of another memory do without
OWN_GROUP = ('group2', 'group1')  # a group that outlives its processes, and whose limit can be changed
PREFIX = 'verso-cell-'
CHANGE_TRIES = 20
CHANGE_PAUSE_S = 0.05
PATIENCE_S = 5  # until an emptied group can be removed


class BudgetError(Exception):
    """A budget that cannot be had; the text says why and what to do."""


def mounts(kind, text=None):
    """Pairs of mount point and options of the file systems of a kind."""
    text = read_text('/proc/self/mounts') if text is None else text
    for line in (text or '').splitlines():
        words = line.split()
        if len(words) > 3 and words[2] == kind:
            yield words[1], words[3].split(',')


def version1_root(text=None):
    """Where the memory controller of cgroup version 1 is mounted, or None."""
    return next((path for path, options in mounts('cgroup', text) if 'memory' in options), None)


def version2_root(text=None):
    """Where cgroup version 2 is mounted with a memory controller, or None."""
    for path, _ in mounts('cgroup2', text):
        if 'memory' in (read_text(os.path.join(path, 'cgroup.controllers')) or '').split():
            return path
    return None


def group_of(pid, text=None):
    """The folder of a process's memory cgroup and its version, or (None, 0)."""
    text = read_text(f'/proc/{pid}/cgroup') if text is None else text
    lines = [line.split(':', 2) for line in (text or '').splitlines() if line.count(':') >= 2]
    for _, controllers, path in lines:
        if 'memory' in controllers.split(',') and version1_root():
            return version1_root() + path.rstrip('/'), 1
    for number, controllers, path in lines:
        if number == '0' and not controllers and version2_root():
            return version2_root() + path.rstrip('/'), 2
    return None, 0


def cpu_stat(pid, text=None):
    """The file that says how long a process's group waited because its limit of CPU time was used up, or None."""
    text = read_text(f'/proc/{pid}/cgroup') if text is None else text
    lines = [line.split(':', 2) for line in (text or '').splitlines() if line.count(':') >= 2]
    roots = [(path, 'cpu') for path, options in mounts('cgroup') if 'cpu' in options] + [(path, '') for path, _ in mounts('cgroup2')]
    for root, controller in roots:
        for _, controllers, group in lines:
            path = os.path.join(root + group.rstrip('/'), 'cpu.stat')
            if controller in controllers.split(',') and throttled_us(path) is not None:
                return path
    return None


def throttled_us(path):
    """How long, up to now; None: not known."""
    table = read_table(path) if path else {}
    if 'throttled_time' in table:  # version 1: in ns
        return table['throttled_time'] // 1000
    return table.get('throttled_usec')


def _number(path):
    text = (read_text(path) or '').strip()
    return int(text) if text.isdigit() else None


class Group:
    """Reads a memory cgroup of either version. What the kernel does not say is None."""

    NAMES = {1: ('memory.usage_in_bytes', 'memory.max_usage_in_bytes', 'memory.limit_in_bytes'),
             2: ('memory.current', 'memory.peak', 'memory.max')}

    def __init__(self, folder, version):
        self.folder, self.version = folder, version

    def _read(self, index):
        return _number(os.path.join(self.folder, self.NAMES[self.version][index])) if self.folder else None

    def usage(self):
        return self._read(0)

    def peak(self):
        return self._read(1)

    def limit(self):
        return self._read(2)

    def limit_hits(self):
        """How often the group stood at its limit."""
        if not self.folder:
            return None
        if self.version == 1:
            return _number(os.path.join(self.folder, 'memory.failcnt'))
        return read_table(os.path.join(self.folder, 'memory.events')).get('max')

    def kills(self):
        """How many of its processes the kernel has killed for lack of memory."""
        if not self.folder:
            return None
        name = 'memory.oom_control' if self.version == 1 else 'memory.events'
        return read_table(os.path.join(self.folder, name)).get('oom_kill')

    def kernel(self):
        """Bytes that the kernel itself holds for its processes: page tables, stacks, rings, descriptors."""
        if not self.folder:
            return None
        if self.version == 1:
            return _number(os.path.join(self.folder, 'memory.kmem.usage_in_bytes'))
        return read_table(os.path.join(self.folder, 'memory.stat')).get('kernel')

    def reclaim(self):
        """Pages of the group that the kernel looked at to evict some, and that it evicted; None: it counts them for the machine alone,
        as under version 1."""
        table = read_table(os.path.join(self.folder, 'memory.stat')) if self.folder else {}
        found = {'scanned_pages': table.get('pgscan'), 'reclaimed_pages': table.get('pgsteal')}
        return None if None in found.values() else found

    def stat(self):
        """Anonymous memory, page cache and refaults of the group, in bytes and pages."""
        table = read_table(os.path.join(self.folder, 'memory.stat')) if self.folder else {}
        names = (('anonymous_bytes', 'rss', 'anon'), ('page_cache_bytes', 'cache', 'file'),
                 ('refaults', 'workingset_refault_file', 'workingset_refault_file'))
        return {ours: table.get(v1 if self.version == 1 else v2) for ours, v1, v2 in names}


class Account:
    """What a group counts while one run lasts. A scope ends with its process, so it is read while that is there."""

    def __init__(self, a_budget):
        self.group, self.at_start = a_budget.group, self._counts(a_budget.group)
        self.is_first = a_budget.n_runs == 0 and a_budget.kind != 'container'  # then the kernel's peak is that of the run
        a_budget.n_runs += 1
        self.last, self.peak_bytes, self.usage_bytes, self.stat = dict(self.at_start), None, None, None

    @staticmethod
    def _counts(group):
        return {'limit_hits': group.limit_hits(), 'kills': group.kills()}

    def read(self):
        """Called now and then, and at the end; what cannot be read any more stays as it was."""
        self.last.update({name: value for name, value in self._counts(self.group).items() if value is not None})
        usage, peak, stat = self.group.usage(), self.group.peak(), self.group.stat()
        if usage is not None:
            self.usage_bytes = max(usage, self.usage_bytes or 0)
        if peak is not None and self.is_first:
            self.peak_bytes = peak
        if self.stat is None or None not in stat.values():
            self.stat = stat

    def _since(self, name):
        before, after = self.at_start[name], self.last[name]
        return None if after is None else after - (before or 0)

    def limit_hits(self):
        return self._since('limit_hits')

    def totals(self):
        """Members of the line of a run."""
        peaks = [x for x in (self.peak_bytes, self.usage_bytes) if x is not None]
        return {'peak_bytes': max(peaks, default=None), 'limit_hits': self.limit_hits(), 'kills': self._since('kills') or 0,
                **(self.stat or self.group.stat())}


class Budget:
    """A limit for one process after the other. Use each for one cell, as a context."""

    kind = None
    by_kernel = True

    def __init__(self, limit_bytes):
        self.limit_bytes = limit_bytes
        self.now_bytes = None  # after change()
        self.group = Group(None, 0)
        self.n_runs = 0  # that were counted in it: what the kernel counts for a group is the total of its life

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def command(self, words):
        """The command that runs `words` under the limit."""
        return words

    def attach(self, pid):
        """Called once the process runs."""

    def change(self, limit_bytes):
        """Another limit for the processes that are in it (E14)."""
        raise BudgetError(f'a budget of kind {self.kind} cannot be changed while it is used')

    def close(self):
        """The group is removed."""


def _has_ended(pid):
    """Whether this process's child has; it stays to be waited for."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


class Scope(Budget):
    kind = 'scope'

    def command(self, words):
        return ['systemd-run', '--user', '--scope', '--quiet', '-p', f'MemoryMax={self.limit_bytes}',
                '-p', 'MemorySwapMax=0', '--', *words]

    def attach(self, pid):
        own, _ = group_of('self')
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and not _has_ended(pid):
            folder, version = group_of(pid)
            if folder and folder != own and folder.endswith('.scope'):
                self.group = Group(folder, version)
                return
            time.sleep(0.01)


class _MadeGroup(Budget):
    version = 0
    _n = 0

    def __init__(self, limit_bytes):
        super().__init__(limit_bytes)
        root = version1_root() if self.version == 1 else version2_root()
        if root is None:
            raise BudgetError(f'no memory controller of cgroup version {self.version}')
        remove_stale(root)
        _MadeGroup._n += 1
        folder = os.path.join(root, f'{PREFIX}{os.getpid()}-{_MadeGroup._n}')
        try:
            os.mkdir(folder)
        except OSError as error:
            raise BudgetError(f'{folder}: {error.strerror}') from error
        self.group = Group(folder, self.version)
        try:
            self._limit(folder)
        except OSError as error:
            self.close()
            raise BudgetError(f'{folder}: the limit cannot be set: {error.strerror}') from error

    def _write(self, name, value):
        with open(os.path.join(self.group.folder, name), 'w', encoding='ascii') as f:
            f.write(str(value))

    def _limit(self, folder):
        raise NotImplementedError

    def change(self, limit_bytes):
        for attempt in range(CHANGE_TRIES):  # the kernel has to evict what is above it, and gives up early
            try:
                self._set(limit_bytes)
                self.now_bytes = limit_bytes
                return
            except OSError:
                if attempt == CHANGE_TRIES - 1:
                    raise
                time.sleep(CHANGE_PAUSE_S)  # memory that a process has just given back counts for a while

    def _set(self, limit_bytes):
        raise NotImplementedError

    def command(self, words):
        procs = os.path.join(self.group.folder, 'cgroup.procs')
        return ['/bin/sh', '-c', 'echo $$ >"$0" && exec "$@"', procs, *words]

    def close(self):
        folder, self.group = self.group.folder, Group(None, 0)
        if folder:
            remove_group(folder)


class Group1(_MadeGroup):
    kind, version = 'group1', 1

    def _set(self, limit_bytes):
        names = ['memory.limit_in_bytes']  # which may not be above the limit of memory and swap
        if os.path.exists(os.path.join(self.group.folder, 'memory.memsw.limit_in_bytes')):
            names.insert(0 if limit_bytes > (self.now_bytes or self.limit_bytes) else 1, 'memory.memsw.limit_in_bytes')
        for name in names:
            self._write(name, limit_bytes)

    def _limit(self, folder):
        self._write('memory.limit_in_bytes', self.limit_bytes)
        if os.path.exists(os.path.join(folder, 'memory.memsw.limit_in_bytes')):
            self._write('memory.memsw.limit_in_bytes', self.limit_bytes)


class Group2(_MadeGroup):
    kind, version = 'group2', 2

    def _set(self, limit_bytes):
        self._write('memory.max', limit_bytes)

    def _limit(self, folder):
        self._write('memory.max', self.limit_bytes)
        if os.path.exists(os.path.join(folder, 'memory.swap.max')):
            self._write('memory.swap.max', 0)


class Container(Budget):
    kind = 'container'

    def __init__(self, limit_bytes):
        super().__init__(limit_bytes)
        own = container_limit()
        if own is None:
            raise BudgetError('this process has no limit of memory of its own')
        if own > limit_bytes:
            raise BudgetError(f'the limit of this container is {own}, expected at most {limit_bytes}')
        self.limit_bytes = own
        self.group = Group(*group_of('self'))


class Cooperative(Budget):
    kind = 'cooperative'
    by_kernel = False


CLASSES = {c.kind: c for c in (Scope, Group2, Group1, Container, Cooperative)}


def remove_group(folder):
    """Removes an empty cgroup; what it had in the page cache goes to its parent."""
    end = time.monotonic() + PATIENCE_S
    while os.path.isdir(folder):
        try:
            os.rmdir(folder)
        except OSError:
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
    return True


def remove_stale(root):
    """Groups that a harness left behind which was killed."""
    for folder in glob.glob(os.path.join(root, PREFIX + '*')):
        match = re.fullmatch(re.escape(PREFIX) + r'(\d+)-\d+', os.path.basename(folder))
        if match and not os.path.exists(f'/proc/{match.group(1)}'):
            try:
                os.rmdir(folder)
            except OSError:
                pass  # somebody is in it, or it is not ours


def container_limit():
    """The memory limit under which this process runs, or None."""
    folder, version = group_of('self')
    limit = Group(folder, version).limit() if folder else None
    memory = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    return limit if limit is not None and limit < memory else None


def why_not(kind, limit_bytes=64 << 20):
    """None if this kind of budget works here, else the reason. A small process is run under it; a container has what it has."""
    if kind == 'cooperative':
        return None
    if kind == 'container':
        return None if container_limit() is not None else 'this process has no limit of memory of its own'
    try:
        with CLASSES[kind](limit_bytes) as budget:
            show = 'cat /proc/self/cgroup; sleep 0.2'
            child = subprocess.Popen(budget.command(['/bin/sh', '-c', show]), stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            budget.attach(child.pid)
            limit = budget.group.limit()
            _, errors = child.communicate(timeout=20)
            if child.returncode != 0:
                return errors.strip().splitlines()[-1] if errors.strip() else f'status {child.returncode}'
            return None if limit == limit_bytes else f'the limit is {limit}, expected {limit_bytes}'
    except (BudgetError, OSError, subprocess.TimeoutExpired) as error:
        return str(error)


def choose(wanted=None):
    """The best kind that works, and the reasons for each that does not. wanted: a kind, for tests and comparisons, and for one of
    ASKED_FOR."""
    reasons = {}
    for kind in [wanted] if wanted else [k for k in KINDS if k not in ASKED_FOR]:
        if kind not in CLASSES:
            raise BudgetError(f'expected one of {", ".join(KINDS)}, found {kind}')
        reason = why_not(kind)
        if reason is None:
            return kind, reasons
        reasons[kind] = reason
    raise BudgetError('; '.join(f'{kind}: {reason}' for kind, reason in reasons.items()))


def make(kind, limit_bytes):
    return CLASSES[kind](limit_bytes)
