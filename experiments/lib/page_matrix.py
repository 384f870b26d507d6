# SPDX-License-Identifier: MIT
"""The picture of a hazard: what was done down, to whom across. The colour says how bad the worst outcome is, and each square says it in
words too; the counts are in the table behind it. On a phone each row is a block, whose squares name their column."""
from lib import answers_tally as tally
from lib.page_html import details, esc

GOOD, WARN, BAD, MISSING = 'fine', 'warn', 'bad', 'missing'
# Outcomes, the worst first: (key, how bad, in a word).
OUTCOMES = (
    ('wrong data', BAD, 'wrong data'), ('wrong on disk', BAD, 'wrong on disk'),
    ('broken on disk', BAD, 'broken on disk'), ('neither', BAD, 'neither state'), ('wrong until evicted', WARN, 'wrong in memory'),
    ('signal', WARN, 'signal'), ('death', WARN, 'dies'), ('later death', WARN, 'dies later'), ('reached the device', WARN, 'written'),
    ('error', GOOD, 'error'), ('stopped at once', GOOD, 'stopped'), ('right', GOOD, 'right'), ('unseen', GOOD, 'unseen'),
    ('stayed in memory', GOOD, 'stays'), ('before or after', GOOD, 'whole'),
)
LEGENDS = {
    'H1': ((GOOD, 'nothing uncommitted is seen'), (WARN, 'written before the commit'), (BAD, 'the file is neither old nor new')),
    'H2': ((GOOD, 'right data, or an error'), (WARN, 'the process ends'), (BAD, 'wrong data')),
    'H3': ((GOOD, 'stopped, or harmless'), (WARN, 'wrong in memory'), (BAD, 'on disk')),
}
SHORT = {
    'pool': 'pool', 'pool_none': 'pool, unverified', 'vmcache': 'third pager', 'map_none': 'map, unverified', 'map_once': 'map, once',
    'map_always': 'map, always', 'map_heap': 'map, heap', 'map_private': 'map, private', 'map_shared': 'map, shared', 'lmdb': 'LMDB',
    'lmdb_writemap': 'LMDB writemap', 'sqlite': 'SQLite', 'in_place': 'map, in place',
}
PROTOCOLS = {'none': 'in place', 'log': 'in place, with a log', 'shadow': 'shadow paging'}
MEMORY = {'pool': 'pool', 'map': 'shared map', 'copied': 'private copies'}


def square(t):
    """(how bad, in words) of a Tally, or of None."""
    if t is None or not t.trials:
        return MISSING, 'not produced'
    for key, kind, word in OUTCOMES:
        n = t.count(key)
        if n:
            return kind, word + ('' if n == t.trials else ', mostly' if 2 * n > t.trials else ', at times')
    return MISSING, 'no outcome'


def alt(title, rows, columns, squares):
    """The picture in one sentence a row."""
    return f'{title}. ' + ' '.join(f'{label}: ' + ', '.join(f'{column} {squares[(row, key)][1]}' for key, column in columns) + '.'
                                   for row, label in rows)


def figure(experiment, title, rows, columns, squares, behind):
    """rows, columns: [(key, label)]. squares: {(row, column): square()}. behind: HTML of the table with the counts."""
    head = ''.join(f'<th scope="col">{esc(label)}</th>' for _, label in columns)
    body = ''
    for row, label in rows:
        cells = ''.join(f'<td class="sq {squares[(row, key)][0]}"><span class="column" aria-hidden="true">{esc(column)}</span>'
                        f'<span class="who">{esc(squares[(row, key)][1])}</span></td>' for key, column in columns)
        body += f'<tr><th scope="row">{esc(label)}</th>{cells}</tr>'
    used = {kind for kind, _ in squares.values()}
    legend = ' '.join(f'<span><span class="key {kind}"></span>{esc(text)}</span>'
                      for kind, text in (*LEGENDS.get(experiment, ()), (MISSING, 'not produced')) if kind in used)
    return f'<figure><table class="grid matrix" aria-label="{esc(alt(title, rows, columns, squares))}"><caption>{esc(title)}</caption>' \
           f'<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>' \
           f'<figcaption class="legend">{legend}</figcaption>{details("The table behind it", behind)}</figure>'


def of_hazards(experiment, found, hazards, behind):
    """Hazards down, subjects across."""
    subjects = list(dict.fromkeys(subject for name, subject in found if name in hazards))
    rows = [(name, tally.HAZARDS.get(name, name)) for name in hazards if name != 'none']
    squares = {(name, s): square(found.get((name, s))) for name, _ in rows for s in subjects}
    return figure(experiment, 'The worst that came of each', rows, [(s, SHORT.get(s, s)) for s in subjects], squares, behind) if rows else ''


def of_cuts(experiment, found, cut, behind):
    """Ways to write down, memory across."""
    names = [t.subject.partition('-')[::2] for t in found.values() if t.hazard == cut]
    rows = [(key, label) for key, label in PROTOCOLS.items() if key in {way for way, _ in names}]
    columns = [(key, label) for key, label in MEMORY.items() if key in {memory for _, memory in names}]
    squares = {(way, memory): square(found.get((cut, f'{way}-{memory}'))) for way, _ in rows for memory, _ in columns}
    return figure(experiment, 'What simulated power cuts left', rows, columns, squares, behind) if rows else ''
