# SPDX-License-Identifier: MIT
"""What is read out of a run: each metric has a unit, a kind of evidence, and a function of one phase of a run.

    counts  reads, faults, bytes: exact on any machine under any load
    cpu     CPU time an operation: within a tenth on a busy machine
    wall    rates and latencies: only while the machine was quiet (rule R10)

A function returns None for what the run does not know.
"""
from dataclasses import dataclass
from typing import Callable

from lib import stats

COUNTS, CPU, WALL = 'counts', 'cpu', 'wall'
RECORD_BYTES = 108  # a key and its value
SAMPLE_MS = 100  # between two samples from outside: no time in them is shorter
RECOVERED_SHARE = 0.9
TOO_FEW, UNKNOWN = 'too few samples, by rule R12', 'it takes a reading that is not there'  # why a run does not know a value


@dataclass(frozen=True)
class Metric:
    name: str
    text: str  # in a sentence: "a get costs ..."
    unit: str
    kind: str
    more_is: str  # 'better' or 'worse'
    read: Callable
    of_machine: bool = False  # the kernel counts it for the whole machine: others at work are in it
    quantile: float | None = None  # that takes samples beyond it (rule R12)

    @property
    def needs_quiet(self):
        return self.kind == WALL or self.of_machine


def _per_op(*path, scale=1.0):
    def read(_run, phase):
        value = phase
        for key in path:
            value = (value or {}).get(key)
        return None if value is None or not phase['ops'] else scale * value / phase['ops']
    return read


def _reclaim_per_op(name):
    """What the kernel counts for the machine alone has others' pages in it: only while the machine was quiet (rule R10)."""
    def read(run, phase):
        value = phase.get(name)
        others = phase.get('reclaim_of') != 'group' and not run.get('quiet', False)
        return None if value is None or others or not phase['ops'] else value / phase['ops']
    return read


def _cpu_per_op(_run, phase):
    if phase.get('user_ns') is None or not phase['ops']:
        return None
    return (phase['user_ns'] + phase['system_ns']) / phase['ops']


def _machine_cpu_per_op(_run, phase):
    value = phase.get('machine_busy_ns')
    return None if value is None or not phase['ops'] else value / phase['ops']


def _rate(_run, phase):
    return phase['ops'] * 1e9 / phase['ns'] if phase.get('ns') else None


def _scan_rate(_run, phase):
    scan = phase.get('scan')
    return scan['ops'] * 1e9 / phase['ns'] if scan and phase.get('ns') else None


def _device_reads_per_s(_run, phase):
    value = phase.get('device_read_bytes')
    return value / 4096 * 1e9 / phase['ns'] if value is not None and phase.get('ns') else None


def _cpu_per_read(_run, phase):
    value = phase.get('device_read_bytes')
    return (phase['user_ns'] + phase['system_ns']) / (value / 4096) if value else None


def _latency(q):
    """Rule R12: latencies count from an intended start, so a closed loop has none."""
    def read(run, phase):
        return stats.quantile(phase['histogram'], q) if 'rate' in run['options'] else None
    return read


def _latency_max(run, phase):
    return phase.get('max_ns') if 'rate' in run['options'] else None


def _longest_operation(_run, phase):
    return phase.get('max_ns')


def _service(q):
    def read(_run, phase):
        return stats.quantile(phase['histogram'], q)
    return read


def _of_held(_run, phase):
    return phase['faults_held'] / phase['held'] if phase.get('held') else None


def _of_read(_run, phase):
    """Shootdowns for each page that came: while memory is full as many leave it."""
    value, read = phase.get('tlb_shootdowns'), phase.get('device_read_bytes')
    return None if value is None or not read else value / (read / 4096)


def _samples(run, phase):
    """([time in ms], [operations so far]) of the samples of a phase; ([], []) when there are none."""
    series = run.get('series') or {}
    rows = [(t, ops) for t, number, ops in zip(series.get('t_ms', ()), series.get('phase', ()), series.get('ops', ()))
            if number == phase.get('phase')]
    return [t for t, _ in rows], [ops for _, ops in rows]


def _longest_silence(run, phase):
    """To a tenth of a second, by the samples from outside: a stall of all threads."""
    times, ops = _samples(run, phase)
    return max(stats.longest_silence(times, ops), SAMPLE_MS) if len(times) > 1 else None


def _recovery(run, phase):
    """Until a sample has nine tenths of the rate of the phase "before"; the whole phase where none has."""
    before, (times, ops) = phase_of(run, 'before'), _samples(run, phase)
    if before is None or not before.get('ns') or len(times) < 2:
        return None
    wanted = RECOVERED_SHARE * before['ops'] / (before['ns'] / 1e6)
    back = (times[i] for i in range(1, len(times)) if times[i] > times[i - 1] and (ops[i] - ops[i - 1]) / (times[i] - times[i - 1]) >= wanted)
    return max(next(back, times[-1]) - times[0], SAMPLE_MS)


def _service_mean(_run, phase):
    n = sum(count for _, count in phase['histogram'])
    return sum(low * count for low, count in phase['histogram']) / n if n else None


def _given(_run, phase):
    return phase.get('given_ns')


def _large_folios(run, _phase):
    return run.get('large_folio_share')


def _in_flight(_run, phase):
    return phase.get('requests_in_flight')


