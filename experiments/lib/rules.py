# SPDX-License-Identifier: MIT
"""The rules that make a run count. Each is a function of a run's line that returns what is wrong with it.

A finding either makes the run invalid (it is kept, and used for nothing), or is a flag that the report shows. Rule R4 is kept by
plan.py, R10 by guard.py, R11 by compare.py, R12 by metrics.py; the rest stands here. R5 refuses the run before it begins.
"""

FULL_SHARE = 0.95  # R3: of the budget that must have been used
PASS_SHARE = 1.001
COOPERATIVE_SHARES = 0.85, 1.15  # a thread that evicts is coarser than the kernel; the run is a substitute anyway
HOST_CACHE_RATIO = 0.67  # R13: latency again over latency cold


class Refused(Exception):
    """A run that may not begin; the text says which rule and why."""


class NotNow(Refused):
    """What stands in its way may be gone when the session goes on, so the run is not final."""


def same_work(run):
    """R1: each value that is read is looked at; of what is written some is read back."""
    work = run['options'].get('work', 'get')
    for phase in run['phases']:
        readers = [] if work == 'update' else [phase]
        readers += [phase['scan']] if phase.get('scan') else []
        for who in readers:
            if who['wrong'] > 0:
                return [f'R1: {who["wrong"]} of {who["checked"]} values were wrong in phase {phase["name"]}']
            if who['checked'] != who['ops'] and run['options'].get('engine') != 'device':  # whose pages hold what they hold
                return [f'R1: {who["ops"]} operations, but {who["checked"]} were checked in phase {phase["name"]}']
        if phase.get('until') == 'end' and not phase['reached']:
            return [f'R1: phase {phase["name"]} ended by the clock, before its work was done']
    return updates_are_there(run) if work in ('update', 'update-gets') else []


def updates_are_there(run):
    """R1: the last updates are read back when the last commit has returned."""
    found = run.get('read_back') or {'checked': 0, 'wrong': 0}
    if not found['checked']:
        return ['R1: no update was read back after the last commit']
    return [f'R1: {found["wrong"]} of {found["checked"]} updates were not there after the last commit'] if found['wrong'] else []


def same_bytes(run):
    """R2"""
    if not run['file'].get('sha256'):
        return ['R2: the hash of the file is not known']
    if run['writes'] and not run['file'].get('copied'):
        return ['R2: a written workload did not start from a copy']
    return same_copy(run['file'])


def same_copy(about):
    """R2: the hash of a copy is that of its file. Asked before a run begins, too."""
    if not about.get('copied') or about.get('copy_sha256') == about['sha256']:
        return []
    return [f'R2: the hash of the copy is {about.get("copy_sha256")}, that of the file {about["sha256"]}']


def same_memory(run):
    """R3"""
    if not any(phase.get('until') == 'full' for phase in run['phases']) or run['options'].get('engine') == 'device':
        return []
    return memory_filled(run['budget'])


def memory_filled(budget):
    """R3, of a run that fills its memory: whether it used all of its budget, and no more."""
    if budget['kills']:
        return [f'R3: the kernel killed {budget["kills"]} process for lack of memory']
    if budget['peak_bytes'] is None:
        return []  # a flag, see budget_known
    share = budget['peak_bytes'] / budget['limit_bytes']
    least, most = (FULL_SHARE, PASS_SHARE) if budget['by_kernel'] else COOPERATIVE_SHARES
    if share < least:
        return [f'R3: used {share:.3f} of the budget, expected at least {least}']
    if share > most:
        return [f'R3: used {share:.3f} of the budget']
    return []


def warm(run):
    """R8"""
    what = {'full': 'memory was full', 'settled': 'what is used was in memory'}
    found = [f'R8: phase {p["name"]} ended by the clock, before {what[p["until"]]}' for p in run['phases']
             if p.get('until') in what and not p['reached']]
    names = [p['name'] for p in run['phases']]
    return found + [f'R8: phase {name} was not reached' for name in run['phases_planned'] if name not in names]


