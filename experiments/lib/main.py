# SPDX-License-Identifier: MIT
"""The command line of `run`."""
import argparse
import contextlib
import math
import os
import random
import re
import signal
import sys
import tempfile
import time

from lib import budget, code, machine, page, page_readme, plan as plans, plot, probe, program, progress, ramdisk, readings, replay, report, \
    results, rules, session, stats, within
from lib.dataset import DataError, Dataset, lock, records_for

HERE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
OK, USAGE, FAILED, INTERRUPTED = 0, 2, 3, 130
MINUTES_MAX = 100000.0
BUDGET_WORDS = {'scope': 'systemd of this user', 'group2': 'cgroup version 2, root', 'group1': 'cgroup version 1, root',
                'container': 'the limit of this container', 'cooperative': 'no limit: a thread evicts'}
BYTES_PER_S = {'making': 50 << 20, 'hashing': 300 << 20, 'copying': 500 << 20}  # guesses, for the time left


def say(text=''):
    print(text, flush=True)


def size(text):
    match = re.fullmatch(r'(\d+)([KMG]?)', text)
    if not match or int(match.group(1)) == 0:
        raise argparse.ArgumentTypeError(f'expected a size such as 64M, found {text}')
    return int(match.group(1)) << {'': 0, 'K': 10, 'M': 20, 'G': 30}[match.group(2)]


def number(what, most, least=None):
    """The type of an option: a number up to `most`, from `least` on, or without it more than 0."""
    expected = f'more than 0 and at most {most}' if least is None else f'from {least} to {most}'

    def parse(text):
        try:
            value = type(most)(text)
        except ValueError:
            value = math.nan
        if not (0 < value if least is None else least <= value) or not value <= most:
            raise argparse.ArgumentTypeError(f'expected {what}, {expected}, found {text}')
        return value
    return parse


