#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A session of Lab 7 that nobody measured, for the linter's own tests and for a demonstration: every number follows from SEED and
from the tables here. No report on real machines may use it.

usage: model.py [CHANGE] > SESSION.jsonl

CHANGE: busy (others were at work in three rounds of E72), four (E71 has four rounds), verify (a cell of E73 verifies each page),
named (the machine has a name).
"""
import json
import os
import random
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
SEED, ROUNDS, SESSION = 7, 5, '20260101-120000-model'
CELLS = ('pool-uring', 'pool-threads', 'pool-sync', 'own-pool', 'map-random', 'map-normal', 'own-map')
AA = 'pool-uring'
SPREAD = 0.006  # between rounds
# By experiment: the phase that counts, and for each cell CPU time an operation (ns), operations a second, bytes read an operation.
TABLE = {
    'E71': ('hit', [(620, 1.55e6, 0), (621, 1.55e6, 0), (622, 1.54e6, 0), (1480, 6.6e5, 0), (540, 1.78e6, 0), (541, 1.78e6, 0), (900, 1.1e6, 0)]),
    'E72': ('full', [(14000, 10400, 3300), (17500, 9300, 3300), (12600, 10500, 3300), (13900, 9800, 3320), (22500, 9700, 3400),
                     (61000, 2100, 98000), (23000, 9600, 3400)]),
    'E73': ('whole', [(160, 5.1e6, 130), (190, 4.6e6, 130), (150, 1.2e6, 130), (260, 9.0e5, 130), (310, 1.0e6, 131), (220, 4.0e6, 131),
                      (320, 9.9e5, 131)]),
    'E74': ('during', [(2100, 2.6e5, 90), (2300, 2.4e5, 92), (2000, 2.5e5, 91), (4100, 1.3e5, 240), (5200, 9.0e4, 410), (9900, 3.1e4, 3900),
                       (5300, 8.8e4, 415)]),
    'E75': ('later', [(41000, 2300, 0), (43000, 2290, 0), (39000, 2310, 0), (47000, 2270, 0), (40500, 2300, 0), (40600, 2300, 0), (48000, 2260, 0)]),
}
CARD = {'cpu': 'A Processor', 'cpus': 2, 'memory_bytes': 8 << 30, 'kernel': '6.1.0', 'virtual': True, 'disk': 'vda', 'file_system': 'ext4',
        'read_ahead_kb': '128', 'huge_pages': 'always [madvise] never', 'governor': None, 'frequency_max': None,
        'device_probe': {'cold_ns': 91000, 'again_ns': 88000}}


def plan_text(name, change):
    with open(os.path.join(HERE, 'plans', f'{name}.toml'), encoding='utf-8') as f:
        text = f.read()
    if change == 'verify' and name == 'E73':
        text = text.replace('name = "map-normal"\n', 'name = "map-normal"\nchecksum = "always"\n')
        text = text.replace('[[compare]]\n', '[[compare]]\nbracket = true\n')  # without it the harness refuses the plan
    return text


def head(change):
    return {'kind': 'session', 'format': 1, 'session': SESSION, 'mode': 'standard', 'started': '2026-01-01T12:00:00Z',
            'machine_id': 'my-machine' if change == 'named' else 'model',
            'machine': CARD, 'version': {'verso': '0.1.0', 'cell': '0123456789ab'}, 'commit': None, 'engines': ['verso'], 'budget': 'group2',
            'budget_by_kernel': True, 'file_bytes': 2 << 30, 'memory_bytes': 512 << 20, 'records': 17000000, 'rounds': ROUNDS, 'seconds': 2.0,
            'evidence': True, 'seed': SEED, 'missing': [], 'plans': {e: {'hash': f'model-{e}', 'text': plan_text(e, change)} for e in TABLE}}


def run(rng, experiment, number, cell, copy, values):
    phase, (ns, rate, read_bytes) = TABLE[experiment][0], values
    ops = int(rate * rng.lognormvariate(0, SPREAD) * 2)
    made = {'phase': 1, 'name': phase, 'until': None, 'reached': True, 'ops': ops, 'checked': ops, 'wrong': 0, 'ns': 2 * 10 ** 9,
            'user_ns': int(ns * rng.lognormvariate(0, SPREAD) * ops * 0.7), 'system_ns': int(ns * ops * 0.3), 'minor_faults': 0,
            'major_faults': ops * 9 // 10 if 'map' in cell and read_bytes else 0, 'voluntary_switches': ops, 'device_read_bytes': read_bytes * ops,
            'device_write_bytes': 0, 'max_ns': 9000000, 'histogram': [[65536, ops]], 'pager': None}
    return {'kind': 'run', 'experiment': experiment, 'plan': f'model-{experiment}', 'round': number, 'cell': cell, 'copy': copy, 'attempt': 1, 'final': True,
            'id': f'{SESSION}/{experiment}/{number}/{cell}/{copy}/1', 'invalid': [], 'flags': [], 'quiet': True, 'started': '2026-01-01T12:00:00Z',
            'options': {'work': 'get'}, 'phases': [made]}


def lines(change=None):
    """The lines of the session."""
    rng, found = random.Random(SEED), [head(change)]
    for number in range(1, ROUNDS + 1):
        for experiment, (_, rows) in TABLE.items():
            for cell, copy in [*((c, 1) for c in CELLS), (AA, 2)]:
                line = run(rng, experiment, number, cell, copy, rows[CELLS.index(cell)])
                if change == 'busy' and experiment == 'E72' and number > 2:
                    line['quiet'] = False
                if not (change == 'four' and experiment == 'E71' and number == ROUNDS):
                    found.append(line)
    return found


def predicted():
    """What somebody noted before."""
    return {f'H{n}': {'answer': answer, 'noted': f'2025-12-31T10:0{n}:00Z'}
            for n, answer in enumerate(('less', 'less', 'more', 'more', 'less', 'the same'), 1)}


if __name__ == '__main__':
    sys.stdout.writelines(json.dumps(line) + '\n' for line in lines(*sys.argv[1:2]))
