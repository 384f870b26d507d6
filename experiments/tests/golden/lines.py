#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A session that nobody measured, with answers that are known: for the tests of the report and for trying it out.

    lines.py > session.jsonl

Everything follows from SEED. Through the map of E2 a get costs 2.5 times the CPU time, and so on (RATIOS below); one run is
invalid, one was not quiet, one cell and one experiment are skipped.
"""
import json
import random
import sys

SEED, ROUNDS = 7, 5
SESSION = '20260101-120000-golden'
RATIOS = {'E2 full': 2.5, 'E3 sparse': 1.4, 'E3 scan': 0.45, 'E5': 1.8}

HEAD = '''id = "{id}"
title = "{title}"
questions = ["{question}"]
asks = "{asks}"
switch = "{switch}"
aa = "pool"
pitfalls = ["{pitfall}"]
'''
CELLS = '''
[[cell]]
name = "pool"
title = "the pool, CLOCK, io_uring, no verification"
pager = "bufpool"
checksum = "none"

[[cell]]
name = "map"
title = "the map, advice RANDOM, no verification"
pager = "mmap"
checksum = "none"
madvise = "random"
'''
E2 = HEAD.format(id='E2', title='Memory fills up', question='Q2', asks='What happens when memory fills up?', switch='the pager',
                 pitfall='While memory fills, the two are close, so a run that stops early says nothing.') + '''
[workload]
work = "get"
keys = "uniform"
''' + CELLS + '''
[[cell]]
name = "lmdb"
title = "LMDB without readahead"
engine = "lmdb"
limit_of = "map"

[[cell]]
name = "device"
title = "the bare device, one read in flight"
engine = "device"
limit_of = "pool"

[[cell]]
name = "pool-half"
pager = "bufpool"
checksum = "none"
rate = 5000

[[phase]]
name = "filling"
until = "full"

[[phase]]
name = "full"
seconds = 1

[[compare]]
cell = "map"
base = "pool"
phase = "full"
metrics = ["cpu_ns_per_op", "rate", "device_read_bytes_per_op", "major_faults_per_op"]

[[compare]]
cell = "map"
base = "pool"
phase = "filling"
metrics = ["cpu_ns_per_op", "rate"]

[[prediction]]
id = "E2.filling"
cell = "map"
base = "pool"
phase = "filling"
metric = "cpu_ns_per_op"
low = 0.7
high = 1.3
says = "while memory fills, a get costs about the same CPU time through either"

[[prediction]]
id = "E2.full"
cell = "map"
base = "pool"
phase = "full"
metric = "rate"
low = 0.7
high = 1.1
says = "one thread sees no collapse of the rate"

[[prediction]]
id = "E2.control"
cell = "map"
base = "pool"
over_cell = "pool-half"
over_base = "pool"
phase = "full"
metric = "cpu_ns_per_op"
low = 2
high = 3
says = "a ratio of ratios: map to pool over two cells that are the same"

[[prediction]]
id = "E2.faults"
cell = "map"
phase = "full"
metric = "major_faults_per_op"
low = 0.95
high = 1.0
says = "each get of the map is a major fault"
'''
CELL = """
[[cell]]
name = "{0}"
pager = "{1}"
checksum = "none"
{2}
"""
COMPARE = """
[[compare]]
cell = "{0}"
base = "{1}"
phase = "{2}"
metrics = [{3}]
"""
E3 = HEAD.format(id='E3', title='Readahead', question='Q8', asks='Maps for random reads, read() for scans: is that true?',
                 switch='what is told to the kernel', pitfall='The readahead of the device is in every line.') \
    .replace('aa = "pool"', 'aa = ["pool-sparse", "pool-scan"]') + '''
[workload]
work = "get"
keys = "uniform"
''' + ''.join(CELL.format(*c) for c in (
    ('pool-sparse', 'bufpool', 'keys = "sparse"'), ('random-sparse', 'mmap', 'keys = "sparse"\nmadvise = "random"'),
    ('pool-scan', 'bufpool', 'work = "scan"'), ('normal-scan', 'mmap', 'work = "scan"'))) + '''
[[phase]]
name = "whole"
until = "end"
''' + ''.join(COMPARE.format(a, b, 'whole', '"cpu_ns_per_op", "rate"')
              for a, b in (('random-sparse', 'pool-sparse'), ('normal-scan', 'pool-scan')))
DEPTHS = (1, 8, 32)
E5 = HEAD.format(id='E5', title='Reads in flight', question='Q3', asks='Can a map keep a device busy?', switch='the pager',
                 pitfall='Plain gets stay at one read in flight.').replace('aa = "pool"', 'aa = "pool-32"') + '''
[workload]
work = "get"
keys = "uniform"
''' + ''.join(CELL.format(f'{who}-{d}', kind, f'batch = {d}') for who, kind in (('pool', 'bufpool'), ('map', 'mmap')) for d in DEPTHS) + '''
[[phase]]
name = "filling"
until = "full"

[[phase]]
name = "full"
seconds = 0.5
''' + ''.join(COMPARE.format(f'map-{d}', f'pool-{d}', 'full', '"device_reads_per_s", "cpu_ns_per_read"') for d in DEPTHS)
E6 = HEAD.format(id='E6', title='One scan beside point reads', question='Q4', asks='What does one scan do to point reads?',
                 switch='the pager', pitfall='The scan runs in the second phase alone.').replace('aa = "pool"', 'aa = "pool-clock"') + '''
[workload]
work = "scan-gets"
keys = "hot"
scan-phase = 2
''' + ''.join(CELL.format(*c) for c in (('pool-clock', 'bufpool', 'policy = "clock"'), ('pool-2q', 'bufpool', 'policy = "2q"'),
                                          ('map-random', 'mmap', 'madvise = "random"'))) + '''
[[phase]]
name = "before"
seconds = 1

[[phase]]
name = "during"
seconds = 1
''' + COMPARE.format('map-random', 'pool-clock', 'before', '"cpu_ns_per_op", "rate"') \
    + COMPARE.format('map-random', 'pool-clock', 'during', '"cpu_ns_per_op", "rate"')
E7 = HEAD.format(id='E7', title='Who goes first', question='Q4', asks='Is the replacement of the kernel good enough?',
                 switch='the policy', pitfall='The replayed CLOCK equals that of the real pool.').replace('aa = "pool"', '''kind = "replay"
frames = ["0.1", "0.15", "0.2", "0.3", "0.5"]''') + '''
[workload]
work = "get"
keys = "zipf"
''' + CELLS + '''
[[prediction]]
id = "E7.map"
cell = "map"
phase = "whole"
metric = "misses"
low = 0.5
high = 1.1
says = "the kernel lies between LRU and random"

[[prediction]]
id = "E7.control"
cell = "pool"
base = "replay clock"
phase = "whole"
metric = "misses"
low = 0.98
high = 1.02
says = "control: replayed CLOCK misses as often as the real pool"
'''
E4 = HEAD.format(id='E4', title='A stall inside a pointer', question='Q2', asks='Where does a get wait?', switch='the pager',
                 pitfall='Results are held for some gets.') + 'needs = ["kernel-limit"]\n' + CELLS + '''
[[phase]]
name = "full"
seconds = 1

[[prediction]]
id = "E4.pool"
cell = "pool"
phase = "full"
metric = "faults_held_per_look"
low = 0
high = 0
says = "a result of the pool stays"
'''
PLANS = {'E2': E2, 'E3': E3, 'E4': E4, 'E5': E5, 'E6': E6, 'E7': E7}

CARD = {'cpu': 'A Processor at 3.00GHz', 'cpus': 2, 'memory_bytes': 8 << 30, 'kernel': '6.1.0-18-amd64', 'virtual': True,
        'disk': 'vda', 'file_system': 'ext4', 'read_ahead_kb': '128', 'huge_pages': 'always [madvise] never', 'governor': None,
        'frequency_max': None, 'device_probe': {'cold_ns': 91000, 'again_ns': 88000}}


def head():
    return {'kind': 'session', 'format': 1, 'session': SESSION, 'mode': 'standard', 'started': '2026-01-01T12:00:00Z',
            'machine_id': '2cpu-8gib-000000', 'machine': CARD, 'version': {'verso': '0.1.0', 'cell': '0123456789ab'},
            'commit': '0123456789ab', 'engines': ['verso', 'device'], 'budget': 'cgroup-v2', 'budget_by_kernel': True,
            'file_bytes': 2 << 30, 'memory_bytes': 512 << 20, 'records': 16000000, 'rounds': ROUNDS, 'seconds': 10,
            'evidence': True, 'seed': SEED, 'missing': ['frequency_max', 'governor'],
            'plans': {k: {'hash': f'{i:012x}', 'text': text} for i, (k, text) in enumerate(PLANS.items())}}


class Lines:
    """Makes lines with the noise of one generator."""

    def __init__(self):
        self.rng = random.Random(SEED)

    def near(self, value, spread=0.04):
        return value * self.rng.lognormvariate(0, spread)

    def phase(self, name, ns_per_op, rate, seconds=10.0, until=None, **more):
        ops = int(self.near(rate, 0.08) * seconds)
        return {'phase': 1, 'name': name, 'until': until, 'reached': True, 'ops': ops, 'checked': ops, 'wrong': 0,
                'ns': int(seconds * 1e9), 'user_ns': int(self.near(ns_per_op) * ops * 0.4), 'system_ns': int(ns_per_op * ops * 0.6),
                'minor_faults': ops // 50, 'major_faults': more.get('faults', 0) * ops // 10, 'voluntary_switches': ops,
                'involuntary_switches': 3, 'device_read_bytes': int(self.near(3600, 0.003)) * ops, 'device_write_bytes': 0, 'max_ns': 9000000,
                'histogram': [[65536, ops]], 'tlb_shootdowns': None, 'machine_busy_ns': int(ns_per_op * ops * 1.3),
                'requests_in_flight': None, 'pager': None}

    def run(self, experiment, number, cell, copy, phases, options, **more):
        line = {'kind': 'run', 'experiment': experiment, 'plan': head()['plans'][experiment]['hash'], 'round': number, 'cell': cell,
                'copy': copy, 'attempt': 1, 'final': True, 'id': f'{SESSION}/{experiment}/{number}/{cell}/{copy}/1',
                'started': '2026-01-01T12:00:00Z', 'options': options, 'seed': 1000 + number, 'phases': phases, 'invalid': [],
                'flags': [], 'quiet': True, 'missing': ['phase.tlb_shootdowns'], 'writes': False,
                'file': {'engine': 'verso', 'sha256': 'ab' * 32, 'bytes': 2 << 30},
                'budget': {'kind': 'cgroup-v2', 'by_kernel': True, 'limit_bytes': 512 << 20, 'peak_bytes': 511 << 20}}
        line.update(more)
        return line

    def series(self, rates):
        """Samples every half second: rates is [(seconds, operations a second, phase)]."""
        columns, t, ops = {'t_ms': [0], 'phase': [1], 'ops': [0]}, 0, 0
        for seconds, rate, phase in rates:
            for _ in range(int(seconds * 2)):
                t += 500
                ops += int(self.near(rate, 0.05) / 2)
                columns['t_ms'].append(t)
                columns['phase'].append(phase)
                columns['ops'].append(ops)
        return columns

    def e2(self, number):
        for cell, copy in (('pool', 1), ('map', 1), ('device', 1), ('pool-half', 1), ('pool', 2)):
            is_map = cell == 'map'
            full = 8000 * (RATIOS['E2 full'] if is_map else 1)
            filling = self.phase('filling', 7900, 12000, 6, 'full', faults=9 * is_map)
            phases = [filling, self.phase('full', full, 9500 if is_map else 10500, faults=9 * is_map)]
            rates = [(6, 12000, 1), (2 if is_map else 0, 2000, 2), (9, 9500 if is_map else 10500, 2)]
            line = self.run('E2', number, cell, copy, phases, {'work': 'get', 'keys': 'uniform', 'pager': 'mmap' if is_map else 'bufpool'},
                            series=self.series(rates))
            if cell == 'pool-half':
                line['options']['rate'] = 5000
            if number == 2 and is_map:
                line.update(quiet=False, flags=['R10: others used 22% of the CPU time'])
            if number == 4 and copy == 2:
                line['invalid'] = ['R3: used 0.912 of the budget, expected at least 0.95']
            if number == 3 and cell == 'device':
                line['invalid'] = ['R5: 4096 bytes of the file were in the page cache when it began']
            yield line

    def simple(self, experiment, number, cells, phases):
        """cells: (name, copy, CPU time of an operation, rate). phases: (name, until)."""
        for cell, copy, ns, rate in cells:
            made = [self.phase(name, self.near(ns), self.near(rate), until=until) for name, until in phases]
            rates = [(2, rate, i) for i in range(1, len(phases) + 1)]
            yield self.run(experiment, number, cell, copy, made, {'work': 'get'}, series=self.series(rates))

    def e7(self, number):
        optimum = {0.1: 620, 0.15: 540, 0.2: 450, 0.3: 330, 0.5: 160}
        for part, best in optimum.items():
            at_random = int(best + (1000 - best) * 0.45)
            far = {'lru': 0.62, 'clock': 0.55, 'sieve': 0.31, 'fifo': 0.9, '2q': 0.4}
            misses = {'optimum': best, 'random': at_random,
                      **{k: int(best + v * (at_random - best)) for k, v in far.items()}}
            base = {'kind': 'replay', 'experiment': 'E7', 'plan': head()['plans']['E7']['hash'], 'round': number, 'part': part,
                    'frames': int(part * 40000), 'invalid': [], 'flags': []}
            yield {**base, 'key': f'replay@{part}', 'cell': 'replay', 'reads': 1000, 'pages': 40000, 'misses': misses}
            for cell, place in (('pool', 0.55), ('map', 0.75 + 0.25 * part)):
                value = int(best + self.near(place, 0.01) * (at_random - best))
                yield {**base, 'key': f'{cell}@{part}', 'cell': cell, 'misses': value}


def hazard(experiment, name, cell, trials, counts, skipped=None, **details):
    """A line of kind "hazard"."""
    return {'kind': 'hazard', 'experiment': experiment, 'plan': 'none', 'round': 1, 'cell': cell, 'key': f'{name}/{cell}',
            'trials': trials, 'counts': counts, 'invalid': [], 'flags': [], 'details': {'hazard': name, 'skipped': skipped, **details}}


def h1():
    """In place over a shared map all pages reach the device but by time and by another file's fsync; the log does not help."""
    for trigger in ('nothing', 'fsync', 'syncfs', 'direct_read', 'pressure_here', 'pressure_elsewhere'):
        for writer in ('pool', 'map_heap', 'map_private', 'in_place'):
            reached = 64 if writer == 'in_place' and trigger not in ('nothing', 'fsync') else 0
            yield hazard('H1', trigger, writer, 64, {'reached the device': reached, 'stayed in memory': 64 - reached})
        yield hazard('H1', trigger, 'map_shared', 0, None, 'this version of the library has no map_writing = shared')
    for name, trials, neither in (('none-pool', 1976, 1246), ('none-map', 2785, 1910), ('log-pool', 3958, 0), ('log-map', 7870, 2440),
                                  ('shadow-pool', 3486, 0), ('shadow-map', 9494, 0)):
        yield hazard('H1', 'power_cut', name, trials, {'neither': neither, 'before or after': trials - neither})


