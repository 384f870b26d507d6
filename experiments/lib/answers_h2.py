# SPDX-License-Identifier: MIT
"""H2 in sentences: which faults of a disk got through to the caller."""
from lib import answers_tally as tally
from lib.page_number import capital, fill, join

ASKED = ('pool', 'map_always', 'map_once', 'lmdb')
WAYS = (('wrong data', ''), ('signal', ', by a signal'), ('death', ', by a death'))


def _of(found, subject):
    return [t for t in found.values() if t.subject == subject and t.trials and t.hazard != 'none']


def sentence(found):
    """(sentence, basis) that answers which faults get through, or None."""
    asked = [(subject, _of(found, subject)) for subject in ASKED]
    parts = [fill('{who} for {wrong} of {n}', wrong=tally.number(mine, 'wrong data'), n=tally.number(mine),
                  who=tally.subject_name(subject)) for subject, mine in asked if mine]
    if not parts:
        return None
    pairs = [t for t in found.values() if t.trials]
    return fill('Of the faults that a disk made, wrong data came back through {list}.', list=join(parts, ', ')), \
        fill('one round, {n} pairs of fault and engine', n=tally.how_many(pairs, pairs))


def sentences(found):
    """One a subject: what got through."""
    said = []
    for subject in dict.fromkeys(t.subject for t in found.values()):
        mine, who = _of(found, subject), tally.subject_name(subject)
        bad = [fill('{what} ({n} of {of}' + how + ')', what=tally.hazard_name(t.hazard), n=tally.number([t], key),
                    of=tally.number([t])) for t in mine for key, how in WAYS if t.count(key)]
        if not mine:
            said.append(fill('{who}: nothing could be produced.', who=who))
        elif bad:
            said.append(fill('{who} let through: {list}.', who=who, list=join(bad, '; ')))
        else:
            said.append(fill('{who} let nothing through, in {n} faults.', who=who, n=tally.number(mine)))
    return [capital(s) for s in said]
