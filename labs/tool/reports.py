# SPDX-License-Identifier: MIT
"""Labs without code: a report on measurements, held against the runs that it speaks of.

A claim of a report names where it comes from, in a source: `...` with an equals sign in it. Three kinds:

    E72 full rate: map-random / pool-uring = 0.93 [0.88, 0.99] less    a ratio over rounds, its interval, and what may be said
    E72 full rate: pool-uring = 10400                                  the mean of one cell over rounds
    SESSION/E72/3/pool-uring/1/1 full rate = 10392                     one run, by its id

Runs are sessions of experiments/run (docs/experiments-format.md). The harness's own statistics compute each number again.
"""
import datetime
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field

import build
import grade
import mklab
import objects
import own
from common import GraderError, Lab, LabError, ROOT, read, say, toml, write

sys.path.append(os.path.join(ROOT, 'experiments'))

CLAIMS = 'Claims'
ROUNDS_MIN = 5
PASS, FAIL, OPEN = 'PASS', 'FAIL', 'NOT WRITTEN'
NUMBER = r'-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?'
OF_CELLS = re.compile(rf'(?P<experiment>[A-Z]\d+) (?P<phase>\w[\w -]*?) (?P<metric>[a-z]\w*): (?P<cell>[\w-]+)(?: / (?P<base>[\w-]+))?'
                      rf'(?: = (?P<value>{NUMBER})(?: \[(?P<low>{NUMBER}), (?P<high>{NUMBER})\])?(?: (?P<word>[a-z ]+))?)?')
OF_RUN = re.compile(rf'(?P<run>[\w.:-]+(?:/[\w.:-]+){{5}}) (?P<phase>\w[\w -]*?) (?P<metric>[a-z]\w*)(?: = (?P<value>{NUMBER}))?')
# What has digits in a text and is no measurement: experiments, hypotheses, claims, questions, rules.
NAMES = re.compile(r'\b[A-Z]\d+(?:\.\d+)?\b')
IN_TEXT = re.compile(r'(?<![\w.])(\d[\d,]*(?:\.\d+)?)( ?%| per cent)?')
HARNESS = None


def harness():
    """The modules of experiments/ that read sessions; only a whole clone has them."""
    global HARNESS
    if HARNESS is None:
        try:
            from lib import compare, metrics, plan, report, results, stats  # pylint: disable=import-outside-toplevel
        except ImportError:
            raise LabError('this lab needs the folder experiments/ of the project: work in a clone, or in the pack of Lab 7') from None
        HARNESS = {'compare': compare, 'metrics': metrics, 'plan': plan, 'report': report, 'results': results, 'stats': stats}
    return HARNESS


# Runs.

class Runs:
    """Some sessions, in which each experiment stands once."""

    def __init__(self, sessions):
        self.sessions = sessions

    @classmethod
    def of(cls, paths):
        """The sessions in files and folders; LabError for what is neither."""
        files = []
        for path in paths:
            if os.path.isdir(path):
                files += sorted(os.path.join(at, n) for at, _, names in os.walk(path) for n in names if n.endswith('.jsonl'))
            elif os.path.isfile(path):
                files.append(path)
            else:
                raise LabError(f'there are no runs at {path}: name a session (.jsonl) of experiments/run, or a folder of them')
        try:
            return cls([harness()['results'].Session(path) for path in files])
        except harness()['results'].ResultsError as e:
            raise LabError(f'{e}; expected a session of experiments/run') from None

    def of_experiment(self, name):
        """(session, plan) or (None, why not)."""
        found = [s for s in self.sessions if name in s.head['plans'] and s.of_kind('run', name)]
        if not found:
            have = sorted({e for s in self.sessions for e in s.experiments() if s.of_kind('run', e)})
            return None, f'{name} was not measured; there are: {", ".join(have) or "no runs"}'
        if len(found) > 1:
            return None, f'{name} is in two sessions, {found[0].head["session"]} and {found[1].head["session"]}: give one of them'
        try:
            return found[0], harness()['report'].plan_of(found[0], name)
        except harness()['plan'].PlanError as e:
            raise LabError(f'{found[0].path}: the plan in it cannot be read: {e}') from None

    def run(self, run_id):
        return next((line for s in self.sessions for line in s.of_kind('run') if line['id'] == run_id), None)


