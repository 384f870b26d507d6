# SPDX-License-Identifier: MIT
"""Grades a folder: builds a student's files into the lab's programs, runs each test by itself, and says
what came of it.

States: PASS, FAIL, NOT IMPLEMENTED, CRASHED (a signal, an assertion or a sanitizer), HUNG, SKIPPED (with the
reason), GRADER ERROR (no fault of the student's: costs nobody points).
"""
import concurrent.futures
import json
import os
import platform
import re
import shutil
import stat
import tempfile

import contain
import mklab
import objects
from common import GraderError, LabError, ROOT, write

PASS, FAIL, TODO, CRASHED, HUNG, SKIPPED, ERROR = (
    'PASS', 'FAIL', 'NOT IMPLEMENTED', 'CRASHED', 'HUNG', 'SKIPPED', 'GRADER ERROR')
NOT_JUDGED = (ERROR, SKIPPED)  # the machine's fault, which costs nobody points
FILE_BYTES_MAX = 1 << 20
HUNG_MAX = 2  # of a program; then its others are not run
TOTALS = re.compile(r'(?:^|\n)(\d+) passed, (\d+) failed, (\d+) skipped\s*\Z')  # the last line of each program that is a test
FAILURE = re.compile(r'^(\S+?):(\d+):([FE]):([^:]*):(\w+):(\d+): (.*)$', re.M)
NOTED = re.compile(r'^lab-todo: (\S+) (\S+)', re.M)
SANITIZER = re.compile(r'^.*((?:Thread|Address|Leak)Sanitizer: .*|runtime error: .*)$', re.M)
ASSERTION = re.compile(r'^.*assertion.*failed.*$|^.*: ASSERT.*$', re.M | re.I)
CONTEXT = re.compile(r'^# (.*)$', re.M)
NOTE = re.compile(r'^note: (.*)$', re.M)  # what a test that passed has to say: which of two ways it went
# A sanitizer that does not come up on this machine. Anybody can print this line, so it is not believed: Grading.run().
NO_SANITIZER = re.compile(r'^FATAL: ThreadSanitizer: unexpected memory mapping.*', re.M)
SANITIZER_TRIES = 6  # where addresses are random, it comes up at times


def collect(names, folder, to):
    """Copies these files of a student, and nothing else, out of a folder. {name: what is wrong with it}."""
    faults = {}
    for name in names:
        path = os.path.join(folder, name)
        try:
            status = os.lstat(path)
        except OSError:
            faults[name] = f'there is no file {name}'
            continue
        if not stat.S_ISREG(status.st_mode) or status.st_size > FILE_BYTES_MAX:
            faults[name] = f'{name} is not a file of at most {FILE_BYTES_MAX} bytes'
        else:
            shutil.copyfile(path, os.path.join(to, name))
    return faults


