# SPDX-License-Identifier: MIT
"""What a page is made of: one session's lines, read once, and the Numbers that are computed from them.

Each Number says in `what` how to compute it again from the lines:

    ratio E2 full rate map/pool    geometric mean over rounds of the ratio within a round, and its interval
    aa E2 full rate pool           the same of the two runs of a cell in each round
    mean E2 full rate map          over the rounds that the ratio used; lowest and highest: of them
    over E2 full rate a/b c/d      geometric mean over rounds of the ratio of two ratios within a round, and its interval
    rounds ..., field ..., regret ..., misses ..., plan ..., head ..., runs ...
"""
import dataclasses

from lib import compare, hazards, metrics, plan as plans, replay
from lib.compare import ratio_digits
from lib.page_number import Number

NOT_PART = 'not part of this session'


def quantity(value, unit=''):
    """A value for people: three digits that count, and a unit of a size that fits."""
    if value is None:
        return 'not known'
    if unit == 'ns':
        for size, name in ((1e9, 's'), (1e6, 'ms'), (1e3, 'µs')):
            if abs(value) >= size:
                return f'{digits(value / size)} {name}'
        return f'{digits(value)} ns'
    if unit == 'bytes':
        for size, name in ((1 << 30, 'GiB'), (1 << 20, 'MiB'), (1 << 10, 'KiB')):
            if abs(value) >= size:
                return f'{digits(value / size)} {name}'
        return f'{digits(value)} bytes'
    return digits(value) + ('/s' if unit == '1/s' else f' {unit}' if unit else '')


def digits(x):
    """Three digits that count, thousands apart."""
    if x == 0:
        return '0'
    if abs(x) >= 100:
        return f'{x:,.0f}'
    if abs(x) >= 0.001:
        return f'{x:.3g}'
    mantissa, exponent = f'{x:.1e}'.split('e')
    return f'{mantissa} × 10{str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))}'


def interval_text(found):
    if found.low is None:
        return f'{ratio_digits(found.ratio)} [one round]'
    return f'{ratio_digits(found.ratio)} [{ratio_digits(found.low)}, {ratio_digits(found.high)}]'


