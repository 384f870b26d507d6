# SPDX-License-Identifier: MIT
"""The page that harness and cell share (cell/live.h has the same layout)."""
import mmap
import os

WORD_BYTES = 8
THREADS_MAX = 64
PHASE, STOP, BATCH, CACHE, PART = 0, 1, 2, 3, 4
STATE, RESIZED = 8, 9
THREADS, THREAD_WORDS = 16, 8
OPS, PID, EVICTIONS, FRAMES, POOL_BYTES = range(5)  # of a thread's words
SIZE_BYTES = WORD_BYTES * (THREADS + THREADS_MAX * THREAD_WORDS)
STARTING, READY, RUNNING, DONE = range(4)
UNKNOWN = 2 ** 64 - 1


class Live:
    """A piece of memory that is handed to the cell as a file descriptor."""

    def __init__(self):
        self.descriptor = os.memfd_create('cell', 0)
        os.truncate(self.descriptor, SIZE_BYTES)
        self.memory = mmap.mmap(self.descriptor, SIZE_BYTES)
        self.words = memoryview(self.memory).cast('Q')

    def close(self):
        self.words.release()
        self.memory.close()
        os.close(self.descriptor)

    @property
    def state(self):
        return self.words[STATE]

    def begin(self, phase, batch=0, part=0):
        """batch: gets at once in this phase, in a closed loop; 0: the workload's own. part: of the records that are asked for."""
        self.words[BATCH] = batch
        self.words[PART] = round(part * 1e6)
        self.words[PHASE] = phase

    def resize(self, cache_bytes):
        self.words[CACHE] = cache_bytes

    @property
    def resized(self):
        return self.words[RESIZED]

    def stop(self):
        self.words[STOP] = 1

    def _of_threads(self, word):
        return [self.words[THREADS + i * THREAD_WORDS + word] for i in range(THREADS_MAX)]

    @property
    def evictions(self):
        """Of the pools of all processes; None: the kernel evicts."""
        found = self._of_threads(EVICTIONS)
        return None if UNKNOWN in found else sum(found)

    @property
    def pools(self):
        """(frames, evictions) of the pool of each process that has said so; empty: the kernel evicts."""
        return [(frames, evictions) for frames, evictions in zip(self._of_threads(FRAMES), self._of_threads(EVICTIONS))
                if frames > 0 and evictions != UNKNOWN]

    @property
    def pids(self):
        """Of the processes that have threads at work."""
        return {pid for pid in self._of_threads(PID) if pid}

    def ops_of(self, thread):
        return self.words[THREADS + thread * THREAD_WORDS]

    def ops(self):
        return sum(self._of_threads(OPS))
