# SPDX-License-Identifier: MIT
"""The picture of a ladder: one bar a rung, from the map's end to the pool's end, with the interval over rounds."""
from lib import metrics, plot, stats

ROW_PX = 34
LINEAR_MAX = 15  # times the shortest bar that the longest may be: beyond it the axis is logarithmic


def bars(runs, rungs, phase, metric):
    """[(rung, Estimate of its value)] in the order of the ladder: the geometric mean over rounds and its interval. A rung without
    valid runs has no bar."""
    found = []
    for rung in rungs:
        values = [metrics.read(run, phase, metric) for run in runs if run['cell'] == rung and run['copy'] == 1 and not run['invalid']]
        values = [v for v in values if v is not None and v > 0]
        if values:
            found.append((rung, stats.estimate(values)))
    return found


def is_log(rows):
    """Whether the longest bar would hide the others."""
    return max(e.high or e.ratio for _, e in rows) > LINEAR_MAX * min(e.ratio for _, e in rows)


def alt(rows, what):
    """What the picture shows, for who cannot see it. Its figures are in the table behind it."""
    return f'{what} as bars, one a rung: {", ".join(name for name, _ in rows)}; each with its interval over rounds.'


def draw(name, rows, scale, unit, title_of, engine_of):
    """A Picture, or None: without gnuplot, or with fewer than two bars. rows: of bars(). title_of, engine_of: from a cell."""
    if len(rows) < 2:
        return None
    top = max((e.high or e.ratio) / scale for _, e in rows)
    least = min((e.low or e.ratio) / scale for _, e in rows)
    start = least / 1.5 if is_log(rows) else 0

    def script(width):
        lines = ['set logscale x'] if start else []
        lines += [f'set xrange [{start:g}:{1.04 * top:g}]', f'set yrange [0:{len(rows)}]', 'unset ytics', 'set border 1', 'set grid noy',
                 f'set xlabel {plot.quote(unit)} tc {plot.colour("muted")}', 'set lmargin 1', 'set rmargin 2', 'set tmargin 0.3']
        boxes, ends, labels = {}, [], []
        for i, (rung, found) in enumerate(rows):
            y = len(rows) - i - 0.72
            engine = engine_of(rung)
            x = found.ratio / scale
            boxes.setdefault(engine if engine in plot.SERIES else 'device', []).append(f'{x:g} {y:g} {start:g} {x:g} {y - 0.16:g} {y + 0.16:g}')
            if found.low is not None:
                ends.append(f'{x:g} {y:g} {found.low / scale:g} {found.high / scale:g}')
            labels.append(f'{start:g} {y + 0.42:g} "{plot.fit(title_of(rung).replace(chr(34), ""), width)}"')
        plots = []
        for colour, values in boxes.items():
            lines += [f'$box_{colour} << EOD', *values, 'EOD']
            plots.append(f'$box_{colour} using 1:2:3:4:5:6 with boxxyerror fs solid 0.55 noborder lc {plot.colour(colour)}')
        if ends:
            lines += ['$ends << EOD', *ends, 'EOD']
            plots.append(f'$ends using 1:2:3:4 with xerrorbars pt 7 ps 0.5 lw 1.6 lc {plot.colour("ink")}')
        lines += ['$labels << EOD', *labels, 'EOD']
        plots.append(f'$labels using 1:2:3 with labels left offset 0,0 tc {plot.colour("ink")}')
        return ROW_PX * len(rows) + 48, '\n'.join(lines + ['plot ' + ', \\\n'.join(plots)]) + '\n'
    return plot.draw(name, script)
