# SPDX-License-Identifier: MIT
"""One run of one cell: the file is made cold, memory is limited, the phases are driven by counters, and all is sampled from here."""
import contextlib
import dataclasses
import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

from lib import budget, child, folios, guard, program, readings, rules, slow
from lib.live import DONE, READY, Live

SAMPLE_S = 0.1
DROP_TRIES = 5
READY_S = 120
END_S = 60
RESIZE_S = 30
SETTLED_LIMIT_S = 90
FIRST_LIFE = {'name': 'before', 'until': 'settled', 'batch': 64, 'limit_seconds': 120}
POOL_WARM_SHARE = 0.1  # R8: of its frames that a pool must have evicted
GROUP_WARM_SHARE = 0.98  # R8: of its limit at which a group stands
FULL_LIMIT_S = 600
FILLING = ('full', 'settled')
NOTHING_BEFORE = 'nothing is known of the time before it began'
SETTLED_S, SETTLED_OPS, SETTLED_SHARE = 0.5, 1000, 0.01  # R8: what an operation may read in the last half second, as a part of the phase's mean


@dataclass
class Job:
    """What is to be run. seconds: of a phase whose plan says 1."""
    options: dict
    phases: list
    dataset: object
    about: dict  # the file: what Dataset.get returned
    seed: int
    seconds: float
    memory_bytes: int
    budget_kind: str
    cache_bytes: int | None = None
    idle_s: float = 1.0
    writes: bool = False
    before: str | None = None  # plan.BEFORE: a life of the same cell in the same group before the one that is measured
    wrong: str | None = None  # the rule that E17 breaks on purpose
    slow_ms: float | None = None  # what each read takes in phases of so many seconds, at least (E16)
    read_ahead_kb: int | None = None  # of a disk of our own (E3)
    on_sample: object = None  # called at each sample, with the seconds since the start
    extra: list = field(default_factory=list)


def phases_for(phases, options):
    """Those of a cell: a phase that names a kind of work is for cells of that work. The bare device has no memory that could be full. `fill-batch`, an option of the harness: how many gets at
    once fill memory."""
    found = [p for p in phases if p.get('work', options.get('work', 'get')) == options.get('work', 'get')]
    found = [p for p in found if options.get('engine') != 'device' or p.get('until') not in FILLING]
    if options.get('wrong') == 'R5':  # what others hold never fills this group
        found = [p for p in found if p.get('until') not in FILLING]
    if 'fill-batch' in options:
        found = [{**p, 'batch': options['fill-batch']} if p.get('until') in FILLING else p for p in found]
    return found


def make_cold(job):
    """Rule R5: the file leaves the page cache, or the run is refused. Returns what was found."""
    for _ in range(DROP_TRIES):
        found = job.dataset.drop(job.about)
        if not found['cached_bytes']:
            return found
        time.sleep(0.2)
    raise rules.NotNow(f'R5: {found["cached_bytes"]} bytes of {job.about["path"]} stay in the page cache: does another program '
                       f'have it open or mapped?')


def command_line(path, job, descriptor):
    words = [path, 'run', f'--file={job.about["path"]}', f'--records={job.about["records"]}', f'--seed={job.seed}',
             f'--live-fd={descriptor}', *program.words(job.options)]
    if job.options.get('keys') == 'debian':
        words.append(f'--packages={job.dataset.packages()["path"]}')
    least = min((p['memory_share'] for p in job.phases if 'memory_share' in p), default=1)
    if job.cache_bytes and least < 1:  # a pool shrinks to about half of what it was opened with, so it is opened small
        words += [f'--cache={job.cache_bytes - int((1 - least) * job.memory_bytes)}', f'--cache-max={job.cache_bytes}']
    elif job.cache_bytes:
        words.append(f'--cache={job.cache_bytes}')
    if job.budget_kind == 'cooperative' and job.options.get('engine') != 'device':
        words.append(f'--evict-above={evict_above(job)}')
    return words + job.extra


def evict_above(job):
    """Cooperative eviction: what the file may have of the page cache. A pool that reads past the page cache has none."""
    own = 1 << 20  # heap, stacks and page tables
    return max(job.memory_bytes - own - (job.cache_bytes or 0), 1 << 20)


def make_warm(job):
    """What R5 forbids, for E17: the file is in the page cache of another group, ours, which is a second budget."""
    with open(job.about['path'], 'rb') as f:
        while f.read(1 << 20):
            pass
    return job.dataset.program.ask('residency', f'--file={job.about["path"]}')


