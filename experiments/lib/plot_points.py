# SPDX-License-Identifier: MIT
"""A picture of points with intervals: two figures of a few cells, one against the other."""
from lib import plot
from lib.plot_lines import POINTS


def alt(points, what, axis):
    return f'{what} by {axis}, one point each for {", ".join(points)}. The figures are in the table behind it.'


def draw(name, points, x_title, y_title, engine_of):
    """A Picture, or None. points: {name: (x, y, low, high)}; low and high may be None."""
    if not points:
        return None
    colours = plot.palette(list(points), engine_of)
    right = max(5.0, *(p[0] for p in points.values()))
    top = max(p[3] or p[1] for p in points.values())

    def script(width):
        height, head = plot.head_of_plot(width, 240, y_title, len(points))
        body = [f'set xrange [{-0.06 * right}:{1.06 * right}]', f'set yrange [0:{1.1 * top}]',
                f'set xlabel {plot.quote(x_title)} tc {plot.colour("muted")}', *head]
        plots = []
        for i, (key, (x, y, low, high)) in enumerate(points.items()):
            body += [f'$d{i} << EOD', f'{x:g} {y:g} {y if low is None else low:g} {y if high is None else high:g}', 'EOD']
            colour = plot.colour(colours[key])
            plots += [f'$d{i} using 1:3:(0):($4-$3) with vectors nohead lw 1.2 lc {colour} notitle',
                      f'$d{i} using 1:2 with points pt {POINTS[i % len(POINTS)]} ps 0.9 lc {colour} title {plot.quote(key)}']
        return height, '\n'.join(body + ['plot ' + ', \\\n'.join(plots)]) + '\n'
    return plot.draw(name, script)
