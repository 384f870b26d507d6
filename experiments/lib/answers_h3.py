# SPDX-License-Identifier: MIT
"""H3 in sentences: what came of a stray store, and how far it got."""
from lib import answers_tally as tally
from lib.page_number import capital, fill, join

STOPPED, MEMORY, DISK = 'stopped at once', ('wrong until evicted', 'later death'), ('broken on disk', 'wrong on disk')
READ, COPIED = 'stray_read', 'stray_neighbour'
ASKED = ('pool', 'map_heap', 'lmdb_writemap')


def _of(found, subject):
    return [t for t in found.values() if t.subject == subject and t.trials and t.hazard in tally.STORES]


def sentence(found):
    """(sentence, basis) that answers how far a stray store gets, or None."""
    parts = []
    for subject in ASKED:
        read, copied = ([t for t in _of(found, subject) if t.hazard == hazard] for hazard in (READ, COPIED))
        if not read:
            continue
        said = fill('{who} stopped {stopped} of {n} and let {disk} onto the disk', who=tally.subject_name(subject),
                    stopped=tally.number(read, STOPPED), n=tally.number(read), disk=tally.number(read, *DISK))
        if copied:
            said = fill('{said} ({more} of {n} where a transaction updated a neighbour next)', said=said, more=tally.number(copied, *DISK),
                        n=tally.number(copied))
        parts.append(said)
    if not parts:
        return None
    pairs = [t for t in found.values() if t.trials]
    return fill('Of stray stores into a page that is read, {list}.', list=join(parts, ', ')), \
        fill('one round, {n} pairs of store and engine', n=tally.how_many(pairs, pairs))


def sentences(found):
    """One a subject: how far the stores got."""
    said = []
    for subject in dict.fromkeys(t.subject for t in found.values()):
        parts = []
        for t in _of(found, subject):
            text, _ = tally.outcome(t)
            parts.append(fill('{what}: {outcome}', what=tally.hazard_name(t.hazard), outcome=text))
        who = tally.subject_name(subject)
        said.append(fill('{who}: {list}.', who=who, list=join(parts, '; ')) if parts else fill('{who}: nothing could be produced.', who=who))
    return [capital(s) for s in said]
