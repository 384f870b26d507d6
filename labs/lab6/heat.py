#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws the heat map: lines of JSON of the program heat on standard input, an SVG on standard output.

    ./lab run 6 heat --json - | python3 labs/lab6/heat.py > heat.svg
"""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), 'tool'))
sys.dont_write_bytecode = True

from svg import CHART, document  # noqa: E402

LEFT, TOP, WIDTH, HEIGHT, GAP = 130, 74, 92, 30, 3
RIGHT, BOTTOM = 10, 44


def colour(bad, n_all):
    """Grey: no image. Green: none is bad. From light to dark red: the share of the bad ones."""
    if not n_all:
        return '#eeeeee'
    if not bad:
        return '#cfe8cf'
    share = bad / n_all
    return '#%02x%02x%02x' % (255 - round(50 * share), round(200 * (1 - share)) + 20, round(180 * (1 - share)) + 20)


def svg(rows):
    steps = list(rows[0]['steps'])
    width = LEFT + len(steps) * WIDTH + RIGHT
    height = TOP + len(rows) * HEIGHT + BOTTOM
    out = [f'<text x="{width / 2:g}" y="22" text-anchor="middle" font-size="15" font-weight="bold">'
           'Images after a power cut that hold no committed state, in per cent</text>',
           f'<text x="{LEFT + (width - LEFT) / 2:g}" y="44" text-anchor="middle" fill="#555">what comes next in the commit</text>']
    for k, step in enumerate(steps):
        out.append(f'<text x="{LEFT + k * WIDTH + WIDTH / 2:g}" y="{TOP - 8}" text-anchor="middle">{step}</text>')
    for i, row in enumerate(rows):
        y = TOP + i * HEIGHT
        out.append(f'<text x="{LEFT - 10}" y="{y + 20}" text-anchor="end">{row["row"].replace("-", ", ")}</text>')
        for k, step in enumerate(steps):
            bad, n_all = row['steps'][step]
            x = LEFT + k * WIDTH
            text = f'{100 * bad / n_all:.0f}' if n_all else '-'
            out.append(f'<rect x="{x}" y="{y}" width="{WIDTH - GAP}" height="{HEIGHT - GAP}" fill="{colour(bad, n_all)}"/>')
            out.append(f'<text x="{x + (WIDTH - GAP) / 2:g}" y="{y + 19}" text-anchor="middle">{text}</text>')
    n_images = [sum(n for _, n in row['steps'].values()) for row in rows]
    out.append(f'<text x="{LEFT}" y="{height - 16}" fill="#555">"-": nothing was pending there. '
               f'{min(n_images)} to {max(n_images)} distinct images a row.</text>')
    return document(width, height, out, CHART)


def main():
    rows = [json.loads(line) for line in sys.stdin if line.strip()]
    if not rows:
        sys.exit('heat.py: no line on standard input: ./lab run 6 heat --json - | python3 labs/lab6/heat.py > heat.svg')
    sys.stdout.write(svg(rows))


if __name__ == '__main__':
    main()
