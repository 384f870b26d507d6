# SPDX-License-Identifier: MIT
"""./lab trace: runs one test with labs/lib/record.c linked in, and makes of what it wrote a trace and its page (trace2html.py)."""
import copy
import json
import os
import tempfile

import build
import contain
import grade
import own
import trace2html
from common import Lab, LabError, ROOT, numbers, read, say, write

RECORDER = 'labs/lib/record.c'
NEEDS = 'labs/lib/cache.c'  # what is recorded is a cache of the student's (labs/lib/cache.h)
WRAPPED = ('cache_open', 'lab_pager_open', 'cache_load', 'cache_verify', 'cache_evicted', 'bufpool_policies')
EVENTS_MAX = 2000
TYPES = {1: 'meta', 2: 'bitmap', 3: 'groups', 4: 'pending', 5: 'node', 6: 'overflow', 7: 'toy'}  # pager/page.h
IDEAS = {
    'clock': 'CLOCK goes round the frames', 'sieve': 'SIEVE goes from the oldest page to the newest', 'fifo': 'FIFO takes the page that came first',
    'lru': 'LRU takes the page that was used longest ago', '2q': '2Q keeps what was used again in a list of its own', 'random': 'RANDOM draws',
}


# Which tests.

def runs_a_cache(lab, program):
    return NEEDS in program.get('given', lab.given)


def traced(lab):
    """The ids of the tests that can be traced."""
    return [t['id'] for t in lab.tests if runs_a_cache(lab, lab.programs[t['program']])]


def test_of(lab, name):
    """The test of that name, if it can be traced."""
    if not traced(lab):
        there = ', '.join(n for n in numbers() if traced(Lab(n))) or 'none'
        raise LabError(f'lab {lab.number} has no traces: no cache of yours is below its tests. Labs with traces: {there}')
    test = lab.test(name)
    if test['id'] not in traced(lab):
        raise LabError(f'{test["id"]} has no trace: its program, {test["program"]}, has no cache of yours in it. Tests with traces: {", ".join(traced(lab))}')
    return test


def recorded(lab, test):
    """The lab with the one program of a test, the recorder in it. Not under a sanitizer: what is seen would be the same, and later."""
    program = dict(lab.programs[test['program']])
    program.pop('variant', None)
    program['given'] = [*program.get('given', lab.given), RECORDER]
    program['link'] = [f'-Wl,--wrap={name}' for name in WRAPPED]
    made = copy.copy(lab)
    made.programs = {program['name']: program}
    return made


# From the lines of the recorder to events.

class Raw:
    """The lines that one process wrote. ended: it came to its end; limit: it wrote as many as it may; cut: the last line is not whole."""

    def __init__(self, text):
        self.lines, self.cut = [], False
        for line in text.splitlines():
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                self.cut = True
                break
        ops = [e['op'] for e in self.lines]
        self.ended, self.limit = 'ended' in ops, 'limit' in ops
        self.lines = [e for e in self.lines if e['op'] not in ('ended', 'limit')]


class Pager:
    """What is known of a pager while its lines are read. Addresses tell frames apart."""

    def __init__(self, e):
        self.page_bytes, self.n_frames = e['page_bytes'], e['frames']
        self.base = None       # the address of frame 0
        self.frames = {}       # {address: frame}, where no insert says which number a frame has
        self.writers = set()   # addresses of the writer's own frames
        self.pages = {}        # {address: (pgno, gen, type, level)} as they were got
        self.pins = {}         # {address: pins}
        self.missed = set()    # threads that have loaded something since their last get

    def frame(self, at):
        if self.base is not None and 0 <= at - self.base < self.n_frames * self.page_bytes:
            return (at - self.base) // self.page_bytes
        return self.frames.setdefault(at, len(self.frames))