def h2():
    """The map that verifies once returns wrong data for what flips after the page was evicted."""
    wrong = {'pool': {}, 'map_none': {'flip_cold': 200, 'flip_evicted': 200, 'torn': 122}, 'map_once': {'flip_evicted': 200},
             'map_always': {}, 'lmdb': {'flip_cold': 200, 'flip_evicted': 200, 'torn': 200, 'lost': 200}}
    for subject, bad in wrong.items():
        for name in ('flip_cold', 'flip_evicted', 'torn', 'lost', 'eio', 'cut'):
            counts = {'error': 200 - bad.get(name, 0), 'wrong data': bad.get(name, 0), 'right': 0, 'signal': 0, 'death': 0}
            if subject == 'lmdb' and name == 'cut':
                counts.update(error=0, signal=200)
            if subject.startswith('map') and name == 'eio':
                yield hazard('H2', name, subject, 0, None, 'eio: its reads cannot be made to fail from outside')
            else:
                yield hazard('H2', name, subject, 200, counts, promise_kept=True)


def h3():
    """A read-only map stops each store; a pool keeps the damage until the page is copied; a writable map lets all onto the disk."""
    names = ('stopped at once', 'unseen', 'error', 'later death', 'wrong until evicted', 'broken on disk', 'wrong on disk')
    for subject, read, copied in (('pool', 'wrong until evicted', 'wrong on disk'), ('map_heap', 'stopped at once', 'stopped at once'),
                                  ('lmdb_writemap', 'wrong on disk', 'wrong on disk')):
        for name, harm in (('none', 'unseen'), ('stray_read', read), ('stray_neighbour', copied)):
            yield hazard('H3', name, subject, 1000, {key: 1000 if key == harm else 0 for key in names}, promise_kept=True)
        yield hazard('H3', 'stray_alias', subject, 0, None, 'it has no mapping of the file for writing')


