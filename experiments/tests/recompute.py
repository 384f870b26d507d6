# SPDX-License-Identifier: MIT
"""Computes the figures of a page a second time, from the lines alone and without anything of the harness: what each metric is
(docs/experiments-format.md), who is paired with whom, intervals, words of predictions.

`check` takes a page and the lines that it was made of, and says of which figures it is not so. Student's quantiles come from a printed
table, and beyond it from the expansion of Cornish and Fisher.
"""
import functools
import html
import itertools
import math
import re
import statistics
import tomllib

STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262, 10: 2.228, 11: 2.201, 12: 2.179,
           13: 2.160, 14: 2.145}  # 97.5 %
SIZES = {'ns': {'ns': 1, 'µs': 1e3, 'ms': 1e6, 's': 1e9}, 'bytes': {'bytes': 1, 'KiB': 1 << 10, 'MiB': 1 << 20, 'GiB': 1 << 30}}
EXPONENT = str.maketrans('⁻⁰¹²³⁴⁵⁶⁷⁸⁹', '-0123456789')
MARGIN, MARGIN_BUSY, ROUNDS_MAX = 1.05, 1.10, 999
BRACKET = ' (bracket: they verify differently)'  # what a range may be followed by
TRUE, FALSE, OPEN, UNTESTED = 'came true', 'failed', 'not decided', 'not measured'


# --- metrics: the unit; whether it counts while others are at work; a function of a run and one of its phases -----------------------

def _each(key, scale=1):
    return lambda run, p: None if p.get(key) is None or not p['ops'] else scale * p[key] / p['ops']


def _pager(key):
    return lambda run, p: None if (p.get('pager') or {}).get(key) is None or not p['ops'] else p['pager'][key] / p['ops']


def _reclaim(key):
    return lambda run, p: _each(key)(run, p) if run['quiet'] or p.get('reclaim_of') == 'group' else None


def _pages(p):
    return None if p.get('device_read_bytes') is None else p['device_read_bytes'] / 4096


def _cpu(p):
    return None if p.get('user_ns') is None else p['user_ns'] + p['system_ns']


def _over(value, by):
    return value / by if value is not None and by else None


def _seconds(p):
    return (p.get('ns') or 0) / 1e9


def _quantile(share, of_open_loop):
    def read(run, p):
        n = sum(count for _, count in p['histogram'])
        if (of_open_loop and 'rate' not in run['options']) or n * (1 - share) < 100 - 1e-6:
            return None
        sums = itertools.accumulate(count for _, count in p['histogram'])
        return next(low for (low, _), seen in zip(p['histogram'], sums) if seen >= share * n)
    return read


def _mean_time(run, p):
    return _over(sum(low * n for low, n in p['histogram']), sum(n for _, n in p['histogram']))


def _samples(run, p):
    rows = zip(*((run.get('series') or {}).get(key, ()) for key in ('t_ms', 'phase', 'ops')))
    return [(t, ops) for t, phase, ops in rows if phase == p.get('phase')]


def _silence(run, p):
    """Samples a tenth of a second apart: the longest stretch of those with the same count."""
    rows = _samples(run, p)
    stretches = [[t for t, _ in rows] for _, rows in itertools.groupby(rows, key=lambda row: row[1])]
    return max(100, *(times[-1] - times[0] for times in stretches)) if len(rows) > 1 else None


def _recovery(run, p):
    rows, before = _samples(run, p), next((q for q in run['phases'] if q['name'] == 'before'), None)
    if len(rows) < 2 or not before or not before.get('ns'):
        return None
    fast = [t for (s, m), (t, n) in zip(rows, rows[1:]) if t > s and (n - m) / (t - s) >= 0.9 * before['ops'] * 1e6 / before['ns']]
    return max(100, (fast or [rows[-1][0]])[0] - rows[0][0])


