#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws how long reads took: lines `name,ns` of the program show on standard input, an SVG on standard output.

    ./lab run 4 show latency | python3 labs/lab4/plot.py > latency.svg

Each curve is one way of reading: how many per cent of its reads took at most so long. The scale is logarithmic,
because what lies between memory and a disk is a factor of a thousand.
"""
import math
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), 'tool'))
sys.dont_write_bytecode = True

from svg import CHART, document  # noqa: E402

LEFT, TOP, WIDTH, HEIGHT, RIGHT, BOTTOM = 60, 56, 640, 320, 190, 52
COLOURS = ['#b03030', '#c08030', '#808080', '#3060b0', '#309050']


def label(ns):
    for unit, size in (('s', 1e9), ('ms', 1e6), ('µs', 1e3)):
        if ns >= size:
            return f'{ns / size:g} {unit}'
    return f'{ns:g} ns'


def svg(times):
    first = math.floor(math.log10(min(t[0] for t in times.values())))
    last = max(math.ceil(math.log10(max(t[-1] for t in times.values()))), first + 1)

    def x_of(ns):
        return LEFT + WIDTH * (math.log10(ns) - first) / (last - first)

    width, height = LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM
    out = [f'<text x="{LEFT}" y="24" font-size="15" font-weight="bold">How long reads of a cold file took, in per cent of the reads</text>']
    for power in range(first, last + 1):
        x = x_of(10 ** power)
        out.append(f'<path d="M{x:.1f} {TOP}V{TOP + HEIGHT}" stroke="#ddd"/>')
        out.append(f'<text x="{x:.1f}" y="{TOP + HEIGHT + 20}" text-anchor="middle">{label(10.0 ** power)}</text>')
    for share in range(0, 101, 25):
        y = TOP + HEIGHT * (1 - share / 100)
        out.append(f'<path d="M{LEFT} {y:.1f}H{LEFT + WIDTH}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{share}</text>')
    for k, (name, sorted_ns) in enumerate(times.items()):
        colour = COLOURS[k % len(COLOURS)]
        step = max(1, len(sorted_ns) // 400)
        places = [*range(0, len(sorted_ns) - 1, step), len(sorted_ns) - 1]
        points = [f'{x_of(sorted_ns[i]):.1f} {TOP + HEIGHT * (1 - (i + 1) / len(sorted_ns)):.1f}' for i in places]
        out.append(f'<path d="M{"L".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        y = TOP + 20 + 24 * k
        out.append(f'<path d="M{LEFT + WIDTH + 14} {y - 4}h24" stroke="{colour}" stroke-width="3"/>')
        out.append(f'<text x="{LEFT + WIDTH + 44}" y="{y}">{name}</text>')
    out.append(f'<text x="{LEFT + WIDTH / 2}" y="{height - 10}" text-anchor="middle" fill="#555">time of one read</text>')
    return document(width, height, out, CHART)


def main():
    times = {}
    for line in sys.stdin:
        name, comma, ns = line.strip().rpartition(',')
        if comma and ns.isdigit():
            times.setdefault(name, []).append(max(1, int(ns)))
    if not times:
        sys.exit('plot.py: no line on standard input: ./lab run 4 show latency | python3 labs/lab4/plot.py > latency.svg')
    sys.stdout.write(svg({name: sorted(ns) for name, ns in times.items()}))


if __name__ == '__main__':
    main()
