# SPDX-License-Identifier: MIT
"""Who wins where: workload and memory down, reads in flight across. The colour is the ratio; grey is not decided; hatched is not
measured. The same grid is a table of the page and an SVG for a README."""
import html
from dataclasses import dataclass

from lib import compare, metrics, page_words as words, plot, runner, stats
from lib.page_html import esc
from lib.plan import PART_KEYS
from lib.page_number import Number, html_of
from lib.page_evidence import ratio_digits

ROWS = (('get', 'fits', 'Gets, all in memory'), ('get', 'filling', 'Gets, memory fills up'), ('get', 'full', 'Gets, memory full'),
        ('sparse', 'any', 'Sparse gets'), ('scan', 'any', 'Scan, larger than memory'), ('scan-gets', 'any', 'Gets beside a scan'),
        ('update', 'any', 'Updates'))
DEPTHS = ((1, 1, '1'), (2, 8, '2 to 8'), (9, 64, '9 to 64'))
# What each grid goes by: metrics of the same kind, the first that a plan compares.
MEASURES = ((('cpu_ns_per_op', 'cpu_ns_per_read'), 'CPU time an operation'),
            (('rate', 'device_reads_per_s'), 'operations a second'))
FITS_SHARE = 0.8  # of memory, that what is read may take and still be called all in memory
STEPS = (1.25, 2, 5)  # of the ratio, where the colour deepens
SHARES = (0.12, 0.22, 0.34, 0.46)  # of the colour, from step to step

POOL, MAP, SAME, OPEN, MISSING = 'pool', 'map', 'same', 'open', 'missing'
WORDS = {SAME: 'the same', OPEN: 'not decided', MISSING: 'not measured'}


@dataclass(frozen=True)
class Square:
    """state: POOL or MAP wins, or SAME, OPEN, MISSING. times: how many times better, a Number, where somebody wins."""
    state: str
    times: Number | None = None
    experiment: str | None = None

    @property
    def kind(self):
        if not self.times:
            return self.state
        return f'{self.state}-{1 + sum(self.times.value >= step for step in STEPS)}'

    @property
    def words(self):
        return WORDS.get(self.state, self.state)


def _memory(evidence, plan, cell, phase):
    """What memory is to the gets of a phase: 'fits', where what they read was in memory before it began, by a phase that settled;
    'filling'; 'full'; or None: a start from cold, or memory that comes back. A file of another size has as much more or less memory."""
    options, share, warm, full = plan.options(cell), 1, False, False
    memory_bytes = plan.cell(cell).get('memory_part', plan.memory_part) * evidence.head['memory_bytes']
    for p in runner.phases_for(plan.phases, plan.phase_options(cell)):
        before, share = share, p.get('memory_share', share)
        part = p.get('part', options.get('part', 1) if options.get('keys') in PART_KEYS else 1)
        fits = part * evidence.head['file_bytes'] <= FITS_SHARE * share * memory_bytes
        full = full or (warm and not fits and share < before)  # what was in memory has no place any more
        warm = warm and fits
        if p['name'] == phase['name']:
            break
        warm = warm or (fits and p.get('until') == 'settled')
        full = full or p.get('until') == 'full'
    if 'until' in phase:
        return None if fits else 'filling'
    if fits:
        return 'fits' if warm else None
    return 'full' if full else None


def _place(evidence, c):
    """(work, memory, depth) of a comparison between map and pool, or None."""
    plan = evidence.plans[c.experiment]
    if {words.engine(plan, c.cell), words.engine(plan, c.base)} != {MAP, POOL}:
        return None
    options = plan.options(c.cell)
    phase = next(p for p in plan.phases if p['name'] == c.phase)
    work = options.get('work', 'get')
    depth = max(options.get('threads', 1) * options.get('processes', 1), phase.get('batch', options.get('batch', 1)))
    if work == 'scan-gets' and plan.phases.index(phase) + 1 != options.get('scan-phase', plan.phases.index(phase) + 1):
        return None  # nothing scans then
    if work != 'get' or options.get('keys') == 'sparse':
        return 'sparse' if work == 'get' else work, 'any', depth
    memory = _memory(evidence, plan, c.cell, phase)
    return (work, memory, depth) if memory else None


def _square(plan, c):
    if c.verdict.word == stats.NOT_DECIDED:
        return Square(OPEN, None, c.experiment)
    if c.verdict.word == stats.SAME or c.found is None:
        return Square(SAME, None, c.experiment)
    cell_wins = (c.verdict.word == stats.MORE) == (c.metric.more_is == 'better')
    times = max(c.found.ratio, 1 / c.found.ratio)
    what = f'times {c.experiment} {c.phase} {c.metric.name} {c.cell}/{c.base}'
    return Square(words.engine(plan, c.cell if cell_wins else c.base), Number(f'{ratio_digits(times)} ×', c.run_ids, what, times),
                  c.experiment)