def left_as_it_is(job):
    """What R7 forbids, for E17: the file was copied a moment ago, so it is dirty, and nobody has flushed it."""
    return job.dataset.program.ask('residency', f'--file={job.about["path"]}')


@contextlib.contextmanager
def read_ahead(job):
    """The read-ahead of a disk of our own, while a run lasts."""
    if job.read_ahead_kb is None:
        yield
        return
    path = f'/sys/block/{readings.disk_of(job.about["path"])}/queue/read_ahead_kb'
    before = readings.setting(path)
    if before is None:
        raise rules.Refused(f'R6: {path}: it is not there, so the read-ahead cannot be set')
    write_setting(path, job.read_ahead_kb)
    try:
        yield
    finally:
        write_setting(path, before)


def write_setting(path, value):
    try:
        with open(path, 'w', encoding='ascii') as f:
            f.write(str(value))
    except OSError as error:
        raise rules.Refused(f'R6: {path}: {error.strerror}') from error


class Series:
    """Samples of a run, ten a second, as columns."""

    COLUMNS = ('t_ms', 'phase', 'ops', 'evictions', 'group_bytes', 'resident_bytes', 'anonymous_bytes', 'cached_bytes',
               'dirty_bytes', 'recently_evicted_bytes', 'device_read_bytes', 'device_write_bytes', 'in_flight', 'tlb_shootdowns',
               'io_pressure_us', 'memory_pressure_us')

    def __init__(self, run):
        self.run = run
        self.columns = {name: [] for name in self.COLUMNS}
        self.threads_max = None
        self.start = time.monotonic()

    def take(self, phase):
        r = self.run
        process = r.process()
        r.account.read()
        cache = r.page_cache.read() or {}
        disk = readings.disk_counters(r.disk) or {}
        if process and (self.threads_max is None or process['threads'] > self.threads_max):
            self.threads_max = process['threads']
        row = {'t_ms': round((time.monotonic() - self.start) * 1000), 'phase': phase, 'ops': r.live.ops(),
               'evictions': r.live.evictions, 'group_bytes': r.budget.group.usage(),
               'resident_bytes': process.get('resident_bytes'), 'anonymous_bytes': process.get('anonymous_bytes'),
               'cached_bytes': cache.get('cached_bytes'),
               'dirty_bytes': cache.get('dirty_bytes'), 'recently_evicted_bytes': cache.get('recently_evicted_bytes'),
               'device_read_bytes': disk.get('read_bytes'), 'device_write_bytes': disk.get('write_bytes'),
               'in_flight': disk.get('in_flight'), 'tlb_shootdowns': readings.tlb_shootdowns(),
               'io_pressure_us': readings.pressure_us('io'), 'memory_pressure_us': readings.pressure_us('memory')}
        for name in self.COLUMNS:
            self.columns[name].append(row[name])
        return row


def settled(reads):
    """Whether the last half second of (time, bytes, operations) read hardly anything an operation."""
    now, found, ops = reads[-1]
    old = next((row for row in reversed(reads) if now - row[0] >= SETTLED_S), None)
    if old is None or ops - old[2] < SETTLED_OPS:
        return False
    return (found - old[1]) / (ops - old[2]) <= SETTLED_SHARE * (found - reads[0][1]) / (ops - reads[0][2])