class Cook:
    """Turns the recorder's lines into events, one after the other."""

    def __init__(self, lines):
        self.pagers, self.events, self.model = {}, [], trace2html.Model()
        self.bases = {}
        for pager, page_bytes in {e['pager']: e['page_bytes'] for e in lines if e['op'] == 'open'}.items():
            first = next((e for e in lines if e['op'] == 'insert' and e['pager'] == pager), None)
            self.bases[pager] = first['at'] - first['frame'] * page_bytes if first else None
        for line in lines:
            if line.get('pager') == 0 or line['op'] == 'insert':  # of no pager that is followed; of use to know frames only
                continue
            event = {'n': len(self.events) + 1, 'op': line['op'], 'thread': line['thread'], 'pager': line['pager']}
            made = getattr(self, line['op'], self.other)(line, self.pagers.get(line['pager']))
            if made is None:
                continue
            event.update(made)
            self.model.step(event)
            self.events.append(event)

    def place(self, pager, at):
        """Where a page lies."""
        if at in pager.writers:
            return {'writers': True}
        return {'frame': pager.frame(at)} if pager.n_frames else {}

    def other(self, e, _):
        return {k: e[k] for k in ('pgno', 'gen', 'pages') if k in e}

    def open(self, e, _):
        self.pagers[e['pager']] = pager = Pager(e)
        pager.base = self.bases.get(e['pager'])
        return {k: e[k] for k in ('name', 'page_bytes', 'frames', 'policy')}

    def close(self, e, _):
        self.pagers.pop(e['pager'], None)
        return {}

    def page(self, e, pager):
        return {'pgno': e['pgno'], 'gen': e['gen'], **({'type': TYPES.get(e['type'], str(e['type'])), 'level': e['level']} if e.get('type') else {}),
                **self.place(pager, e['at'])}

    def fresh(self, e, pager):
        pager.writers.add(e['at'])
        return self.page(e, pager)

    def peek(self, e, pager):
        return self.page(e, pager)

    def miss(self, e, pager):
        pager.missed.add(e['thread'])
        return self.page(e, pager)

    def load(self, e, pager):
        return self.page(e, pager)

    def get(self, e, pager):
        made = self.page(e, pager)
        pager.pins[e['at']] = pager.pins.get(e['at'], 0) + 1
        pager.pages[e['at']] = {k: made[k] for k in ('pgno', 'gen', 'type', 'level') if k in made}
        hit = e['thread'] not in pager.missed
        pager.missed.discard(e['thread'])
        return {**made, 'pins': pager.pins[e['at']], 'hit': hit}

    def put(self, e, pager):
        if e['at'] not in pager.pages:  # a put without a get: the test will say so
            return None
        pager.pins[e['at']] = max(0, pager.pins[e['at']] - 1)
        return {**pager.pages[e['at']], **self.place(pager, e['at']), 'pins': pager.pins[e['at']]}

    def failed(self, e, pager):
        if e['of'] == 'get':
            pager.missed.discard(e['thread'])
        return {k: e[k] for k in ('of', 'pgno', 'gen', 'rc', 'text')}

    def evict(self, e, _):
        frame = self.model.frame_of(e['pager'], e['pgno'], e['gen'])
        return {'pgno': e['pgno'], 'gen': e['gen'], **({'frame': frame} if frame is not None else {})}

    def victim(self, e, _):
        before, after = e['marks']
        spared = [n for n, (b, a) in enumerate(zip(before, after)) if b == '1' and a == '0' and self.model.page_in(e['pager'], n) is not None]
        made = {'why': self.why(e, spared), 'spared': spared, **({'used': [n for n, a in enumerate(after) if a == '1']} if after else {})}
        if e['frame'] >= 0:
            pgno = self.model.page_in(e['pager'], e['frame'])
            made.update({'frame': e['frame'], **({'pgno': pgno} if pgno is not None else {})})
        return made

    def named(self, pager, frame):
        pgno = self.model.page_in(pager, frame)
        return f'frame {frame}' + (f' (page {pgno})' if pgno is not None else '')

    def why(self, e, spared):
        """In one sentence: what was passed over, and what was taken."""
        parts = [f'{self.named(e["pager"], n)} was used again and is spared once' for n in spared if n != e['frame'] and e['policy'] in trace2html.MARKING]
        passed = [n for n, taken in e['offered'] if not taken and self.model.page_in(e['pager'], n) is not None]
        parts += [f'{self.named(e["pager"], n)} is pinned and may not leave' for n in dict.fromkeys(passed)]
        parts.append(f'{self.named(e["pager"], e["frame"])} is the victim' if e['frame'] >= 0 else 'no page may leave')
        return f'{IDEAS.get(e["policy"], e["policy"])}: {"; ".join(parts)}.'


