# SPDX-License-Identifier: MIT
"""The machine card: what a result was measured on; and the version of what was measured."""
import hashlib
import json
import os
import platform
import re
import subprocess

from lib import readings


def _cpu_model():
    match = re.search(r'^model name\s*:\s*(.*)$', readings.read_text('/proc/cpuinfo') or '', re.MULTILINE)
    return match.group(1) if match else platform.machine()


def _is_virtual():
    return bool(re.search(r'^flags\s*:.*\bhypervisor\b', readings.read_text('/proc/cpuinfo') or '', re.MULTILINE))


def file_system(path):
    """The type of the file system that holds a path, or None."""
    path = os.path.realpath(path)
    best, kind = '', None
    for line in (readings.read_text('/proc/self/mounts') or '').splitlines():
        words = line.split()
        if len(words) > 2 and (path + '/').startswith(words[1].rstrip('/') + '/') and len(words[1]) >= len(best):
            best, kind = words[1], words[2]
    return kind


def dirty_limits(folder='/proc/sys/vm'):
    """From how many dirty pages on the kernel writes them, and from how many on writers wait: a text, or None."""
    found = []
    for name in ('dirty_background', 'dirty'):
        ratio, size = (readings.setting(os.path.join(folder, f'{name}_{unit}')) for unit in ('ratio', 'bytes'))
        if ratio is None:
            return None
        found.append(f'{int(size) >> 20} MiB' if size not in (None, '0') else f'{ratio} % of memory')
    return f'written from {found[0]}, writers wait from {found[1]}'


def card(data_folder):
    """What there is to know of this machine and of the disk under data_folder. No name of a host or of a user."""
    memory = os.sysconf('SC_PHYS_PAGES') * readings.PAGE_BYTES
    disk = readings.disk_of(data_folder)
    return {
        'cpu': _cpu_model(), 'cpus': os.cpu_count(), 'memory_bytes': memory, 'kernel': platform.release(),
        'virtual': _is_virtual(), 'disk': disk, 'file_system': file_system(data_folder),
        'read_ahead_kb': readings.setting(f'/sys/block/{disk}/queue/read_ahead_kb') if disk else None,
        'dirty_limits': dirty_limits(), **readings.settings(),
    }


def machine_id(a_card):
    """A short name: results of two ids stand in two folders and are never put together. Settings that a run may change are left out."""
    parts = {k: a_card[k] for k in ('cpu', 'cpus', 'kernel', 'disk', 'file_system')}
    parts['memory_gib'] = round(a_card['memory_bytes'] / (1 << 30))
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:6]
    return f'{a_card["cpus"]}cpu-{parts["memory_gib"]}gib-{digest}'


def missing(a_card):
    """Names of what the card does not know."""
    return sorted(k for k, v in a_card.items() if v is None)


def commit(folder):
    """The commit of a source tree, with "-changed" when it has changes; None: not a clone."""
    try:
        done = subprocess.run(['git', '-C', folder, 'describe', '--always', '--abbrev=12', '--dirty=-changed'],
                              capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