class Run:
    """A cell at work."""

    def __init__(self, path, job):
        self.path, self.job = path, job
        self.disk = readings.disk_of(job.about['path'])
        self.live = Live()
        self.page_cache = readings.PageCache(job.about['path'])
        self.child = self.budget = self.slow = self.cpu_stat = self.account = None
        self.out, self.errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.edges = []  # (phase's plan, machine before, machine after, CPU seconds of the harness, reached, ns in which memory was taken)
        self.invalid = []

    def close(self):
        if self.child and self.child.returncode is None:
            self.child.kill()
            self.child.wait()
        if self.slow:
            self.slow.close()
        self.live.close()
        self.page_cache.close()
        self.out.close()
        self.errors.close()

    def start(self, a_budget):
        self.budget = a_budget
        words = a_budget.command(command_line(self.path, self.job, self.live.descriptor))
        self.child = child.start(words, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.errors,
                                 pass_fds=[self.live.descriptor], start_new_session=True)
        a_budget.attach(self.child.pid)
        self.account = budget.Account(a_budget)
        self.cpu_stat = budget.cpu_stat(self.child.pid)
        if self.job.slow_ms:
            self.slow = slow.Slow(self.disk, a_budget)
            self.slow.attach(self.child.pid)
        end = time.monotonic() + READY_S
        while self.live.state < READY and self.child.poll() is None:
            if time.monotonic() > end:
                self.invalid.append(f'the cell was not ready after {READY_S} s')
                break
            time.sleep(0.005)

    def pids(self):
        """Of the cell's process; of a cell of several also of those that do its work."""
        return {self.child.pid, *self.live.pids}

    def process(self):
        """What the cell's processes have counted up to now; {} when they have ended."""
        return readings.processes(self.pids())

    def reading(self):
        """Of the machine; and of the group, where the kernel counts for groups what it reclaims."""
        group = self.budget.group.reclaim()
        return {**readings.machine(self.disk), 'reclaim_of': 'group' if group else 'machine', **(group or {}),
                'throttled_us': budget.throttled_us(self.cpu_stat)}

    def is_full(self):
        """Rule R8: by counters, never by the clock."""
        pools = self.live.pools
        if pools:
            return len(pools) == self.job.options.get('processes', 1) and \
                all(evictions >= POOL_WARM_SHARE * frames for frames, evictions in pools)
        if not self.budget.by_kernel:
            found = self.page_cache.read()
            return bool(found) and found['cached_bytes'] >= GROUP_WARM_SHARE * evict_above(self.job)
        usage = self.budget.group.usage()
        self.account.read()
        return bool(self.account.limit_hits()) or \
            (usage is not None and usage >= GROUP_WARM_SHARE * self.budget.limit_bytes)

    def is_settled(self, reads):
        """Rule R8: hardly anything of what is used has to be read any more. reads: (time, bytes, operations), to which one is added.
        It is reads an operation that tell: a disk that stalls makes neither."""
        now, found = time.monotonic(), self.process().get('read_bytes')
        if found is None:
            return False
        reads.append((now, found, self.live.ops()))
        return settled(reads)

    def share(self, part):
        """E14: the group may have this part of its budget. The pool is told, before memory is taken and after it is given; a map is
        not. Returns the time that it took, in ns; None: it could not be done, and the run is invalid."""
        start, limit_bytes = time.monotonic_ns(), int(part * self.budget.limit_bytes)
        less = limit_bytes < (self.budget.now_bytes or self.budget.limit_bytes)
        steps = [lambda: self._resize_pool(limit_bytes), lambda: self.budget.change(limit_bytes)]
        try:
            for step in steps if less else reversed(steps):
                step()
        except (OSError, budget.BudgetError) as error:
            self.invalid.append(f'memory could not be {"taken" if less else "given"}: {error}')
            return None
        return time.monotonic_ns() - start

    def _resize_pool(self, limit_bytes):
        if not self.job.cache_bytes:
            return
        wanted = self.job.cache_bytes - (self.budget.limit_bytes - limit_bytes)
        self.live.resize(wanted)
        end = time.monotonic() + RESIZE_S
        while self.live.resized != wanted and self.child.poll() is None:
            if time.monotonic() > end:
                raise budget.BudgetError(f'the pool was not resized within {RESIZE_S} s')
            time.sleep(0.001)

    def drive_phase(self, number, plan, series):
        """Until its end. False: the cell has ended."""
        if self.slow:
            self.slow.set(self.job.slow_ms if 'seconds' in plan else None)
        before, own = self.reading(), sum(os.times()[:2])
        self.live.begin(number, plan.get('batch', 0), plan.get('part', 0))
        given_ns = self.share(plan['memory_share']) if 'memory_share' in plan else None
        start, reached = time.monotonic(), 'until' not in plan
        reads = []
        limit = plan['seconds'] * self.job.seconds if 'seconds' in plan else plan.get('limit_seconds', SETTLED_LIMIT_S if plan.get('until') == 'settled' else FULL_LIMIT_S)
        while time.monotonic() - start < limit and self.child.poll() is None and not self.invalid:
            series.take(number)
            if (plan.get('until') == 'full' and self.is_full()) or (plan.get('until') == 'settled' and self.is_settled(reads)):
                reached = True
                break
            if self.job.on_sample:
                self.job.on_sample(time.monotonic() - series.start)
            time.sleep(min(SAMPLE_S, max(0.0, limit - (time.monotonic() - start))))
        ended = self.child.poll() is not None or self.live.state == DONE
        if plan.get('until') == 'end' and ended:
            reached = True
        self.edges.append((plan, before, self.reading(), sum(os.times()[:2]) - own, reached, given_ns))
        return not ended

    def finish(self):
        """The cell's own line, or None; and the status with which it ended."""
        self.account.read()
        self.live.stop()
        try:
            status = self.child.wait(END_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            status = self.child.wait()
            self.invalid.append(f'the cell did not end within {END_S} s')
        self.account.read()
        self.out.seek(0)
        self.errors.seek(0)
        text, errors = self.out.read().decode(errors='replace'), self.errors.read().decode(errors='replace').strip()
        if status != 0:
            how = f'by signal {-status}' if status < 0 else f'with status {status}'
            killed = 'the kernel killed it for lack of memory' if self.account.totals()['kills'] else 'no message'
            self.invalid.append(f'the cell ended {how}: {errors[-300:] or killed}')
            return None
        try:
            return json.loads(text)
        except ValueError:
            self.invalid.append(f'the cell printed no result: {text[:200]!r}')
            return None


def threads_expected(options):
    """How many threads the cell has at most, where that is known: a map starts none of its own."""
    if options.get('pager') != 'mmap' or options.get('work', 'get') in ('update', 'update-gets'):
        return None
    n = options.get('processes', 1)
    return n * options.get('threads', 1) + (options.get('work') == 'scan-gets') + (n > 1)  # one more process waits for the others


def _phase_lines(run, result, idle_share):
    """The phases of the cell's line, each with its name and what the machine counted meanwhile."""
    lines = []
    for line in result['phases']:
        plan, before, after, harness_s, reached, given_ns = run.edges[line['phase'] - 1]
        line.update(name=plan['name'], until=plan.get('until'), reached=reached, batch=plan.get('batch'))
        if 'memory_share' in plan:
            line.update(memory_share=plan['memory_share'], given_ns=given_ns)
        line.update(tlb_shootdowns=_difference(before, after, 'tlb_shootdowns'),
                    io_pressure_us=_difference(before, after, 'io_pressure_us'),
                    memory_pressure_us=_difference(before, after, 'memory_pressure_us'),
                    refaults=_difference(before, after, 'refaults'),
                    scanned_pages=_difference(before, after, 'scanned_pages'),
                    reclaimed_pages=_difference(before, after, 'reclaimed_pages'), reclaim_of=before['reclaim_of'],
                    throttled_us=_difference(before, after, 'throttled_us'))
        line['machine_busy_ns'] = line['requests_in_flight'] = None
        if before['cpu'] and after['cpu'] and idle_share is not None:
            total = after['cpu']['total'] - before['cpu']['total']
            busy = after['cpu']['busy'] - before['cpu']['busy']
            left = busy - total * idle_share - harness_s
            line['machine_busy_ns'] = round(left * 1e9) if left > 0 else None  # less than others used before: not known
        if before['disk'] and after['disk'] and line['ns']:
            weighted = after['disk']['weighted_ms'] - before['disk']['weighted_ms']
            line['requests_in_flight'] = weighted / (line['ns'] / 1e6)
        lines.append(line)
    return lines


def _difference(before, after, name):
    return None if before[name] is None or after[name] is None else after[name] - before[name]


def _missing(run):
    """Names of readings that this machine does not have."""
    names = [f'series.{name}' for name, values in run['series'].items() if all(v is None for v in values)]
    for phase in run['phases']:
        names += [f'phase.{name}' for name, value in phase.items() if value is None and name not in ('until', 'pager', 'batch')]
    return sorted(set(names))


def first_life(path, job, a_budget):
    """E13: the cell runs until what it uses is in memory, and ends. Its group stays, with what it has in the page cache."""
    options = {k: v for k, v in job.options.items() if k not in ('ops', 'rate')}
    run = Run(path, dataclasses.replace(job, options=options))
    try:
        run.start(a_budget)
        run.drive_phase(1, FIRST_LIFE, Series(run))
        reached = run.edges[-1][4]
        if run.finish() is None or run.invalid or not reached:
            raise rules.Refused(f'R8: the first life of the cell did not become warm: {"; ".join(run.invalid) or "its time was up"}')
    finally:
        run.close()
    if job.before == 'run-drop':
        make_cold(job)
    if job.before == 'run-load':
        used = folios.pieces(job.about['path'])
        make_cold(job)
        folios.load(job.about['path'], used, a_budget)


def run_cell(path, job):
    """Runs a cell once. Returns its line without what the session adds (experiment, round, cell)."""
    file_before = make_warm(job) if job.wrong == 'R5' else left_as_it_is(job) if job.wrong == 'R7' else make_cold(job)
    with read_ahead(job), budget.make(job.budget_kind, job.memory_bytes) as a_budget:
        if job.before:
            first_life(path, job, a_budget)
        return _run_in(path, job, a_budget, file_before)


def _run_in(path, job, a_budget, file_before):
    """The run that is measured, in its group."""
    idle = readings.machine(readings.disk_of(job.about['path']))
    time.sleep(job.idle_s)
    before = readings.machine(readings.disk_of(job.about['path']))
    idle_share = guard.busy_share(idle, before) if job.idle_s > 0 else None
    harness = os.times()
    run = Run(path, job)
    try:
        run.start(a_budget)
        opened = run.process()
        series = Series(run)
        for number, plan in enumerate(job.phases, 1):
            if run.invalid or not run.drive_phase(number, plan, series):
                break
        last = run.process()
        result = run.finish()
        after = readings.machine(run.disk)
        harness_s = sum(os.times()[:2]) - sum(harness[:2])
        line = _line(run, job, result, series, idle_share, file_before)
        own_cpu = harness_s + max(last.get('cpu_s', 0), _cpu_of(line, opened))
        noise = guard.noise(before, after, own_cpu, _device_bytes(line, opened))
        if not job.idle_s or (idle_share or 0) > guard.OTHER_CPU_SHARE:
            noise.append(f'{idle_share:.0%} of the CPU time was in use before it began' if job.idle_s
                         else NOTHING_BEFORE)
        line['flags'] += [f'R10: {text}' for text in noise]
        line['quiet'] = not noise
        if job.before:
            line['large_folio_share'] = folios.large_share(job.about['path'])
        if job.writes and result:
            line['end_flush_ns'] = _flush(job.about['path'])
    finally:
        run.close()
    if result:
        rules.judge(line)
        if job.wrong:
            rules.break_on_purpose(line, job.wrong)
    return line


def _flush(path):
    """Rule R7: how long what a written workload left takes to reach the disk, in ns."""
    start = time.monotonic_ns()
    with open(path, 'rb') as f:
        os.fsync(f.fileno())
    return time.monotonic_ns() - start


def _cpu_of(line, opened):
    return opened.get('cpu_s', 0) + sum(p['user_ns'] + p['system_ns'] for p in line['phases']) / 1e9


def _device_bytes(line, opened):
    parts = [opened.get('read_bytes'), opened.get('write_bytes')]
    for phase in line['phases']:
        parts += [phase['device_read_bytes'], phase['device_write_bytes']]
    return None if any(p is None for p in parts) else sum(parts)


def _line(run, job, result, series, idle_share, file_before):
    totals = run.account.totals()
    about = {k: v for k, v in job.about.items() if k != 'path'}
    phases = _phase_lines(run, result, idle_share) if result else []
    line = {
        'options': job.options, 'cache_bytes': job.cache_bytes, 'seed': job.seed, 'writes': job.writes, 'file': about,
        'file_before': file_before, 'before': job.before, 'read_ahead_kb': readings.setting(f'/sys/block/{run.disk}/queue/read_ahead_kb'),
        'budget': {'kind': job.budget_kind, 'by_kernel': run.budget.by_kernel, 'limit_bytes': run.budget.limit_bytes,
                   **totals, 'peak_bytes': totals['peak_bytes'] if run.budget.by_kernel else _peak_without(series)},
        'idle_busy_share': idle_share, 'sampler_pid': os.getpid(), 'cell_pid': run.child.pid,
        'threads_max': series.threads_max, 'threads_expected': threads_expected(job.options),
        'end_flush_ns': None, 'how': (result or {}).get('how', ''), 'open_ns': (result or {}).get('open_ns'),
        'evicted_bytes': (result or {}).get('evicted_bytes'), 'read_back': (result or {}).get('read_back'),
        'phases_planned': [p['name'] for p in job.phases],
        'phases': phases, 'series': series.columns, 'invalid': run.invalid, 'flags': [], 'quiet': False,
    }
    if job.options.get('keys') == 'debian':
        line['packages'] = {k: v for k, v in job.dataset.packages().items() if k != 'path'}
    if job.budget_kind == 'cooperative' and line['threads_expected'] is not None:
        line['threads_expected'] += 1
    line['missing'] = _missing(line)
    return line


def _peak_without(series):
    """The most that the cell's own memory and the page cache of the file had together."""
    both = zip(series.columns['anonymous_bytes'], series.columns['cached_bytes'])
    return max((own + cached for own, cached in both if own is not None and cached is not None), default=None)
