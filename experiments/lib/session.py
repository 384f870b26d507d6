# SPDX-License-Identifier: MIT
"""A session: round 1 of all experiments, then round 2 of all, one cell after the other in an order that the seed shuffles. So
whatever ends it leaves a whole report of fewer rounds. What is measured goes to the session's file at once, and the same command
goes on from there."""
import random
import time

from lib import budget, cache, code, dataset, debian, hazards, plan as plans, program, ramdisk, replay, results, rules, runner, slow
from lib.progress import Progress

OVERHEAD_S, COPY_S_PER_MIB = 1.5, 0.002  # of a run, beside its phases: drop, idle second, start; a copy of the file
# What filling a MiB takes, one get after the other and many at once; what a phase takes that ends by itself.
FULL_GUESS_S_PER_MIB, FAST_GUESS_S_PER_MIB, SETTLED_GUESS_S, END_GUESS_S = 0.025, 0.006, 1, 3
GET_GUESS_S = 0.0005  # of one get that reads, in a cell that ends by itself
DEPTH_FAST = 4  # gets in flight from which filling is fast
MAP_WRITER_PART = 2  # a map's writer holds at most this part of the budget in memory of its own
OTHER_MEMORY = "the container's own limit is the memory of this session, and cannot be another"
NOT_MEMORY = ('rate', 'keys', 'part', 'stride', 'ops', 'passes', 'scan-phase')  # options that change no memory but the frames'


def skip_reason(plan, budget_kind, engines, mode=None):
    """Why a plan cannot be run here, or None. mode: of a command that names none."""
    if mode is not None and plan.modes and mode not in plan.modes:
        return f'not in {mode}; run {plan.modes[0]} has it'
    if any(plan.options(c['name']).get('keys') == 'debian' for c in plan.cells) and debian.why_not():
        return debian.why_not()
    if 'kernel-limit' in plan.needs and budget_kind == 'cooperative':
        return 'it asks what the kernel evicts, and no memory limit of the kernel can be had here (see the lines "budget" of run doctor)'
    if budget_kind in budget.ASKED_FOR and plan.kind == 'replay':
        return f'{OTHER_MEMORY}: it runs at several sizes'
    if budget_kind in budget.ASKED_FOR and plan.kind == 'cells' and all(share != 1 for share in memory_shares(plan).values()):
        return f'{OTHER_MEMORY}: none of its cells has that'
    if 'own-group' in plan.needs and budget_kind not in budget.OWN_GROUP:
        return 'it needs a memory group that outlives its processes and whose limit can be changed; only root can make one'
    return None


def memory_shares(plan):
    """{cell: its memory as a part of the session's}."""
    return {c['name']: c.get('memory_part', plan.memory_part) * c.get('size_part', 1) for c in plan.cells}


def other_memory(plan, budget_kind):
    """{cell: why it is left out} of those whose memory a budget cannot have: the limit of a container is the session's memory."""
    if budget_kind not in budget.ASKED_FOR or plan.kind != 'cells':
        return {}
    return {name: f'{OTHER_MEMORY}: it takes {share:g} of it' for name, share in memory_shares(plan).items() if share != 1}


def cells_here(plan, engines, mode=None):
    """Names of cells that this build can run in a mode, and (name, reason) of the others."""
    names, left_out = [], []
    for cell in plan.cells:
        if cell['name'] in plan.full and mode in ('quick', 'standard'):
            left_out.append((cell['name'], f'not in {mode}; run full has it'))
            continue
        if mode == 'quick' and plan.quick and cell['name'] not in plan.quick:
            left_out.append((cell['name'], 'not in quick; run standard has it'))
            continue
        why_not = cell.get('skip') or (cell.get('disk') == 'ram' and ramdisk.why_not()) or ('slow_ms' in cell and slow.why_not())
        if why_not:
            left_out.append((cell['name'], why_not))
            continue
        engine = plan.options(cell['name']).get('engine', 'verso')
        if engine in engines:
            names.append(cell['name'])
        else:
            left_out.append((cell['name'], f'this build has no {engine}: apt-get install liblmdb-dev, and build again'))
    return names, left_out