def words(run, wanted, skips=0):
    """(state, message, context) of a run of one test. wanted: a Check test, or None for a whole program; skips: so many of its
    rounds may be skipped on any machine."""
    out = run.output
    if run.refused:
        return ERROR, 'this machine could not run the test: ' + run.refused, ''
    failures = [f for f in FAILURE.findall(out) if not wanted or f[4] == wanted]
    totals = TOTALS.search(out)
    contexts = CONTEXT.findall(out)
    context = contexts[int(failures[0][5])] if failures and int(failures[0][5]) < len(contexts) else ''
    good = run.status == 0 and not run.is_late and not run.is_loud and not run.is_big
    note = NOTE.findall(out)
    if good and totals:
        n_passed, n_failed, n_skipped = map(int, totals.groups())
        if n_failed == 0 and n_passed > 0 and n_skipped <= skips:
            return PASS, note[-1] if note else '', ''
        if n_failed == 0 and n_skipped > 0:
            reasons = re.findall(r'^skipped: (.*)$', out, re.M)
            return SKIPPED, reasons[-1] if reasons else 'no reason was printed', ''
    noted = NOTED.search(out)
    if noted:
        return TODO, f'Lab {noted.group(1)}, {noted.group(2)}(), is not implemented yet', ''
    if run.is_loud:
        return FAIL, f'it wrote more than {contain.OUTPUT_BYTES >> 20} MiB of output and was ended', ''
    if run.is_big:
        return FAIL, f'it used more than {contain.MEMORY_BYTES >> 30} GiB of memory, or {contain.PROCESSES} processes, and was ended', ''
    sanitizer = SANITIZER.search(out)
    if sanitizer:
        return CRASHED, '; '.join(line.strip() for line in out[sanitizer.start(1):].split('\n')[:4] if line.strip()), context
    text = failures[0][6] if failures else ''
    if run.is_late or 'Test timeout expired' in text:
        return HUNG, 'it did not come to its end: somebody waits for ever, or a loop has no end', context
    assertion = ASSERTION.search(out)
    if failures and not wanted:
        text = f'{failures[0][4]}: {text}'
        others = sorted({f[4] for f in failures} - {failures[0][4]})
        if others:
            text += f' (and {len(others)} more: ' + ', '.join(others[:5]) + (', ...)' if len(others) > 5 else ')')
    if failures and failures[0][2] == 'F':
        return FAIL, sentence(text), context
    if assertion:
        return CRASHED, assertion.group(0).strip(), context
    if failures:
        return CRASHED, text, context
    if 'the process ended before the test did' in out:
        return CRASHED, 'the process ended before the test did', context
    if run.status < 0:
        return CRASHED, f'it was ended by signal {-run.status}', context
    last = ' / '.join([line for line in out.split('\n') if line.strip()][-3:])[:400]
    if run.status == 0 and not totals:
        return FAIL, f'it ended without its last line, `N passed, 0 failed, N skipped`; the last that it wrote: {last or "nothing"}', context
    return FAIL, f'exit status {run.status}: {last}', context


def sentence(text):
    """Check's text without the half that says the same twice: what was found, and what was expected."""
    match = re.match(r"(.*?)Assertion '(.*?)' failed: (.*)$", text)
    bare = re.match(r"(.*?)Assertion '(.*)' failed$", text)
    if bare:
        return f'{bare.group(1)}{bare.group(2)} is false, expected true'
    if not match:
        return text
    before, claim, values = match.groups()
    for sign, words_of_it in ((' == ', ''), (' >= ', 'at least '), (' <= ', 'at most '), (' > ', 'more than '), (' != ', 'not ')):
        left, found, right = claim.partition(sign)
        same = re.match(re.escape(left) + r' == (.*?), ' + re.escape(right) + r' == ([^:]*)(?:: (.*))?$', values) if found else None
        if same:
            value, wanted, note = same.groups()
            return f'{before}{left} was {value}' + (f' ({note})' if note else '') + \
                f', expected {words_of_it}{right}' + (f' ({wanted})' if wanted != right else '')
    return f'{before}expected: {claim}; found: {values}'


def without_paths(text, *folders):
    """Names as the student knows them."""
    for folder in folders:
        text = text.replace(folder + os.sep, '')
    return text


def without_seed(text, seed):
    """A message of a test that ran with the teacher's seed: no number that is called a seed (that of a round, or of a line to
    replay, leads back to it), nor that number by itself."""
    text = re.sub(r'(seeds?\W{0,3}|seed is )(0x[0-9a-f]+|\d[0-9a-f]*)', r'\1?', text, flags=re.I)
    return re.sub(rf'(?<![0-9a-z])({seed}|0*{seed:x}|0x0*{seed:x})(?![0-9a-z])', '?', text, flags=re.I)


def environment(lab, program, scratch, seed, replay=None):
    env = {k: v for k, v in os.environ.items() if k in ('PATH', 'LANG', 'LD_LIBRARY_PATH')}
    env.update(VERSO_TEST_DIR=scratch, TMPDIR=scratch, TEMP=scratch, HOME=scratch, VERSO_SEED=str(seed), VERSO_IO='sync',
               TSAN_OPTIONS='halt_on_error=1:exitcode=66', ASAN_OPTIONS='halt_on_error=1:detect_leaks=0')
    env.update({k: str(v) for k, v in program.get('env', {}).items()})
    if replay:
        env['VERSO_REPLAY'] = replay
    return env


