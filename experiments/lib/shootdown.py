# SPDX-License-Identifier: MIT
"""E9: what a shootdown costs. Figures for each page, from lines of kind "hazard"; and the model of more threads than this machine
has CPUs for: interrupts a page = c times the number of other threads."""
from lib import answers_tally as tally, metrics
from lib.page_number import Number, fill

PROGRAM = 'hazard_shootdown'
INTERRUPTS, SENDER, VICTIM = 'interrupts', 'sender ns', 'victim ns'
UNITS = {INTERRUPTS: 'Interrupts', SENDER: 'Nanoseconds of the sender', VICTIM: 'Nanoseconds of the victims'}
MODEL_THREADS = (2, 4, 8, 16, 32, 64)
ONE = 'pages-1'


def pages_a_call(hazard):
    return int(hazard.partition('-')[2])


def per_page(found, hazard, cell, name):
    """A Number, or None where it was not measured."""
    t = found.get((hazard, cell))
    if t is None or not t.trials:
        return None
    value = t.count(name) / t.trials
    text = f'{value:.3f}' if name == INTERRUPTS else f'{value:,.0f}'
    return Number(text, t.ids, f'per_page {name}', value)


def repetitions(found, hazard, cell):
    """Lowest and highest time of the sender over the repetitions of one round, for each page; or None."""
    t = found.get((hazard, cell))
    if t is None or not t.trials or not t.repeats_ns or len(t.ids) > 1:
        return None
    low, high = (end(t.repeats_ns) / t.trials for end in (min, max))
    return Number(f'[{low:,.0f}, {high:,.0f}]', t.ids, 'repetitions', high - low)


def _sender(found, cell):
    """The median, and what its repetitions lie between."""
    value, between = per_page(found, ONE, cell, SENDER), repetitions(found, ONE, cell)
    return fill('{value} {between} ns', value=value, between=between) if between else fill('{value} ns', value=value)


def _by_size(hazards):
    """Without what is no size: that the program ended before its work was done."""
    return sorted(dict.fromkeys(h for h in hazards if h.startswith('pages-')), key=pages_a_call)


def cells(found):
    return list(dict.fromkeys(cell for _, cell in found))


def sizes(found):
    return _by_size(hazard for hazard, _ in found)


def lines(found, name):
    """{cell: [(pages a call, value)]} of what was measured."""
    points = {cell: [(pages_a_call(h), per_page(found, h, cell, name)) for h in sizes(found)] for cell in cells(found)}
    return {cell: [(x, n.value) for x, n in some if n] for cell, some in points.items() if any(n for _, n in some)}


def by_threads(found):
    """{name: [(threads, interrupts a page)]}: measured, and the model; {} without a measured c."""
    measured = [(1, per_page(found, ONE, 'none', INTERRUPTS)), (2, per_page(found, ONE, 'spins', INTERRUPTS))]
    measured += [(n + 1, per_page(found, ONE, f'spins-{n}', INTERRUPTS)) for n in (3, 7, 15)]
    points = [(threads, n.value) for threads, n in measured if n]
    c = per_page(found, ONE, 'spins', INTERRUPTS)
    if not c:
        return {}
    return {'measured': points, 'model': [(threads, c.value * (threads - 1)) for threads in MODEL_THREADS]}


def sentence(found):
    """(sentence, basis) that answers whether it matters with few threads, or None."""
    if not all(per_page(found, ONE, cell, SENDER) for cell in ('none', 'spins')):
        return None
    said = fill('A page that is dropped by a call of its own costs the sender {alone} alone and {spins} while another thread runs, with '
                '{n} interrupts', alone=_sender(found, 'none'), spins=_sender(found, 'spins'), n=per_page(found, ONE, 'spins', INTERRUPTS))
    lost = per_page(found, ONE, 'spins', VICTIM)
    said = fill('{said}; the other thread loses {lost} ns', said=said, lost=lost)
    most = sizes(found)[-1]
    batch = per_page(found, most, 'spins', INTERRUPTS)
    if batch and most != ONE:
        said = fill('{said}. Of {pages} pages to a call, each costs {n} interrupts', said=said,
                    pages=Number(str(pages_a_call(most)), found[(most, 'spins')].ids, f'pages {most}'), n=batch)
    used = [t for t in found.values() if t.trials]
    brackets = ', lowest and highest of its repetitions in brackets' if repetitions(found, ONE, 'spins') else ''
    others = '; others were at work' if any(t.is_noisy for t in used) else ''
    return fill('{said}.', said=said), fill('one round' + brackets + others + '; {n} pairs of row and size', n=tally.how_many(used, used))


def sentences(found):
    """One that answers."""
    said = sentence(found)
    return [said[0]] if said else []


def summary(lines_of):
    """Lines of a terminal's summary, from a session's lines."""
    by = {(l['details']['hazard'], l['cell']): l for l in lines_of}
    names = [c for c in dict.fromkeys(l['cell'] for l in lines_of) if any(l['trials'] for l in lines_of if l['cell'] == c)]
    text = ['  for each page: interrupts, ns of the sender, ns of the victims', '  ' + 'pages a call'.ljust(14) + ''.join(n.rjust(24) for n in names)]
    for hazard in _by_size(l['details']['hazard'] for l in lines_of):
        row = '  ' + str(pages_a_call(hazard)).ljust(14)
        for name in names:
            line = by.get((hazard, name))
            if not line or not line['trials']:
                row += '-'.rjust(24)
                continue
            a, b, c = (line['counts'][key] / line['trials'] for key in UNITS)
            row += f'{a:.3f} {b:7.0f} {c:7.0f}'.rjust(24)
        text.append(row.rstrip())
    return text


# Interrupts are counted for the whole machine: what others cause is in them, and lines are flagged where others were at work (R10).
KINDS = {INTERRUPTS: metrics.COUNTS, SENDER: metrics.CPU, VICTIM: metrics.CPU}