# What a source says, and what the runs say.

@dataclass
class Source:
    text: str
    parts: dict | None   # None: it cannot be read
    values: list = field(default_factory=list)   # of the runs, for the numbers in the claim's text
    ratio: float | None = None

    @property
    def is_ratio(self):
        return bool(self.parts and self.parts.get('base'))


def source_of(text):
    match = OF_CELLS.fullmatch(text) or OF_RUN.fullmatch(text)
    return Source(text, match.groupdict() if match else None)


def same(text, value):
    """Whether a number as it is written is this value, rounded. Three digits always count; a 0 at the end of 10400 does not."""
    digits = text.replace(',', '')
    written = float(digits)
    mantissa, _, exponent = digits.partition('e')
    whole, dot, fraction = mantissa.lstrip('-').partition('.')
    if dot:
        unit = 10.0 ** -len(fraction)
    else:
        zeros = len(whole) - len(whole.rstrip('0'))
        unit = 10.0 ** max(0, min(zeros, len(whole) - 3))
    if exponent:
        unit *= 10.0 ** int(exponent)
    return abs(written - value) <= 0.5 * unit * (1 + 1e-9) + 1e-12 * abs(value)


def shown(value):
    """A value as a source may write it."""
    if value is None:
        return 'nothing'
    if value == 0:
        return '0'
    if abs(value) < 1e-3:
        return f'{value:.2e}'
    if abs(value) >= 1e4:
        return f'{float(f"{value:.4g}"):.0f}'
    return f'{value:.0f}' if abs(value) >= 100 else f'{value:.3g}' if abs(value) >= 10 else f'{value:.2f}' if abs(value) >= 0.1 else f'{value:.4f}'