def file_cold(run):
    """R5: what was found when the run began."""
    cached = run['file_before'].get('cached_bytes')
    return [f'R5: {cached} bytes of the file were in the page cache when it began'] if cached else []


def nothing_dirty(run):
    """R7"""
    dirty = run['file_before'].get('dirty_bytes')
    found = [f'R7: {dirty} bytes of the file were dirty when it began'] if dirty else []
    if run['writes'] and run.get('end_flush_ns') is None:
        found.append('R7: a written workload did not end with a timed flush')
    return found


def no_observer(run):
    """R9"""
    found = []
    if run['sampler_pid'] == run['cell_pid']:
        found.append('R9: the cell sampled itself')
    if run['threads_expected'] is not None and run['threads_max'] is not None \
            and run['threads_max'] > run['threads_expected']:
        found.append(f'R9: {run["threads_max"]} threads in the cell, expected {run["threads_expected"]}')
    return found


INVALID = (same_work, same_bytes, same_memory, warm, file_cold, nothing_dirty, no_observer)


def idle_known(run):
    """R9"""
    return [] if run.get('idle_busy_share') is not None else ['R9: no idle second before, so the CPU of the machine is not known']


def read_ahead_known(run):
    """R6"""
    found = []
    if run.get('read_ahead_kb') is None:
        found.append("R6: the device's read-ahead is not known")
    if any(p.get('device_read_bytes') is None for p in run['phases']):
        found.append('R6: the bytes that were read are not known')
    return found


def dirty_known(run):
    """R7: mincore, which stands in for cachestat, knows no dirty pages."""
    return [] if run['file_before'].get('dirty_bytes') is not None else ['R7: whether the file was dirty when it began is not known']


def budget_known(run):
    """R3"""
    if not run['budget']['by_kernel']:
        return ['R3: substitute: a thread of the cell evicts, not the kernel']
    return ['R3: the peak of memory is not known'] if run['budget']['peak_bytes'] is None else []


def host_known(card):
    """R13, of the machine card."""
    probe = card.get('device_probe')
    if not probe:
        return ['R13: the latency of the device was not measured']
    if probe['again_ns'] < HOST_CACHE_RATIO * probe['cold_ns']:
        return [f'R13: the disk is {probe["cold_ns"] / probe["again_ns"]:.1f} times as fast when everything was read before: '
                f'the memory of a host stands behind it']
    return []


FLAGS = (idle_known, read_ahead_known, dirty_known, budget_known)


def judge(run):
    """Sets run['invalid'] and run['flags'] beside those that are there."""
    for rule in INVALID:
        run['invalid'] += rule(run)
    for rule in FLAGS:
        run['flags'] += rule(run)
    return run


BROKEN_WITH = {'R7': ('R5',)}  # a page that is dirty is in the page cache


def break_on_purpose(run, rule):
    """E17 breaks a rule: what the rule finds is why the run is there. A rule that finds nothing is one that does not hold."""
    mine = [f'{name}:' for name in (rule, *BROKEN_WITH.get(rule, ()))]
    found = [text for text in run['invalid'] if text.startswith(tuple(mine))]
    run['invalid'] = [text for text in run['invalid'] if text not in found]
    run['broken'] = found
    if not any(text.startswith(f'{rule}:') for text in found):
        run['invalid'].append(f'{rule}: broken on purpose, and not noticed')
    return run


def same_round(runs, plan):
    """R1, R2: the runs of a round have the same seed and, of an engine, a size and an order of loading, the same file. Sentences."""
    found = []
    if len({run['seed'] for run in runs}) > 1:
        found.append('R1: the cells of a round have different seeds')
    by_kind = {}
    for run in runs:
        if 'sha256' in run['file']:  # a run that was refused has none
            kind = run['file']['engine'], run['file'].get('records'), plan.cell(run['cell']).get('in_order', plan.records_in_order)
            by_kind.setdefault(kind, set()).add(run['file']['sha256'])
    found += [f'R2: the cells of a round have different files of {engine}' for (engine, *_), hashes in by_kind.items() if len(hashes) > 1]
    return found