def schedule(plan, rounds, seed, engines, mode=None):
    """Jobs (round, cell, copy) in order: each cell once a round, an A/A cell twice, shuffled by the seed. Open loops come last: their
    rate is taken from the closed ones of the round."""
    jobs = []
    names, _ = cells_here(plan, engines, mode)
    for number in range(1, rounds + 1):
        here = [(number, name, 1) for name in names]
        here += [(number, name, 2) for name in plan.aa if name in names]
        random.Random(f'{seed} {plan.id} {number}').shuffle(here)
        jobs += sorted(here, key=lambda job: 'rate_of' in plan.cell(job[1]))
    return jobs


def mode_asked(head):
    """The mode of a session whose command names no experiments, or None."""
    return None if head.get('named') else head['mode']


def seed_of(seed, plan_id, number):
    """The seed of keys in a round: the same in all its cells (rule R1)."""
    return random.Random(f'keys {seed} {plan_id} {number}').getrandbits(32)


def rounds_of(plan, head):
    """How many rounds of a plan a session shall have. What is counted needs no repetition; `run full` and a command that names the
    replay repeat it all the same, with other keys."""
    if plan.kind in ('hazard', 'code'):
        return 1
    return head.get('replay_rounds', head['rounds']) if plan.kind == 'replay' else head['rounds']


