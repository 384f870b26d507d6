# SPDX-License-Identifier: MIT
"""From runs to sentences: ratios within a round, the A/A pair, the verdict; whether a prediction came true; rule R11."""
from dataclasses import dataclass

from lib import metrics, rules, stats

MARGIN_BUSY = 1.10  # CPU time on a machine that was not quiet
LIMIT_SHARE = 0.9  # R11
NOT_QUIET = 'the machine was not quiet'
ROUNDS_MIN = 2  # of a prediction that comes true or fails: one round has no spread
BRACKET = 'bracket: they verify differently'


@dataclass(frozen=True)
class Comparison:
    """One metric of one cell beside another's."""
    experiment: str
    cell: str
    base: str
    phase: str
    metric: metrics.Metric
    values: tuple  # (of the cell, of the base), the means over rounds; None: not known
    found: stats.Estimate | None
    twins: stats.Estimate | None
    verdict: stats.Verdict
    run_ids: tuple
    margin: float = stats.MARGIN  # that the verdict used
    ranges: tuple = (None, None)  # (lowest, highest) of the rounds whose means are `values`
    twin: str | None = None  # the cell whose two runs a round `twins` is of
    bracket: bool = False  # the two verify differently (rule R4)
    wrong: tuple = ()  # rules that it breaks on purpose (E17)


@dataclass(frozen=True)
class Limit:
    """What stands above a result. cells: those that it is about, two of a pair. ratio: of R11, where it is known."""
    is_red: bool
    rule: str
    cells: tuple
    text: str
    ratio: Comparison | None = None


def _paired(runs, cell, base, phase, metric, copies=(1, 1)):
    """Rounds in which both are valid and known: (value, base's value, ids)."""
    by_round = {}
    for run in runs:
        if run['invalid']:
            continue
        for slot, (name, copy) in enumerate(((cell, copies[0]), (base, copies[1]))):
            if run['cell'] == name and run['copy'] == copy:
                value = metrics.read(run, phase, metric)
                if value is not None:
                    by_round.setdefault(run['round'], {})[slot] = (value, run)
    return [(pair[0], pair[1]) for _, pair in sorted(by_round.items()) if len(pair) == 2]


def _estimate(pairs):
    values = [(a[0], b[0]) for a, b in pairs]
    if not values or any(a <= 0 or b <= 0 for a, b in values):
        return None
    return stats.estimate(a / b for a, b in values)


def _kind(plan, name):
    """What must agree before two runs of one cell say anything about the noise of others."""
    cell = plan.cell(name)
    return plan.options(name).get('work', 'get'), cell.get('disk'), cell.get('slow_ms')


def twins(runs, plan, cell, base, phase, metric):
    """(name, ratio of the two runs of that cell in each round) of the A/A pair that a comparison is held to: that of the cell or of
    its base, else the first of the plan that does the same work on the same disk; in the same phase, by the same metric. (None, None):
    there is none."""
    here = [name for name in plan.aa if name in (cell, base)] + [name for name in plan.aa if name not in (cell, base)]
    for name in here:
        found = _estimate(_paired(runs, name, name, phase, metric, (2, 1))) if _kind(plan, name) == _kind(plan, cell) else None
        if found:
            return name, found
    return None, None


def _why_nothing(runs, cell, base, phase, metric):
    """Why no round has a value of both. Only what a quiet machine would have known is struck out."""
    valid = [{run['round']: run for run in runs if run['cell'] == name and run['copy'] == 1 and not run['invalid']} for name in (cell, base)]
    for name, by_round in zip((cell, base), valid):
        if not by_round:
            return f'no valid run of {name}'
    both = sorted(set(valid[0]) & set(valid[1]))
    why = [[metrics.why_unknown(by_round[number], phase, metric.name) for by_round in valid] for number in both]
    if not both:
        return 'no round in which both are valid'
    if [None, None] in why:
        return NOT_QUIET
    return metrics.UNKNOWN if any(metrics.UNKNOWN in pair for pair in why) else metrics.TOO_FEW


def _verdict(pairs, found, aa, metric):
    if pairs and found is None:
        a, b = ([p[i][0] for p in pairs] for i in (0, 1))
        return stats.verdict_without_ratio(a, b, metric.kind == metrics.COUNTS)
    return stats.verdict(found, aa, _margin(pairs, metric), needs_twins=metric.kind != metrics.COUNTS)


def _is_busy(pairs, metric):
    """Whether CPU times were taken while others were at work: then they hold within a tenth."""
    return metric.kind == metrics.CPU and not all(run['quiet'] for pair in pairs for _, run in pair)


def _margin(pairs, metric):
    """The ratio up to which two values are the same."""
    return MARGIN_BUSY if _is_busy(pairs, metric) else stats.MARGIN


