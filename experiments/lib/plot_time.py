# SPDX-License-Identifier: MIT
"""The picture of a rate over time: one thin line a run, a ring where its last phase begins. Of valid runs; those during which the
machine was not quiet are dotted, because their shape may be somebody else's."""
from lib import plot

SMOOTH_MS = 500
CELLS_MAX, POINTS_MIN = 6, 4
LINES_MAX = 200  # points of a line: more cannot be seen


def rates(run):
    """[(seconds, operations a second)] of a run's samples, over SMOOTH_MS or more each."""
    series = run.get('series') or {}
    times, ops = series.get('t_ms') or [], series.get('ops') or []
    found, since = [], 0
    gap = max(SMOOTH_MS, (times[-1] - times[0]) / LINES_MAX) if times else 0
    for i in range(1, len(times)):
        if times[i] - times[since] >= gap:
            found.append(((times[i] + times[since]) / 2000, (ops[i] - ops[since]) * 1000 / (times[i] - times[since])))
            since = i
    return found


def last_phase_s(run):
    """When the last phase began, in seconds, or None."""
    series = run.get('series') or {}
    phases = series.get('phase') or []
    if not phases or phases[-1] == phases[0]:
        return None
    return series['t_ms'][phases.index(phases[-1])] / 1000


def drawn(runs):
    return [run for run in runs if not run['invalid'] and run['copy'] == 1 and len(rates(run)) >= POINTS_MIN]


def alt(runs):
    cells = list(dict.fromkeys(run['cell'] for run in drawn(runs)))
    return f'Operations a second over the seconds of each run, for {", ".join(cells)}; a ring marks where the last phase begins. ' \
           f'The figures are in the table behind it.'


def draw(name, runs, engine_of):
    """A Picture, or None: without gnuplot, without samples, or with so many cells that nothing could be told apart."""
    shown = drawn(runs)
    if not shown:
        return None
    cells = list(dict.fromkeys(run['cell'] for run in shown))
    if len(cells) > CELLS_MAX:
        return None
    colours = plot.palette(cells, engine_of)
    top = max(y for run in shown for _, y in rates(run))
    scale, unit = (1e6, 'million operations a second') if top >= 2e6 else (1e3, 'thousand operations a second') if top >= 2e3 \
        else (1, 'operations a second')

    def script(width):
        height, head = plot.head_of_plot(width, 270, unit, len(cells))
        lines = ['set yrange [0:*]', 'set xrange [0:*]', f"set xlabel 'seconds' tc {plot.colour('muted')}", *head]
        plots = []
        for i, run in enumerate(shown):
            colour = colours[run['cell']]
            lines += [f'$r{i} << EOD', *(f'{x} {y / scale}' for x, y in rates(run)), 'EOD']
            first = run['cell'] not in [r['cell'] for r in shown[:i]]
            title = f'title {plot.quote(run["cell"])}' if first else 'notitle'
            plots.append(f'$r{i} using 1:2 with lines lw {1.4 if run["quiet"] else 1} dt {"solid" if run["quiet"] else "3"} '
                         f'lc {plot.colour(colour)} {title}')
            at = last_phase_s(run)
            if at is not None:
                x, y = min(rates(run), key=lambda p: abs(p[0] - at))
                lines += [f'$m{i} << EOD', f'{x} {y / scale}', 'EOD']
                plots.append(f'$m{i} using 1:2 with points pt 6 ps 0.9 lw 1.5 lc {plot.colour(colour)} notitle')
        return height, '\n'.join(lines + ['plot ' + ', \\\n'.join(plots)]) + '\n'
    return plot.draw(name, script)