BUSY, QUIET = False, True  # whether it needs a quiet machine
METRICS = {
    'cpu_ns_per_op': ('ns', BUSY, lambda r, p: _over(_cpu(p), p['ops'])),
    'cpu_ns_per_read': ('ns', BUSY, lambda r, p: _over(_cpu(p), _pages(p))),
    'machine_cpu_ns_per_op': ('ns', QUIET, _each('machine_busy_ns')),
    'rate': ('1/s', QUIET, lambda r, p: _over(p['ops'], _seconds(p))),
    'scan_rate': ('1/s', QUIET, lambda r, p: _over(p['scan']['ops'], _seconds(p)) if p.get('scan') else None),
    'device_reads_per_s': ('1/s', QUIET, lambda r, p: _over(_pages(p), _seconds(p))),
    'device_read_bytes_per_op': ('bytes', BUSY, _each('device_read_bytes')),
    'device_write_bytes_per_op': ('bytes', BUSY, _each('device_write_bytes')),
    'read_bytes_per_needed': ('', BUSY, _each('device_read_bytes', 1 / 108)),  # a record has 8 and 100 bytes
    'major_faults_per_op': ('', BUSY, _each('major_faults')), 'minor_faults_per_op': ('', BUSY, _each('minor_faults')),
    'faults_call_per_op': ('', BUSY, _each('faults_call')), 'faults_caller_per_op': ('', BUSY, _each('faults_caller')),
    'faults_held_per_look': ('', BUSY, lambda r, p: _over(p.get('faults_held'), p.get('held'))),
    'switches_per_op': ('', BUSY, _each('voluntary_switches')),
    'misses_per_op': ('', BUSY, _pager('misses')), 'evictions_per_op': ('', BUSY, _pager('evictions')),
    'shootdowns_per_op': ('', QUIET, _each('tlb_shootdowns')),
    'shootdowns_per_read': ('', QUIET, lambda r, p: _over(p.get('tlb_shootdowns'), _pages(p))),
    'scanned_pages_per_op': ('', BUSY, _reclaim('scanned_pages')), 'reclaimed_pages_per_op': ('', BUSY, _reclaim('reclaimed_pages')),
    'throttled_us_per_op': ('us', QUIET, _each('throttled_us')), 'dtlb_misses_per_op': ('', BUSY, _each('dtlb_misses')),
    'requests_in_flight': ('', QUIET, lambda r, p: p.get('requests_in_flight')),
    'longest_operation_ns': ('ns', QUIET, lambda r, p: p.get('max_ns')),
    'longest_silence_ms': ('ms', QUIET, _silence), 'recovery_ms': ('ms', QUIET, _recovery),
    'large_folio_share': ('', BUSY, lambda r, p: r.get('large_folio_share')),
    'given_ns': ('ns', QUIET, lambda r, p: p.get('given_ns')),
    'service_mean_ns': ('ns', QUIET, _mean_time), 'service_p50_ns': ('ns', QUIET, _quantile(0.5, False)),
    'service_p99_ns': ('ns', QUIET, _quantile(0.99, False)), 'service_p999_ns': ('ns', QUIET, _quantile(0.999, False)),
    'latency_p50_ns': ('ns', QUIET, _quantile(0.5, True)), 'latency_p99_ns': ('ns', QUIET, _quantile(0.99, True)),
    'latency_p999_ns': ('ns', QUIET, _quantile(0.999, True)),
    'latency_max_ns': ('ns', QUIET, lambda r, p: p.get('max_ns') if 'rate' in r['options'] else None),
}
OF_TIME = {name for name in METRICS if name.startswith('cpu_')}  # neither counts nor rates: busy machines add a tenth
WITHOUT_TWINS = {name for name, (_, quiet, _) in METRICS.items() if not quiet and name not in OF_TIME} \
    | {'shootdowns_per_op', 'shootdowns_per_read'}  # counts: said without an A/A pair


# --- texts ---------------------------------------------------------------------------------------

def _numbers(text):
    return re.findall(r'\d[\d,]*\.?\d*(?:e[+-]?\d+)?', text)


def close(text, value):
    """Whether a text of three digits or so is this value."""
    mantissa, _, exponent = text.replace(',', '').partition('e')
    half = 0.5 * 10.0 ** (int(exponent or 0) - len(mantissa.partition('.')[2]))
    return abs(float(text.replace(',', '')) - value) <= half + 1e-3 * abs(value)


def _close_all(text, values):
    found = _numbers(text)
    return len(found) == len(values) and all(close(t, v) for t, v in zip(found, values))