class Evidence:
    """A session, and what can be said from it. Sessions of other machines or versions are other pages."""

    def __init__(self, session):
        self.session, self.head = session, session.head
        self.id = session.head['session']
        self.plans = {}
        for experiment, about in session.head['plans'].items():
            self.plans[experiment] = plans.parse(about['text'], f'{experiment}.toml', is_old=True)
        self.order = [e for e in session.experiments() if e in self.plans or self.hazards(e)]
        self._index, self._comparisons, self._limits = {}, {}, {}
        for experiment in self.order:
            for number, line in enumerate(self.lines(experiment), 1):
                self._index[self.line_id(line)] = f'{experiment}.{number}'

    # --- runs ---

    def line_id(self, line):
        """The id of a line that was measured: its own, or made of what it is the only one of."""
        if 'id' in line:
            return line['id']
        parts = [str(line[key]) for key in ('round', 'key') if line.get(key) is not None]
        return '/'.join([self.id, line['experiment'], *parts])

    def index_of(self, an_id):
        """The short name of a run on the page, such as E2.12."""
        if an_id == self.id:
            return 'session'
        return self._index.get(an_id) or an_id

    def runs(self, experiment):
        return self.session.runs(experiment)

    def replays(self, experiment):
        return replay.last_lines(self.session, experiment)

    def codes(self, experiment):
        return self.session.of_kind('code', experiment)

    def counted(self, experiment, cell, name):
        """What was counted in the sources, or None."""
        lines = [line for line in self.codes(experiment) if line['cell'] == cell and line['counts']]
        if not lines:
            return None
        n = lines[-1]['counts'][name]
        return Number(digits(n), (self.line_id(lines[-1]),), f'code {experiment} {name} {cell}', float(n))

    def hazards(self, experiment):
        return hazards.last_lines(self.session, experiment)

    def lines(self, experiment):
        """All that was measured for an experiment, valid or not."""
        return self.session.runs(experiment) + self.replays(experiment) + self.hazards(experiment) + self.codes(experiment)

    def is_measured(self, experiment):
        return bool(self.lines(experiment))

    def why_not(self, experiment):
        """Why an experiment has no result here, or None when it has one."""
        if self.is_measured(experiment):
            return None
        for line in self.session.of_kind('skip', experiment):
            if line.get('cell') is None:
                return line['reason']
        return NOT_PART

    def skips(self, experiment):
        return self.session.of_kind('skip', experiment)

    # --- numbers ---

    def comparisons(self, experiment):
        """Those of a plan, in its order: the first is the one that answers its question."""
        if experiment not in self._comparisons:
            plan = self.plans.get(experiment)
            known = plan is not None and plan.kind == 'cells' and self.runs(experiment)
            self._comparisons[experiment] = compare.comparisons(self.runs(experiment), plan) if known else []
        return self._comparisons[experiment]

    def limits(self, experiment):
        """compare.Limits that stand above a result."""
        if experiment not in self._limits:
            self._limits[experiment] = compare.all_limits(self.runs(experiment), self.plans[experiment])
        return self._limits[experiment]

    def _what(self, kind, c, cells):
        return f'{kind} {c.experiment} {c.phase} {c.metric.name} {cells}'

    def ratio(self, c, inverse=False):
        """inverse: of the base to the cell."""
        if not inverse:
            return Number(interval_text(c.found), c.run_ids, self._what('ratio', c, f'{c.cell}/{c.base}'), c.found.ratio)
        low, high = (None, None) if c.found.low is None else (1 / c.found.high, 1 / c.found.low)
        found = dataclasses.replace(c.found, ratio=1 / c.found.ratio, low=low, high=high)
        return Number(interval_text(found), c.run_ids, self._what('ratio', c, f'{c.base}/{c.cell}'), found.ratio)

    def over(self, experiment, p, found, ids):
        """The ratio of two ratios, of a prediction."""
        pairs = f'{p["cell"]}/{p["base"]} {p["over_cell"]}/{p["over_base"]}'
        return Number(interval_text(found), ids, f'over {experiment} {p["phase"]} {p["metric"]} {pairs}', found.ratio)

    def mean(self, c, side):
        """side: 0 of the cell, 1 of its base."""
        ids = c.run_ids[side::2]
        return Number(quantity(c.values[side], c.metric.unit), ids, self._what('mean', c, (c.cell, c.base)[side]), c.values[side])

    def range(self, c, side):
        """(lowest, highest) over the rounds of that mean."""
        ids, cell = c.run_ids[side::2], (c.cell, c.base)[side]
        return tuple(Number(quantity(value, c.metric.unit), ids, self._what(kind, c, cell), value)
                     for kind, value in zip(('lowest', 'highest'), c.ranges[side]))

    def rounds(self, c):
        n = len(c.run_ids) // 2
        return Number(str(n), c.run_ids or (self.id,), self._what('rounds', c, f'{c.cell}/{c.base}'), float(n))

    def twins(self, c):
        """The A/A interval, or None."""
        if c.twins is None or c.twins.low is None:
            return None
        name = c.twin
        by_round = {}
        for run in self.runs(c.experiment):
            if run['cell'] == name and not run['invalid'] and metrics.read(run, c.phase, c.metric.name) is not None:
                by_round.setdefault(run['round'], []).append(run['id'])
        ids = tuple(i for pair in by_round.values() if len(pair) == 2 for i in pair)
        return Number(f'{ratio_digits(c.twins.low)} to {ratio_digits(c.twins.high)}', ids, self._what('aa', c, name), c.twins.ratio)

    def rounds_needed(self, c):
        return Number(str(c.verdict.rounds_needed), c.run_ids, self._what('needed', c, f'{c.cell}/{c.base}'),
                      float(c.verdict.rounds_needed))

    def setting(self, name, text=None):
        """How the session was measured."""
        value = self.head[name]
        return Number(quantity(value, 'bytes' if name.endswith('_bytes') else '') if text is None else text, (self.id,),
                      f'head {name}', float(value) if isinstance(value, (int, float)) else None)

    def card(self, name, text):
        return Number(text, (self.id,), f'card {name}')

    def planned(self, experiment, text, what='prediction'):
        """A number that somebody wrote into the plan before the run."""
        return Number(text, (f'plan {experiment} {self.head["plans"][experiment]["hash"]}',), f'plan {experiment} {what}')

    def how_many(self, lines, text=None):
        """The count of some lines."""
        return Number(text or str(len(lines)), tuple(self.line_id(line) for line in lines) or (self.id,), 'runs', float(len(lines)))

    # --- replays ---

    def replay_table(self, experiment):
        """{part: {name: (misses in 100 reads, regret)}}, the means over rounds."""
        return replay.table(self.replays(experiment))

    def replay_ids(self, experiment, part, name):
        """The ids behind one cell of that table."""
        simulated = name.startswith('replay ')
        return tuple(self.line_id(line) for line in self.replays(experiment)
                     if line['part'] == part and not line['invalid']
                     and (line['cell'] == 'replay' or (not simulated and line['cell'] == name)))

    def regret_estimate(self, experiment, part, name):
        """Lowest and highest regret over rounds, and its mean: (mean, low, high), or None."""
        found = []
        for number in sorted({line['round'] for line in self.replays(experiment)}):
            row = replay.table([r for r in self.replays(experiment) if r['round'] == number]).get(part, {})
            if name in row and row[name][1] is not None:
                found.append(row[name][1])
        return (sum(found) / len(found), min(found), max(found)) if found else None

    def regret(self, experiment, part, name):
        mean, low, high = self.regret_estimate(experiment, part, name)
        text = f'{mean:.2f}' if f'{low:.2f}' == f'{high:.2f}' else f'{mean:.2f} [{low:.2f}, {high:.2f}]'
        return Number(text, self.replay_ids(experiment, part, name), f'regret {experiment} {part:g} {name}', mean)
