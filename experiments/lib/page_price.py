# SPDX-License-Identifier: MIT
"""The price of finding damage beside what it finds: CPU time of E12 against the faults of H2 that came through."""
from lib import answers_tally as tally, page_section as part, page_words as words, plot_points
from lib.page_html import esc, figure, table

FAULTS, METRIC = 'H2', 'cpu_ns_per_op'
# What H2 calls a pager that verifies like that.
SUBJECTS = {('bufpool', 'none'): 'pool_none', ('bufpool', 'once'): 'pool', ('mmap', 'none'): 'map_none', ('mmap', 'once'): 'map_once',
            ('mmap', 'always'): 'map_always'}


def pairs(evidence, plan):
    """{cell: (its comparison with the same pager without verification, tallies of its faults)}, of cells that H2 knows too."""
    found, known = {}, tally.tallies(evidence, FAULTS)
    for c in evidence.comparisons(plan.id):
        options, base = plan.options(c.cell), plan.options(c.base)
        if c.metric.name != METRIC or base['checksum'] != 'none' or {k: v for k, v in options.items() if k != 'checksum'} != \
                {k: v for k, v in base.items() if k != 'checksum'} or 'batch' in options or plan.cell(c.cell).get('disk'):
            continue
        subject = SUBJECTS.get((options['pager'], options['checksum']))
        faults = [t for t in known.values() if t.subject == subject and t.hazard != 'none' and t.trials]
        if faults:
            found.setdefault(c.cell, (c, faults))
    return found


def share(faults):
    """Of the faults, those after which a call returned wrong data: in percent."""
    return 100 * tally.number(faults, 'wrong data').value / tally.number(faults).value


def block(show, evidence, plan):
    """A figure with its table, as HTML; '' where one of the two was not measured."""
    found = pairs(evidence, plan)
    if not found:
        return ''
    rows = [[esc(plan.cell(cell).get('title', cell)), show(evidence.ratio(c)) if c.found else '–', show(tally.number(faults, 'wrong data')),
             show(tally.number(faults))] for cell, (c, faults) in found.items()]
    behind = table('CPU time of a get to that without verification, and faults that came through', ['cell', 'CPU time', 'wrong data', 'faults'], rows)
    points = {cell: (share(faults), c.found.ratio, c.found.low, c.found.high) for cell, (c, faults) in found.items() if c.found}
    x_title, y_title = 'faults after which wrong data was returned, in %', 'CPU time, without verification 1'
    picture = plot_points.draw(f'{plan.id} price', points, x_title, y_title, lambda cell: words.engine(plan, cell))
    return figure(picture, plot_points.alt(points, 'CPU time of a get', 'faults that came through'),
                  f'What finding damage costs {part.evidence_chip("cpu")}, and how much comes through all the same {part.evidence_chip("counts")}: '
                  'the CPU time of a get to that through the same pager without verification, by the faults of H2 after which it returned wrong data.',
                  behind)