def marks(paths):
    """What changes when somebody writes, replaces or renames one of these files; the time is the kernel's."""
    found = {}
    for name, path in paths.items():
        try:
            status = os.lstat(path)
            found[name] = (status.st_dev, status.st_ino, status.st_mode, status.st_size, status.st_ctime_ns)
        except OSError:
            found[name] = None
    return found


class Grading:
    """One submission, built once, of which tests are run."""

    def __init__(self, lab, builder, folder, seed=1, programs=None, replay=None):
        self.lab, self.builder, self.seed, self.replay = lab, builder, seed, replay
        self.out = tempfile.mkdtemp(prefix='lab-', dir=builder.folder)
        self.paths, self.errors, self.broken = {}, {}, None
        self.faults = {}  # of a student's file: what is wrong with it. It costs the programs that are made of it, and no other
        self.hung = {}  # of tests without an end, in their order: {id: program, or None of one that was not run for it}
        self.states = {}  # of all tests that were run: a seeded one counts by the parent of its public one
        try:
            self.build(folder, programs)
        except LabError as e:
            self.broken = (FAIL, without_paths(str(e), self.out, ROOT))
        except GraderError as e:
            self.broken = (ERROR, str(e))

    def build(self, folder, programs):
        lab = self.lab
        wanted = [p for n, p in lab.programs.items() if (not p.get('tool') if programs is None else n in programs)]
        self.builder.prepare(lab, wanted)
        names = [n for n in lab.files if any(n in lab.parts_of(p) for p in wanted)]
        self.faults = collect(names, folder, self.out)
        mine = {}
        for variant in dict.fromkeys(['plain', *(p.get('variant', 'plain') for p in wanted)]):
            mine[variant], faults = self.builder.student(lab, self.out, self.out, variant, names)
            self.faults = {**faults, **self.faults}
        # In each variant: an #ifdef may hide code from one. Sanitizers have constructors of their own.
        found = {}
        for variant, paths in mine.items():
            for name, path in paths.items():
                for what in objects.findings(path, lab, sanitized=self.builder.is_sanitized(variant)):
                    found.setdefault(name, {})[what] = None
        self.faults.update({name: 'refused before it was run: ' + '; '.join(what) for name, what in found.items()})
        self.faults = {name: without_paths(fault, self.out, ROOT) for name, fault in self.faults.items()}
        good = [p for p in wanted if not self.fault_of(p)]
        if not good:
            raise LabError('\n'.join(dict.fromkeys(map(self.fault_of, wanted))))
        with concurrent.futures.ThreadPoolExecutor(self.builder.jobs) as pool:
            links = {p['name']: pool.submit(self.builder.link, lab, p, mine[p.get('variant', 'plain')], self.out) for p in good}
            for name, link in links.items():
                try:
                    self.paths[name] = link.result()
                except LabError as e:
                    self.faults[name] = without_paths(str(e), self.out, ROOT)
                except GraderError as e:
                    if self.starter_links(lab.programs[name]):
                        self.faults[name] = without_paths(f'your files do not link into {name}, and the starter does:\n' + str(e).split('\n', 1)[-1],
                                                          self.out, ROOT)
                    else:
                        self.errors[name] = without_paths(str(e), self.out, ROOT)

    def fault_of(self, program):
        """What is wrong with a student's file of which a program is made, or with all of them together; None: nothing."""
        return next((self.faults[n] for n in [*self.lab.parts_of(program), program['name']] if n in self.faults), None)

    def starter_links(self, program):
        """Whose fault a link is that failed: not the project's, if the same program links around the starter."""
        with tempfile.TemporaryDirectory(dir=self.out) as folder:
            for name, text in mklab.starters(self.lab).items():
                write(os.path.join(folder, name), text)
            try:
                mine, _ = self.builder.student(self.lab, folder, folder, program.get('variant', 'plain'))
                self.builder.link(self.lab, program, mine, folder)
            except (GraderError, LabError):
                return False
        return True

    def path(self, program):
        if program in self.errors:
            raise GraderError(self.errors[program])
        fault = self.fault_of(self.lab.programs[program])
        if fault:
            raise LabError(fault)
        return self.paths[program]

    def close(self):
        shutil.rmtree(self.out, ignore_errors=True)

    def has_sanitizer(self, variant):
        """Whether a program of ours, with nothing of the student's in it, comes up under a sanitizer."""
        with tempfile.TemporaryDirectory(dir=self.out) as folder:
            path = self.builder.nothing(variant, folder)
            return any(contain.run([path], 20, env=dict(os.environ), cwd=folder).status == 0 for _ in range(SANITIZER_TRIES))

    def run(self, test, seed=None):
        """(state, message, context, seconds)."""
        if self.broken:
            return *self.broken, '', 0.0
        program = self.lab.programs[test['program']]
        fault = self.fault_of(program)
        if fault:
            return FAIL, fault, '', 0.0
        if program['name'] in self.errors:
            return ERROR, '\n'.join(self.errors[program['name']].split('\n')[:2]), '', 0.0
        before = marks(self.paths)
        scratch = tempfile.mkdtemp(dir=self.out)
        env = environment(self.lab, program, scratch, seed or self.seed, self.replay)
        del env['VERSO_SEED']  # that is handed over, below
        if test.get('check'):
            env['VERSO_TEST'] = test['check']
        try:
            args = [a.replace('SCRATCH', scratch) for a in test.get('args', [])]
            command = [self.paths[program['name']], *args]
            for _ in range(SANITIZER_TRIES):
                run = contain.run(command, test.get('limit_s', program['limit_s']), env=env, cwd=scratch, seed=seed or self.seed)
                lost = NO_SANITIZER.search(run.output) if self.builder.is_sanitized(program.get('variant', 'plain')) else None
                if not lost:
                    break
            if lost and not self.has_sanitizer(program['variant']):
                run.refused = lost.group()
        except OSError as e:
            return ERROR, f'{program["name"]} could not be started: {e.strerror}', '', 0.0
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        changed = [name for name, mark in marks(self.paths).items() if mark != before[name]]
        if changed:
            self.broken = (FAIL, f'the test programs {", ".join(changed)} were changed while your files ran: nothing of this counts')
            return *self.broken, '', run.seconds
        state, message, context = words(run, test.get('check'), program.get('skips', 0))
        return state, without_paths(message, self.out, ROOT), context, run.seconds

    @staticmethod
    def left_out(test, hung):
        """Why a test is not run, by those before it that had no end (as `self.hung`); None: it is."""
        for before in (test.get('parent'), test.get('public')):
            if before in hung:
                return f'not run: {before}, without which it does not count, ' + ('did not come to its end' if hung[before] else 'was not run')
        if list(hung.values()).count(test['program']) >= HUNG_MAX:
            return f'not run: {HUNG_MAX} tests of {test["program"]} did not come to their end'
        return None

    def run_all(self, tests, seed=None, each=None):
        """Results in the order of tests; as many at a time as there are processors. What a test without an end costs the others follows
        from that order, and not from how many of them have begun when its time is over."""
        hung = {}  # as self.hung, of these tests, as they end

        def run(n):
            """None: by what is known now it need not be run."""
            test, known = tests[n], {**self.hung, **{t['id']: hung[t['id']] for t in tests[:n] if t['id'] in hung}}
            result = None if self.left_out(test, known) else self.run(test, seed)
            if not result or result[0] == HUNG:
                hung[test['id']] = test['program'] if result else None
            return result
        with concurrent.futures.ThreadPoolExecutor(self.builder.jobs) as pool:
            futures = [pool.submit(run, n) for n in range(len(tests))]
            results, told = [], set()
            concurrent.futures.wait([] if each else futures)
            for test, future in zip(tests, futures):
                why = self.left_out(test, self.hung)
                state, message, context, seconds = (HUNG, why, '', 0.0) if why else future.result() or self.run(test, seed)
                if state == HUNG:
                    self.hung[test['id']] = None if why else test['program']
                if self.broken:  # by a run of these tests, too
                    (state, message), context = self.broken, ''
                if message in told:  # what a compiler complains of, for one
                    message = message.split('\n', 1)[0]
                told.add(message)
                counts = self.states.get(test.get('parent'), PASS) in (PASS, *NOT_JUDGED)
                points = test['points'] if state == PASS and counts else 0
                result = {'id': test['id'], 'name': self.lab.name_of(test), 'task': test['task'], 'state': state,
                          'points': points, 'max_points': test['points'], 'message': message, 'context': context,
                          'seed': seed or self.seed, 'seconds': round(seconds, 2)}
                if state == PASS and points < test['points']:
                    result['message'] = f'it counts when {test["parent"]} passes too'
                self.states[test['id']] = state
                results.append(result)
                if each:
                    each(test, result)
        return results


