#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A trace of a test as one HTML page with a slider over its events.

    ./lab trace N NAME                                       records one, and calls this
    python3 labs/tool/trace2html.py TRACE.jsonl FILE.html    makes the page again

A trace is a file of JSON lines. The first says what was traced: {"trace": 1, "lab", "test", "name", "seed", "run", "runs",
"reference"}. The last says how it ended: {"end", "message", "events"}; `end` is the state of the test, or "LIMIT". Between them stand
the events, each with `n` (from 1), `op`, `thread` and `pager` (both numbered from 1), and what of these is known:

    pgno, gen, type, level   of the page; type in words
    frame                    which frame of the pool; a map has none
    writers                  true: the page lies in a frame of the writer's own
    pins                     of the page, after the event
    hit                      of a get: nothing had to be loaded
    pages                    how many page numbers, from pgno on (write, drop)
    why                      of a victim: what the policy passed over, and what it took
    spared, used             of a victim: frames that lost their mark; frames that have one
    text                     of a failure: the error
    name, page_bytes, frames, policy   of an opening

`op` is one of those of include/verso_trace.h in small letters, or open, close, failed (what was asked for was an error).
"""
import html
import json
import os
import sys

FORMAT = 1
OPS = ('open', 'close', 'failed', 'get', 'put', 'peek', 'miss', 'load', 'prefetch', 'read_ahead', 'victim', 'evict', 'fresh', 'write',
       'flush', 'drop')
MARKING = ('clock', 'sieve', '2q')  # policies for which a mark means something
EMPTY_FRAMES_MAX = 16  # of a larger pool only the frames that were used are shown
AGAIN = 'the trace was cut short. Record it again: ./lab trace N NAME'


class TraceError(Exception):
    """A file that is no whole trace; the text says where it ends."""


class Trace:
    def __init__(self, head, events, end):
        self.head, self.events, self.end = head, events, end


def read(path):
    """The trace in a file, or a TraceError."""
    try:
        with open(path, encoding='utf-8') as f:
            text = f.read()
    except (OSError, UnicodeDecodeError) as e:
        raise TraceError(f'{path}: {getattr(e, "strerror", None) or "it is no text"}') from None
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            lines.append(json.loads(line))
        except ValueError:
            raise TraceError(f'{path}: line {number} is not whole: {AGAIN}') from None
        if not isinstance(lines[-1], dict):
            raise TraceError(f'{path}: line {number} is no event; expected a trace as ./lab trace makes it')
    if not lines or lines[0].get('trace') != FORMAT:
        raise TraceError(f'{path}: expected a first line with "trace": {FORMAT}; is it a trace?')
    if len(lines) < 2 or 'end' not in lines[-1]:
        raise TraceError(f'{path}: it ends after event {len(lines) - 1} without a last line: {AGAIN}')
    head, events, end = lines[0], lines[1:-1], lines[-1]
    for number, e in enumerate(events, 1):
        if e.get('op') not in OPS or e.get('n') != number:
            raise TraceError(f'{path}: line {number + 1} is not event {number}: {AGAIN}')
    if end.get('events') != len(events):
        raise TraceError(f'{path}: it has {len(events)} events, and its last line says {end.get("events")}: {AGAIN}')
    return Trace(head, events, end)


# What memory looks like after each event.

class Model:
    """Cells by (pager, kind, number): a frame of the pool, a page of the map, a page of the writer's own, a page of the tree. They
    show what the events say. What the pool only notes for itself, such as its free list, no event says."""

    def __init__(self):
        self.cells, self.pagers, self.changed = {}, {}, set()
        self.tree = {}  # {(pager, pgno): (type, level, gen)}
        self.touched = set()

    def step(self, e):
        """Takes one event; returns {key: cell, or None: it is gone} of what has changed."""
        self.changed, self.touched = set(), set()
        if 'pgno' in e:
            self.touched.add((e['pager'], e['pgno']))
        handler = getattr(self, 'on_' + e['op'], None)
        if handler:
            handler(e)
        if e.get('type') and 'level' in e:
            self.tree[e['pager'], e['pgno']] = (e['type'], e['level'], e['gen'])
        self._place_tree()
        return {key: self.cells.get(key) for key in self.changed}

    def of(self, pager, kind):
        return [(key[2], cell) for key, cell in self.cells.items() if key[:2] == (pager, kind)]

    def frame_of(self, pager, pgno, gen=None):
        """The frame in which a page is found, or None."""
        return next((n for n, c in self.of(pager, 'frame') if c['pgno'] == pgno and c['state'] in ('page', 'victim')
                     and gen in (None, c['gen'])), None)

    def page_in(self, pager, frame):
        return self.cells.get((pager, 'frame', frame), {}).get('pgno')

    def _set(self, pager, kind, number, **members):
        old = self.cells.get((pager, kind, number)) or {'pgno': None, 'gen': None, 'pins': 0, 'used': False, 'state': 'empty'}
        if old['pgno'] is not None:
            self.touched.add((pager, old['pgno']))
        self.cells[pager, kind, number] = {**old, **members}
        self.changed.add((pager, kind, number))
        if members.get('pgno') is not None:
            self.touched.add((pager, members['pgno']))

    def _remove(self, key):
        self.cells.pop(key, None)
        self.changed.add(key)

    def _empty(self, pager, frame):
        self._set(pager, 'frame', frame, pgno=None, gen=None, pins=0, used=False, state='empty')

    def _key(self, e):
        """The cell of a page that an event is about."""
        if e.get('writers'):
            return e['pager'], 'writer', e['pgno']
        if 'frame' in e:
            return e['pager'], 'frame', e['frame']
        return e['pager'], 'map', e['pgno']

    def _forget(self, pager, first, n_pages):
        for n, c in self.of(pager, 'frame'):
            if c['state'] in ('page', 'victim') and first <= c['pgno'] < first + n_pages:
                if c['pins']:
                    self._set(pager, 'frame', n, state='forgotten')
                else:
                    self._empty(pager, n)
        for n, c in self.of(pager, 'map'):
            if first <= n < first + n_pages:
                self._set(pager, 'map', n, state='unknown')

    def _unmake(self, pager, first, n_pages):
        for n, _ in self.of(pager, 'writer'):
            if first <= n < first + n_pages:
                self._remove((pager, 'writer', n))
                self.touched.add((pager, n))

    def on_open(self, e):
        self.pagers[e['pager']] = e
        for frame in range(e['frames'] if e['frames'] <= EMPTY_FRAMES_MAX else 0):
            self._empty(e['pager'], frame)

    def on_close(self, e):
        for key in [k for k in self.cells if k[0] == e['pager']]:
            self._remove(key)
        self.tree = {k: v for k, v in self.tree.items() if k[0] != e['pager']}

    def on_miss(self, e):
        key = self._key(e)
        pins = self.cells.get(key, {}).get('pins', 0) if key[1] == 'map' else 0
        self._set(*key, pgno=e['pgno'], gen=e['gen'], pins=pins, used=False, state='loading')

    def on_load(self, e):
        key = self._key(e)
        for n, c in self.of(e['pager'], 'frame'):  # no two frames hold one page number
            if key[1] == 'frame' and n != key[2] and c['pgno'] == e['pgno'] and c['state'] in ('page', 'victim'):
                self._forget(e['pager'], e['pgno'], 1)
        self._set(*key, pgno=e['pgno'], gen=e['gen'], state='page')

    def on_failed(self, e):
        if e['of'] != 'load':
            return
        for kind in ('frame', 'map'):
            for n, c in self.of(e['pager'], kind):
                if c['state'] == 'loading' and (c['pgno'], c['gen']) == (e['pgno'], e['gen']):
                    if kind == 'frame':
                        self._empty(e['pager'], n)
                    else:
                        self._set(e['pager'], kind, n, state='unknown')

    def on_get(self, e):
        key = self._key(e)
        old = self.cells.get(key, {})
        state = 'made' if key[1] == 'writer' else old['state'] if old.get('state') in ('victim', 'forgotten') else 'page'
        self._set(*key, pgno=e['pgno'], gen=e['gen'], pins=e['pins'], used=old.get('used', False) or e['hit'], state=state)

    def on_put(self, e):
        key = self._key(e)
        if key not in self.cells:
            return
        if key[1] == 'frame' and self.cells[key]['state'] == 'forgotten' and e['pins'] == 0:
            self._empty(e['pager'], e['frame'])
        else:
            self._set(*key, pins=e['pins'])

    def on_victim(self, e):
        for n, c in self.of(e['pager'], 'frame'):
            if 'used' in e and c['pgno'] is not None and c['used'] != (n in e['used']):
                self._set(e['pager'], 'frame', n, used=n in e['used'])
        if e.get('frame') is not None and self.page_in(e['pager'], e['frame']) is not None:
            self._set(e['pager'], 'frame', e['frame'], state='victim')

    def on_evict(self, e):
        if e.get('frame') is not None:
            self._empty(e['pager'], e['frame'])

    def on_fresh(self, e):
        self._forget(e['pager'], e['pgno'], 1)
        self.tree.pop((e['pager'], e['pgno']), None)
        self._set(e['pager'], 'writer', e['pgno'], pgno=e['pgno'], gen=e['gen'], pins=0, state='made')

    def on_write(self, e):
        self._forget(e['pager'], e['pgno'], e['pages'])
        self._unmake(e['pager'], e['pgno'], e['pages'])

    def on_drop(self, e):
        self.on_write(e)
        self.tree = {k: v for k, v in self.tree.items() if k[0] != e['pager'] or not e['pgno'] <= k[1] < e['pgno'] + e['pages']}
        self.touched |= {(key[0], key[2]) for key in self.cells if key[0] == e['pager'] and key[1] == 'tree'}

    def _where(self, pager, pgno):
        if (pager, 'writer', pgno) in self.cells:
            return 'writer'
        frame = self.frame_of(pager, pgno)
        if frame is not None:
            return f'frame {frame}'
        cell = self.cells.get((pager, 'map', pgno))
        return 'verified' if cell and cell['state'] == 'page' else ''

    def _place_tree(self):
        """The cells of the tree follow from the others."""
        for pager, pgno in self.touched:
            key = (pager, 'tree', pgno)
            known = self.tree.get((pager, pgno))
            if known is None:
                if key in self.cells:
                    self._remove(key)
                continue
            made = {'type': known[0], 'level': known[1], 'gen': known[2], 'where': self._where(pager, pgno)}
            if self.cells.get(key) != made:
                self.cells[key] = made
                self.changed.add(key)


# In words.

def page_text(e):
    """page 7, or pages 7 to 9."""
    n = e.get('pages', 1)
    return f'page {e["pgno"]}' if n == 1 else f'pages {e["pgno"]} to {e["pgno"] + n - 1}' if n <= 1 << 20 else f'all pages from {e["pgno"]} on'


def pins_text(n):
    return f'{n} pin{"s" * (n != 1)}'


def place_text(e):
    return "the writer's own frame" if e.get('writers') else f'frame {e["frame"]}' if e.get('frame') is not None else 'the map'


def sentence(e):
    """What an event says, in one sentence."""
    op = e['op']
    if op == 'open':
        memory = f'{e["frames"]} frames, policy {e["policy"].upper()}' if e['frames'] else 'a map of the file'
        return f'A pager is opened: {e["name"]}, pages of {e["page_bytes"]} bytes, {memory}.'
    if op == 'get':
        how = 'it was there: a hit' if e['hit'] else 'it was loaded'
        return f'Get {page_text(e)}: {how}. It is in {place_text(e)}, with {pins_text(e["pins"])}.'
    if op == 'put':
        return f'Put {page_text(e)}, which is in {place_text(e)}: {pins_text(e["pins"])} left.'
    if op == 'miss':
        return (f'{page_text(e).capitalize()} is not in memory: it is read into frame {e["frame"]}.' if e.get('frame') is not None
                else f'{page_text(e).capitalize()} is not known to be good: it is verified where it lies in the map.')
    if op == 'failed':
        what = {'load': 'The read of', 'get': 'The get of', 'write': 'The write of'}.get(e['of'], 'A flush')
        return f'{what}{" " + page_text(e) if e["of"] != "flush" else ""} failed ({e["rc"]}): {e["text"]}'
    words = {
        'close': lambda: 'The pager is closed.',
        'load': lambda: f'{page_text(e).capitalize()} is whole, and is the one that was asked for.',
        'peek': lambda: f'{page_text(e).capitalize()} is looked at without a pin.',
        'prefetch': lambda: f'{page_text(e).capitalize()} will be wanted soon.',
        'read_ahead': lambda: f'{page_text(e).capitalize()} may be wanted soon: a cursor comes near it.',
        'victim': lambda: e['why'],
        'evict': lambda: f'{page_text(e).capitalize()} has left ' + (place_text(e) if e.get('frame') is not None else 'memory') + '.',
        'fresh': lambda: f'The writer makes {page_text(e)} in a frame of its own. What was known of that number is forgotten.',
        'write': lambda: f'{page_text(e).capitalize()} {"is" if e["pages"] == 1 else "are"} in the file now, and not the writer\'s any more.',
        'flush': lambda: 'All that was written is durable.',
        'drop': lambda: f'{page_text(e).capitalize()} {"is" if e["pages"] == 1 else "are"} forgotten.',
    }
    return words[op]()


def shown(kind, number, cell, marks):
    """[label, text, note, class] of a cell. The state is in words too, so that no colour is needed to read it."""
    pins = f', {pins_text(cell["pins"])}' if cell.get('pins') else ''
    if kind == 'tree':
        return [f'page {number}', cell['where'] or 'not in memory', f'gen {gen_text(cell["gen"])}', 'page' if cell['where'] else 'empty']
    if kind == 'writer':
        return [f'page {number}', 'new', f'gen {gen_text(cell["gen"])}{pins}', 'pinned' if pins else 'loading']
    if kind == 'map':
        words = {'page': ('verified', 'pinned' if pins else 'page'), 'loading': ('being verified', 'loading')}
        text, name = words.get(cell['state'], ('not known', 'empty'))
        return [f'page {number}', text, f'gen {gen_text(cell["gen"])}{pins}', name]
    label = f'frame {number}'
    if cell['pgno'] is None:
        return [label, 'empty', '', 'empty']
    notes = {'loading': 'being read', 'victim': 'the victim', 'forgotten': f'forgotten{pins}'}
    note = notes.get(cell['state'], f'gen {gen_text(cell["gen"])}{pins}')
    name = cell['state'] if cell['state'] in notes else 'pinned' if pins else 'page'
    return [label, f'page {cell["pgno"]}' + (' *' if cell['used'] and marks else ''), note, name]


def gen_text(gen):
    """A generation is an incarnation and a sequence (pager/page.h); only the second one says something here."""
    return str(gen & (1 << 40) - 1)


# The page.

def replay(events):
    """(steps, names, groups): for each event what changes, [[name, shown and the group, or None], ...]; the names of all cells in the
    order in which they are shown; the groups in which they stand."""
    model, steps, numbers, groups = Model(), [], {}, set()
    for e in events:
        made = []
        for key, cell in sorted(model.step(e).items(), key=lambda item: str(item[0])):
            name = '-'.join(str(part) for part in key)
            if cell is None:
                made.append([name, None])
                continue
            marks = model.pagers.get(key[0], {}).get('policy') in MARKING
            made.append([name, [*shown(key[1], key[2], cell, marks), group_of(key, cell)]])
            numbers[name] = key[2]
            groups.add(group_of(key, cell))
        steps.append(made)
    return steps, sorted(numbers, key=lambda name: (numbers[name], name)), groups


def group_of(key, cell):
    """Cells of a group stand in one row; a page of the tree may come to another level."""
    if key[1] != 'tree':
        return f'{key[0]}-{key[1]}'
    return f'{key[0]}-tree-{cell["type"]}-{cell["level"]}'


GROUPS = {'frame': 'The frames', 'map': 'The map', 'writer': "The writer's own pages"}


def group_title(group):
    kind, _, rest = group.split('-', 1)[1].partition('-')
    if kind != 'tree':
        return GROUPS[kind]
    page_type, level = rest.rsplit('-', 1)
    if page_type != 'node':
        return 'The pages of the test' if page_type == 'toy' else f'Pages of type {page_type}'
    return 'The tree: leaves' if level == '0' else f'The tree: inner pages, level {level}'


def group_order(group):
    """Frames first; then the tree, from its root down."""
    kind, _, rest = group.split('-', 1)[1].partition('-')
    if kind != 'tree':
        return list(GROUPS).index(kind), '', 0
    page_type, level = rest.rsplit('-', 1)
    return 9, '' if page_type == 'node' else page_type, -int(level)


def esc(text):
    return html.escape(str(text))


def table(events):
    rows = []
    for e in events:
        page = f'{e["pgno"]}' if 'pgno' in e and e['op'] != 'flush' and e.get('of') != 'flush' else ''
        rows.append(
            f'<tr id="e{e["n"]}"><th scope="row"><a href="#step={e["n"]}">{e["n"]}</a></th><td>{esc(e["op"].replace("_", " "))}</td>'
            f'<td>{page}</td><td>{gen_text(e["gen"]) if page and e.get("gen") else ""}</td><td>{esc(e.get("type", ""))}</td>'
            f'<td>{"writer" if e.get("writers") else e.get("frame", "") if e.get("frame") is not None else ""}</td>'
            f'<td>{e.get("pins", "")}</td><td>{e["thread"]}</td><td class="says">{esc(sentence(e))}</td></tr>')
    heads = ''.join(f'<th scope="col">{h}</th>' for h in ('', 'op', 'page', 'gen', 'type', 'frame', 'pins', 'thread', 'what happened'))
    return ('<div class="scroll" id="events" tabindex="0" role="region" aria-label="All events"><table><caption>All events, in their order</caption>'
            f'<thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>')


def ending(trace):
    """How it ended, where that is worth a line."""
    end, n = trace.end, len(trace.events)
    message = f': {end["message"]}' if end.get('message') else ''
    if end['end'] == 'LIMIT':
        return f'The trace stops after {n} events, and the test went on. --events N records more.'
    if end['end'] == 'PASS':
        return ''
    return f'The test ended with {end["end"]} after event {n}{message}'


def pagers_html(trace, groups):
    parts = []
    for e in trace.events:
        if e['op'] != 'open':
            continue
        mine = sorted((g for g in groups if g.split('-', 1)[0] == str(e['pager'])), key=group_order)
        memory = f'{e["frames"]} frames, {e["policy"].upper()}' if e['frames'] else 'a map'
        parts.append(f'<section class="pager"><h3>Pager {e["pager"]}: {esc(e["name"])}, {memory}</h3>')
        parts += [f'<h4>{esc(group_title(g))}</h4><ul class="cells" id="g-{esc(g)}"></ul>' for g in mine]
        parts.append('</section>')
    return ''.join(parts)


def page(trace):
    """The whole page as text: one file, without network."""
    steps, order, groups = replay(trace.events)
    head, n = trace.head, len(trace.events)
    title = f'Lab {head["lab"]}, {head["test"]}: {head["name"]}'
    runs = f', run {head["run"]} of {head["runs"]}' if head.get('runs', 1) > 1 else ''
    about = (f'{n} events of the test, seed {head["seed"]}{runs}, with '
             + ("the teacher's files" if head.get('reference') else 'your files') + f'. The test: {trace.end["end"] if trace.end["end"] != "LIMIT" else "not waited for"}.')
    end = ending(trace)
    data = {'order': order, 'steps': steps, 'says': [sentence(e) for e in trace.events]}
    text = json.dumps(data, separators=(',', ':')).replace('<', '\\u003c')
    with open(os.path.join(os.path.dirname(os.path.realpath(__file__)), 'trace.css'), encoding='utf-8') as f:
        css = f.read()
    with open(os.path.join(os.path.dirname(os.path.realpath(__file__)), 'trace.js'), encoding='utf-8') as f:
        script = f.read()
    return f'''<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{esc(title)}</title>
<style>
{css}</style>
</head>
<body>
<header>
<h1>{esc(title).replace('_', '_<wbr>')}</h1>
<p class="about">{esc(about)}</p>
{f'<p class="banner">{esc(end)}</p>' if end else ''}</header>
<main>
<noscript><p class="banner">Without scripts the slider and the picture of memory are not there. The table has all events.</p></noscript>
<section id="now" hidden>
<h2 id="at">Before the first event</h2>
<p id="says" aria-live="polite">&nbsp;</p>
<div class="moves">
<button type="button" id="back" aria-label="one event back">&larr;</button>
<input type="range" id="step" min="0" max="{n}" value="0" aria-label="the event that is shown">
<button type="button" id="next" aria-label="one event further">&rarr;</button>
</div>
<p class="note">Left and right go one event; at the slider, Page Up and Page Down go ten, Home and End to the ends. A star is the mark of a page that was used again.</p>
{pagers_html(trace, groups)}
</section>
<section>
<h2>Events</h2>
{table(trace.events)}
</section>
</main>
<script>
const TRACE = {text};
{script}</script>
</body>
</html>
'''


def main(argv):
    if len(argv) != 2:
        print('usage: trace2html.py TRACE.jsonl FILE.html', file=sys.stderr)
        return 2
    try:
        text = page(read(argv[0]))
    except TraceError as e:
        print(f'trace2html: {e}', file=sys.stderr)
        return 3
    with open(argv[1], 'w', encoding='utf-8') as f:
        f.write(text)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