class Measure:
    """Measures plans into a writer. head: the first line, or that of the session that is resumed. minutes: after which no round of
    a plan begins. left_out: cells that this session cannot run, with the reasons. told: those of which the file already says so."""

    def __init__(self, a_program, data, writer, head, plans, retries=2, idle_s=1.0, done=(), stream=None, minutes=None, ram=None, left_out=(),
                 told=(), attempts=()):
        self.program, self.data, self.writer, self.head = a_program, data, writer, head
        self.minutes, self.ram = minutes, ram
        self.left_out, self.told = dict(left_out), set(told)  # reasons by (experiment, cell)
        for plan in plans:
            self.left_out.update({(plan.id, name): why for name, why in other_memory(plan, head['budget']).items()})
        self.plans, self.retries, self.idle_s = plans, retries, idle_s
        self.done = {tuple(line[:4]) for line in done}  # (experiment, round, cell, copy) that need not be measured again
        # Operations a second, by (experiment, round, cell): of the first copy, as where nothing was interrupted.
        self.rates = {tuple(line[:3]): line[4] for line in done if len(line) > 4 and line[3] == 1}
        self.attempts = dict(attempts)  # how often a job of the session that goes on has run, by (experiment, round, cell, copy)
        self.caches = {}  # by options: what a pool may have
        self.sized = {}  # by number of records: files of another size
        self.progress = Progress(self.expected_s(), stream)

    def guess_s(self, plan, name):
        """What one run of a cell will take."""
        options = plan.options(name)
        total = OVERHEAD_S + self.idle_s
        if plan.writes:
            total += COPY_S_PER_MIB * (self.file_bytes(plan, name) >> 20)
        part = options.get('part', 1) if options.get('keys') in plans.PART_KEYS else 1
        if 'before' in plan.cell(name):
            total += 1 + self._settled_guess_s(plan, name, part)
        for phase in runner.phases_for(plan.phases, plan.phase_options(name)):
            depth = max(phase.get('batch', 1), options.get('batch', 1))
            if options.get('io') == 'sync' and options.get('pager') != 'mmap':
                depth = 1  # one read after the other, however many gets are asked for at once
            depth = max(depth, options.get('threads', 1) * options.get('processes', 1))
            if 'seconds' in phase:
                total += phase['seconds'] * self.head['seconds']
            elif phase['until'] == 'full':
                total += (FAST_GUESS_S_PER_MIB if depth >= DEPTH_FAST else FULL_GUESS_S_PER_MIB) * (self.memory_bytes(plan, name) >> 20)
            else:
                total += self._settled_guess_s(plan, name, phase.get('part', part), depth) if phase['until'] == 'settled' \
                    else self._end_guess_s(options)
        return total

    def _settled_guess_s(self, plan, name, part, depth=DEPTH_FAST):
        """Until what is used is in memory: its pages are read, and then hardly any."""
        used = min(part * self.file_bytes(plan, name), self.memory_bytes(plan, name))
        return SETTLED_GUESS_S + (FAST_GUESS_S_PER_MIB if depth >= DEPTH_FAST else FULL_GUESS_S_PER_MIB) * (int(used) >> 20)

    def _end_guess_s(self, options):
        ops = plans.resolve(options, self.head['records']).get('ops')
        return END_GUESS_S if ops is None else min(END_GUESS_S, ops * GET_GUESS_S)

    def round_guess_s(self, plan, number):
        """What is left of one round of a plan."""
        if number > rounds_of(plan, self.head) or self.reason_to_skip(plan):
            return 0
        if plan.kind == 'hazard':
            return hazards.guess_s(plan, self.head['mode'], self.done)
        if plan.kind == 'code':
            return code.GUESS_S
        if plan.kind == 'replay':
            return replay.GUESS_S * len(replay.left(self, plan, number))
        return sum(self.guess_s(plan, name) for _, name, _ in self._jobs(plan, number))

    def rounds(self):
        return range(1, max((rounds_of(plan, self.head) for plan in self.plans), default=0) + 1)

    def expected_s(self):
        return sum(self.round_guess_s(plan, number) for number in self.rounds() for plan in self.plans)

    def reason_to_skip(self, plan):
        return skip_reason(plan, self.head['budget'], self.program.engines, mode_asked(self.head))

    def _jobs(self, plan, number):
        """Those of a round that are not done."""
        jobs = schedule(plan, number, self.head['seed'], self.program.engines, self.head['mode'])
        return [job for job in jobs if job[0] == number and (plan.id, *job) not in self.done and (plan.id, job[1]) not in self.left_out]

    def run(self):
        """Measures everything that is not done. Counts of (valid, invalid) runs."""
        counts, start = [0, 0], time.monotonic()
        here = [plan for plan in self.plans if not self._skips(plan)]
        todo = [(n, p) for n in self.rounds() for p in here if n <= rounds_of(p, self.head)]
        for number, plan in sorted(todo, key=lambda one: hazards.runs_again(one[1], self.done, self.attempts)):
            if self.minutes is not None and time.monotonic() - start >= 60 * self.minutes:
                break
            self._measure_round(plan, number, counts)
        self.progress.clear()
        return counts

    def _skips(self, plan):
        """Writes what of a plan is left out. Whether that is all of it."""
        reason = self.reason_to_skip(plan)
        if reason:
            self.writer.write({'kind': 'skip', 'experiment': plan.id, 'cell': None, 'reason': reason})
            return True
        here = dict(cells_here(plan, self.program.engines, self.head['mode'])[1])
        for name, why in {**here, **{cell: why for (experiment, cell), why in self.left_out.items() if experiment == plan.id}}.items():
            if (plan.id, name) not in self.told:
                self.writer.write({'kind': 'skip', 'experiment': plan.id, 'cell': name, 'reason': why})
        return False

    def _measure_round(self, plan, number, counts):
        if plan.kind == 'replay':
            replay.measure(self, plan, number)
        elif plan.kind == 'hazard':
            hazards.measure(self, plan)
        elif plan.kind == 'code':
            code.measure(self, plan)
        else:
            jobs = self._jobs(plan, number)
            for i, job in enumerate(jobs, 1):
                line = self.measure(plan, *job, f'round {number} of {self.head["rounds"]}, {plan.id}: {i} of {len(jobs)}')
                counts[1 if line['invalid'] else 0] += 1

    def data_of(self, plan, name):
        """Where a cell has its files: on the RAM disk, or in the folder; of the session's size, or of a part of it."""
        if plan.cell(name).get('disk') != 'ram':
            return self.sized_data(plan.cell(name).get('size_part', 1))
        if self.ram is None:
            raise rules.Refused('no RAM disk was made')
        return self.ram.data

    def sized_data(self, part):
        """The files of a part of the session's records, in the same folder."""
        records = dataset.records_for(int(part * self.head['file_bytes']))
        if part == 1 or records == self.data.records:
            return self.data
        if records not in self.sized:
            self.sized[records] = dataset.Dataset(self.data.folder, self.program, records, self.data.say)
        return self.sized[records]

    def file_for(self, plan, name, options, data):
        return data.get(options.get('engine', 'verso'), self.in_order(plan, name), self.of_file(plan))

    def of_file(self, plan):
        """Shows how far a file is that is made, copied or hashed."""
        def show(part, what):
            self.progress.show(f'{plan.id}: {what} the file, {part:.0%}')
        return show

    @staticmethod
    def in_order(plan, name):
        """Whether the file of a cell was loaded in the order of its keys."""
        return plan.cell(name).get('in_order', plan.records_in_order)

    def file_bytes(self, plan, name):
        return int(plan.cell(name).get('size_part', 1) * self.head['file_bytes'])

    def memory_bytes(self, plan, name):
        """The budget of a cell: that of the session, or a part of it. A file of another size has as much more or less memory."""
        cell = plan.cell(name)
        return int(cell.get('memory_part', plan.memory_part) * cell.get('size_part', 1) * self.head['memory_bytes'])

    def job(self, plan, name, number):
        data = self.data_of(plan, name)
        options = plans.resolve(plan.options(name), data.records)
        about = self.file_for(plan, name, options, data)
        return runner.Job(options, runner.phases_for(plan.phases, plan.phase_options(name)), data, about, seed_of(self.head['seed'], plan.id, number),
                          self.head['seconds'], self.memory_bytes(plan, name), self.head['budget'], idle_s=self.idle_s,
                          before=plan.cell(name).get('before'), wrong=plan.cell(name).get('wrong'), slow_ms=plan.cell(name).get('slow_ms'),
                          read_ahead_kb=plan.cell(name).get('read_ahead_kb'),
                          writes=plan.writes and options.get('engine') != 'device')

    def cache_bytes(self, plan, name, job):
        """What a pool may have beside all else that the cell needs; measured once for each kind of cell. A map's writer has a part."""
        if not cache.has_pool(job.options):
            is_writer = job.writes and job.options.get('engine', 'verso') == 'verso'
            return job.memory_bytes // MAP_WRITER_PART if is_writer else None
        key = (self.in_order(plan, name), job.memory_bytes, plan.cell(name).get('disk'), *sorted((k, v) for k, v in job.options.items() if k not in NOT_MEMORY))
        if key not in self.caches:
            self.progress.show(f'{plan.id}: measuring what {name} needs beside its frames', force=True)
            if job.writes:
                job.about = job.dataset.copy(job.about, self.of_file(plan))
            self.caches[key] = cache.size_for(self.program.path, job)
        return self.caches[key]

    def set_rate(self, plan, name, number, job):
        """Rule R12: an open loop runs at a share of the rate of the slower of some closed ones, in the same round."""
        cell = plan.cell(name)
        if 'rate_of' not in cell:
            return
        rates = [self.rates.get((plan.id, number, other)) for other in cell['rate_of']]
        if None in rates:
            raise rules.Refused(f'R12: the rate of {cell["rate_of"][rates.index(None)]} in this round is not known')
        job.options['rate'] = round(cell['rate_share'] * min(rates) / job.options.get('threads', 1), 3)
        if job.options['rate'] <= 0:  # which the program takes for a closed loop
            raise rules.Refused(f'R12: the rate of an open loop: {cell["rate_share"]} of {min(rates):g} operations a second is less than any')

    def measure(self, plan, number, name, copy, text):
        """One job, repeated while the machine is not quiet; each attempt is a line, the last one is final."""
        guess = self.guess_s(plan, name)
        before = self.attempts.get((plan.id, number, name, copy), 0)  # of the session that goes on: an id is used once
        for attempt in range(before + 1, before + self.retries + 2):
            line = self._attempt(plan, number, name, copy, text, guess)
            line.update(kind='run', experiment=plan.id, plan=plan.hash, round=number, cell=name, copy=copy, attempt=attempt)
            line['id'] = f'{self.head["session"]}/{plan.id}/{number}/{name}/{copy}/{attempt}'
            again = not line['quiet'] and not line['invalid'] and attempt <= before + self.retries
            line['final'] = not again and not line.pop('not_now', False)
            self.writer.write(line)
            if not again:
                if copy == 1:
                    self.rates[(plan.id, number, name)] = rate_of(line)
                break
            self.progress.expected_s += guess
            self.progress.finish(guess)
        self.progress.finish(guess)
        return line

    def _attempt(self, plan, number, name, copy, text, guess):
        job = None
        try:
            job = self.job(plan, name, number)
            original = job.about
            self.set_rate(plan, name, number, job)
            job.cache_bytes = self.cache_bytes(plan, name, job)
            if job.writes or job.wrong == 'R7':  # as whoever measures what was copied a moment ago
                job.about = job.dataset.copy(original, self.of_file(plan))
                if wrong := rules.same_copy(job.about):
                    raise rules.Refused(wrong[0])
            job.on_sample = lambda s: self.progress.show(f'{text}, {name}', min(s, guess))
            started = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())
            self.progress.show(f'{text}, {name}')
            return {'started': started, **runner.run_cell(self.program.path, job)}
        except (rules.Refused, budget.BudgetError, program.ProgramError, dataset.DataError) as refused:
            options = job.options if job else plans.resolve(plan.options(name), self.head['records'])
            about = job.about if job else {'engine': options.get('engine', 'verso')}  # there is no file
            return {'started': None, 'options': options, 'seed': seed_of(self.head['seed'], plan.id, number), 'phases': [],
                    'invalid': [str(refused)], 'not_now': isinstance(refused, (rules.NotNow, dataset.DataError)), 'flags': [],
                    'quiet': False, 'missing': [], 'file': {k: v for k, v in about.items() if k != 'path'}}
        finally:
            if job and job.about.get('copied'):
                dataset.remove(job.about['path'])