def grade_folder(lab, builder, folder, seed=1, private_seed=None):
    """All results of a submission; those of the private seed have an `s` after their id, and do not tell it."""
    g = Grading(lab, builder, folder, seed)
    try:
        results = g.run_all(lab.tests)
        if private_seed:
            results += [{**r, 'message': without_seed(r['message'], private_seed), 'context': without_seed(r['context'], private_seed),
                         'seed': None, 'is_private': True} for r in g.run_all(seeded(lab), private_seed)]
        return results
    finally:
        g.close()


def seeded(lab):
    return [{**t, 'id': t['id'] + 's', 'points': t['seeded'], 'public': t['id']} for t in lab.tests if t.get('seeded')]


def io_backend(results):
    """What the tests' own I/O was; and that of a queue which a student wrote, where a test says it (Lab 3)."""
    said = [m.group(1) for m in (re.search(r'your queue ran (on [\w ]+)', r.get('message', '')) for r in results) if m]
    return 'sync' + (f'; your queue {said[-1]}' if said else '')


def sheet(lab, results, seed):
    """What result.json holds."""
    counted = [r for r in results if r['state'] not in NOT_JUDGED]
    points, max_points = sum(r['points'] for r in counted), sum(r['max_points'] for r in counted)
    extra = {}
    if lab.public_points:
        public = [r for r in counted if r['id'] in {t['id'] for t in lab.tests}]
        whole = sum(r['max_points'] for r in public) or 1
        extra = {'public_points': round(lab.public_points * sum(r['points'] for r in public) / whole, 1), 'public_max': lab.public_points}
    return {
        'lab': lab.number, 'title': lab.title, 'seed': seed, 'io_backend': io_backend(results), 'host': platform.machine(),
        'contained_by': contain.wrapper()[1],
        'points': points, 'max_points': max_points, 'by_hand': lab.by_hand, **extra,
        'tests': results,
    }


