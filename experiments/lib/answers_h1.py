# SPDX-License-Identifier: MIT
"""H1 in sentences: whose uncommitted pages the kernel wrote, and what a simulated power cut left of it."""
from lib import answers_tally as tally
from lib.page_number import capital, fill, join

REACHED, NEITHER = 'reached the device', 'neither'
CUT = 'power_cut'


def triggers(found, subject):
    """Tallies of what was done to a writer."""
    return [t for t in found.values() if t.subject == subject and t.hazard != CUT and t.trials]


def cuts(found, subject):
    return [t for t in found.values() if t.subject == subject and t.hazard == CUT and t.trials]


def _reached(evidence_of):
    return [t for t in evidence_of if t.count(REACHED)]


def _cut_part(found, subject, text):
    mine = cuts(found, subject)
    return fill(text, n=tally.number(mine, NEITHER), of=tally.number(mine)) if mine else None


def sentence(found):
    """(sentence, basis) that answers whether a map breaks transactions, or None."""
    in_place = triggers(found, 'in_place')
    parts = [
        fill('pages that were not committed reached the device after {k} of {n} triggers',
             k=tally.how_many(_reached(in_place), in_place), n=tally.how_many(in_place, in_place)) if in_place else None,
        _cut_part(found, 'log-map', '{n} of {of} simulated power cuts left neither the state before nor the one after, even with a log'),
    ]
    parts = [p for p in parts if p]
    shadow = _cut_part(found, 'shadow-map', 'with shadow paging over the same map, {n} of {of} did')
    if not parts and not shadow:
        return None
    said = fill('{parts}', parts=join(parts, ', and '))
    if parts:
        said = fill('Written in place through a shared map, {said}', said=said)
    if shadow:
        said = fill('{said}; {shadow}', said=said, shadow=shadow) if parts else shadow
    used = [t for t in found.values() if t.trials]
    return capital(fill('{said}.', said=said)), fill('one round, {n} pairs of trigger and writer', n=tally.how_many(used, used))


def sentences(found):
    """One a writer, then one a configuration that lost its power."""
    said = []
    for subject in dict.fromkeys(t.subject for t in found.values()):
        mine, cut = triggers(found, subject), cuts(found, subject)
        who = tally.subject_name(subject)
        if mine:
            reached = _reached(mine)
            text = '{who}: pages that were not committed reached the device after {k} of {n} triggers'
            text += ': {list}.' if reached else '.'
            more = {'list': join([fill('{h}', h=tally.hazard_name(t.hazard)) for t in reached], ', ')} if reached else {}
            said.append(fill(text, who=who, k=tally.how_many(reached, mine), n=tally.how_many(mine, mine), **more))
        if cut:
            said.append(fill('{who}: {n} of {of} simulated power cuts left neither the state before nor the one after.', who=who,
                             n=tally.number(cut, NEITHER), of=tally.number(cut)))
    return [capital(s) for s in said]
