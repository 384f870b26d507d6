# SPDX-License-Identifier: MIT
"""Experiments of kind "code": what an implementation takes to write, counted from the sources. Counts only, and they need no run."""
import glob
import os
import re
import tomllib

from lib import compare

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
COUNTS = {'lines': 'lines of code, without blanks and comments', 'functions': 'functions', 'states': 'named states and flags',
          'locks': 'locks and conditions', 'atomics': 'atomic members', 'checks': 'assertions', 'tests': 'tests of its own',
          'faults': 'planted faults that its tests must name'}
GUESS_S = 1
ROUND = 1


class CodeError(Exception):
    """Sources that are not there."""


def without_comments(text):
    """C without comments; what looks like one inside a string or a character stays."""
    pattern = r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*'
    return re.sub(pattern, lambda m: m.group() if m.group()[0] in '"\'' else '\n' * m.group().count('\n') + ' ', text, flags=re.S)


def lines_of(text):
    """Those that hold more than blanks and comments."""
    return sum(bool(line.strip()) for line in without_comments(text).split('\n'))


def count(text):
    """What stands in the text of a C source."""
    code = without_comments(text)
    plain = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', code)
    enums = re.findall(r'\benum\b[^;{()]*\{([^}]*)\}', plain)
    return {'lines': lines_of(text), 'functions': len(re.findall(r'(?m)^\{', plain)),
            'states': sum(len([w for w in body.split(',') if w.strip()]) for body in enums),
            'locks': len(re.findall(r'(?m)^\s*(?:static\s+)?(?:pthread_(?:mutex|cond|rwlock|spinlock)_t|struct (?:mutex|latch|rwlock))\s+\w', plain)),
            'atomics': len(re.findall(r'\b_Atomic\b', plain)), 'checks': len(re.findall(r'\b(?:ASSERT|DCHECK|static_assert)\s*\(', plain)),
            'tests': len(re.findall(r'\bSTART_TEST\s*\(', plain))}


def paths_of(root, patterns):
    """The files of some patterns under root; CodeError when a pattern finds none."""
    found = []
    for pattern in patterns:
        paths = sorted(glob.glob(os.path.join(root, pattern)))
        if not paths:
            raise CodeError(f'{os.path.join(root, pattern)}: no such file: the experiments count the sources of their own tree')
        found += paths
    return found


def count_files(root, patterns):
    """The sum over the files of some patterns under root; CodeError when a pattern finds none."""
    total = dict.fromkeys(COUNTS, 0)
    for path in paths_of(root, patterns):
        with open(path, encoding='utf-8') as f:
            for name, n in count(f.read()).items():
                total[name] += n
    return total


def counts(root, cell):
    """Of a cell: its files, and how many tests its test files have."""
    found = count_files(root, cell['files'])
    found['tests'] = count_files(root, cell['tests'])['tests'] if cell.get('tests') else 0
    found['faults'] = sum(count_faults(path) for path in paths_of(root, cell.get('planted', [])))
    return found


def count_faults(path):
    """A table of bugs.toml is a fault, of which `kills` names tests that must see it; a source of tests/planted is one."""
    if not path.endswith('.toml'):
        return 1
    with open(path, 'rb') as f:
        faults = tomllib.load(f)
    for name, fault in faults.items():
        if not fault.get('kills'):
            raise CodeError(f'{path}: {name}: expected "kills", tests that must see the fault')
    return len(faults)


def kinds_of(lines):
    """Of COUNTS those that lines have: a session of before has fewer."""
    return [name for name in COUNTS if any(name in line['counts'] for line in lines)]


def finished(session):
    return [(line['experiment'], line['round'], line['cell'], 1) for line in session.of_kind('code')]


def measure(session, plan):
    """session: a session.Measure."""
    for cell in plan.cells:
        if (plan.id, ROUND, cell['name'], 1) in session.done:
            continue
        try:
            found, wrong = counts(ROOT, cell), []
        except (CodeError, OSError, ValueError) as error:  # of what cannot be read or understood
            found, wrong = {}, [str(error)]
        session.writer.write({'kind': 'code', 'experiment': plan.id, 'plan': plan.hash, 'round': ROUND, 'cell': cell['name'],
                              'key': cell['name'], 'invalid': wrong, 'flags': [], 'counts': found})


def is_complete(plan, session):
    return {line['cell'] for line in session.of_kind('code', plan.id)} >= {c['name'] for c in plan.cells}


def counts_of(lines):
    """{cell: counts}, the last line of each; without what could not be counted."""
    return {line['cell']: line['counts'] for line in lines if line['counts']}


def prediction_result(lines, p):
    """As compare.prediction_result: of the ratio of two counts."""
    found = counts_of(lines)
    if not {p['cell'], p['base']} <= set(found) or not found[p['base']][p['metric']]:
        return compare.OPEN, 'not counted'
    ratio = found[p['cell']][p['metric']] / found[p['base']][p['metric']]
    return compare.TRUE if p['low'] <= ratio <= p['high'] else compare.FALSE, f'{ratio:.2f}'


def summary(session, plan):
    """Lines of a terminal's summary."""
    lines = session.of_kind('code', plan.id)
    found = counts_of(lines)
    kinds = kinds_of(lines)
    text = [f'  {"":10}' + ''.join(f'{name:>11}' for name in kinds)]
    text += [f'  {cell:10}' + ''.join(f'{counts.get(name, "-"):>11}' for name in kinds) for cell, counts in found.items()]
    text += [f'  invalid: {line["cell"]}: {why}' for line in lines for why in line['invalid']]
    for p in plan.predictions:
        result, value = prediction_result(lines, p)
        text.append(f'  predicted: {p["says"]} ({p["low"]} to {p["high"]}): {result}, {value}')
    return text
