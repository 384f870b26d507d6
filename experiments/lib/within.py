# SPDX-License-Identifier: MIT
"""`run within BYTES -- PROGRAM ...`: one program under a memory budget that the kernel holds, for others' measurements."""
import subprocess
import sys

from lib import budget

BY_KERNEL = ('scope', 'group2', 'group1')
USAGE, FAILED = 2, 3


def main(words):
    """Runs the program; its exit status, as a shell has it, or 2 or 3 when it cannot be run so."""
    if len(words) < 3 or not words[0].isdigit() or int(words[0]) == 0 or words[1] != '--':
        print('run: within: expected BYTES -- PROGRAM ..., with BYTES a whole number from 1', file=sys.stderr)
        return USAGE
    limit_bytes, reasons = int(words[0]), []
    for kind in BY_KERNEL:
        reason = budget.why_not(kind)
        if reason is None:
            with budget.make(kind, limit_bytes) as limit:
                child = subprocess.Popen(limit.command(words[2:]))
                limit.attach(child.pid)
                status = child.wait()
                return 128 - status if status < 0 else status
        reasons.append(f'{kind}: {reason}')
    print(f'run: within: no limit of memory can be set here ({"; ".join(reasons)})', file=sys.stderr)
    return FAILED
