# SPDX-License-Identifier: MIT
"""Computes the figures of a page a second time, from the lines alone and without the harness's own statistics.

`wrong` takes what a <data> element says of itself (page_evidence.py), and says why it is not what the lines give. Student's
quantiles come from a printed table.
"""
import math
import re

STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 14: 2.145}  # 97.5 %
PER_OP = {'device_read_bytes_per_op': 'device_read_bytes', 'major_faults_per_op': 'major_faults',
          'minor_faults_per_op': 'minor_faults', 'switches_per_op': 'voluntary_switches', 'shootdowns_per_op': 'tlb_shootdowns'}
NEED_QUIET = ('rate', 'longest_operation_ns', 'device_reads_per_s', 'shootdowns_per_op')
UNITS = {'ns': 1, 'µs': 1e3, 'ms': 1e6, 's': 1e9, 'bytes': 1, 'KiB': 1 << 10, 'MiB': 1 << 20, 'GiB': 1 << 30,
         '': 1, '/s': 1, '×': 1}


def _metric(run, phase_name, metric):
    phase = next((p for p in run['phases'] if p['name'] == phase_name), None)
    if phase is None or run['invalid'] or (metric in NEED_QUIET and not run['quiet']):
        return None
    if metric == 'cpu_ns_per_op':
        return (phase['user_ns'] + phase['system_ns']) / phase['ops']
    if metric == 'rate':
        return phase['ops'] / (phase['ns'] / 1e9)
    if metric == 'cpu_ns_per_read':
        return (phase['user_ns'] + phase['system_ns']) / (phase['device_read_bytes'] / 4096)
    if metric == 'device_reads_per_s':
        return phase['device_read_bytes'] / 4096 / (phase['ns'] / 1e9)
    if metric == 'longest_operation_ns':
        return phase['max_ns']
    return phase[PER_OP[metric]] / phase['ops'] if phase[PER_OP[metric]] is not None else None


def _pairs(lines, experiment, phase, metric, first, second):
    """{round: ((value, id), (value, id))}; first and second are (cell, copy)."""
    last = {(l['round'], l['cell'], l['copy']): l for l in lines if l['kind'] == 'run' and l['experiment'] == experiment}
    found = {}
    for number in sorted({key[0] for key in last}):
        pair = [last.get((number, *who)) for who in (first, second)]
        if None not in pair and None not in [_metric(run, phase, metric) for run in pair]:
            found[number] = tuple((_metric(run, phase, metric), run['id']) for run in pair)
    return found


def _interval(pairs):
    logs = [math.log(a[0] / b[0]) for a, b in pairs.values()]
    mean = sum(logs) / len(logs)
    if len(logs) < 2:
        return math.exp(mean), None, None
    half = STUDENT[len(logs) - 1] * math.sqrt(sum((x - mean) ** 2 for x in logs) / (len(logs) - 1) / len(logs))
    return tuple(math.exp(x) for x in (mean, mean - half, mean + half))


def close(text, value):
    """Whether a text of three digits or so is this value."""
    found = float(text.replace(',', ''))
    decimals = len(text.partition('.')[2])
    return abs(found - value) <= 0.5 * 10 ** -decimals + 1e-3 * abs(value)


def _numbers(text):
    return re.findall(r'\d[\d,]*\.?\d*', text)


def _close_all(text, values):
    found = _numbers(text)
    return len(found) == len(values) and all(close(t, v) for t, v in zip(found, values))


def _quantity(text, value):
    number, _, unit = text.partition(' ')
    if number.endswith('/s'):
        number, unit = number[:-2], '/s'
    if '×' in unit and unit != '×':
        return True  # a power of ten: its value is compared
    return abs(float(number.replace(',', '')) * UNITS[unit] - value) <= 0.006 * abs(value) + 1e-12


def _regrets(lines, experiment, part, name):
    """[(regret, ids)] of rounds."""
    found = []
    for line in lines:
        if line['kind'] == 'replay' and line['experiment'] == experiment and line['cell'] == 'replay' and line['part'] == part:
            misses = line['misses']
            mine = next((l['misses'] for l in lines if l['kind'] == 'replay' and l['round'] == line['round'] and l['part'] == part
                         and l['cell'] == name), None) if not name.startswith('replay ') else misses[name[len('replay '):]]
            if mine is not None:
                found.append((mine - misses['optimum']) / (misses['random'] - misses['optimum']))
    return found