def compare(runs, plan, cell, base, phase, metric_name):
    """A Comparison, whatever the runs hold."""
    metric = metrics.METRICS[metric_name]
    pairs = _paired(runs, cell, base, phase, metric_name)
    found, (twin, aa) = _estimate(pairs), twins(runs, plan, cell, base, phase, metric_name)
    verdict = _verdict(pairs, found, aa, metric) if pairs else stats.Verdict(stats.NOT_DECIDED, _why_nothing(runs, cell, base, phase, metric))
    means = tuple(sum(p[i][0] for p in pairs) / len(pairs) if pairs else None for i in (0, 1))
    ranges = tuple((min(p[i][0] for p in pairs), max(p[i][0] for p in pairs)) if pairs else None for i in (0, 1))
    return Comparison(plan.id, cell, base, phase, metric, means, found, aa, verdict,
                      tuple(run['id'] for pair in pairs for _, run in pair), _margin(pairs, metric), ranges, twin,
                      plan.verify_differently(cell, base), plan.rules_broken(cell, base, phase))


def is_struck_out(c):
    """Whether there is nothing to say about a rate or a latency: the machine was not quiet in any round."""
    return not c.run_ids and c.verdict.why == NOT_QUIET


def comparisons(runs, plan):
    """All that a plan asks for, of cells that were run."""
    there = {run['cell'] for run in runs}
    return [compare(runs, plan, c['cell'], c['base'], c['phase'], name) for c in plan.compares for name in c['metrics']
            if c['cell'] in there and c['base'] in there]


def number(x):
    """For people: three digits that count."""
    if x is None:
        return 'not known'
    if x != 0 and (abs(x) >= 1e5 or abs(x) < 1e-3):
        return f'{x:.2e}'
    return f'{x:.0f}' if abs(x) >= 100 else f'{x:.3g}'


def ratio_digits(x):
    """Of a ratio: two decimals, fewer where it is large, more where it is small."""
    if x >= 100:
        return f'{x:,.0f}'
    if x >= 10:
        return f'{x:.1f}'
    return f'{x:.2f}' if x >= 0.1 else f'{x:.2g}'


def interval(found):
    if found is None:
        return 'no ratio'
    if found.low is None:
        return f'{ratio_digits(found.ratio)} [one round]'
    return f'{ratio_digits(found.ratio)} [{ratio_digits(found.low)}, {ratio_digits(found.high)}]'


def on_purpose(c):
    """What stands in front of a comparison that is wrong on purpose, or ''."""
    return f'wrong on purpose ({", ".join(c.wrong)}): ' if c.wrong else ''


def sentence(c):
    """One sentence, with its interval and kind of evidence."""
    rounds = len(c.run_ids) // 2
    values = f'{number(c.values[0])} to {number(c.values[1])} {c.metric.unit}'.rstrip()
    aa = f'A/A {ratio_digits(c.twins.low)} to {ratio_digits(c.twins.high)}' if c.twins and c.twins.low is not None else 'no A/A'
    tail = f'({values}; {rounds} round{"" if rounds == 1 else "s"}, {aa}, {c.metric.kind})' + (f' ({BRACKET})' if c.bracket else '')
    head = f'{on_purpose(c)}{c.phase}: {c.metric.text}'
    if c.verdict.word == stats.NOT_DECIDED:
        more = f'; about {c.verdict.rounds_needed} rounds would do' if c.verdict.rounds_needed else ''
        return f'{head}: {c.cell} to {c.base} is {interval(c.found)}: not decided, {c.verdict.why}{more} {tail}'
    if c.found is None:
        return f'{head}: {c.cell} has {c.verdict.word} {"as" if c.verdict.word == stats.SAME else "than"} {c.base}, ' \
               f'{c.verdict.why} {tail}'
    if c.verdict.word == stats.SAME:
        return f'{head}: {c.cell} and {c.base} are the same within {round((c.margin - 1) * 100)} %, {interval(c.found)} {tail}'
    return f'{head}: {c.cell} has {interval(c.found)} times that of {c.base} {tail}'


def over(runs, plan, p):
    """How the ratio of a prediction is to that of its other pair, within a round: (Estimate or None, ids of the runs)."""
    first, second = (_paired(runs, p[cell], p[base], p['phase'], p['metric']) for cell, base in (('cell', 'base'), ('over_cell', 'over_base')))
    by_round = [{pair[0][1]['round']: pair for pair in pairs} for pairs in (first, second)]
    both = [[found[number] for found in by_round] for number in sorted(set(by_round[0]) & set(by_round[1]))]
    if not both or any(value <= 0 for pairs in both for pair in pairs for value, _ in pair):
        return None, ()
    found = stats.estimate((one[0][0] / one[1][0]) / (two[0][0] / two[1][0]) for one, two in both)
    return found, tuple(run['id'] for pairs in both for pair in pairs for _, run in pair)


TRUE, FALSE, OPEN = 'came true', 'failed', 'not decided'


def predicted_values(runs, p):
    """[(id of the run, value)] of a prediction about one cell: one a round."""
    found = [(run['id'], metrics.read(run, p['phase'], p['metric'])) for run in runs
             if run['cell'] == p['cell'] and run['copy'] == 1 and not run['invalid']]
    return [(an_id, value) for an_id, value in found if value is not None]


def value_text(values):
    return f'{number(min(values))} to {number(max(values))}'


