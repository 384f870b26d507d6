# SPDX-License-Identifier: MIT
"""Children of the harness. None outlives it: a cell that goes on holds the file in the page cache, and is somebody else at work."""
import ctypes
import os
import signal
import subprocess

PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None, use_errno=True).prctl


def start(words, **options):
    """As subprocess.Popen. The kernel ends the child when the harness has ended, whatever ended it."""
    parent = os.getpid()

    def end_with_parent():
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended a moment ago
            os.kill(os.getpid(), signal.SIGKILL)
    return subprocess.Popen(words, preexec_fn=end_with_parent, **options)
