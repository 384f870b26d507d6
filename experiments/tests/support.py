# SPDX-License-Identifier: MIT
"""What the tests share: synthetic runs, a scratch folder, the program that is tested."""
import os
import re
import shutil
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

RUN = os.path.join(os.path.dirname(HERE), 'run')
FAKE = os.path.join(HERE, 'fake_cell.py')
CELL = os.environ.get('VERSO_CELL', '')


class Scratch(unittest.TestCase):
    """A test with a folder of its own, beside the build: a temporary folder may be memory, which cannot be dropped."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='experiments-', dir=os.path.dirname(CELL) or None)
        self.addCleanup(shutil.rmtree, self.folder, True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), 'w', encoding='utf-8') as f:
            f.write(text)
        return self.path(name)


def cut_plan(experiment, cells, *changes):
    """A plan of the tree with the cells of these names alone, each once a round, in every mode: its own workload and phases, and what is
    compared and predicted of two of them. changes: (pattern, text) in its TOML."""
    with open(os.path.join(os.path.dirname(HERE), 'plans', f'{experiment}.toml'), encoding='utf-8') as f:
        head, *tables = re.split(r'(?m)^(?=\[)', f.read())

    def is_kept(table):
        names = re.findall(r'(?m)^(?:cell|base|over_cell|over_base) = "(.*?)"', table)
        if table.startswith('[[cell'):
            names = [re.search(r'(?m)^name = "(.*?)"', table).group(1)]
        return table.startswith(('[workload', '[[phase', '[[cell', '[[compare', '[[prediction')) and set(names) <= set(cells)
    text = re.sub(r'(?m)^(aa = .*|quick = \[[^]]*\]|full = \[[^]]*\])\n', '', head) + ''.join(filter(is_kept, tables))
    for pattern, new in changes:
        if not re.search(pattern, text):
            raise AssertionError(f'{experiment}: nothing like {pattern} in\n{text}')
        text = re.sub(pattern, new, text)
    return text


def phase(name='full', **changes):
    """A phase in which a thousand operations took a millisecond each."""
    line = {'phase': 1, 'name': name, 'until': None, 'reached': True, 'ops': 1000, 'checked': 1000, 'wrong': 0,
            'ns': 10 ** 9, 'user_ns': 10 ** 8, 'system_ns': 10 ** 8, 'major_faults': 500, 'minor_faults': 500,
            'voluntary_switches': 10, 'involuntary_switches': 1, 'device_read_bytes': 4096000, 'device_write_bytes': 0,
            'pager': {'misses': 1000, 'evictions': None}, 'tlb_shootdowns': 5, 'requests_in_flight': 1.0,
            'machine_busy_ns': 10 ** 8, 'histogram': [[1000, 900], [2000, 100]], 'max_ns': 2010}
    line.update(changes)
    return line


def a_run(cell='pool', number=1, copy=1, phases=None, **changes):
    """A run that keeps every rule."""
    line = {'kind': 'run', 'id': f's/E0/{number}/{cell}/{copy}/1', 'experiment': 'E0', 'plan': 'p', 'round': number, 'cell': cell,
            'copy': copy, 'attempt': 1, 'final': True, 'invalid': [], 'flags': [], 'quiet': True, 'options': {}, 'seed': 7,
            'writes': False, 'file': {'engine': 'verso', 'records': 10, 'bytes': 4096, 'sha256': 'aa'},
            'file_before': {'cached_bytes': 0, 'dirty_bytes': 0}, 'read_ahead_kb': '128', 'idle_busy_share': 0.01,
            'budget': {'kind': 'group1', 'by_kernel': True, 'limit_bytes': 1000, 'peak_bytes': 980, 'kills': 0, 'limit_hits': 3},
            'sampler_pid': 1, 'cell_pid': 2, 'threads_max': 1, 'threads_expected': 1, 'end_flush_ns': None,
            'phases_planned': ['full'], 'phases': [phase()] if phases is None else phases, 'missing': []}
    line.update(changes)
    return line


def plan_text(**changes):
    """A small plan of two cells that map, as TOML."""
    parts = {'head': 'id = "E0"\ntitle = "T"\nquestions = ["Q1"]\nasks = "?"\nswitch = "s"\naa = "one"\n',
             'workload': '[workload]\nwork = "get"\n',
             'phases': '[[phase]]\nname = "full"\nseconds = 1\n',
             'cells': '[[cell]]\nname = "one"\npager = "mmap"\nchecksum = "none"\n'
                      '[[cell]]\nname = "two"\npager = "mmap"\nchecksum = "none"\n',
             'compares': '[[compare]]\ncell = "two"\nbase = "one"\nphase = "full"\nmetrics = ["cpu_ns_per_op", "rate"]\n',
             'rest': ''}
    parts.update(changes)
    return '\n'.join(parts.values())