def wrong(lines, ids_of, what, text, ids):
    """Why a figure is not what the lines say, or None. ids_of: id -> line; ids: those that the figure carries."""
    kind, _, rest = what.partition(' ')
    head = lines[0]
    if kind in ('head', 'card', 'plan'):
        return None if text and ids else 'no source'
    if any(i not in ids_of and i != head['session'] for i in ids):
        return f'unknown runs {[i for i in ids if i not in ids_of]}'
    if kind in ('ratio', 'times', 'mean', 'lowest', 'highest', 'rounds', 'needed', 'aa'):
        experiment, phase, metric, cells = rest.split(' ')
        names = cells.split('/')
        if kind == 'aa':
            pairs = _pairs(lines, experiment, phase, metric, (cells, 2), (cells, 1))
        elif kind in ('mean', 'lowest', 'highest'):
            return _wrong_mean(kind, ids_of, text, ids, phase, metric, cells)
        else:
            pairs = _pairs(lines, experiment, phase, metric, (names[0], 1), (names[1], 1))
        used = {i for pair in pairs.values() for _, i in pair}
        if set(ids) != used and not (kind == 'rounds' and ids == (head['session'],)):
            return f'carries {sorted(ids)}, the lines give {sorted(used)}'
        if kind == 'rounds':
            return None if text == str(len(pairs)) else f'{len(pairs)} rounds'
        if kind == 'needed':
            return None if int(text) > len(pairs) else 'no more rounds than there are'
        mean, low, high = _interval(pairs)
        values = {'aa': (low, high), 'times': (max(mean, 1 / mean),)}.get(kind, (mean, low, high))
        return None if _close_all(text, values) else f'the lines give {values}'
    if kind == 'over':
        experiment, phase, metric, first, second = rest.split(' ')
        return _wrong_over(lines, text, ids, experiment, phase, metric, (first.split('/'), second.split('/')))
    if kind == 'code':
        name, _, cells = rest.partition(' ')[2].partition(' ')
        counts = {ids_of[i]['cell']: ids_of[i]['counts'][name] for i in ids}
        names = cells.split('/')
        value = counts[names[0]] / counts[names[1]] if len(names) > 1 else counts[cells]
        return None if close(text, value) else f'the lines give {value}'
    if kind == 'misses':
        return _wrong_misses(lines, rest, text)
    if kind in ('regret', 'regrets'):
        return _wrong_regret(lines, kind, rest, text)
    if kind == 'sum':
        good = [ids_of[i] for i in ids if ids_of[i]['counts'] and not ids_of[i]['invalid']]
        value = sum(l['trials'] if rest == 'trials' else sum(l['counts'].get(key, 0) for key in rest.split('+')) for l in good)
        return None if text.replace(',', '') == str(value) else f'the lines give {value}'
    if kind == 'per_page':
        good = [ids_of[i] for i in ids if ids_of[i]['trials'] and not ids_of[i]['invalid']]
        value = sum(l['counts'][rest] for l in good) / sum(l['trials'] for l in good)
        return None if close(text, value) else f'the lines give {value}'
    if kind == 'repetitions':  # of the sender, in brackets
        found, = [ids_of[i] for i in ids]
        times = [ns / found['trials'] for ns in found['details']['sender_ns']]
        return None if _close_all(text, (min(times), max(times))) else f'the lines give {min(times)} to {max(times)}'
    if kind == 'pages':
        return None if all(ids_of[i]['details']['pages_a_call'] == int(text) for i in ids) else 'another number of pages'
    if kind == 'tallies':
        good = {(ids_of[i]['key']) for i in ids if ids_of[i]['trials']}
        reached = {ids_of[i]['key'] for i in ids if (ids_of[i]['counts'] or {}).get('reached the device')}
        if int(rest) == len(good) and int(text) in (len(good), len(reached)):
            return None
        return f'{len(good)} pairs, {len(reached)} reached'
    if kind == 'runs':
        return None if text == str(len(ids)) else f'{len(ids)} runs'
    if kind == 'predicted':
        experiment, phase, metric, cell = rest.split(' ')
        values = [_metric(ids_of[i], phase, metric) for i in ids]
        ends = [float(t) for t in text.split(' to ')]
        good = all(abs(e - v) <= 0.006 * abs(v) for e, v in zip(ends, (min(values), max(values))))
        return None if good else f'the lines give {values}'
    return f'nobody knows what "{what}" is'


def _wrong_over(lines, text, ids, experiment, phase, metric, pairs):
    one, two = (_pairs(lines, experiment, phase, metric, (cell, 1), (base, 1)) for cell, base in pairs)
    both = {n: ((one[n][0][0] / one[n][1][0], ''), (two[n][0][0] / two[n][1][0], '')) for n in one if n in two}
    used = {i for n in both for pair in (one[n], two[n]) for _, i in pair}
    if set(ids) != used:
        return f'carries {sorted(ids)}, the lines give {sorted(used)}'
    return None if _close_all(text, _interval(both)) else f'the lines give {_interval(both)}'


def _wrong_mean(kind, ids_of, text, ids, phase, metric, cell):
    values = [_metric(ids_of[i], phase, metric) for i in ids]
    if not ids or any(ids_of[i]['cell'] != cell for i in ids) or None in values:
        return 'carries runs of another cell, or runs that do not count'
    value = {'mean': sum(values) / len(values), 'lowest': min(values), 'highest': max(values)}[kind]
    return None if _quantity(text, value) else f'the lines give {value}'


def _wrong_regret(lines, kind, rest, text):
    if kind == 'regret':
        experiment, part, name = rest.split(' ', 2)
        found = _regrets(lines, experiment, float(part), name)
        values = [sum(found) / len(found), min(found), max(found)]
        return None if _close_all(text, values) or _close_all(text, values[:1]) else f'the lines give {values}'
    experiment, name = rest.split(' ', 1)
    parts = sorted({l['part'] for l in lines if l['kind'] == 'replay' and l['experiment'] == experiment})
    means = [sum(r) / len(r) for r in (_regrets(lines, experiment, part, name) for part in parts) if r]
    return None if _close_all(text, [min(means), max(means)]) else f'the lines give {min(means)} to {max(means)}'


def _wrong_misses(lines, rest, text):
    experiment, names = rest.split(' ', 1)
    replays = [l for l in lines if l['kind'] == 'replay' and l['experiment'] == experiment]

    reads = {(l['round'], l['part']): l['reads'] for l in replays if l['cell'] == 'replay'}

    def misses(part, name):
        policy = name[len('replay '):] if name.startswith('replay ') else None
        here = [l for l in replays if l['part'] == part and l['cell'] == ('replay' if policy else name)]
        found = [(l['misses'][policy] if policy else l['misses']) / reads[(l['round'], part)] for l in here]
        return sum(found) / len(found)
    first, second = names.split('/')
    values = [misses(part, first) / misses(part, second) for part in sorted({l['part'] for l in replays})]
    ends = [min(values), max(values)]
    return None if _close_all(text, ends) or _close_all(text, ends[:1]) else f'the lines give {ends}'
