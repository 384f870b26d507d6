# SPDX-License-Identifier: MIT
"""Experiments of kind "replay": which page leaves first. A trace is recorded once a round; every policy and the optimum replay it at
several sizes, and the pool and the map run it for real at the same sizes. Counts only, so a busy machine does no harm."""
import dataclasses
import os

from lib import budget, cache, compare, dataset, plan as plans, program, rules, runner

WHOLE = [{'name': 'whole', 'until': 'end'}]
GUESS_S = 8
PAGE_BYTES = 4096
TRACE_EVENT_BYTES, EVENTS_PER_OP = 32, 12
FRAMES_MIN = 64


class ReplayError(Exception):
    """A trace that could not be recorded or replayed."""


FAILURES = (ReplayError, rules.Refused, budget.BudgetError, program.ProgramError, dataset.DataError)  # of one line: it is invalid, and the rest goes on


def regret(misses, optimum, at_random):
    """0: as good as the optimum; 1: as bad as evicting at random. None where the two are the same."""
    return (misses - optimum) / (at_random - optimum) if at_random != optimum else None


def keys(plan, rounds, engines, mode):
    """What a session must hold: (round, key). `run full` has more sizes, `run quick` fewer; both standard and quick leave cells out."""
    cells = [c['name'] for c in plan.cells if plan.options(c['name']).get('engine', 'verso') in engines
             and not (c['name'] in plan.full and mode in ('quick', 'standard'))]
    frames = plan.frames_quick if mode == 'quick' and plan.frames_quick else plan.frames + (plan.frames_full if mode == 'full' else [])
    return [(number, f'{name}@{part}') for number in range(1, rounds + 1) for part in sorted(frames, key=float)
            for name in ['replay'] + cells]


def last_lines(session, experiment=None):
    """The last line of each key of a round, in the order in which keys came first; invalid ones too."""
    return list({(line['experiment'], line['round'], line['key']): line for line in session.of_kind('replay', experiment)}.values())


def finished(session):
    """(experiment, round, key, 1) of what need not be measured again."""
    return [(line['experiment'], line['round'], line['key'], 1) for line in last_lines(session) if line.get('final', True)]


def is_complete(plan, session):
    done = {key[1:3] for key in finished(session) if key[0] == plan.id}
    rounds = session.head.get('replay_rounds', session.head['rounds'])
    return all(key in done for key in keys(plan, rounds, session.head['engines'], session.head['mode']))


def left(session, plan, number):
    """What of a round is not measured. session: a session.Measure."""
    return [key for n, key in keys(plan, number, session.program.engines, session.head['mode']) if n == number and (plan.id, n, key, 1) not in session.done]


def _record(measure, plan, number, path):
    """Records the accesses of the workload through a pool that holds the whole file."""
    job = measure.job(plan, plan.cells[0]['name'], number)
    options = plans.resolve(plan.workload, job.about['records'])
    dataset.check_space(os.path.dirname(path), options.get('ops', 0) * TRACE_EVENT_BYTES * EVENTS_PER_OP)
    job = dataclasses.replace(job, options=options, phases=WHOLE, cache_bytes=job.about['bytes'] * 2, idle_s=0,
                              budget_kind='cooperative', extra=[f'--trace={path}'])
    line = runner.run_cell(measure.program.path, job)
    if line['invalid']:
        raise ReplayError(f'{plan.id}: the trace could not be recorded: {"; ".join(line["invalid"])}')
    return line


def _beside_map(measure, plan, number, name):
    """What the group of a map holds beside the page cache."""
    job = dataclasses.replace(measure.job(plan, name, number), phases=WHOLE, idle_s=0)
    runner.make_cold(job)
    run = runner.Run(measure.program.path, job)
    try:
        with budget.make(job.budget_kind, job.memory_bytes) as a_budget:
            run.start(a_budget)
            run.drive_phase(1, {'name': 'probe', 'seconds': 0.5 / max(job.seconds, 1e-9)}, runner.Series(run))
            usage, cached = a_budget.group.usage(), a_budget.group.stat().get('page_cache_bytes')
            run.finish()
            return max(0, usage - cached) if usage is not None and cached is not None else 4 << 20
    finally:
        run.close()


def _real(measure, plan, number, name, frames, beside):
    """One cell at a size, as a line of what it missed. A map is held to R3: its memory is what the size says, if it was full."""
    job = measure.job(plan, name, number)
    job = dataclasses.replace(job, phases=WHOLE, idle_s=0)
    if cache.has_pool(job.options):
        job.cache_bytes = frames * PAGE_BYTES
        job.memory_bytes = 2 * job.cache_bytes + (64 << 20)
    else:
        job.memory_bytes = frames * PAGE_BYTES + beside
    line = runner.run_cell(measure.program.path, job)
    if line['phases'] and not cache.has_pool(job.options):
        line['invalid'] += rules.memory_filled(line['budget'])
    misses = None
    if not line['invalid']:
        phase = line['phases'][0]
        misses = phase['pager']['misses'] if cache.has_pool(job.options) else phase['major_faults']
    flags = [f for f in line['flags'] if f != f'R10: {runner.NOTHING_BEFORE}']  # a second of quiet before each would tell nothing of counts
    about = {'packages': line['packages']} if 'packages' in line else {}
    return {'invalid': line['invalid'], 'misses': misses, 'flags': flags, 'options': job.options,
            'memory_bytes': job.memory_bytes, 'peak_bytes': line['budget']['peak_bytes'], **about}