def is_quantity(text, value, unit=''):
    """Whether a text with three digits that count, and a unit of a size that fits, is this value."""
    found = re.fullmatch(r'(-?[\d,]*\.?\d+)(?: × 10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?(/s| [^ ×]+)?', text)
    if not found:
        return False
    mantissa, power, name = found.groups()
    name = (name or '').strip().replace('/s', '1/s')
    sizes = SIZES.get(unit, {unit: 1})
    if name not in sizes:
        return False
    shown, scale = float(mantissa.replace(',', '')), sizes[name]
    if power:
        half, shown = 0.05, shown
        scale *= 10.0 ** int(power.translate(EXPONENT))
    else:
        half = 0.5 if abs(shown) >= 100 or shown == 0 else 0.5 * 10.0 ** (math.floor(math.log10(abs(shown))) - 2)
    return abs(shown * scale - value) <= (half + 1e-9) * scale if shown else value == 0


def student(freedom):
    if freedom in STUDENT:
        return STUDENT[freedom]
    z = statistics.NormalDist().inv_cdf(0.975)
    return z + (z ** 3 + z) / (4 * freedom) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2) \
        + (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * freedom ** 3)


def _spread(ratios):
    """(mean, standard deviation or None, how many) of the logarithms of ratios; None where one has none, or there are none."""
    if not ratios or min(ratios) <= 0:
        return None
    logs = [math.log(r) for r in ratios]
    return statistics.fmean(logs), statistics.stdev(logs) if len(logs) > 1 else None, len(logs)


def _interval(ratios):
    """(geometric mean, low, high), of one round the mean alone; () without."""
    found = _spread(ratios)
    if found is None:
        return ()
    mean, deviation, n = found
    if deviation is None:
        return (math.exp(mean),)
    half = student(n - 1) * deviation / math.sqrt(n)
    return tuple(math.exp(x) for x in (mean, mean - half, mean + half))


def _rounds_needed(found, twins, margin):
    """The fewest rounds of this spread after which the interval lies inside the margin, or beyond it and beyond that of the A/A pair."""
    mean, deviation, n = found
    edge = math.log(margin)

    def is_enough(rounds):
        half = student(rounds - 1) * deviation / math.sqrt(rounds)
        if abs(mean) < edge:
            return abs(mean) + half < edge
        bar = edge
        if twins:
            bar = max(bar, math.copysign(1, mean) * twins[0] + student(rounds - 1) * twins[1] / math.sqrt(rounds))
        return abs(mean) - half > bar
    return next((rounds for rounds in range(n + 1, ROUNDS_MAX + 1) if is_enough(rounds)), None)


# --- lines ---------------------------------------------------------------------------------------

