# SPDX-License-Identifier: MIT
"""Whether the switches of a ladder are independent: then the effects of each alone multiply to the effect of all together.

The rungs of a ladder are measured on top of each other, and their product is the whole whatever they do. So the product that is asked
for here is that of each switch alone on the same base.
"""
import math

from lib import compare

METRIC = 'cpu_ns_per_op'
ERROR_MAX = 1.25  # of the product: with wider intervals everything meets everything
MEETS, INTERACT = 'the switches multiply', 'the switches interact'
TEXTS = {
    MEETS: 'Each switch alone on the plain pool, multiplied, gives the effect of all together: the switches do not interact beyond the '
           'intervals.',
    INTERACT: 'Each switch alone on the plain pool, multiplied, does not give the effect of all together: the switches interact, so a '
              'rung has its effect only where it stands.',
    compare.OPEN: 'Whether the switches interact is open: it takes each of them alone, which run full has, and rounds enough for narrow '
                  'intervals.',
}


def verdict(alone, together):
    """alone: Estimates of each switch on the base; together: that of all. The errors are taken as independent."""
    known = [*alone, together]
    if not alone or any(e is None or e.low is None for e in known):
        return compare.OPEN
    distance = abs(sum(math.log(e.ratio) for e in alone) - math.log(together.ratio))
    error = math.sqrt(sum((math.log(e.high / e.low) / 2) ** 2 for e in known))
    if distance > error:
        return INTERACT
    return MEETS if error <= math.log(ERROR_MAX) else compare.OPEN


def of_plan(runs, plan, phase):
    """The verdict on a plan that has a ladder, in one phase."""
    about = plan.ladder

    def effect(cell):
        return compare.compare(runs, plan, cell, about['base'], phase, METRIC).found
    return verdict([effect(cell) for cell in about['alone']], effect(about['top']))


def sentences(runs, plan):
    """One a measured phase; [] for a plan without a ladder."""
    if not plan.ladder:
        return []
    return [f'{p["name"]}: {TEXTS[of_plan(runs, plan, p["name"])]}' for p in plan.phases if 'seconds' in p and p.get('work', 'get') == 'get']