def grid(evidence, names):
    """{(row, column): Square} by metrics of these names. Where several comparisons belong to one place, the first one in the order
    of experiments and of their plans stands there: the choice is made before the run. Map and pool verify as much and have the same
    memory: brackets (R4), pairs that R3 flags, and what is wrong on purpose (E17) have no square."""
    found = {}
    for experiment in evidence.order:
        for c in evidence.comparisons(experiment):
            is_equal = not (c.bracket or c.wrong or compare.has_unequal_memory(c, evidence.limits(experiment)))
            place = _place(evidence, c) if is_equal and c.metric.name in names else None
            if place is None:
                continue
            for i, (work, memory, _) in enumerate(ROWS):
                for j, (low, high, _) in enumerate(DEPTHS):
                    if (work, memory) == place[:2] and low <= place[2] <= high:
                        found.setdefault((i, j), _square(evidence.plans[experiment], c))
    return {(i, j): found.get((i, j), Square(MISSING)) for i in range(len(ROWS)) for j in range(len(DEPTHS))}


def _mix(colour, paper, share):
    a, b = ([int(c[i:i + 2], 16) for i in (1, 3, 5)] for c in (colour, paper))
    return '#' + ''.join(f'{round(x * share + y * (1 - share)):02x}' for x, y in zip(a, b))


def css(dark):
    """Variables of the squares' colours, as declarations."""
    paper = plot.COLOURS['paper'][dark]
    return ' '.join(f'--{who}-{i}: {_mix(plot.COLOURS[who][dark], paper, share)};'
                    for who in (POOL, MAP) for i, share in enumerate(SHARES, 1))


def table(evidence, names, title):
    """The grid as a table. Every square says in words what its colour says."""
    squares = grid(evidence, names)
    head = ''.join(f'<th scope="col">{esc(label)}</th>' for _, _, label in DEPTHS)
    rows = []
    for i, (_, _, label) in enumerate(ROWS):
        cells = ''
        for j in range(len(DEPTHS)):
            square = squares[(i, j)]
            times = f' {html_of(square.times, evidence.index_of)}' if square.times else ''
            where = f'<a href="#{square.experiment}"><span class="who">{square.words}</span>{times}</a>' if square.experiment \
                else f'<span class="who">{square.words}</span>'
            cells += f'<td class="sq {square.kind}">{where}</td>'
        rows.append(f'<tr><th scope="row">{esc(label)}</th>{cells}</tr>')
    kind = metrics.METRICS[names[0]].kind
    return f'<table class="grid"><caption>By {esc(title)} <span class="chip {kind}">{words.KIND_WORDS[kind]}</span></caption>' \
           f'<thead><tr><th scope="col">reads in flight:</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


LEGEND = '<p class="legend">' + ' '.join(f'<span><span class="key {kind}"></span>{text}</span>' for kind, text in (
    ('pool-3', 'the pool is better'), ('map-3', 'the map is better'), (SAME, 'the same'), (OPEN, 'not decided'),
    (MISSING, 'not measured'))) + '</p>'


def svg(evidence, names, title):
    """The grid as a drawing that stands alone, light and dark."""
    squares = grid(evidence, names)
    left, top, wide, high, gap = 190, 62, 130, 40, 3
    width, height = left + len(DEPTHS) * wide, top + len(ROWS) * high + 8
    parts = [f'<text x="0" y="18" class="t">Who wins where, by {html.escape(title)}</text>',
             f'<text x="0" y="{top - 10}" class="m">reads in flight:</text>']
    for j, (_, _, label) in enumerate(DEPTHS):
        parts.append(f'<text x="{left + j * wide + (wide - gap) / 2}" y="{top - 10}" class="m c">{html.escape(label)}</text>')
    for i, (_, _, label) in enumerate(ROWS):
        y = top + i * high
        parts.append(f'<text x="0" y="{y + high / 2 + 4}">{html.escape(label)}</text>')
        for j in range(len(DEPTHS)):
            square = squares[(i, j)]
            x = left + j * wide
            fill = {OPEN: 'var(--band)', MISSING: 'url(#hatch)', SAME: 'var(--paper)'}.get(square.state, f'var(--{square.kind})')
            text = square.words + (f' {square.times.text}' if square.times else '')
            parts.append(f'<rect x="{x}" y="{y}" width="{wide - gap}" height="{high - gap}" rx="4" fill="{fill}" '
                         'stroke="var(--line)"/>')
            parts.append(f'<text x="{x + (wide - gap) / 2}" y="{y + high / 2 + 4}" class="c{" m" if not square.times else ""}">'
                         f'{html.escape(text)}</text>')
    alt = '; '.join(f'{label}: ' + ', '.join(f'{DEPTHS[j][2]}: {squares[(i, j)].words}'
                                              + (f' {squares[(i, j)].times.text}' if squares[(i, j)].times else '')
                                              for j in range(len(DEPTHS))) for i, (_, _, label) in enumerate(ROWS))
    style = f'svg {{ {plot.css(0)} {css(0)} }} @media (prefers-color-scheme: dark) {{ svg {{ {plot.css(1)} {css(1)} }} }} ' \
            'text { font: 13px system-ui, sans-serif; fill: var(--ink); } .t { font-size: 15px; font-weight: 600; } ' \
            '.m { fill: var(--muted); } .c { text-anchor: middle; }'
    return f'<?xml version="1.0" encoding="utf-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" ' \
           f'width="{width}" height="{height}" role="img" aria-label="{html.escape(alt)}">\n<style>{style}</style>\n' \
           '<defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">' \
           '<line x1="0" y1="0" x2="0" y2="7" stroke="var(--line)" stroke-width="3"/></pattern></defs>\n' \
           + '\n'.join(parts) + '\n</svg>\n'