class Again:
    """The lines of a session."""

    def __init__(self, lines):
        self.head, self.lines = lines[0], lines[1:]
        self.plans = {e: tomllib.loads(about['text']) for e, about in self.head['plans'].items()}
        self.by_id = {self._id(line): line for line in self.lines if line['kind'] != 'skip'}
        self.runs, self.replays = {}, {}
        for line in self.lines:  # the last of a key counts
            if line['kind'] == 'run':
                self.runs.setdefault(line['experiment'], {})[(line['round'], line['cell'], line['copy'])] = line
            elif line['kind'] == 'replay':
                self.replays.setdefault(line['experiment'], {})[(line['round'], line['part'], line['cell'])] = line
        self.values = functools.lru_cache(maxsize=None)(self._values)
        self.probes = {}  # how many figures of a probe were seen

    def _id(self, line):
        parts = [str(line[key]) for key in ('round', 'key') if line.get(key) is not None]
        return line['id'] if 'id' in line else '/'.join([self.head['session'], line['experiment'], *parts])

    def _values(self, experiment, phase, metric, cell, copy):
        """{round: (value, id)} of the runs that count."""
        found, (_, quiet, read) = {}, METRICS[metric]
        for (number, name, of), run in self.runs.get(experiment, {}).items():
            if (name, of) != (cell, copy) or run['invalid'] or (quiet and not run['quiet']):
                continue
            for p in run['phases']:
                value = read(run, p) if p['name'] == phase else None
                if value is not None:
                    found.setdefault(number, (value, run['id']))
        return found

    def pairs(self, experiment, phase, metric, first, second):
        """{round: ((value, id), (value, id))}; first and second are (cell, copy)."""
        one, two = (self.values(experiment, phase, metric, *who) for who in (first, second))
        return {number: (one[number], two[number]) for number in sorted(one) if number in two}

    def ratios(self, experiment, phase, metric, first, second):
        found = self.pairs(experiment, phase, metric, first, second).values()
        return [] if any(a <= 0 or b <= 0 for (a, _), (b, _) in found) else [a / b for (a, _), (b, _) in found]

    def twins(self, experiment, phase, metric, cell, base):
        """Ratios of what may be the A/A pair: of the cell or its base; else of any other, as lines do not say what work is alike."""
        of = {name: self.ratios(experiment, phase, metric, (name, 2), (name, 1))
              for name in {name for _, name, copy in self.runs[experiment] if copy == 2}}
        own = [of[name] for name in (cell, base) if of.get(name)]
        return own or [ratios for ratios in of.values() if ratios] + [[]]

    def is_busy(self, ids):
        return not all(self.by_id[i]['quiet'] for i in ids)

    # --- one figure ---

    def wrong(self, what, text, ids):
        """Why a figure is not what the lines say, or None. ids: what it was computed from."""
        kind, _, rest = what.partition(' ')
        if kind == 'plan':
            return self._wrong_plan(rest, text, ids)
        if any(i not in self.by_id and i != self.head['session'] for i in ids) or not ids:
            return f'unknown runs {[i for i in ids if i not in self.by_id]}'
        check = getattr(self, f'_wrong_{kind}', None)
        return check(rest, text, ids) if check else f'nobody knows what "{what}" is'

    def _wrong_head(self, name, text, ids):
        if ids != (self.head['session'],):
            return 'expected the session'
        value = self.head[name]
        good = text == str(value) if name == 'seed' else is_quantity(text, value, 'bytes' if name.endswith('_bytes') else '')
        return None if good else f'the session has {value}'

    def _wrong_card(self, name, text, ids):
        value, unit = self.head['machine'][name], 'bytes' if name.endswith('_bytes') else ''
        if name.endswith('_probe'):  # cold, then again
            n = self.probes[name] = self.probes.get(name, 0) + 1
            value, unit = value[('again_ns', 'cold_ns')[n % 2]], 'ns'
        return None if ids == (self.head['session'],) and is_quantity(text, float(value), unit) else f'the machine card has {value}'

    def _wrong_plan(self, rest, text, ids):
        experiment, _, what = rest.rpartition(' ')
        if what == 'predictions':  # their counts: `check`
            expected = {f'plan {e} {about["hash"]}' for e, about in self.head['plans'].items() if self.plans[e].get('prediction')}
            return None if set(ids) == expected else f'expected {sorted(expected)}'
        if ids != (f'plan {experiment} {self.head["plans"][experiment]["hash"]}',):
            return 'expected the plan'
        if what == 'frames':
            parts = {line['part'] for line in self.replays[experiment].values()}
            return None if text.endswith(' %') and float(text[:-2]) / 100 in parts else f'the sizes are {sorted(parts)}'
        bounds = {f'{p[end]:,g}' for p in self.plans[experiment]['prediction'] for end in ('low', 'high')}
        return None if what == 'prediction' and text in bounds else f'the plan has {sorted(bounds)}'

    def _of_pair(self, rest):
        """experiment, phase, metric, names; a phase may have blanks in its name."""
        experiment, *words = rest.split(' ')
        return experiment, ' '.join(words[:-2]), words[-2], words[-1].split('/')

    def _wrong_of_pairs(self, pairs, text, ids, values):
        used = {i for pair in pairs.values() for _, i in pair}
        if set(ids) != used:
            return f'carries {sorted(ids)}, the lines give {sorted(used)}'
        return None if _close_all(text, values) else f'the lines give {values}'

    def _wrong_ratio(self, rest, text, ids, times=False):
        experiment, phase, metric, (cell, base) = self._of_pair(rest)
        pairs = self.pairs(experiment, phase, metric, (cell, 1), (base, 1))
        values = _interval([a / b for (a, _), (b, _) in pairs.values()])
        if times:
            values = (max(values[0], 1 / values[0]),)
        elif len(values) == 1 and text.endswith(' [one round]'):
            text = text.removesuffix(' [one round]')
        return self._wrong_of_pairs(pairs, text, ids, values)

    def _wrong_times(self, rest, text, ids):
        return self._wrong_ratio(rest, text.removesuffix(' ×'), ids, True)

    def _wrong_aa(self, rest, text, ids):
        experiment, phase, metric, (cell,) = self._of_pair(rest)
        pairs = self.pairs(experiment, phase, metric, (cell, 2), (cell, 1))
        return self._wrong_of_pairs(pairs, text, ids, _interval([a / b for (a, _), (b, _) in pairs.values()])[1:])

    def _wrong_rounds(self, rest, text, ids):
        experiment, phase, metric, (cell, base) = self._of_pair(rest)
        pairs = self.pairs(experiment, phase, metric, (cell, 1), (base, 1))
        used = {i for pair in pairs.values() for _, i in pair} or {self.head['session']}
        return None if text == str(len(pairs)) and set(ids) == used else f'{len(pairs)} rounds, of {sorted(used)}'

    def _wrong_needed(self, rest, text, ids):
        experiment, phase, metric, (cell, base) = self._of_pair(rest)
        if set(ids) != {i for pair in self.pairs(experiment, phase, metric, (cell, 1), (base, 1)).values() for _, i in pair}:
            return 'carries other runs than the pair'
        found = _spread(self.ratios(experiment, phase, metric, (cell, 1), (base, 1)))
        margin = MARGIN_BUSY if metric in OF_TIME and self.is_busy(ids) else MARGIN
        known = [_rounds_needed(found, t if t and t[1] is not None else None, margin)
                 for t in (_spread(ratios) for ratios in self.twins(experiment, phase, metric, cell, base))]
        return None if any(n and abs(n - int(text)) <= 1 for n in known) else f'the lines give {known}'

    def _wrong_mean(self, rest, text, ids, of=statistics.fmean):
        experiment, phase, metric, (cell,) = self._of_pair(rest)
        mine = {number: pair for number, pair in self.values(experiment, phase, metric, cell, 1).items()}
        others = {name for _, name, _ in self.runs[experiment]} - {cell}
        sets = [{i for number, (_, i) in mine.items() if number in self.values(experiment, phase, metric, other, 1)} for other in others]
        if set(ids) not in sets:
            return 'carries runs of another cell, runs that do not count, or not all of a pair'
        value = of([v for v, i in mine.values() if i in ids])
        return None if is_quantity(text, value, METRICS[metric][0]) else f'the lines give {value}'

    def _wrong_lowest(self, rest, text, ids):
        return self._wrong_mean(rest, text, ids, min)

    def _wrong_highest(self, rest, text, ids):
        return self._wrong_mean(rest, text, ids, max)

    def _over(self, experiment, phase, metric, first, second):
        """({round: its pairs}, ratios of the ratios)."""
        one, two = (self.pairs(experiment, phase, metric, (cell, 1), (base, 1)) for cell, base in (first, second))
        both = {n: (one[n], two[n]) for n in one if n in two}
        return both, [(a[0] / b[0]) / (c[0] / d[0]) for (a, b), (c, d) in both.values() if min(a[0], b[0], c[0], d[0]) > 0]

    def _wrong_over(self, rest, text, ids):
        rest, _, second = rest.rpartition(' ')
        experiment, phase, metric, first = self._of_pair(rest)
        both, ratios = self._over(experiment, phase, metric, first, second.split('/'))
        return self._wrong_of_pairs({n: one + two for n, (one, two) in both.items()}, text, ids, _interval(ratios))

    def _wrong_predicted(self, rest, text, ids):
        experiment, phase, metric, (cell,) = self._of_pair(rest)
        values = self.values(experiment, phase, metric, cell, 1).values()
        ends = [min(v for v, _ in values), max(v for v, _ in values)]
        good = set(ids) == {i for _, i in values} and (_close_all(text, ends) or (_close_all(text, ends[:1]) and _close_all(text, ends[1:])))
        return None if good else f'the lines give {ends}'

    # --- sources and hazards: counts of the lines that a figure carries ---

    def _wrong_code(self, rest, text, ids):
        _, name, cells = rest.split(' ')
        counts = {self.by_id[i]['cell']: self.by_id[i]['counts'][name] for i in ids}
        names = cells.split('/')
        if set(counts) != set(names):
            return f'carries lines of {sorted(counts)}'
        value = counts[names[0]] / counts[names[1]] if len(names) > 1 else counts[cells]
        return None if close(text, value) and (len(names) > 1 or text == f'{value:,}' or value >= 1000) else f'the lines give {value}'

    def _good(self, ids):
        """Lines with trials that count, each once."""
        assert len(set(ids)) == len(ids), ids
        return [line for line in map(self.by_id.get, ids) if line['counts'] and line['trials'] and not line['invalid']]

    def _wrong_sum(self, rest, text, ids):
        value = sum(line['trials'] if rest == 'trials' else sum(line['counts'].get(key, 0) for key in rest.split('+')) for line in self._good(ids))
        return None if text.replace(',', '') == str(value) else f'the lines give {value}'

    def _wrong_per_page(self, rest, text, ids):
        good = self._good(ids)
        value = sum(line['counts'][rest] for line in good) / sum(line['trials'] for line in good)
        return None if close(text, value) else f'the lines give {value}'

    def _wrong_repetitions(self, _, text, ids):  # of the sender, in brackets
        found, = self._good(ids)
        times = [ns / found['trials'] for ns in found['details']['sender_ns']]
        return None if _close_all(text, (min(times), max(times))) else f'the lines give {min(times)} to {max(times)}'

    def _wrong_pages(self, _, text, ids):
        return None if all(self.by_id[i]['details']['pages_a_call'] == int(text) for i in ids) else 'another number of pages'

    def _wrong_tallies(self, rest, text, ids):
        good = self._good(ids)
        pairs, reached = {line['key'] for line in good}, {line['key'] for line in good if line['counts'].get('reached the device')}
        experiment = self.by_id[ids[0]]['experiment']
        subjects, hazards = ({line[key] if key == 'cell' else line['details']['hazard'] for line in good} for key in ('cell', 'hazard'))
        every = [line for line in self.by_id.values() if line['kind'] == 'hazard' and line['experiment'] == experiment and self._good([self._id(line)])]
        whole = {line['key'] for line in every}
        own = {line['key'] for line in every if line['cell'] in subjects and line['details']['hazard'] != 'power_cut'}
        if pairs != whole and not (len(subjects) == 1 and pairs == own):
            return f'carries {sorted(pairs)}: neither all, nor all of {sorted(subjects)}; of {sorted(hazards)}'
        return None if int(rest) == len(pairs) and int(text) in (len(pairs), len(reached)) else f'{len(pairs)} pairs, {len(reached)} reached'

    # --- replays ---

    def _wrong_runs(self, _, text, ids):
        """How many replays there are of a size: one a round."""
        lines = [self.by_id[i] for i in ids]
        experiment, part = lines[0]['experiment'], lines[0].get('part')
        here = {self._id(line) for (_, size, cell), line in self.replays.get(experiment, {}).items()
                if (size, cell) == (part, 'replay') and not line['invalid']}
        return None if set(ids) == here and text == str(len(here)) else f'{len(here)} rounds of that size'

    def _missed(self, experiment, part, name):
        """{round: (misses in 100 reads, regret)} of a cell, or of "replay POLICY"."""
        found, policy = {}, name.removeprefix('replay ') if name.startswith('replay ') else None
        for (number, size, cell), line in self.replays[experiment].items():
            replay = self.replays[experiment].get((number, size, 'replay'))
            if size != part or cell != ('replay' if policy else name) or line['invalid'] or replay is None or replay['invalid']:
                continue
            misses, best, worst = line['misses'], replay['misses']['optimum'], replay['misses']['random']
            misses = misses.get(policy) if policy else misses
            if misses is not None:
                found[number] = 100 * misses / replay['reads'], (misses - best) / (worst - best) if worst != best else None
        return found

    def _parts(self, experiment):
        return sorted({part for _, part, _ in self.replays[experiment]})

    def _regrets(self, experiment, part, name):
        return [regret for _, regret in self._missed(experiment, part, name).values() if regret is not None]

    def _carries_other(self, ids, experiment, names, parts):
        """Whether a figure has other lines than those of some cells, and of the replay beside them, at some sizes."""
        cells = {'replay', *names}
        return set(ids) != {self._id(line) for (_, part, cell), line in self.replays[experiment].items()
                            if cell in cells and part in parts and not line['invalid']}

    def _wrong_regret(self, rest, text, ids):
        experiment, part, name = rest.split(' ', 2)
        if self._carries_other(ids, experiment, [name], [float(part)]):
            return 'carries other lines than those of that size'
        found = self._regrets(experiment, float(part), name)
        values = [statistics.fmean(found), min(found), max(found)]
        is_one = f'{values[1]:.2f}' == f'{values[2]:.2f}'
        return None if _close_all(text, values[:1] if is_one else values) else f'the lines give {values}'

    def _over_sizes(self, experiment, cell, base=None):
        """Of each size: the mean regret of a cell, or its misses to those of its base."""
        found = []
        for part in self._parts(experiment):
            if base is None:
                found += [statistics.fmean(r) for r in [self._regrets(experiment, part, cell)] if r]
            else:
                means = [statistics.fmean(m for m, _ in of.values()) for of in (self._missed(experiment, part, n) for n in (cell, base)) if of]
                found += [means[0] / means[1]] if len(means) == 2 and means[1] else []
        return found

    def _wrong_ends(self, experiment, names, text, ids):
        if self._carries_other(ids, experiment, names, self._parts(experiment)):
            return f'carries other lines than those of {names}'
        values = self._over_sizes(experiment, *names)
        ends = [min(values), max(values)]
        good = _close_all(text, ends) or (_close_all(text, ends[:1]) and _close_all(text, ends[1:]))
        return None if good else f'the lines give {ends}'

    def _wrong_regrets(self, rest, text, ids):
        experiment, name = rest.split(' ', 1)
        return self._wrong_ends(experiment, [name], text, ids)

    def _wrong_misses(self, rest, text, ids):
        experiment, names = rest.split(' ', 1)
        return self._wrong_ends(experiment, names.split('/'), text, ids)

    # --- predictions ---

    def words(self, experiment, p):
        """The words that a prediction may get; several where the lines do not say which A/A pair holds."""
        kind = self.plans[experiment].get('kind', 'cells')
        if not any(line['kind'] != 'skip' and line['experiment'] == experiment for line in self.lines):
            return {UNTESTED}
        if kind == 'cells':
            return self._words_of_cells(experiment, p)
        if kind == 'replay':
            values = self._over_sizes(experiment, p['cell'], p.get('base'))
            return {_word(p, min(values), max(values), FALSE)} if values else {OPEN}
        if kind == 'code':
            counts = {line['cell']: line['counts'] for line in self.lines if line['kind'] == 'code' and line['experiment'] == experiment}
            value = counts[p['cell']][p['metric']] / counts[p['base']][p['metric']]
            return {_word(p, value, value, FALSE)}
        key = f'{p["phase"]}/{p["cell"]}'
        line = next((line for line in self.by_id.values() if line.get('key') == key and line['experiment'] == experiment), None)
        if line is None or not line['trials'] or line['invalid']:
            return {OPEN}
        values = [line['counts'].get(p['metric'], 0)]
        if p['metric'] == 'sender ns' and line['details'].get('sender_ns'):
            values = line['details']['sender_ns']
        return {_word(p, min(values) / line['trials'], max(values) / line['trials'], OPEN)}

    def _words_of_cells(self, experiment, p):
        where = experiment, p['phase'], p['metric']
        if 'base' not in p:
            values = [v for v, _ in self.values(*where, p['cell'], 1).values()]
            return {_word(p, min(values), max(values), OPEN)} if values else {OPEN}
        pairs = list(self.pairs(*where, (p['cell'], 1), (p['base'], 1)).values())
        ratios = self.ratios(*where, (p['cell'], 1), (p['base'], 1))
        if 'over_cell' in p:
            _, ratios = self._over(*where, (p['cell'], p['base']), (p['over_cell'], p['over_base']))
            pairs += self.pairs(*where, (p['over_cell'], 1), (p['over_base'], 1)).values()
        found, words = _interval(ratios), set()
        for twins in map(_interval, self.twins(*where, p['cell'], p['base'])):
            if len(found) < 2 or (len(twins) < 2 and p['metric'] not in WITHOUT_TWINS):
                words.add(OPEN)
                continue
            wider = MARGIN_BUSY if p['metric'] in OF_TIME and self.is_busy(i for pair in pairs for _, i in pair) else 1
            low, high, times = found[1] / wider, found[2] * wider, 2 if 'over_cell' in p else 1
            if len(twins) > 1:
                low, high = low * min(1, twins[1]) ** times, high * max(1, twins[2]) ** times
            words.add(_word(p, low, high, OPEN))
        return words