class Judge:
    """Compares sources with runs; gathers (rule, what is wrong)."""

    def __init__(self, runs):
        self.runs, self.found = runs, []

    def wrong(self, rule, text):
        self.found.append((rule, text))

    def source(self, s):
        if s.parts is None:
            self.wrong('L2', f'`{s.text}` cannot be read as a source; one looks like `E72 full rate: map-random / pool-uring = 0.93 [0.88, 0.99] less`')
        elif 'run' in s.parts:
            self.one_run(s)
        else:
            self.cells(s)

    def metric(self, s):
        """The metric that a source names, or None."""
        metric = harness()['metrics'].METRICS.get(s.parts['metric'])
        if not metric:
            self.wrong('L3', f'`{s.text}`: there is no metric {s.parts["metric"]}')
        return metric

    def one_run(self, s):
        run, metric = self.runs.run(s.parts['run']), self.metric(s)
        if run is None:
            self.wrong('L3', f'`{s.text}`: there is no run {s.parts["run"]}')
        if run is None or metric is None:
            return
        if harness()['metrics'].phase_of(run, s.parts['phase']) is None:
            self.wrong('L3', f'`{s.text}`: the run has no phase {s.parts["phase"]}; it has {self.phases(run)}')
        elif run['invalid']:
            self.wrong('L3', f'`{s.text}`: the run is invalid: {run["invalid"][0]}')
        elif metric.needs_quiet and not run['quiet']:
            self.wrong('L9', f'`{s.text}`: the machine was not quiet in that run, so it has no {s.parts["metric"]}')
        else:
            self.number(s, harness()['metrics'].read(run, s.parts['phase'], s.parts['metric']))

    @staticmethod
    def phases(run):
        return ', '.join(p['name'] for p in run.get('phases', [])) or 'none'

    def number(self, s, value):
        if value is None:
            self.wrong('L3', f'`{s.text}`: the runs do not have that reading')
        elif s.parts.get('value') is None:
            self.wrong('L4', f'`{s.text}` gives no number; the runs say {shown(value)}')
        elif not same(s.parts['value'], value):
            self.wrong('L4', f'`{s.text}`: the runs say {shown(value)}')
        s.values.append(value)

    def cells(self, s):
        p = s.parts
        session, plan = self.runs.of_experiment(p['experiment'])
        metric = self.metric(s)
        if session is None:
            self.wrong('L3', f'`{s.text}`: {plan}')
        if session is None or metric is None:
            return
        runs = session.runs(p['experiment'])
        for name in filter(None, (p['cell'], p['base'])):
            if name not in {r['cell'] for r in runs}:
                self.wrong('L3', f'`{s.text}`: the cell {name} was not measured; there are {", ".join(sorted({r["cell"] for r in runs}))}')
                return
        if p['phase'] not in [phase['name'] for phase in plan.phases]:
            self.wrong('L3', f'`{s.text}`: {p["experiment"]} has no phase {p["phase"]}; it has {", ".join(phase["name"] for phase in plan.phases)}')
            return
        if s.is_ratio:
            self.ratio(s, runs, plan, metric)
        else:
            self.mean(s, runs, metric)

    def rounds(self, s, n, runs, metric):
        """Whether there are rounds enough; why not, if not."""
        if n >= ROUNDS_MIN:
            return True
        if metric.needs_quiet and any(not r['quiet'] for r in runs if r['cell'] in (s.parts['cell'], s.parts['base'])):
            self.wrong('L9', f'`{s.text}`: the machine was quiet in {n} rounds only, and {s.parts["metric"]} does not count in others')
        else:
            self.wrong('L6', f'`{s.text}`: {n} valid rounds; expected at least {ROUNDS_MIN}')
        return False

    def mean(self, s, runs, metric):
        values = [harness()['metrics'].read(r, s.parts['phase'], s.parts['metric']) for r in runs
                  if r['cell'] == s.parts['cell'] and r['copy'] == 1 and not r['invalid']]
        values = [v for v in values if v is not None]
        if s.parts['low'] or s.parts['word']:
            self.wrong('L7', f'`{s.text}`: an interval and a word belong to a ratio of two cells')
        if self.rounds(s, len(values), runs, metric):
            self.number(s, sum(values) / len(values))

    def ratio(self, s, runs, plan, metric):
        p, verification = s.parts, harness()['plan'].verification
        checks = [verification(plan.options(name)) for name in (p['cell'], p['base'])]
        if checks[0] != checks[1] or checks[0] == 'once':
            self.wrong('L10', f'`{s.text}`: {p["cell"]} verifies "{checks[0]}" and {p["base"]} "{checks[1]}": pages must be verified alike')
        c = harness()['compare'].compare(runs, plan, p['cell'], p['base'], p['phase'], p['metric'])
        if not self.rounds(s, len(c.run_ids) // 2, runs, metric):
            return
        if c.found is None:
            self.wrong('L4', f'`{s.text}`: there is no ratio ({c.verdict.why}): give the mean of each cell')
            return
        s.ratio = c.found.ratio
        self.number(s, c.found.ratio)
        if p['low'] is None:
            self.wrong('L7', f'`{s.text}` shows no interval; it is [{shown(c.found.low)}, {shown(c.found.high)}]')
        elif not (same(p['low'], c.found.low) and same(p['high'], c.found.high)):
            self.wrong('L7', f'`{s.text}`: the interval is [{shown(c.found.low)}, {shown(c.found.high)}]')
        s.values += [c.found.low, c.found.high]
        if p['word'] != c.verdict.word:
            why = f' ({c.verdict.why})' if c.verdict.why else ''
            self.wrong('L8', f'`{s.text}` says {p["word"] or "no word"}; the runs say: {c.verdict.word}{why}')


def filled(text, runs):
    """The source for what was asked, with the numbers of the runs: for a student who writes a claim. Or a LabError."""
    s = source_of(text)
    if s.parts is None:
        raise LabError(f'{text} cannot be read; one looks like: E72 full rate: map-random / pool-uring')
    judge = Judge(runs)
    judge.source(s)
    lost = [words for rule, words in judge.found if rule in ('L3', 'L6', 'L9', 'L10')] or [w for r, w in judge.found if not s.values]
    if lost:
        raise LabError(lost[0])
    head = text.split(' = ')[0]
    if not s.is_ratio:
        return f'{head} = {shown(s.values[0])}'
    word = next((w.rpartition('the runs say: ')[2].split(' (')[0] for r, w in judge.found if r == 'L8'), s.parts['word'])
    return f'{head} = {shown(s.values[0])} [{shown(s.values[1])}, {shown(s.values[2])}] {word}'


# The report.

def without_comments(text):
    return re.sub(r'<!--.*?-->', lambda m: '\n' * m.group().count('\n'), text, flags=re.S)


def parts_of(text):
    """{heading: (line of its first line, text below)}."""
    found, heading, begin, lines = {}, None, 0, []
    for number, line in enumerate(without_comments(text).split('\n') + ['## '], 1):
        if line.startswith('## '):
            if heading:
                found[heading] = (begin, '\n'.join(lines))
            heading, begin, lines = line[3:].strip(), number + 1, []
        else:
            lines.append(line)
    return found


@dataclass
class Claim:
    line: int
    text: str

    @property
    def sources(self):
        return [source_of(code) for code in re.findall(r'`([^`]+)`', self.text) if ' = ' in code or OF_CELLS.fullmatch(code) or OF_RUN.fullmatch(code)]

    def name(self):
        words = re.sub(r'\s+', ' ', re.sub(r'`[^`]*`', '', self.text)).strip()
        return f'"{words[:60]}{"..." if len(words) > 60 else ""}"'


def claims_of(text):
    """Paragraphs and items of lists below the heading of claims."""
    begin, body = parts_of(text).get(CLAIMS, (0, ''))
    found, lines, at = [], [], 0

    def end():
        if re.search(r'\w', ''.join(lines)):
            found.append(Claim(begin + at, '\n'.join(lines)))
        lines.clear()
    for number, line in enumerate(body.split('\n')):
        item = re.match(r'\s*(?:[-*]|\d+\.)\s+(.*)', line)
        if not line.strip() or line.startswith('#') or item:
            end()
        if line.strip() and not line.startswith('#'):
            at = at if lines else number
            lines.append(item.group(1) if item else line)
    end()
    return found


def numbers_without_source(claim, sources):
    """Numbers in the words of a claim that none of its sources has."""
    words = NAMES.sub('', re.sub(r'`[^`]*`', '', claim.text))
    for text, percent in IN_TEXT.findall(words):
        values = [v for s in sources for v in s.values]
        if percent:
            values = [100 * abs(1 - s.ratio) for s in sources if s.ratio is not None]
        if not any(same(text, v) for v in values):
            yield text + percent


def lint(lab, text, runs, noted, is_demo=False):
    """{rule: [what is wrong]} and the set of rules of which nothing can be said yet. noted: what was predicted (noted()). is_demo:
    runs that nobody measured will do."""
    found = {rule['id']: [] for rule in lab.rules}
    template, parts = parts_of(read(lab.path('report.md'))), parts_of(text)
    for heading in template:
        if heading not in parts:
            found['L1'].append(f'the part "## {heading}" is missing')
        elif heading != CLAIMS and not re.search(r'\w', parts[heading][1]):
            found['L1'].append(f'the part "## {heading}" is empty')
    claims = claims_of(text)
    for claim in claims:
        sources = claim.sources
        if not sources:
            found['L2'].append(f'line {claim.line}: the claim {claim.name()} names no run')
        judge = Judge(runs)
        for s in sources:
            judge.source(s)
        for rule, words in judge.found:
            found[rule].append(f'line {claim.line}: {words}')
        if sources and all(s.values for s in sources):  # else that is what is wrong
            for number in numbers_without_source(claim, sources):
                found['L5'].append(f'line {claim.line}: the number {number} of the text is in no source of the claim {claim.name()}')
    if not is_demo:
        found['L12'] += [words for s in runs.sessions for words in made_up(s)]
    for h in lab.hypotheses:
        found['L11'] += late(h, noted.get(h['id']), runs)
    is_open = set() if claims else {r['id'] for r in lab.rules} - {'L1', 'L11'}
    if all(not re.search(r'\w', body) for heading, (_, body) in parts.items() if heading in template):
        is_open.add('L1')
    if not noted:
        is_open.add('L11')
    if not runs.sessions:
        is_open |= {'L11', 'L12'}
    return found, is_open


def made_up(session):
    """Why nobody can have measured a session, as a list. It finds the session of model.py, and no careful forgery: rubric.md."""
    starts = [run['started'] for run in session.of_kind('run') if run['started']]  # without those that were refused
    if session.head['machine_id'] == 'model':
        return [f'the session {session.head["session"]} was made by model.py: nobody measured it']
    if len(starts) > 1 and len(set(starts)) == 1:
        return [f'all {len(starts)} runs of the session {session.head["session"]} began at {starts[0]}: runs are measured one after the other']
    return []


def late(h, noted, runs):
    """Why a hypothesis does not count, as a list."""
    if noted is None:
        return [f'{h["id"]} was not noted: ./lab predict 7 {h["id"]} WORD']
    started = [s.head['started'] for s in runs.sessions if s.of_kind('run', h['experiment'])]
    if started and noted['noted'] >= min(started):
        return [f'{h["id"]} was noted at {noted["noted"]}, and {h["experiment"]} began at {min(started)}: a hypothesis comes before the run']
    return []


def outcome(h, runs):
    """What the runs say of a hypothesis."""
    session, plan = runs.of_experiment(h['experiment'])
    if session is None:
        return plan
    c = harness()['compare'].compare(session.runs(h['experiment']), plan, h['cell'], h['base'], h['phase'], h['metric'])
    why = f', {c.verdict.why}' if c.verdict.why else ''
    return f'{c.verdict.word} ({harness()["compare"].interval(c.found)}{why})'


# Hypotheses.

CHOICES = ('more', 'the same', 'less')


def noted_in(folder):
    """{id: {answer, noted}} of a folder."""
    path = os.path.join(folder, 'predict.json')
    try:
        found = json.loads(read(path)) if os.path.getsize(path) <= grade.FILE_BYTES_MAX else {}
        return {i: {'answer': str(p['answer']), 'noted': str(p['noted'])} for i, p in found.items()}
    except own.NO_PREDICTIONS:
        return {}


def predict(lab, args):
    mine = noted_in(lab.mine)
    if not args.names:
        for h in lab.hypotheses:
            say(f'{h["id"]}  {h["text"]}')
            say(f'    {h["experiment"]} {h["phase"]} {h["metric"]}: {h["cell"]} / {h["base"]}')
            say(f'    you noted: {mine[h["id"]]["answer"]}' if h['id'] in mine else
                f'    your hypothesis: ./lab predict {lab.number} {h["id"]} {" | ".join(CHOICES)}')
        return
    ids, answer = [h['id'] for h in lab.hypotheses], ' '.join(args.names[1:])
    if args.names[0] not in ids or answer not in CHOICES:
        raise LabError(f'which, and what? ./lab predict {lab.number} ID {" | ".join(CHOICES)}; there are: {", ".join(ids)}')
    if args.names[0] in mine:
        raise LabError(f'{args.names[0]} is noted already: the first answer counts')
    mine[args.names[0]] = {'answer': answer, 'noted': datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ')}
    write(os.path.join(lab.mine, 'predict.json'), json.dumps(mine, indent=1) + '\n')
    say(f'noted. {len(ids) - len(mine)} to go' if len(mine) < len(ids) else f'noted. Now measure: ./lab measure {lab.number}')


# The commands.

def state_of(rule, found, is_open):
    return OPEN if rule in is_open and (rule != 'L1' or found[rule]) else FAIL if found[rule] else PASS


def lint_command(lab, args):
    if args.source:
        say(filled(args.source, Runs.of(args.names or [os.path.join(lab.mine, 'runs')])))
        return 0
    if len(args.names) < 2:
        raise LabError(f'what against what? ./lab lint {lab.number} REPORT.md RUNS; RUNS are sessions (.jsonl), or folders of them')
    path, runs = args.names[0], Runs.of(args.names[1:])
    try:
        text = read(path)
    except (OSError, UnicodeDecodeError) as e:
        raise LabError(f'{path}: {getattr(e, "strerror", None) or "it is no text"}') from None
    noted = noted_in(os.path.dirname(os.path.abspath(path)))
    found, is_open = lint(lab, text, runs, noted, args.demo)
    states = {rule['id']: state_of(rule['id'], found, is_open) for rule in lab.rules}
    for rule in lab.rules:
        say(f'{rule["id"]:6} {rule["name"]:60} {states[rule["id"]]}')
        if states[rule['id']] == FAIL:
            for words in found[rule['id']]:
                say(f'       {words}')
            say(f'       why it matters: {rule["why"]}')
            say(f'       what to do: {rule["look"]}')
    say()
    if runs.sessions and noted:
        for h in lab.hypotheses:
            say(f'{h["id"]}  you said: {noted.get(h["id"], {}).get("answer", "nothing")}; the runs say: {outcome(h, runs)}')
    n_good = sum(state == PASS for state in states.values())
    say(f'lab {lab.number}: {n_good} of {len(states)} rules hold' + ('' if n_good == len(states) else '. A report is marked when all do.'))
    return 0 if n_good == len(states) else 1


# Measuring.

OWN = {'own-pool': ('2', 'pool.c', 'labs/lib/as_bufpool.c'), 'own-map': ('4', 'map.c', 'labs/lib/as_mmap.c')}
CELL_SOURCES = ['experiments/cell/*.c', 'tools/common/switches.c']
NOT_IN_CELL = ['experiments/cell/engine_lmdb.c']  # another engine
# The harness starts one program; this one becomes the one that is meant. `--io=own` is its own word. A student's pool keeps half
# of its cache and 64 pages (txn_writer_pages()) for the writer, in frames of their own (as_bufpool.c), which take no memory before they
# are written to. So it is given that on top, and has as many frames for reading as the budget allows, like the engine's. Rule R3 of the
# harness refuses a run in which it has not.
DISPATCH = '''#!/bin/sh
# Which of three programs a cell is: {versions}
own= map=
for word; do
	case $word in
	--io=own) own=1 ;;
	--pager=mmap) map=1 ;;
	esac
done
n=$#
while [ "$n" -gt 0 ]; do
	word=$1
	shift
	case $own$map$word in
	1--cache=*) word=--cache=$((${{word#--cache=}} * 2 + 128 * 4096)) ;;
	esac
	[ "$word" = --io=own ] || set -- "$@" "$word"
	n=$((n - 1))
done
[ -n "$own" ] || exec {engine} "$@"
[ -n "$map" ] && exec {own_map} "$@"
exec {own_pool} "$@"
'''


def own_file(name, reference):
    """(lab, folder, file) of a student's cache; LabError: it is not there, or not finished."""
    number, source, _ = OWN[name]
    lab = Lab(number)
    lab.files = [source]
    if reference:
        own.need_references(lab)
    folder = lab.folder if reference else lab.mine
    if not os.path.isfile(os.path.join(folder, source)):
        raise LabError(f'{os.path.relpath(os.path.join(folder, source), ROOT)} is not there: this lab measures your files of Labs 2 and 4; '
                       '--reference takes the teacher\'s')
    todo = mklab.left(lab) if not reference else {}
    if todo:
        raise LabError(f'{source} is not finished: task {min(todo, key=lambda t: [int(n) for n in t.split(".")])} of Lab {number}')
    return lab, folder, source


def own_cell(builder, name, reference, out, variant='fast'):
    """The program of a cell around a student's cache, built as the engine's is: optimised. Its path."""
    (lab, folder, source), glue = own_file(name, reference), OWN[name][2]
    sources = [os.path.relpath(path, ROOT) for path in build.find(CELL_SOURCES, NOT_IN_CELL)]
    program = {'name': name, 'sources': sources, 'libs': ['trace'], 'variant': variant, 'link': ['-lm'],
               'given': [glue, 'labs/lib/cache.c', 'labs/lib/lab_pager.c', 'labs/lib/todo.c']}
    builder.prepare(lab, [program])
    mine, faults = builder.student(lab, folder, out, variant)
    if faults:
        raise LabError('\n'.join(faults.values()))
    for path in mine.values():
        found = objects.findings(path, lab)
        if found:
            raise LabError(f'{source} is refused: ' + '; '.join(found))
    return builder.link(lab, program, mine, out)


def engine_cell():
    """The engine's cell, built with optimisation and up to date. Its path. Its folder is this lab's own: that of experiments/run has
    other options."""
    folder = os.path.join(ROOT, 'build-lab7')
    commands = [['meson', 'compile', '-C', folder, 'experiment_programs']]
    if not os.path.exists(os.path.join(folder, 'build.ninja')):
        commands.insert(0, ['meson', 'setup', folder, ROOT, '--buildtype=release', '-Dbench=disabled', '-Dtests=disabled',
                            '-Dman=disabled', '-Dpython=disabled', '-Dtools=disabled'])
    say(f'Building in {os.path.relpath(folder, ROOT)}')
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as e:
            raise LabError(f'{command[0]}: {e.strerror}: apt-get install meson ninja-build gcc pkg-config libxxhash-dev liburing-dev') from None
        if done.returncode != 0:
            raise LabError(f'{" ".join(command)} failed:\n{(done.stdout + done.stderr)[-2000:]}')
    return os.path.join(folder, 'experiments', 'cell')


def hash_of(path):
    import hashlib  # pylint: disable=import-outside-toplevel
    with open(path, 'rb') as f:
        return hashlib.sha256(f.read()).hexdigest()[:12]


def dispatcher(out, paths):
    """Writes the program that becomes one of them; its bytes name theirs, so another build is another version. Its path."""
    path = os.path.join(out, 'cell')
    versions = ', '.join(f'{name} {hash_of(p)}' for name, p in paths.items())
    write(path, DISPATCH.format(versions=versions, **{name.replace('-', '_'): shlex.quote(p) for name, p in paths.items()}))
    os.chmod(path, 0o755)
    return path


def measure(lab, args):
    """./lab measure 7 [WORDS OF experiments/run]: builds the cells, and goes. --engine=CELL: with this program as the engine's."""
    words = list(args.names)
    reference = '--reference' in words
    words = [w for w in words if w != '--reference']
    plans = sorted(n[:-5] for n in os.listdir(lab.path('plans')) if n.endswith('.toml'))
    chosen = [w for w in words if w in plans] or plans
    rest = [w for w in words if w not in plans]
    run = os.path.join(ROOT, 'experiments', 'run')
    if not os.path.exists(run):
        harness()
    missing = [h['id'] for h in lab.hypotheses if h['id'] not in noted_in(lab.mine)]
    if missing and not reference:
        raise LabError(f'hypotheses come first: ./lab predict {lab.number}; {", ".join(missing)} not noted yet')
    for name in OWN:  # before anything is built
        own_file(name, reference)
    engine = next((w.partition('=')[2] for w in rest if w.startswith('--engine=')), None) or engine_cell()
    rest = [w for w in rest if not w.startswith('--engine=')]
    with build.Builder() as builder:
        out = os.path.join(builder.folder, f'lab{lab.number}')
        os.makedirs(out, exist_ok=True)
        paths = {'engine': engine, **{name: own_cell(builder, name, reference, out) for name in OWN}}
    options = [f'--plans={lab.path("plans")}', f'--cell={dispatcher(out, paths)}']
    for name, value in (('--rounds', ROUNDS_MIN), ('--results', os.path.join(lab.mine, 'runs'))):
        if not any(w.startswith(name + '=') or w == name for w in rest):
            options.append(f'{name}={value}')
    return subprocess.call([sys.executable, run, *chosen, *options, *rest])


# The lab judged: what selfcheck.py does for the others.

def model(lab, change=None):
    """(report, lines of a session, what was predicted) that are right; `change`: of the runs (model.py of the lab)."""
    import importlib.util  # pylint: disable=import-outside-toplevel
    spec = importlib.util.spec_from_file_location('model_of_lab', lab.path('model.py'))
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return read(lab.path('model.md')), made.lines(change), made.predicted()


def of_template(lab):
    """{rule: state} of the report in which nothing is written yet."""
    found, is_open = lint(lab, read(lab.path('report.md')), Runs([]), {})
    return {rule['id']: state_of(rule['id'], found, is_open) for rule in lab.rules}


def judged(lab, text, lines, noted, folder, is_demo=True):
    path = os.path.join(folder, 'runs.jsonl')
    write(path, ''.join(json.dumps(line) + '\n' for line in lines))
    found, is_open = lint(lab, text, Runs.of([path]), noted, is_demo)
    return {rule['id']: state_of(rule['id'], found, is_open) for rule in lab.rules}, found


def planted(lab, name, bad):
    """A report that is wrong in one place: (report, lines, predicted)."""
    text, lines, noted = model(lab, bad.get('runs'))
    if 'old' in bad:
        if text.count(bad['old']) != 1:
            raise GraderError(f'bad.toml: {name}: `old` occurs {text.count(bad["old"])} times')
        text = text.replace(bad['old'], bad['new'])
    for hypothesis, noted_at in bad.get('noted', {}).items():
        if noted_at:
            noted[hypothesis]['noted'] = noted_at
        else:
            del noted[hypothesis]
    return text, lines, noted


def bad_reports(lab):
    return toml(lab.path('bad.toml'))


def red_list(lab):
    """{rule: state} that the handout prints."""
    return dict(re.findall(r'^ {4}(L\d+) +.*?  +(PASS|FAIL|NOT WRITTEN)$', read(lab.path('handout.md')), re.M))


def selfcheck(lab, builder, check, folder, quick):
    for name in OWN:
        made = own_cell(builder, name, True, folder, 'plain' if quick else 'fast')  # plain: the engine is there, for other labs
        done = subprocess.run([made, 'version'], capture_output=True, text=True, check=False)
        check.that(done.returncode == 0 and f'"optimization":"{1 if quick else 3}"' in done.stdout,
                   f'{name} is built around the reference, and starts: {(done.stdout + done.stderr)[:200]}')
    text, lines, noted = model(lab)
    states, found = judged(lab, text, lines, noted, folder)
    check.that(set(states.values()) == {PASS}, f'the model report is accepted: {[w for ws in found.values() for w in ws][:3]}')
    states = of_template(lab)
    check.that(states == red_list(lab), f'the red list of the handout differs: {sorted(set(states.items()) ^ set(red_list(lab).items()))}')
    refused = set()
    for name, bad in bad_reports(lab).items():
        states, found = judged(lab, *planted(lab, name, bad), folder, bad.get('demo', True))
        fired = {rule for rule, state in states.items() if state == FAIL}
        check.that(fired == set(bad['kills']), f'{name}: {sorted(fired)} refuse it, expected {bad["kills"]}: '
                                               f'{[w for r in fired for w in found[r]][:3]}')
        refused |= fired
        say(f'  {name:34} {" ".join(sorted(fired))}')
    for rule in lab.rules:
        check.that(rule['id'] in refused, f'{rule["id"]} refuses no report')
    plans = harness()['plan'].load_all(lab.path('plans'))
    for h in lab.hypotheses:
        plan = plans.get(h['experiment'])
        check.that(plan and {h['cell'], h['base']} <= {c['name'] for c in plan.cells} and h['phase'] in [p['name'] for p in plan.phases]
                   and h['metric'] in harness()['metrics'].METRICS, f'{h["id"]} asks for what is measured')
