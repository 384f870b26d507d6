# SPDX-License-Identifier: MIT
"""A RAM disk, on which a read costs some microseconds, so that the CPU's part of a get decides: a loop device over a file in memory,
with ext4 (root). Its own kernel thread works on the same cores, so that rates and latencies on it never count (rule R10); counts and
the CPU time of the process do. Its latency at depth 1 stands on the machine card."""
import os
import shutil

from lib import dataset, hazards

MEMORY, LOOPS = '/dev/shm', '/dev/loop-control'
SPARE = 1.15  # of the image, beside the files
SPARE_BYTES = 64 << 20


def needed_bytes(file_bytes):
    return int(file_bytes * SPARE) + SPARE_BYTES


def why_not(file_bytes=0):
    """Why there can be none here, or None."""
    tools = [name for name in ('mkfs.ext4', 'losetup', 'mount', 'umount') if not shutil.which(name)]
    if os.geteuid() != 0:
        return 'a RAM disk needs root'
    if tools:
        return f'a RAM disk needs {tools[0]}: apt-get install e2fsprogs mount'
    if not os.path.exists(LOOPS) or not os.path.isdir(MEMORY):
        return f'a RAM disk needs {LOOPS} and {MEMORY}'
    free = shutil.disk_usage(MEMORY).free
    if free < needed_bytes(file_bytes):
        return f'a RAM disk needs {needed_bytes(file_bytes) >> 20} MiB in {MEMORY}, found {free >> 20}'
    return None


class RamDisk(hazards.Disk):
    """A context. data: a Dataset on it, with copies of the files of another one."""

    def __init__(self, other, progress=dataset.nobody):
        super().__init__(MEMORY, mib=needed_bytes(other.get()['bytes']) >> 20)
        self.other, self.progress = other, progress

    def __enter__(self):
        super().__enter__()
        if not self.image:
            self.__exit__()
            raise dataset.DataError(f'the RAM disk could not be made: {self.why}')
        self.data = dataset.Dataset(self.folder, self.other.program, self.other.records)
        self._copy(self.other.get())
        return self

    def _copy(self, about):
        path = os.path.join(self.folder, os.path.basename(about['path']))
        wrong = dataset.copy_file(about['path'], path, self.progress)
        if wrong:
            self.__exit__()
            raise dataset.DataError(f'the RAM disk could not be filled: {wrong}')
        self.data.remember(path, about['engine'], self.progress)