def lines_of(test, r, lab):
    """A result for people."""
    head = f'{r["id"]:6} {r["name"]:58} {r["points"]}/{r["max_points"]}  {r["state"]}'
    if r['state'] == PASS:
        return [head + (f'   ({r["message"]})' if r['message'] else '')]
    lines = [f'{head}   task {r["task"]}' + (f'   {test["invariant"]}' if test.get('invariant') else '')]
    lines.append('       ' + (f'{r["context"]}: ' if r['context'] else '') + r['message'])
    if r['state'] in (FAIL, CRASHED, HUNG):
        lines.append('       why it matters: ' + test['why'])
        hints, name = test.get('hints', []), test.get('public', test['id'])  # a command knows a seeded test by the name of its public one
        lines.append('       look at: ' + test['look'] + (f'      hint 1 of {len(hints)}: ./lab hint {lab.number} {name}' if hints else ''))
        if not r.get('is_private'):  # its seed stays with the teacher
            lines.append(f'       again:   ./lab test {lab.number} {r["id"]} --seed {r["seed"]}' + (' --gdb' if r['state'] != HUNG else ''))
    return lines


def save(path, value):
    part = path + '.part'
    with open(part, 'w', encoding='utf-8') as f:
        json.dump(value, f, indent=1)
        f.write('\n')
    os.replace(part, path)