def measure(session, plan, number):
    """Measures what is left of a round. session: a session.Measure."""
    todo = left(session, plan, number)
    if not todo:
        return
    path = os.path.join(session.data.folder, f'{plan.id}.trace')
    try:
        pages, beside = _prepare(session, plan, number, path)
        for key in todo:
            session.writer.write(_one_or_invalid(session, plan, number, key, path, pages, beside))
            session.progress.finish(GUESS_S)
    except FAILURES as error:  # without a trace there is nothing of this round
        for key in todo:
            session.writer.write({**_about(plan, number, key, None), **_invalid(error)})
            session.progress.finish(GUESS_S)
    finally:
        dataset.remove(path)


def _prepare(session, plan, number, path):
    """Records the trace. (Pages in it, what the group of a map holds beside the page cache.)"""
    session.progress.show(f'{plan.id}: recording the trace of round {number}', force=True)
    maps = [c['name'] for c in plan.cells if not cache.has_pool(plan.options(c['name']))]
    beside = _beside_map(session, plan, number, maps[0]) if maps else 0
    _record(session, plan, number, path)
    return session.program.ask('replay', f'--file={path}', '--frames=1')['pages'], beside


def _invalid(error):
    """Not final: what was refused for what may pass (R5, a full disk) is measured when the session goes on."""
    return {'invalid': [str(error)], 'misses': None, 'flags': [], 'final': not isinstance(error, (rules.NotNow, dataset.DataError))}


def _about(plan, number, key, frames):
    name, part = key.split('@')
    return {'kind': 'replay', 'experiment': plan.id, 'plan': plan.hash, 'round': number, 'key': key, 'cell': name,
            'part': float(part), 'frames': frames}


def _one_or_invalid(session, plan, number, key, path, pages, beside):
    try:
        return _one(session, plan, number, key, path, pages, beside)
    except FAILURES as error:
        return {**_about(plan, number, key, None), **_invalid(error)}


def _one(session, plan, number, key, path, pages, beside):
    """The line of one cell, or of the replay, at one size."""
    name, part = key.split('@')
    frames = max(FRAMES_MIN, int(float(part) * pages))
    session.progress.show(f'{plan.id}: round {number}, {name} with {frames} frames')
    line = _about(plan, number, key, frames)
    if name == 'replay':
        found = session.program.ask('replay', f'--file={path}', f'--frames={frames}')
        return {**line, **found, 'invalid': [], 'flags': []}
    return {**line, **_real(session, plan, number, name, frames, beside)}


def table(lines):
    """Regret by cell and size, the means over rounds: {part: {name: (misses in 100 reads, regret)}}."""
    replays = {(line['round'], line['part']): line for line in lines if line['cell'] == 'replay' and not line['invalid']}
    found = {}
    for line in lines:
        replay = replays.get((line['round'], line['part']))
        if replay is None or line['invalid']:
            continue
        misses = replay['misses']
        here = {f'replay {k}': v for k, v in misses.items()} if line is replay else {line['cell']: line['misses']}
        for name, value in here.items():
            if value is not None:
                found.setdefault(line['part'], {}).setdefault(name, []).append(
                    (100 * value / replay['reads'], regret(value, misses['optimum'], misses['random'])))
    return {part: {name: (_mean(v[0] for v in values), _mean(v[1] for v in values)) for name, values in names.items()}
            for part, names in sorted(found.items())}


def predicted_values(by_part, p):
    """{part: what a prediction is about}: the ratio of two cells' misses, or a cell's regret, at every size of a table that has it."""
    if 'base' in p:
        return {part: row[p['cell']][0] / row[p['base']][0] for part, row in by_part.items()
                if p['cell'] in row and p['base'] in row and row[p['base']][0]}
    return {part: row[p['cell']][1] for part, row in by_part.items() if p['cell'] in row and row[p['cell']][1] is not None}


def prediction_word(values, p):
    """compare.TRUE, FALSE or OPEN. It is about every size and about counts: one size outside of the range, and it has failed."""
    if not values:
        return compare.OPEN
    return compare.TRUE if p['low'] <= min(values) and max(values) <= p['high'] else compare.FALSE


def prediction_result(lines, p):
    """As compare.prediction_result."""
    values = list(predicted_values(table(lines), p).values())
    return prediction_word(values, p), f'{min(values):.2f} to {max(values):.2f}' if values else 'no valid runs'


def _mean(values):
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None