def value_word(values, p):
    """TRUE, FALSE or OPEN of values of some rounds."""
    if len(values) < ROUNDS_MIN:
        return OPEN
    if p['low'] <= min(values) and max(values) <= p['high']:
        return TRUE
    return FALSE if max(values) < p['low'] or min(values) > p['high'] else OPEN


def prediction_result(runs, plan, p):
    """(TRUE, FALSE or OPEN, text) of a prediction: is the interval inside the range that was predicted, or outside? The interval is
    widened by what two runs of the same cell differ, and by a tenth for CPU times of a machine that was not quiet. Rates and CPU
    times without two runs of the same cell leave it open, and so does a single round (but not of what runs once by design: kinds
    hazard and code, and replay but in run full)."""
    if 'base' not in p:
        values = [value for _, value in predicted_values(runs, p)]
        text = value_text(values) + (', one round' if len(values) == 1 else '') if values else 'no valid run'
        return value_word(values, p), text
    c = compare(runs, plan, p['cell'], p['base'], p['phase'], p['metric'])
    found = c.found
    pairs = _paired(runs, p['cell'], p['base'], p['phase'], p['metric'])
    if 'over_cell' in p:
        found, _ = over(runs, plan, p)
        pairs += _paired(runs, p['over_cell'], p['over_base'], p['phase'], p['metric'])
    has_twins = c.twins is not None and c.twins.low is not None
    if found is None or found.low is None or not (has_twins or c.metric.kind == metrics.COUNTS):
        return OPEN, interval(found)
    wider = MARGIN_BUSY if _is_busy(pairs, c.metric) else 1.0
    low, high = found.low / wider, found.high * wider
    for _ in range(2 if 'over_cell' in p else 1):  # two ratios, each of which may be off as two runs of the same cell are
        if has_twins:
            low, high = low * min(1.0, c.twins.low), high * max(1.0, c.twins.high)
    if p['low'] <= low and high <= p['high']:
        return TRUE, interval(found)
    if high < p['low'] or low > p['high']:
        return FALSE, interval(found)
    return OPEN, interval(found)


def all_limits(runs, plan):
    """Limits that stand above the result."""
    return straw_men(runs, plan) + unequal_memory(runs, plan)


def limits(runs, plan):
    """The same as sentences: [(is_red, sentence)]."""
    return [(found.is_red, found.text) for found in all_limits(runs, plan)]


def red_of(c, some):
    """The red ones of some Limits that a comparison meets: about one of its cells (R11), or about just these two (R3, R8)."""
    pair = {c.cell, c.base}
    return [found for found in some if found.is_red and (pair == set(found.cells) if len(found.cells) > 1 else found.cells[0] in pair)]


def has_unequal_memory(c, some):
    """R3: whether one of the two used more of its memory than the other."""
    return any(found.rule == 'R3' for found in red_of(c, some))


def _memory_shares(runs, cell):
    """What valid runs of a cell used of their budget."""
    budgets = [run['budget'] for run in runs if run['cell'] == cell and not run['invalid']]
    return [b['peak_bytes'] / b['limit_bytes'] for b in budgets if b['peak_bytes'] is not None]


def unequal_memory(runs, plan):
    """Rules R3 and R8 of what writes, which has no phase that ends when memory is full: whether two that are compared used as much of
    their memory, and whether they filled it. Limits."""
    found = []
    for pair in dict.fromkeys((c['cell'], c['base']) for c in plan.compares) if plan.writes else ():
        shares = [_memory_shares(runs, cell) for cell in pair]
        if not all(shares):
            continue
        means = [sum(some) / len(some) for some in shares]
        used = f'{pair[0]} used {means[0]:.2f} of its memory, {pair[1]} {means[1]:.2f}'
        if max(means) > stats.MARGIN * min(means):
            found.append(Limit(True, 'R3', pair, f'R3: {used}: they are not compared with as much memory'))
        elif min(means) < rules.FULL_SHARE:
            found.append(Limit(True, 'R8', pair, f'R8: {used}: it was not full'))
    return found


def straw_men(runs, plan):
    """Rule R11: sentences about a cell that is below 0.9 of what stands beside it as the best that can be reached, or for which
    that is not known. Limits."""
    found = []
    for reference in plan.cells:
        cell = reference.get('limit_of')
        if not cell or not plan.phases or not {cell, reference['name']} <= {run['cell'] for run in runs}:
            continue
        metric = 'device_reads_per_s' if reference.get('engine') == 'device' else 'rate'
        phase = plan.phases[-1]['name']
        ratio = compare(runs, plan, cell, reference['name'], phase, metric)
        if ratio.found is None:
            found.append(Limit(False, 'R11', (cell,), f'R11: {cell} beside {reference["name"]}: {ratio.verdict.why}'))
        elif ratio.found.ratio < LIMIT_SHARE:
            text = f'R11: {cell} reaches only {interval(ratio.found)} of {reference["name"]} ({ratio.metric.text}, phase {phase})'
            found.append(Limit(True, 'R11', (cell,), text, ratio))
    return found