def _word(p, low, high, between):
    """Inside of what was predicted, outside, or across one of its ends."""
    if p['low'] <= low and high <= p['high']:
        return TRUE
    return FALSE if high < p['low'] or low > p['high'] else between


# --- a page --------------------------------------------------------------------------------------

def figures(page):
    """[(what, text, names of what it was computed from)] of all figures of a page."""
    found = re.findall(r'<data value="[^"]*" data-runs="([^"]*)" data-what="([^"]*)">([^<]*)</data>', page)
    return [(html.unescape(what), html.unescape(text), html.unescape(runs)) for runs, what, text in found]


def plain(text):
    return html.unescape(re.sub(r'<[^>]*>', '', text))


def check(lines, page):
    """[(what, text, why)] of the figures and words of a page that are not those of the lines."""
    again = Again(lines)
    ids = {html.unescape(name): html.unescape(i) for name, i in re.findall(r'<span id="run-([^"]*)">.*?<code>([^<]*)</code></td></tr>', page)}
    ids['session'] = again.head['session']
    found = []
    for what, text, runs in figures(page):
        names = [f'plan {rest}' for rest in re.findall(r'plan (\S+ \S+)', runs)] if what.startswith('plan ') else runs.split(' ')
        found.append((what, text, again.wrong(what, text, tuple(ids.get(name, name) for name in names))))
    return [entry for entry in found if entry[2]] + _wrong_predictions(again, page)


