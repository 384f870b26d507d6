# SPDX-License-Identifier: MIT
"""What the kernel has counted for the machine, a disk, a process and a file. What cannot be read is None, never 0."""
import ctypes
import os

TICKS = os.sysconf('SC_CLK_TCK')
PAGE_BYTES = os.sysconf('SC_PAGE_SIZE')
SECTOR_BYTES = 512
CACHESTAT = 451  # the number of the system call, on every architecture but alpha


def read_text(path):
    """The text of a small file, or None."""
    try:
        with open(path, encoding='utf-8', errors='replace') as f:
            return f.read()
    except OSError:
        return None


def read_table(path):
    """Lines of `name number`, as a dict; {} when the file cannot be read."""
    table = {}
    for line in (read_text(path) or '').splitlines():
        words = line.split()
        if len(words) >= 2 and words[1].isdigit():
            table[words[0].rstrip(':')] = int(words[1])
    return table


def cpu_times(text=None):
    """Seconds of all CPUs since the start: dict of busy, steal, total; None when /proc/stat cannot be read."""
    text = read_text('/proc/stat') if text is None else text
    for line in (text or '').splitlines():
        if line.startswith('cpu '):
            user, nice, system, idle, iowait, irq, softirq, steal = (int(x) for x in line.split()[1:9])
            busy = user + nice + system + irq + softirq
            return {'busy': busy / TICKS, 'steal': steal / TICKS,
                    'total': (busy + steal + idle + iowait) / TICKS}
    return None


def disk_of(path):
    """The name of the whole disk under a path, as in /sys/block; None: not known (tmpfs, btrfs, overlay)."""
    number = os.stat(path).st_dev
    link = f'/sys/dev/block/{os.major(number)}:{os.minor(number)}'
    if not os.path.exists(link):
        return None
    folder = os.path.realpath(link)
    if os.path.exists(os.path.join(folder, 'partition')):
        folder = os.path.dirname(folder)
    return os.path.basename(folder)


def disk_counters(disk):
    """Dict of read_bytes, write_bytes, in_flight and busy_ms_weighted of a disk, or None."""
    words = (read_text(f'/sys/block/{disk}/stat') or '').split() if disk else []
    if len(words) < 11:
        return None
    return {'read_bytes': int(words[2]) * SECTOR_BYTES, 'write_bytes': int(words[6]) * SECTOR_BYTES,
            'in_flight': int(words[8]), 'weighted_ms': int(words[10])}


def tlb_shootdowns(text=None):
    """Of all CPUs since the start. None: this kernel does not count them; /proc/interrupts has no such row, or only zeros on a
    machine of several CPUs, as where the hypervisor empties the TLBs of the others."""
    text = read_text('/proc/interrupts') if text is None else text
    for line in (text or '').splitlines():
        words = line.split()
        if words and words[0] == 'TLB:':
            counts = [int(x) for x in words[1:] if x.isdigit()]
            return sum(counts) if any(counts) or len(counts) == 1 else None
    return None


def pressure_us(kind):
    """The total time in which some task waited for io or memory, or None without PSI."""
    for word in (read_text(f'/proc/pressure/{kind}') or '').split():
        if word.startswith('total='):
            return int(word[len('total='):])
    return None


def setting(path):
    text = read_text(path)
    return text.strip() if text else None


def settings():
    """What must not change during a run: huge pages, and the CPU's frequency settings."""
    cpu = '/sys/devices/system/cpu/cpu0/cpufreq/'
    return {'huge_pages': setting('/sys/kernel/mm/transparent_hugepage/enabled'),
            'governor': setting(cpu + 'scaling_governor'),
            'frequency_max': setting(cpu + 'scaling_max_freq')}


SERVANTS = ('kswapd', 'kworker')  # reclaim, write-back and the block layer's work