def parser(text):
    p = argparse.ArgumentParser(prog='run', description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('what', nargs='+', metavar='COMMAND', help='doctor, quick, standard, full, report, readme, or ids of experiments')
    p.add_argument('--rounds', type=number('rounds', stats.ROUNDS_MAX, 1), help='how often each cell runs')
    p.add_argument('--size', choices=sorted(plans.MODES), help='sizes and times of experiments that are named')
    p.add_argument('--file', type=size, help='bytes of the file, such as 64M')
    p.add_argument('--memory', type=size, help='bytes of memory for a cell')
    p.add_argument('--seconds', type=number('seconds', 86400.0), help='of a phase whose plan says 1')
    p.add_argument('--seed', type=int, help='of the order of cells and of the keys')
    p.add_argument('--retries', type=number('repetitions', 99, 0), help='how often a run is repeated while the machine is not quiet (2; quick: 1)')
    p.add_argument('--idle', type=number('seconds', 3600.0, 0), default=1.0, help='seconds of quiet before a run (1)')
    p.add_argument('--budget', choices=budget.KINDS, help='how memory is limited (the best that works here)')
    p.add_argument('--data', help='folder of the files that are measured (beside the build)')
    p.add_argument('--results', default=os.path.join(HERE, 'results'), help='folder of the results')
    p.add_argument('--plans', default=os.path.join(HERE, 'plans'), help='folder of the plans')
    p.add_argument('--cell', help='the program of the cell (that of build-experiments, else of another ordinary build, else it is built)')
    p.add_argument('--minutes', type=number('minutes', MINUTES_MAX),
                   help='after which no round of an experiment begins; the same command goes on later')
    p.add_argument('--dry-run', action='store_true', help='only tell how long it would take, by experiment')
    p.add_argument('--new', action='store_true', help='begin a new session, even if one was interrupted')
    return p


def mode_of(args):
    if args.what[0] in plans.MODES:
        return plans.MODES[args.what[0]]
    return plans.MODES[args.size or 'standard']


def retries_of(args):
    if args.retries is not None:
        return args.retries
    return 1 if args.what[0] == 'quick' else 2


class UsageError(Exception):
    """A command that says two things, or one that would be passed over; the text says which."""


ALONE = ('doctor', 'readme', *plans.MODES)  # commands that stand by themselves


def check_words(args):
    """What would be passed over in silence is refused."""
    for word in args.what:
        others = ' '.join(w for w in args.what if w != word)
        if args.what.count(word) > 1:
            raise UsageError(f'{word}: expected once, found {args.what.count(word)} times')
        if word in plans.MODES and others:
            raise UsageError(f'{word}: expected no other word beside it, found {others}; an experiment at that size: run E2 --size={word}')
        if word in ALONE and others:
            raise UsageError(f'{word}: expected no other word beside it, found {others}')
    if args.what[0] in plans.MODES and args.size not in (None, args.what[0]):
        raise UsageError(f'--size={args.size}: {args.what[0]} has a size of its own')
    if args.what[0] == 'report' and len(args.what) > 2:
        raise UsageError(f'report: expected one file of lines, found {" ".join(args.what[1:])}')
    if args.budget == 'container' and args.memory:
        raise UsageError("--memory: the container's own limit is the memory with --budget=container, and no other can be had")


def chosen_plans(args, everything):
    """The plans that the command names."""
    if args.what[0] == 'quick':
        return [p for pid, p in everything.items() if pid in plans.QUICK]
    if args.what[0] in plans.MODES:
        return list(everything.values())
    for name in args.what:
        if name not in everything:
            raise plans.PlanError(f'no experiment {name}; there are {", ".join(everything)}, and doctor, quick, standard, full, report, readme')
    return [everything[name] for name in args.what]


def the_program(args):
    return program.check(program.Program(args.cell)) if args.cell else program.find(os.path.dirname(HERE), say)


def data_folder(args, a_program):
    folder = args.data or os.path.join(os.path.dirname(os.path.dirname(a_program.path)), 'experiments-data')
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DataError(f'{folder}: {error.strerror}: the files are made there; choose another folder with --data=') from error
    return folder


def head_of(args, a_program, folder, chosen, kind):
    """The first line of a session (docs/experiments-format.md)."""
    mode, named = mode_of(args), args.what[0] not in plans.MODES
    card = machine.card(folder)
    rounds = args.rounds or mode.rounds
    memory = budget.container_limit() if kind == 'container' else args.memory or mode.memory_bytes
    file_bytes = args.file or (4 * memory if kind == 'container' else mode.file_bytes)
    return {
        'kind': 'session', 'format': results.FORMAT, 'session': None, 'mode': mode.name, 'named': named,
        'started': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
        'machine_id': machine.machine_id(card), 'machine': card, 'version': a_program.version, 'build': a_program.build,
        'commit': machine.commit(HERE),
        'engines': a_program.engines, 'budget': kind, 'budget_by_kernel': budget.CLASSES[kind].by_kernel,
        'file_bytes': file_bytes, 'memory_bytes': memory, 'records': records_for(file_bytes),
        'rounds': rounds, 'replay_rounds': rounds if named or mode.name == 'full' else 1, 'seconds': args.seconds or mode.seconds,
        'evidence': mode.evidence and rounds >= results.EVIDENCE_ROUNDS,
        'seed': random.SystemRandom().getrandbits(32) if args.seed is None else args.seed,
        'missing': machine.missing(card), 'plans': {p.id: {'hash': p.hash, 'text': p.text} for p in chosen},
    }


def name_of(args):
    """The name of a session that begins now."""
    return time.strftime('%Y%m%d-%H%M%S', time.gmtime()) + '-' + '-'.join(args.what)[:40]


def measure(args):
    """Measures the chosen experiments, alone in the folder of the files."""
    chosen = chosen_plans(args, plans.load_all(args.plans))
    a_program = the_program(args)
    folder = data_folder(args, a_program)
    with lock(folder):
        return measure_in(args, a_program, folder, chosen)


def measure_in(args, a_program, folder, chosen):
    kind, _ = budget.choose(args.budget)
    head = head_of(args, a_program, folder, chosen, kind)
    if args.dry_run:
        return show_guess(args, a_program, folder, head, chosen)
    if head['memory_bytes'] * 2 > head['file_bytes']:
        say(f'The file ({head["file_bytes"] >> 20} MiB) is not twice as large as memory ({head["memory_bytes"] >> 20} MiB): '
            f'memory may not fill up.')
    results_folder = os.path.join(args.results, head['machine_id'])
    old = None if args.new else session.resumable(results_folder, head, chosen, a_program.engines, args.seed)
    data = Dataset(folder, a_program, head['records'], say)
    if old:
        head, args.has_lines = old.head, True
        say(f'Going on with {old.path}')
    else:
        about = data.get(progress=preparing(head['file_bytes']))
        head['machine']['device_probe'] = probe.device(a_program, about)
    with contextlib.ExitStack() as stack:
        told = session.left_out(old) if old else {}
        ram, reasons = ram_disk(stack, data, [cell for cell in ram_cells(head, chosen, a_program.engines) if cell not in told])
        if ram and not old:
            head['machine']['ram_probe'] = probe.device(a_program, ram.data.get())
        writer, head = (results.Writer(old.path), head) if old else results.begin(results_folder, name_of(args), head)
        stack.callback(writer.close)
        args.has_lines = True
        m = session.Measure(a_program, data, writer, head, chosen, retries_of(args), args.idle,
                            session.finished_jobs(old) if old else (), minutes=args.minutes, ram=ram, left_out={**told, **reasons}, told=told,
                            attempts=session.attempts(old) if old else ())
        about = f'about {int(m.progress.expected_s / 60) + 1} minutes'
        if args.minutes:
            about += f', of which {args.minutes:g} now'
        say(f'{", ".join(p.id for p in chosen)}: {about}; results in {writer.path}')
        m.run()
    say()
    found = results.Session(writer.path)
    say('\n'.join(report.summary(found, sys.stdout.isatty())))
    write_page(found)
    return OK


def preparing(file_bytes, where=''):
    """Shows how far a file is, before there is a session: a line for each part of the work, with the time that it has left."""
    parts = {}

    def show(part, what):
        if what not in parts:
            for bar in parts.values():
                bar.clear()
            parts[what] = progress.Progress(file_bytes / BYTES_PER_S[what])
        bar = parts[what]
        bar.show(f'{what} a file of {file_bytes >> 20} MiB{where}, {part:.0%}', part * bar.expected_s)
        if part >= 1:
            bar.clear()
    return show


def ram_cells(head, chosen, engines):
    """(experiment, cell) of those that would run on a RAM disk."""
    return [(p.id, name) for p in chosen if p.kind == 'cells' for name in session.cells_here(p, engines, head['mode'])[0]
            if p.cell(name).get('disk') == 'ram']


def ram_disk(stack, data, cells):
    """A RAM disk that lasts as long as stack, for these cells; or None, and {cell: the reason} for which they are left out."""
    if not cells:
        return None, {}
    why = ramdisk.why_not(data.get()['bytes'])
    try:
        if why is None:
            return stack.enter_context(ramdisk.RamDisk(data, preparing(data.get()['bytes'], ' for the RAM disk'))), {}
    except DataError as error:
        why = str(error)
    return None, dict.fromkeys(cells, why)


def guesses(args, a_program, folder, head, chosen):
    """Lines: what a round of each experiment will take, and all of them."""
    m = session.Measure(a_program, Dataset(folder, a_program, head['records']), None, head, chosen, retries_of(args), args.idle)
    rows, first, later = [], 0.0, 0.0
    for plan in chosen:
        if m.reason_to_skip(plan):
            continue
        one, rounds = m.round_guess_s(plan, 1), session.rounds_of(plan, head)
        first, later = first + one, later + (m.round_guess_s(plan, 2) if rounds > 1 else 0)
        rows.append(f'time         {plan.id:4} {progress.clock(one)} a round, {rounds} round{"" if rounds == 1 else "s"}')
    rows.append(f'time         all  {progress.clock(first)} the first round, {progress.clock(later)} each further one; '
                f'{progress.clock(m.expected_s())} for {head["rounds"]} rounds of {head["mode"]}')
    return rows


def show_guess(args, a_program, folder, head, chosen):
    for line in guesses(args, a_program, folder, head, chosen):
        say(line)
    return OK


def newest(folder):
    """The newest session under a folder of results."""
    found = [s for name in (os.listdir(folder) if os.path.isdir(folder) else [])
             for s in results.sessions_in(os.path.join(folder, name))]
    if not found:
        raise results.ResultsError(f'{folder}: no session there; measure one: run quick')
    return sorted(found, key=lambda s: s.head['started'])[-1]  # of one second the last


def session_of(path):
    """The session of a file that the command names."""
    try:
        return results.Session(path)
    except OSError as error:
        raise results.ResultsError(f'{path}: {error.strerror}: expected the lines of a session, such as results/MACHINE/SESSION.jsonl') from error


def show_report(args):
    found = session_of(args.what[1]) if len(args.what) > 1 else newest(args.results)
    say('\n'.join(report.summary(found, sys.stdout.isatty())))
    write_page(found)
    return OK


def write_page(found):
    """The report of a session, beside its lines."""
    say()
    if not plot.program():
        say(plot.NEEDED)
    say(f'The page: {page.write(found)}')


def write_readme(args):
    for path in page_readme.write(os.path.dirname(HERE), args.results):
        say(f'written: {os.path.relpath(path)}')
    return OK


def has_cachestat(folder):
    with tempfile.NamedTemporaryFile(dir=folder) as f:
        cache = readings.PageCache(f.name)
        found = cache.read()
        cache.close()
    return found is not None


def doctor(args):
    """What this machine allows; what will be skipped."""
    a_program = the_program(args)
    folder = data_folder(args, a_program)
    card = machine.card(folder)
    say(f'machine      {machine.machine_id(card)}: {card["cpu"]}, {card["cpus"]} CPUs, {card["memory_bytes"] >> 30} GiB, '
        f'Linux {card["kernel"]}{", virtual" if card["virtual"] else ""}')
    say(f'files        {folder}: {card["file_system"]} on {card["disk"] or "a disk that is not known"}, '
        f'read-ahead {card["read_ahead_kb"]} KiB')
    for kind in budget.KINDS:
        reason = budget.why_not(kind)
        works = f'works, if --budget={kind} asks for it' if kind in budget.ASKED_FOR else 'works'
        say(f'budget       {kind} ({BUDGET_WORDS[kind]}): {works if reason is None else "no: " + reason}')
    kind, _ = budget.choose(args.budget)
    say(f'             {kind} will be used{"" if budget.CLASSES[kind].by_kernel else ": a substitute, and the page says so"}')
    known = [('cachestat', has_cachestat(folder), 'Linux 6.5; mincore stands in, which knows no dirty pages'),
             ('TLB shootdowns', readings.tlb_shootdowns() is not None, 'a row in /proc/interrupts that counts'),
             ('pressure (PSI)', readings.pressure_us('io') is not None, 'a kernel with CONFIG_PSI'),
             ('the disk', card['disk'] is not None, 'a file system on one disk')]
    for name, works, needs in known:
        say(f'reading      {name}: {"yes" if works else "no; it needs " + needs}')
    why = a_program.why_no_dtlb
    say(f'reading      dTLB misses: {"yes" if why is None else f"no: perf_event_open: {why}"}')
    why = ramdisk.why_not()
    say(f'RAM disk     {"can be made" if why is None else "no: " + why}')
    before = readings.machine(card['disk'])
    time.sleep(max(args.idle, 0.2))
    after = readings.machine(card['disk'])
    noise = session.runner.guard.noise(before, after, 0, 0)
    say(f'quiet        {"yes" if not noise else "no: " + "; ".join(noise) + " (rates and latencies will not count)"}')
    for pid, p in plans.load_all(args.plans).items():
        reason = session.skip_reason(p, kind, a_program.engines)
        left_out = {}
        cells = {**dict(session.cells_here(p, a_program.engines)[1]), **session.other_memory(p, kind)} if not reason else {}
        for name, why in cells.items():
            left_out.setdefault(why, []).append(name)
        without = '; '.join(f'{", ".join(names)} ({why})' for why, names in left_out.items())
        say(f'{pid:12} {"skipped: " + reason if reason else "can be measured"}{"; without " + without if without else ""}')
    args.what = ['standard']
    chosen = chosen_plans(args, plans.load_all(args.plans))
    for line in guesses(args, a_program, folder, head_of(args, a_program, folder, chosen, kind), chosen):
        say(line)
    return OK


def interrupt(*_):
    raise KeyboardInterrupt


def main(words, text):
    if words[:1] == ['within']:
        return within.main(words[1:])
    args = parser(text).parse_args(words)
    args.has_lines = False  # whether there is a session that could go on
    for ending in (signal.SIGTERM, signal.SIGHUP):  # a cell does not outlive its harness
        if signal.getsignal(ending) != signal.SIG_IGN:  # as nohup has it
            signal.signal(ending, interrupt)
    try:
        check_words(args)
        if args.what == ['doctor']:
            return doctor(args)
        if args.what[0] == 'report':
            return show_report(args)
        if args.what == ['readme']:
            return write_readme(args)
        return measure(args)
    except KeyboardInterrupt:
        say('\nInterrupted; the same command goes on from here.' if args.has_lines else '\nInterrupted before anything was measured.')
        return INTERRUPTED
    except (plans.PlanError, UsageError) as error:
        print(f'run: {error}', file=sys.stderr)
        return USAGE
    except (budget.BudgetError, program.ProgramError, results.ResultsError, DataError, rules.Refused,
            replay.ReplayError, code.CodeError, page_readme.ReadmeError, plot.PlotError) as error:
        print(f'run: {error}', file=sys.stderr)
        return FAILED
    except OSError as error:
        kept = '; what was measured is kept, and the same command goes on from there' if args.has_lines else '; nothing was measured'
        if args.what[0] in ('doctor', 'report', 'readme'):  # which measure nothing
            kept = ''
        print(f'run: {error.filename or "a file"}: {error.strerror}{kept}', file=sys.stderr)
        return FAILED
