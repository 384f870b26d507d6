# SPDX-License-Identifier: MIT
"""Rule R13: how long the device takes for a page, cold and again after all was read once. In a virtual machine the "disk" may be
the memory of its host."""
import os

from lib import stats

SECONDS = 1.0


def _median_ns(program, about):
    line = program.ask('run', f'--file={about["path"]}', f'--records={about["records"]}', '--engine=device',
                       f'--seconds={SECONDS}')
    return stats.quantile(line['phases'][0]['histogram'], 0.5)


def _read_all(path):
    """Reads the file past this machine's page cache, so that only a host can keep it."""
    with open(path, 'rb') as f:
        while f.read(1 << 20):
            pass
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def device(program, about):
    """Dict of cold_ns and again_ns, medians at depth 1; None where it cannot be measured."""
    program.ask('drop', f'--file={about["path"]}')
    cold = _median_ns(program, about)
    _read_all(about['path'])
    program.ask('drop', f'--file={about["path"]}')
    again = _median_ns(program, about)
    return {'cold_ns': cold, 'again_ns': again} if cold and again else None