def servants(stats=None):
    """{(pid, start): CPU seconds} of the kernel's own threads that serve whoever reads, writes and fills memory. stats: texts of
    /proc/PID/stat."""
    if stats is None:
        stats = [read_text(f'/proc/{pid}/stat') for pid in os.listdir('/proc') if pid.isdigit()]
    found = {}
    for text in stats:
        if text and text[text.index('(') + 1:].startswith(SERVANTS):
            words = text[text.rindex(')') + 2:].split()
            if words[1] == '2':  # a child of kthreadd, so no program of that name
                found[int(text.split(' ', 1)[0]), int(words[19])] = (int(words[11]) + int(words[12])) / TICKS
    return found


def _sum_of(table, *names):
    """None: one of them is not there."""
    return None if any(name not in table for name in names) else sum(table[name] for name in names)


def machine(disk):
    """A reading of the whole machine, to be subtracted from a later one."""
    vmstat = read_table('/proc/vmstat')
    return {
        'cpu': cpu_times(),
        'servants': servants(),
        'disk': disk_counters(disk),
        'tlb_shootdowns': tlb_shootdowns(),
        'io_pressure_us': pressure_us('io'),
        'memory_pressure_us': pressure_us('memory'),
        'refaults': vmstat.get('workingset_refault_file'),
        'scanned_pages': _sum_of(vmstat, 'pgscan_anon', 'pgscan_file'),
        'reclaimed_pages': _sum_of(vmstat, 'pgsteal_anon', 'pgsteal_file'),
        'settings': settings(),
    }


def process(pid):
    """Dict of cpu_s, resident_bytes, threads, read_bytes and write_bytes of a process; {} when it has ended."""
    text = read_text(f'/proc/{pid}/stat')
    if not text:
        return {}
    words = text[text.rindex(')') + 2:].split()
    io = read_table(f'/proc/{pid}/io')
    pages = (read_text(f'/proc/{pid}/statm') or '').split()
    return {'cpu_s': (int(words[11]) + int(words[12])) / TICKS,
            'threads': int(words[17]),
            'resident_bytes': int(words[21]) * PAGE_BYTES,
            'anonymous_bytes': (int(pages[1]) - int(pages[2])) * PAGE_BYTES if len(pages) > 2 else None,
            'read_bytes': io.get('read_bytes'), 'write_bytes': io.get('write_bytes')}


def processes(pids):
    """The sum of what some processes have counted; {} when all have ended. They share what they have mapped of the file, so there is
    no sum of what is resident in several."""
    found = [r for r in map(process, pids) if r]
    if len(found) < 2:
        return found[0] if found else {}
    total = {name: None if any(r[name] is None for r in found) else sum(r[name] for r in found) for name in found[0]}
    return {**total, 'resident_bytes': None}


def anonymous(pids):
    """Bytes of their own that processes have in memory, by their page tables: exact, where the counters of statm may be behind."""
    found = [read_table(f'/proc/{pid}/smaps_rollup').get('Anonymous') for pid in pids]
    return None if None in found else sum(found) << 10


class _Range(ctypes.Structure):
    _fields_ = [('offset', ctypes.c_uint64), ('length', ctypes.c_uint64)]


class _Counts(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in
                ('cached', 'dirty', 'writeback', 'evicted', 'recently_evicted')]


class PageCache:
    """What of a file is in the page cache, by cachestat (Linux 6.5)."""

    def __init__(self, path):
        self.descriptor = os.open(path, os.O_RDONLY)
        self.call = ctypes.CDLL(None, use_errno=True).syscall

    def close(self):
        os.close(self.descriptor)

    def read(self, offset=0, length=0):
        """Dict of cached_bytes, dirty_bytes and recently_evicted_bytes, or None. length 0: up to the end."""
        span, counts = _Range(offset, length), _Counts()
        if self.call(CACHESTAT, self.descriptor, ctypes.byref(span), ctypes.byref(counts), 0) != 0:
            return None
        return {'cached_bytes': counts.cached * PAGE_BYTES,
                'dirty_bytes': (counts.dirty + counts.writeback) * PAGE_BYTES,
                'recently_evicted_bytes': counts.recently_evicted * PAGE_BYTES}
