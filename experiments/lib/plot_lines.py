# SPDX-License-Identifier: MIT
"""Pictures of lines over an axis that doubles: regret by memory, and a metric by reads in flight."""
from lib import plot

POINTS = (7, 5, 9, 13, 11, 15, 4, 6)


def alt(lines, what, axis):
    return f'{what} by {axis}, one line each for {", ".join(lines)}. The figures are in the table behind it.'


def draw(name, lines, x_title, y_title, engine_of, y_range=None, x_format='%g'):
    """A Picture, or None. lines: {name: [(x, y) or (x, y, low, high)]}. engine_of: from a name to its engine, or None: then the
    line is dashed. y_range: (low, high)."""
    shown = {key: sorted(values) for key, values in lines.items() if values}
    colours = plot.palette(list(shown), engine_of)
    xs = sorted({v[0] for values in shown.values() for v in values})
    if len(xs) < 2:
        return None

    def script(width):
        tics = ', '.join(f"'{x_format % x}' {x:g}" for i, x in enumerate(xs) if width > plot.NARROW or len(xs) <= 6 or i % 2 == 0)
        height, head = plot.head_of_plot(width, 270, y_title, len(shown))
        body = ['set logscale x 2', f'set xtics ({tics})', f'set xrange [{xs[0] / 1.1}:{xs[-1] * 1.1}]',
                f'set yrange [{y_range[0]}:{y_range[1]}]' if y_range else 'set yrange [0:*]',
                f'set xlabel {plot.quote(x_title)} tc {plot.colour("muted")}', *head]
        plots = []
        for i, (key, values) in enumerate(shown.items()):
            colour, solid = colours[key], bool(engine_of(key))
            style = f'pt {POINTS[i % len(POINTS)]} ps 0.7 lw {2 if solid else 1.5} ' \
                    f'dt {"solid" if solid else "(6,3)"} lc {plot.colour(colour)}'
            body += [f'$d{i} << EOD', *(' '.join(f'{x:g}' for x in v) for v in values), 'EOD']
            if all(len(v) == 4 for v in values):
                plots.append(f'$d{i} using 1:3:(0):($4-$3) with vectors nohead lw 1.2 lc {plot.colour(colour)} notitle')
            plots.append(f'$d{i} using 1:2 with linespoints {style} title {plot.quote(key)}')
        return height, '\n'.join(body + ['plot ' + ', \\\n'.join(plots)]) + '\n'
    return plot.draw(name, script)
