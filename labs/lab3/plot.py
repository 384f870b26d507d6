#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws reads a second by depth: lines `name;depth;rate` of the program depth on standard input, an SVG on standard output.

    ./lab run 3 depth --csv | python3 labs/lab3/plot.py > depth.svg

Both scales are logarithmic: where twice the depth is twice the rate, a curve rises by the same step.
"""
import math
import sys

LEFT, TOP, WIDTH, HEIGHT, RIGHT, BOTTOM = 80, 56, 600, 320, 200, 52
COLOURS = ['#808080', '#c08030', '#3060b0', '#309050', '#b03030']


def svg(rates):
    depths = sorted({depth for points in rates.values() for depth, _ in points})
    all_rates = [rate for points in rates.values() for _, rate in points]
    low, high = math.floor(math.log2(min(all_rates))), math.ceil(math.log2(max(all_rates)))
    last, high = max(math.log2(depths[-1]), 1), max(high, low + 1)

    def x_of(depth):
        return LEFT + WIDTH * math.log2(depth) / last

    def y_of(log_rate):
        return TOP + HEIGHT * (1 - (log_rate - low) / (high - low))

    width, height = LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
           'font-family="sans-serif" font-size="13">',
           f'<rect width="{width}" height="{height}" fill="white"/>',
           f'<text x="{LEFT}" y="24" font-size="15" font-weight="bold">Random reads of 4 KiB a second, by depth</text>']
    for depth in depths:
        out.append(f'<path d="M{x_of(depth):.1f} {TOP}V{TOP + HEIGHT}" stroke="#ddd"/>')
        out.append(f'<text x="{x_of(depth):.1f}" y="{TOP + HEIGHT + 20}" text-anchor="middle">{depth}</text>')
    for power in range(low, high + 1):
        out.append(f'<path d="M{LEFT} {y_of(power):.1f}H{LEFT + WIDTH}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y_of(power) + 4:.1f}" text-anchor="end">{2 ** power:,}</text>')
    for k, (name, points) in enumerate(rates.items()):
        colour = COLOURS[k % len(COLOURS)]
        path = [f'{x_of(depth):.1f} {y_of(math.log2(rate)):.1f}' for depth, rate in sorted(points)]
        out.append(f'<path d="M{"L".join(path)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{p.split()[0]}" cy="{p.split()[1]}" r="3" fill="{colour}"/>' for p in path]
        y = TOP + 20 + 24 * k
        out.append(f'<path d="M{LEFT + WIDTH + 14} {y - 4}h24" stroke="{colour}" stroke-width="3"/>')
        out.append(f'<text x="{LEFT + WIDTH + 44}" y="{y}">{name}</text>')
    out.append(f'<text x="{LEFT + WIDTH / 2}" y="{height - 10}" text-anchor="middle" fill="#555">reads in flight</text>')
    out.append('</svg>')
    return '\n'.join(out) + '\n'


def main():
    rates = {}
    for line in sys.stdin:
        name, *numbers = line.strip().split(';')
        if len(numbers) == 2 and all(n.isdigit() and int(n) > 0 for n in numbers):
            rates.setdefault(name, []).append((int(numbers[0]), int(numbers[1])))
    if not rates:
        sys.exit('plot.py: no line on standard input: ./lab run 3 depth --csv | python3 labs/lab3/plot.py > depth.svg')
    sys.stdout.write(svg(rates))


if __name__ == '__main__':
    main()
