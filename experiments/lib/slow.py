# SPDX-License-Identifier: MIT
"""A disk that is made slow for one cell: so many milliseconds for each read, by the kernel's limit of reads a second (root).

It is the limit of a group: blkio.throttle of cgroup version 1, io.max of version 2. It is no latency: the kernel counts in slices of
some tens of milliseconds, and lets a slice's reads pass together. What it makes true is the mean, so it is for one get after the
other, where a slow disk serves no more a second. dm-delay would make each read late; its kernel module is often not there.
"""
import os

from lib import budget, readings

V1_FILE, V2_FILE = 'blkio.throttle.read_iops_device', 'io.max'


def version1_root(text=None):
    """Where the block controller of cgroup version 1 is mounted, or None."""
    return next((path for path, options in budget.mounts('cgroup', text) if 'blkio' in options), None)


def _by_version1():
    root = version1_root()
    return root is not None and os.path.exists(os.path.join(root, V1_FILE))


def _by_version2(root):
    """Whether groups below root have io.max."""
    return root is not None and 'io' in (readings.read_text(os.path.join(root, 'cgroup.subtree_control')) or '').split()


def why_not():
    """Why no disk can be made slow here, or None."""
    if os.geteuid() != 0:
        return 'a disk that is made slow needs root'
    if not _by_version1() and not _by_version2(budget.version2_root()):
        return f'a disk that is made slow needs {V1_FILE} (a kernel with CONFIG_BLK_DEV_THROTTLING) or a cgroup with {V2_FILE}'
    return None


class Slow:
    """The limit of one cell. disk: as in /sys/block. a_budget: the cell's, whose group has the limit in version 2."""

    _n = 0

    def __init__(self, disk, a_budget):
        self.number = readings.setting(f'/sys/block/{disk}/dev') if disk else None
        if self.number is None:
            raise budget.BudgetError('the disk under the files is not known, so it cannot be made slow')
        self.made = None
        if _by_version1():
            root = version1_root()
            budget.remove_stale(root)
            Slow._n += 1
            folder = os.path.join(root, f'{budget.PREFIX}{os.getpid()}-{Slow._n}')
            try:
                os.mkdir(folder)
            except OSError as error:
                raise budget.BudgetError(f'{folder}: {error.strerror}') from error
            self.made, self.path = folder, os.path.join(folder, V1_FILE)
        else:
            self.path = os.path.join(a_budget.group.folder or '', V2_FILE)
            if not os.path.exists(self.path):
                raise budget.BudgetError(f'the group of the cell has no {V2_FILE}')

    def attach(self, pid):
        """The process, with all threads that it has and will have."""
        if self.made:
            write(os.path.join(self.made, 'cgroup.procs'), pid)

    def set(self, each_ms):
        """Milliseconds for each read from now on; None: as fast as the disk is."""
        if self.made:
            limit = 0 if each_ms is None else reads_per_s(each_ms)
        else:
            limit = 'riops=max' if each_ms is None else f'riops={reads_per_s(each_ms)}'
        write(self.path, f'{self.number} {limit}')

    def close(self):
        """After the process has ended."""
        if self.made:
            budget.remove_group(self.made)
            self.made = None


def write(path, value):
    try:
        with open(path, 'w', encoding='ascii') as f:
            f.write(str(value))
    except OSError as error:
        raise budget.BudgetError(f'{path}: the disk cannot be made slow: {error.strerror}') from error


def reads_per_s(each_ms):
    return max(1, round(1000 / each_ms))
