#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws miss curves: the CSV of the program curves on standard input, an SVG on standard output.

    ./lab run 2 curves --csv | python3 labs/lab2/curves.py > labs/lab2/curves.svg
"""
import csv
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), 'tool'))
sys.dont_write_bytecode = True

from svg import CHART, document  # noqa: E402

LEFT, TOP, WIDTH, HEIGHT, RIGHT, BOTTOM = 64, 50, 560, 330, 110, 56
COLOURS = {'clock': '#1f6fb4', 'sieve': '#2a8f3c', 'fifo': '#b8860b', 'lru': '#c0392b', '2q': '#8e44ad', 'random': '#777777', 'optimum': '#000000'}


def svg(rows):
    names = [n for n in rows[0] if n != 'frames']
    frames = [int(r['frames']) for r in rows]
    def x(n):
        return LEFT + WIDTH * n / frames[-1]

    def y(misses):
        return TOP + HEIGHT * (1 - misses / 100)
    out = [f'<text x="{LEFT}" y="26" font-size="15" font-weight="bold">Misses in a hundred reads, by frames: the tree\'s own accesses</text>']
    for percent in range(0, 101, 20):
        out.append(f'<path d="M {LEFT} {y(percent):.1f} h {WIDTH}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y(percent) + 4:.1f}" text-anchor="end">{percent}</text>')
    for n in range(0, frames[-1] + 1, 100):
        out.append(f'<text x="{x(n):.1f}" y="{TOP + HEIGHT + 20}" text-anchor="middle">{n}</text>')
    out.append(f'<text x="{LEFT + WIDTH / 2:g}" y="{TOP + HEIGHT + 44}" text-anchor="middle">frames</text>')
    for i, name in enumerate(names):
        points = ' '.join(f'{x(n):.1f},{y(float(r[name])):.1f}' for n, r in zip(frames, rows))
        dash = ' stroke-dasharray="6 4"' if name == 'optimum' else ''
        out.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS.get(name, "#333")}" stroke-width="2"{dash}/>')
        ly = TOP + 16 + 22 * i
        out.append(f'<path d="M {LEFT + WIDTH + 12} {ly - 4} h 22" stroke="{COLOURS.get(name, "#333")}" stroke-width="2"{dash}/>')
        out.append(f'<text x="{LEFT + WIDTH + 40}" y="{ly}">{name}</text>')
    return document(LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM, out, CHART)


def main():
    rows = list(csv.DictReader(sys.stdin))
    if not rows:
        sys.exit('curves.py: no lines on standard input: ./lab run 2 curves --csv | python3 labs/lab2/curves.py > curves.svg')
    sys.stdout.write(svg(rows))


if __name__ == '__main__':
    main()