def rate_of(line):
    """Operations a second in the last phase of a run; None: it has none. Only to choose the rate of an open loop."""
    phases = line['phases']
    return phases[-1]['ops'] * 1e9 / phases[-1]['ns'] if phases and not line['invalid'] and phases[-1]['ops'] else None


def finished_jobs(session):
    """The jobs of a session that need not be measured again, with their rates."""
    done = [(line['experiment'], line['round'], line['cell'], line['copy'], rate_of(line))
            for line in session.of_kind('run') if line.get('final')]
    return done + replay.finished(session) + hazards.finished(session) + code.finished(session)


def attempts(session):
    """How often each job has run."""
    runs = {(line['experiment'], line['round'], line['cell'], line['copy']): line['attempt'] for line in session.of_kind('run')}
    return {**runs, **hazards.attempts(session)}


def left_out(session):
    """Reasons by (experiment, cell): of cells that a session did without, and does without when it goes on."""
    return {(line['experiment'], line['cell']): line['reason'] for line in session.of_kind('skip') if line['cell'] is not None}


def resumable(folder, head, plans, engines, seed=None):
    """The newest session of a folder that was begun in the same way and is not complete, or None. seed: that was asked for; another
    seed is another session."""
    for session in reversed(results.sessions_in(folder)):
        same = all(session.head.get(key) == head[key] for key in
                   ('machine_id', 'version', 'budget', 'mode', 'file_bytes', 'memory_bytes', 'rounds', 'replay_rounds', 'seconds'))
        hashes = {pid: about['hash'] for pid, about in session.head['plans'].items()}
        if not same or seed not in (None, session.head['seed']) or hashes != {p.id: p.hash for p in plans}:
            continue
        done = {tuple(line[:4]) for line in finished_jobs(session)}
        for plan in plans:
            if skip_reason(plan, head['budget'], engines, mode_asked(head)):
                continue
            if plan.kind == 'replay':
                if not replay.is_complete(plan, session):
                    return session
            elif plan.kind == 'code':
                if not code.is_complete(plan, session):
                    return session
            elif plan.kind == 'hazard':
                if not hazards.is_complete(plan, session):
                    return session
            elif any((plan.id, *job) not in done and (plan.id, job[1]) not in left_out(session)
                     for job in schedule(plan, head['rounds'], session.head['seed'], engines, head['mode'])):
                return session
    return None