def _wrong_predictions(again, page):
    """The list of predictions: each with its word and its range; and how many there are of each word."""
    start = page.find('<section id="predictions"')
    section = page[start:page.index('</section>', start)] if start >= 0 else ''
    shown = {}
    for item in re.findall(r'<li>(.*?)</li>', section):
        word, experiment, said = re.fullmatch(r'<span class="chip \w+">(.*?)</span> <\w+ [^>]*>(\w+)</\w+> (.*)', item).groups()
        shown[(experiment, plain(said).partition(': predicted ')[0])] = word, plain(said)
    expected, wrong = {}, []
    for experiment, plan in again.plans.items():
        for p in plan.get('prediction', ()):
            expected[(experiment, p['says'])] = p
            word, said = shown.get((experiment, p['says']), (None, ''))
            if word not in again.words(experiment, p):
                wrong.append((p['id'], word, f'the lines give {again.words(experiment, p)}'))
            if f'{p["says"]}: predicted {_range(plan, p)}' != said.partition(', found ')[0].removesuffix(BRACKET):
                wrong.append((p['id'], said, f'the plan has {_range(plan, p)}'))
    if set(shown) != set(expected):
        wrong.append(('predictions', set(shown) ^ set(expected), 'are not in both'))
    words = [word for word, _ in shown.values()]
    counts = [len(words), *(words.count(word) for word in (TRUE, FALSE, OPEN, UNTESTED))]
    told = [int(text) for what, text, _ in figures(section) if what == 'plan  predictions' or what == 'plan predictions']
    if section and told != (counts if counts[-1] else counts[:-1]):
        wrong.append(('predictions', told, f'the list has {counts}'))
    return wrong


def _range(plan, p):
    low, high = (f'{p[end]:,g}' for end in ('low', 'high'))
    said = low if low == high else f'{low} to {high}'
    if plan.get('kind') != 'hazard':
        return said
    if 'hazard_shootdown' in plan['programs']:
        return f'{said} a page'
    return {(0, 0): 'none', (1, 1): 'all'}.get((p['low'], p['high']), said) + ' of the trials'