def pick(raws, state):
    """Which process is shown: of several rounds the first that failed, else the first. Its index."""
    return next((i for i, raw in enumerate(raws) if not raw.ended and state != grade.PASS), 0)


def trace_lines(head, raw, state, message):
    """The lines of a trace, as trace2html.read() wants them. The end of a process that came to its end is its own."""
    events = Cook(raw.lines).events
    end = 'LIMIT' if raw.limit else grade.PASS if raw.ended and state == grade.PASS else state
    return [head, *events, {'end': end, 'message': '' if end in (grade.PASS, 'LIMIT') else message, 'events': len(events)}]


# The command.

def record(lab, builder, folder, test, seed, check=None, events_max=EVENTS_MAX):
    """(raws, state, message) of one run of a test, or a LabError."""
    made = recorded(lab, test)
    program = made.programs[test['program']]
    g = grade.Grading(made, builder, folder, seed, {program['name']})
    try:
        if g.broken:
            raise LabError(g.broken[1])
        path = g.path(program['name'])
        with tempfile.TemporaryDirectory(dir=g.out) as scratch, tempfile.TemporaryDirectory(dir=scratch) as traces:
            env = grade.environment(lab, program, scratch, seed)
            env.update(LAB_TRACE=traces, LAB_TRACE_EVENTS=str(events_max))
            wanted = check or test.get('check')
            if wanted:
                env['VERSO_TEST'] = wanted
            args = [a.replace('SCRATCH', scratch) for a in test.get('args', [])]
            run = contain.run([path, *args], test.get('limit_s', program['limit_s']), env=env, cwd=scratch)
            state, message, _ = grade.words(run, wanted, program.get('skips', 0))
            raws = [Raw(read(os.path.join(traces, name))) for name in sorted(os.listdir(traces))]
        return raws, state, grade.without_paths(message, g.out, ROOT)
    finally:
        g.close()


def trace(lab, args):
    if not args.names or len(args.names) > 2:
        raise LabError(f'which test? ./lab trace {lab.number} NAME; tests with traces: {", ".join(traced(lab)) or "none"}')
    test = test_of(lab, args.names[0])
    check = args.names[1] if len(args.names) > 1 else None
    if check and test.get('check'):
        raise LabError(f'{test["id"]} is one test, {test["check"]}; a second name is for a whole program')
    if args.events < 1:
        raise LabError('--events: expected a number above 0')
    folder = lab.mine
    if args.reference:
        own.need_references(lab)
    if not args.reference and not os.path.isdir(folder):
        raise LabError(f'there is nothing of yours yet: ./lab start {lab.number}')
    with build.Builder(args.build) as builder, tempfile.TemporaryDirectory() as scratch:
        if args.reference:
            for name in lab.files:
                write(os.path.join(scratch, name), read(lab.path(name)))
        raws, state, message = record(lab, builder, scratch if args.reference else folder, test, args.seed, check, args.events)
    if not raws:
        raise LabError(f'{test["id"]} opened no pager with a cache of yours, so there is no trace ({state}{": " + message if message else ""})')
    which = pick(raws, state)
    head = {'trace': trace2html.FORMAT, 'lab': lab.number, 'test': test['id'], 'name': check or lab.name_of(test), 'seed': args.seed,
            'run': which + 1, 'runs': len(raws), 'reference': args.reference}
    base = os.path.join(args.out or folder, f'trace-{test["id"]}')
    write(base + '.jsonl', ''.join(json.dumps(line) + '\n' for line in trace_lines(head, raws[which], state, message)))
    made = trace2html.read(base + '.jsonl')
    write(base + '.html', trace2html.page(made))
    say(f'{test["id"]} {state}' + (f': {message}' if message else ''))
    if trace2html.ending(made):
        say(trace2html.ending(made))
    if raws[which].cut:
        say('the last line of the recorder was not whole and is left out: the test was ended while it wrote')
    where = os.path.relpath(base, ROOT) if base.startswith(ROOT + os.sep) else base
    say(f'{len(made.events)} events' + (f' of run {which + 1} of {len(raws)}' if len(raws) > 1 else '') + f': {where}.jsonl')
    say(f'open in a browser: {where}.html')
    return 0
