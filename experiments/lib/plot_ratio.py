# SPDX-License-Identifier: MIT
"""The picture of an experiment's ratios: one row a comparison, with the points of all rounds, mean, interval and A/A band."""
from lib import metrics, plot, stats

ROW_PX = 40
SHORT = {
    'cpu_ns_per_op': 'CPU time', 'machine_cpu_ns_per_op': "machine's CPU time", 'cpu_ns_per_read': 'CPU time a read',
    'rate': 'rate', 'scan_rate': 'scan, records a second', 'device_reads_per_s': 'reads a second',
    'device_read_bytes_per_op': 'bytes read', 'device_write_bytes_per_op': 'bytes written', 'major_faults_per_op': 'major faults',
    'minor_faults_per_op': 'minor faults', 'switches_per_op': 'sleeps', 'misses_per_op': 'misses', 'evictions_per_op': 'evictions',
    'shootdowns_per_op': 'TLB shootdowns', 'requests_in_flight': 'requests in flight', 'longest_operation_ns': 'longest operation',
    'service_p50_ns': 'median time', 'service_p99_ns': 'p99 time', 'service_p999_ns': 'p99.9 time', 'latency_p50_ns': 'median latency',
    'read_bytes_per_needed': 'read for a byte', 'shootdowns_per_read': 'shootdowns a read', 'longest_silence_ms': 'longest silence',
    'recovery_ms': 'recovery', 'latency_p99_ns': 'p99 latency', 'latency_p999_ns': 'p99.9 latency', 'latency_max_ns': 'longest latency',
}


def better(c):
    """The cell that a decided comparison favours, or None."""
    if c.verdict.word not in (stats.MORE, stats.LESS):
        return None
    return c.cell if (c.verdict.word == stats.MORE) == (c.metric.more_is == 'better') else c.base


def row_colour(c, engine_of):
    """That of the better one; grey where nothing is decided."""
    winner = engine_of(better(c)) if better(c) else None
    return winner if winner in plot.SERIES else 'device'


def _rows(comparisons):
    return [c for c in comparisons if c.found is not None]


def alt(comparisons):
    """What the picture shows, for who cannot see it. Its figures are in the table behind it."""
    rows = _rows(comparisons)
    decided = sum(better(c) is not None for c in rows)
    pairs = list(dict.fromkeys(f'{c.cell} to {c.base}' for c in rows))
    return f'Ratios of {", ".join(pairs)} on a logarithmic axis, {len(rows)} rows, {decided} of them decided; the points of all ' \
           f'rounds, their mean and interval, and the band of two runs of the same cell.'


def draw(name, comparisons, engine_of):
    """A Picture, or None: without gnuplot, or when no ratio is known. engine_of: from a cell to its engine (page_words.py)."""
    rows = _rows(comparisons)
    if not rows:
        return None
    pairs, phases = {(c.cell, c.base) for c in rows}, {c.phase for c in rows}
    ends = [x for c in rows for x in (*c.found.points, c.found.low, c.found.high) if x is not None]
    ends += [x for c in rows if c.twins and c.twins.low is not None for x in (c.twins.low, c.twins.high)]
    low, high, tics = plot.log_tics(min(ends), max(ends))

    def script(width):
        lines = ['set logscale x', f'set xrange [{low}:{high}]', f'set xtics ({tics})', f'set yrange [0:{len(rows)}]',
                 'unset ytics', 'set border 1', 'set grid noy', 'set lmargin 1', 'set rmargin 2', 'set tmargin 0.3']
        points, means, bands, labels = {}, {}, [], []
        for i, c in enumerate(rows):
            y = len(rows) - i - 0.68
            colour = row_colour(c, engine_of)
            points.setdefault(colour, []).extend(f'{x} {y}' for x in c.found.points)
            ends = (c.found.low or c.found.ratio, c.found.high or c.found.ratio)
            means.setdefault(colour, []).append(f'{c.found.ratio} {y} {ends[0]} {ends[1]}')
            if c.twins and c.twins.low is not None:
                bands.append(f'{c.twins.ratio} {y} {c.twins.low} {c.twins.high} {y - 0.24} {y + 0.24}')
            pair = '' if len(pairs) == 1 else f'{c.cell} / {c.base}, '
            phase = '' if len(phases) == 1 else f'{c.phase}, '
            text = f'{pair}{phase}{SHORT.get(c.metric.name, c.metric.name)}{" *" if c.metric.kind == metrics.WALL else ""}'
            labels.append(f'{low} {y + 0.42} "{plot.fit(text, width)}"')
        plots = []
        if bands:
            lines += ['$bands << EOD', *bands, 'EOD']
            plots.append(f'$bands using 1:2:3:4:5:6 with boxxyerror lc {plot.colour("band")}')
        lines += [f'set arrow from 1,0 to 1,{len(rows)} nohead lc {plot.colour("muted")} lw 1 dt solid back']
        for colour, values in means.items():
            lines += [f'$mean_{colour} << EOD', *values, 'EOD', f'$points_{colour} << EOD', *points[colour], 'EOD']
            plots += [f'$points_{colour} using 1:2 with points pt 6 ps 0.45 lc {plot.colour(colour)}',
                      f'$mean_{colour} using 1:2:3:4 with xerrorbars pt 7 ps 0.8 lw 2.2 lc {plot.colour(colour)}']
        lines += ['$labels << EOD', *labels, 'EOD']
        plots.append(f'$labels using 1:2:3 with labels left offset 0,0 tc {plot.colour("ink")}')
        return ROW_PX * len(rows) + 34, '\n'.join(lines + ['plot ' + ', \\\n'.join(plots)]) + '\n'
    return plot.draw(name, script)