def e9(pages=16384):
    """An interrupt a call: its sender pays 2,000 ns for it and its victim loses 700."""
    for power in range(10):
        n = 2 ** power
        for cell, interrupts in (('none', 0), ('spins', pages // n), ('spins-3', None)):
            counts = None if interrupts is None else {'interrupts': interrupts, 'sender ns': 500 * pages + 2000 * interrupts,
                                                      'victim ns': 700 * interrupts}
            yield {**hazard('E9', f'pages-{n}', cell, pages if counts else 0, counts, None if counts else 'needs 4 CPUs', pages_a_call=n,
                              **({'sender_ns': [part * counts['sender ns'] // 10 for part in (9, 10, 11)]} if counts else {})),
                   'program': 'hazard_shootdown', 'of': 30}


def lines():
    """The lines of the session, the first one first."""
    make = Lines()
    found = [head(), {'kind': 'skip', 'experiment': 'E2', 'cell': 'lmdb', 'reason': 'this build has no lmdb: apt-get install liblmdb-dev'},
             {'kind': 'skip', 'experiment': 'E4', 'cell': None,
              'reason': 'it asks what the kernel evicts, and no memory limit of the kernel can be had here'}]
    for number in range(1, ROUNDS + 1):
        found += make.e2(number)
    scans = [('pool-sparse', 1, 20000, 4000), ('random-sparse', 1, 20000 * RATIOS['E3 sparse'], 3900), ('pool-sparse', 2, 20000, 4000),
             ('pool-scan', 1, 900, 300000), ('normal-scan', 1, 900 * RATIOS['E3 scan'], 840000), ('pool-scan', 2, 900, 300000)]
    depths = [(f'{who}-{d}', 1, 9000 * factor / d ** 0.2, 10000 * d ** 0.8 / factor) for who, factor in (('pool', 1), ('map', RATIOS['E5']))
              for d in DEPTHS] + [('pool-32', 2, 9000 / 32 ** 0.2, 10000 * 32 ** 0.8)]
    for number in range(1, ROUNDS + 1):
        found += make.simple('E3', number, scans, [('whole', 'end')])
        found += make.simple('E5', number, depths, [('filling', 'full'), ('full', None)])
        # So noisy that nothing can be said.
        far = make.rng.lognormvariate(0, 0.7)
        noisy = [('pool-clock', 1, 4000, 200000), ('pool-2q', 1, 3900, 210000), ('map-random', 1, 5200 * far, 200000 / far),
                 ('pool-clock', 2, 4000 * far, 200000 * far)]
        found += make.simple('E6', number, noisy, [('before', None), ('during', None)])
    for number in range(1, 4):
        found += make.e7(number)
    return found + list(h1()) + list(h2())


if __name__ == '__main__':
    for one in lines():
        json.dump(one, sys.stdout, separators=(',', ':'))
        sys.stdout.write('\n')
