# SPDX-License-Identifier: MIT
"""How much of a budget a pool may have for its frames: the budget less what the cell needs beside them (rule R3).

Two short runs with small pools measure it: what the group holds beside frames, and what it grows by a frame.
"""
import dataclasses

from lib import budget, readings, runner

PROBES = (0.3, 0.6)  # of the budget, but no more than PROBE_BYTES times that
PROBE_BYTES = 64 << 20
STEP_BYTES = 64 << 10
PROBE_S = 0.3
ENDLESS = 1000000  # passes: a probe is ended from here
RESERVE_SHARE, RESERVE_BYTES = 0.02, 96 << 10  # the kernel charges memory in batches; 0.01 of 51 MiB was too little


def has_pool(options):
    return options.get('engine', 'verso') == 'verso' and options.get('pager', 'bufpool') in ('bufpool', 'vmcache')


def held(a_budget, pids, row):
    """Bytes that the cell's group holds at a sample, or None. Its usage has what the kernel charged in advance too, up to 64 pages a
    CPU that nothing uses: by chance one probe has them and the other has not, and the slope between two small probes is nothing else."""
    if not a_budget.by_kernel:
        return row['resident_bytes']
    if a_budget.kind == 'container':  # the harness is in it too, whose files leave its page cache when a pool needs the room
        parts = a_budget.group.stat()['anonymous_bytes'], a_budget.group.kernel()
    else:
        parts = readings.anonymous(pids), a_budget.group.kernel(), a_budget.group.stat()['page_cache_bytes']
    if row['group_bytes'] is None or None in parts:
        return row['group_bytes']
    return min(row['group_bytes'], sum(parts))


def beside(path, job, cache_bytes):
    """Bytes that the cell's group holds beyond what the pool was told it may have. What it has in frames does not matter: it may be
    a little more."""
    options = {k: v for k, v in job.options.items() if k not in ('ops', 'rate', 'plant-cache-share')}  # E17 halves what an honest pool has
    options.update({'keys': 'uniform', 'passes': ENDLESS, 'scan-phase': 1})
    batch = max((p.get('batch', 0) for p in job.phases), default=0)  # many gets at once need memory too
    probe = dataclasses.replace(job, options=options, cache_bytes=cache_bytes, idle_s=0, phases=[
        {'name': 'probe', 'until': 'full', 'limit_seconds': 30, 'batch': batch}, {'name': 'as it will be', 'seconds': PROBE_S / job.seconds}])
    runner.make_cold(probe)
    run = runner.Run(path, probe)
    try:
        with budget.make(job.budget_kind, job.memory_bytes) as a_budget:
            run.start(a_budget)
            series = runner.Series(run)
            run.drive_phase(1, probe.phases[0], series)
            if batch:
                run.drive_phase(2, probe.phases[1], series)
            row = series.take(1)
            found = held(a_budget, run.pids(), row)
            if run.finish() is None or found is None:
                raise budget.BudgetError(f'what a cell needs beside its frames cannot be measured: {"; ".join(run.invalid)}')
            return max(0, found - cache_bytes), cache_bytes
    finally:
        run.close()


def size_for(path, job):
    """The cache_bytes with which the cell fills its budget and does not pass it. A container's own limit counts the harness too."""
    scale = min(job.memory_bytes, PROBE_BYTES)
    (a, x), (b, y) = (beside(path, job, int(share * scale) // STEP_BYTES * STEP_BYTES) for share in PROBES)
    slope = max(0.0, (b - a) / (y - x)) if y > x else 0.0
    fixed = max(0.0, a - slope * x)
    reserve = max(RESERVE_BYTES, RESERVE_SHARE * job.memory_bytes)
    return int((job.memory_bytes - fixed - reserve) / (1 + slope)) // STEP_BYTES * STEP_BYTES