METRICS = {m.name: m for m in (
    Metric('cpu_ns_per_op', 'CPU time an operation', 'ns', CPU, 'worse', _cpu_per_op),
    Metric('machine_cpu_ns_per_op', "the machine's CPU time an operation", 'ns', WALL, 'worse', _machine_cpu_per_op),
    Metric('cpu_ns_per_read', 'CPU time a page read from the device', 'ns', CPU, 'worse', _cpu_per_read),
    Metric('rate', 'operations a second', '1/s', WALL, 'better', _rate),
    Metric('scan_rate', 'records a second of the scan beside', '1/s', WALL, 'better', _scan_rate),
    Metric('device_reads_per_s', 'pages a second from the device', '1/s', WALL, 'better', _device_reads_per_s),
    Metric('device_read_bytes_per_op', 'bytes read from the device an operation', 'bytes', COUNTS, 'worse',
           _per_op('device_read_bytes')),
    Metric('read_bytes_per_needed', 'bytes read from the device for each byte that was asked for', '', COUNTS, 'worse',
           _per_op('device_read_bytes', scale=1 / RECORD_BYTES)),
    Metric('device_write_bytes_per_op', 'bytes written to the device an operation', 'bytes', COUNTS, 'worse',
           _per_op('device_write_bytes')),
    Metric('major_faults_per_op', 'major faults an operation', '', COUNTS, 'worse', _per_op('major_faults')),
    Metric('faults_call_per_op', 'major faults inside the call, an operation', '', COUNTS, 'worse', _per_op('faults_call')),
    Metric('faults_caller_per_op', 'major faults in the caller, as it first looks at a result', '', COUNTS, 'worse',
           _per_op('faults_caller')),
    Metric('faults_held_per_look', 'major faults in the caller, as it looks again at a result that it holds', '', COUNTS, 'worse',
           _of_held),
    Metric('minor_faults_per_op', 'minor faults an operation', '', COUNTS, 'worse', _per_op('minor_faults')),
    Metric('switches_per_op', 'sleeps an operation', '', COUNTS, 'worse', _per_op('voluntary_switches')),
    Metric('misses_per_op', "misses of the pager an operation", '', COUNTS, 'worse', _per_op('pager', 'misses')),
    Metric('evictions_per_op', 'evictions an operation', '', COUNTS, 'worse', _per_op('pager', 'evictions')),
    Metric('shootdowns_per_op', 'TLB shootdowns an operation', '', COUNTS, 'worse', _per_op('tlb_shootdowns'),
           of_machine=True),
    Metric('shootdowns_per_read', 'TLB shootdowns for each page read from the device', '', COUNTS, 'worse', _of_read, of_machine=True),
    Metric('scanned_pages_per_op', 'pages that the kernel looked at to evict some, an operation', '', COUNTS, 'worse', _reclaim_per_op('scanned_pages')),
    Metric('reclaimed_pages_per_op', 'pages that the kernel evicted an operation', '', COUNTS, 'worse', _reclaim_per_op('reclaimed_pages')),
    Metric('throttled_us_per_op', 'time without a CPU because a limit of CPU time was used up, an operation', 'us', WALL, 'worse',
           _per_op('throttled_us')),
    Metric('dtlb_misses_per_op', 'loads that miss the dTLB, in user mode, an operation', '', COUNTS, 'worse', _per_op('dtlb_misses')),
    Metric('large_folio_share', 'pages in folios of more than one page, of those in the page cache', '', COUNTS, 'better', _large_folios),
    Metric('requests_in_flight', 'requests in flight at the device, on average', '', WALL, 'better', _in_flight),
    Metric('longest_operation_ns', 'the longest operation', 'ns', WALL, 'worse', _longest_operation),
    Metric('longest_silence_ms', 'the longest time in which no operation ended', 'ms', WALL, 'worse', _longest_silence),
    Metric('recovery_ms', 'time until the rate is nine tenths of that before', 'ms', WALL, 'worse', _recovery),
    Metric('given_ns', 'time until memory was taken or given', 'ns', WALL, 'worse', _given),
    Metric('service_mean_ns', 'mean time of an operation in a closed loop', 'ns', WALL, 'worse', _service_mean),
    Metric('service_p50_ns', 'median time of an operation in a closed loop', 'ns', WALL, 'worse', _service(0.5), quantile=0.5),
    Metric('service_p99_ns', '99th percentile of the time of an operation in a closed loop', 'ns', WALL, 'worse',
           _service(0.99), quantile=0.99),
    Metric('service_p999_ns', '99.9th percentile of the time of an operation in a closed loop', 'ns', WALL, 'worse',
           _service(0.999), quantile=0.999),
    Metric('latency_p50_ns', 'median latency', 'ns', WALL, 'worse', _latency(0.5), quantile=0.5),
    Metric('latency_p99_ns', '99th percentile of the latency', 'ns', WALL, 'worse', _latency(0.99), quantile=0.99),
    Metric('latency_p999_ns', '99.9th percentile of the latency', 'ns', WALL, 'worse', _latency(0.999), quantile=0.999),
    Metric('latency_max_ns', 'the longest latency', 'ns', WALL, 'worse', _latency_max),
)}


def phase_of(run, name):
    """The phase of a run by its name, or None."""
    return next((p for p in run.get('phases', []) if p['name'] == name), None)


def read(run, phase_name, metric_name):
    """The value of a metric in a phase, or None: not there, not known, or struck out because the machine was not quiet."""
    phase = phase_of(run, phase_name)
    metric = METRICS[metric_name]
    if phase is None or (metric.needs_quiet and not run.get('quiet', False)):
        return None
    return metric.read(run, phase)


def why_unknown(run, phase_name, metric_name):
    """Why a run would not know a value even on a quiet machine: TOO_FEW or UNKNOWN; None: it would."""
    phase, metric = phase_of(run, phase_name), METRICS[metric_name]
    if phase is None:
        return UNKNOWN
    if metric.read({**run, 'quiet': True}, phase) is not None:
        return None
    few = metric.quantile is not None and stats.quantile(phase['histogram'], metric.quantile) is None
    return TOO_FEW if few else UNKNOWN
