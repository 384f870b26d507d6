# SPDX-License-Identifier: MIT
"""What came of the hazards, summed over rounds: from lines of kind "hazard" (docs/experiments-format.md)."""
from dataclasses import dataclass, field

from lib.page_number import Name, Number, Sentence, fill, join, quoted

SUBJECTS = {
    'pool': 'the pool', 'pool_none': 'the pool without verification', 'map_none': 'the map without verification',
    'map_once': 'the map that verifies once', 'map_always': 'the map that verifies at each get', 'lmdb': 'LMDB',
    'lmdb_writemap': 'LMDB with a writable map', 'sqlite': 'SQLite with a map',
    'vmcache': 'the third pager', 'map_heap': 'the map, pages written from the heap', 'map_private': 'the map, private copies',
    'map_shared': 'the shared map with shadow paging', 'in_place': 'the shared map, in place',
    'none-pool': 'pool, in place', 'none-map': 'map, in place', 'none-copied': 'private copies, in place',
    'log-pool': 'pool, in place with a log', 'log-map': 'map, in place with a log',
    'log-copied': 'private copies, in place with a log',
    'shadow-pool': 'pool, shadow paging', 'shadow-map': 'map, shadow paging', 'shadow-copied': 'private copies, shadow paging',
}
FAULTS = {
    'none': 'nothing (control)', 'flip_cold': 'bit flips before the first read', 'flip_resident': 'bit flips, page in memory',
    'flip_evicted': 'bit flips, page evicted', 'torn': 'torn write', 'lost': 'lost write', 'misdirected': 'misdirected write',
    'eio': 'the disk cannot read it (EIO)', 'cut': 'file cut by another process', 'hole': 'hole on a full disk',
}
TRIGGERS = {
    'nothing': 'nothing but time', 'fsync': "another file's fsync", 'syncfs': 'syncfs', 'direct_read': 'a read past the page cache',
    'pressure_here': 'memory pressure here', 'pressure_elsewhere': 'memory pressure in another group',
}
STORES = {
    'stray_read': 'stray store into a page that is read', 'stray_alias': 'stray store where the page is mapped for writing',
    'stray_neighbour': 'stray store, then a neighbour is updated', 'stray_written': 'stray store into a page just written',
}
HAZARDS = {**FAULTS, **TRIGGERS, **STORES, 'power_cut': 'simulated power cut', 'ended': 'the program ended before its work was done'}
BAD = ('wrong data', 'signal', 'death', 'neither', 'wrong until evicted', 'broken on disk', 'wrong on disk', 'later death')
WORDS = {'right': 'right data', 'neither': 'neither before nor after'}

# For a session whose plans say nothing about a hazard.
TEXTS = {
    'H1': {'title': 'The kernel writes what was not committed', 'asks': 'Does a map break transactions?',
           'switch': 'how the pages of a writer reach the file, and what makes the kernel write',
           'pitfalls': ['A read past the page cache flushes the file first, so what is dirty is counted by the kernel.']},
    'H2': {'title': 'What a disk may do', 'asks': 'Which faults of a disk get through?',
           'switch': 'the fault of the disk, and the engine',
           'pitfalls': ['A fault must reach the device and not the page cache: it is written past the cache.',
                        'A fault that could not be produced counts for nothing, and is shown as not produced.']},
    'H3': {'title': 'A stray store', 'asks': 'Which faults of a disk get through?',
           'switch': 'the engine, and what the stray store hits', 'pitfalls': ['A store that harms no value is unseen.']},
}


@dataclass
class Tally:
    """What came of one hazard for one subject, over all places and rounds."""
    hazard: str
    subject: str
    ids: tuple = ()
    trials: int = 0
    outcomes: dict = field(default_factory=dict)
    why_none: str | None = None
    repeats_ns: list = field(default_factory=list)  # of the sender, each for all pages of a repetition (E9)
    is_noisy: bool = False  # others were at work while it was counted (rule R10, of what counts the whole machine)
    kept: bool | None = None  # what the subject promises; None: it promises nothing, or nothing was produced

    def count(self, *keys):
        return sum(self.outcomes.get(key, 0) for key in keys)

    def is_bad(self):
        return self.count(*BAD) > 0


def tallies(evidence, experiment):
    """{(hazard, subject): Tally}, in the order of the lines."""
    found = {}
    for line in evidence.hazards(experiment):
        details = line.get('details') or {}
        hazard = details.get('hazard') or line['key'].split('/')[0]
        tally = found.setdefault((hazard, line['cell']), Tally(hazard, line['cell']))
        tally.ids += (evidence.line_id(line),)
        tally.why_none = tally.why_none or '; '.join(line.get('invalid', [])) or details.get('skipped')
        if line.get('trials') and line.get('counts') and not line.get('invalid'):
            tally.trials += line['trials']
            tally.is_noisy |= any(text.startswith('R10') for text in line.get('flags', []))
            for key, value in line['counts'].items():
                tally.outcomes[key] = tally.outcomes.get(key, 0) + value
            tally.repeats_ns += details.get('sender_ns') or []
            kept = details.get('promise_kept')
            tally.kept = kept if tally.kept is None else tally.kept and kept is not False
    return found


def number(some, *keys):
    """The sum of outcomes over tallies, or of all trials."""
    value = sum(t.count(*keys) if keys else t.trials for t in some)
    return Number(f'{value:,}', tuple(i for t in some for i in t.ids), f'sum {"+".join(keys) or "trials"}', float(value))


def how_many(some, of):
    """How many tallies some are, out of others."""
    return Number(str(len(some)), tuple(i for t in of for i in t.ids), f'tallies {len(of)}', float(len(some)))


def subject_name(name):
    return SUBJECTS.get(name, Name(name))


def hazard_name(name):
    return Name(HAZARDS.get(name, name))


def outcome(tally):
    """What happened, as a Sentence; and whether it is "bad", "good" or "none"."""
    if not tally.trials:
        return Sentence(('not produced',)), 'none'
    parts = [fill('{n} {what}', n=number([tally], key), what=Name(WORDS.get(key, key)))
             for key, value in tally.outcomes.items() if value]
    return join(parts, ', ') if parts else Sentence(('none',)), 'bad' if tally.is_bad() else 'good'


def not_produced(found):
    """Reasons, each once."""
    return [quoted(text) for text in dict.fromkeys(t.why_none for t in found.values() if t.why_none)]
