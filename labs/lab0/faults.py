#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws the table of the program `faults`: it on standard input, an SVG on standard output.

    ./lab run 0 faults | python3 labs/lab0/faults.py > faults.svg

A group of bars for each way of looking at a page, a bar for each kind of fault: the share of these faults
that was taken for a good page.
"""
import re
import sys

LEFT, TOP, HEIGHT, BAR, GAP, GROUP, BOTTOM = 56, 78, 260, 34, 5, 40, 86
COLOURS = {'old version': '#b03030', 'bytes of another page': '#c08030'}
OTHERS = ['#8fa8c8', '#a9bcd6', '#c4d2e4']
FONT = 'font-family="sans-serif"'


def text(x, y, words, size=13, anchor='start', weight='normal', fill='#222'):
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{fill}" {FONT}>{words}</text>'


def table(lines):
    """(ways, {fault: counts}, how many of each kind) of the program's output."""
    ways, faults = None, {}
    for line in lines:
        cells = re.split(r'\s{2,}', line.strip())
        if not ways and cells[0] == 'taken for good':
            ways = cells[1:]
        elif ways and len(cells) == len(ways) + 1 and all(c.isdigit() for c in cells[1:]):
            faults[cells[0]] = [int(c) for c in cells[1:]]
    sums = {name: faults.pop(name) for name in list(faults) if name.startswith('of ')}
    if not ways or not faults or len(sums) != 1:
        sys.exit('faults.py: no table on standard input: ./lab run 0 faults | python3 labs/lab0/faults.py > faults.svg')
    n_all = int(next(iter(sums)).split()[1])
    return ways, faults, n_all // len(faults)


def svg(ways, faults, n_each):
    others = iter(OTHERS)
    colour = {name: COLOURS.get(name) or next(others, OTHERS[-1]) for name in faults}
    group = len(faults) * (BAR + GAP)
    width, base = LEFT + len(ways) * (group + GROUP) + 10, TOP + HEIGHT
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{base + BOTTOM}" viewBox="0 0 {width} {base + BOTTOM}">',
           f'<rect width="{width}" height="{base + BOTTOM}" fill="white"/>',
           text(12, 26, f'Pages that were taken for good, of {n_each} faults of each kind, in per cent', 16, weight='bold'),
           text(12, 48, 'from left to right: who looks at nothing; at the checksum; at the page number too; at the generation that the parent holds too',
                12, fill='#555')]
    for share in range(0, 101, 25):
        y = base - HEIGHT * share / 100
        out.append(f'<path d="M{LEFT} {y:g}H{width - 10}" stroke="#ddd"/>')
        out.append(text(LEFT - 8, y + 4, str(share), 12, 'end', fill='#555'))
    for column, way in enumerate(ways):
        x = LEFT + GROUP / 2 + column * (group + GROUP)
        for name, counts in faults.items():
            share = counts[column] / n_each
            height = max(2, HEIGHT * share)
            out.append(f'<rect x="{x:g}" y="{base - height:g}" width="{BAR}" height="{height:g}" fill="{colour[name]}"/>')
            out.append(text(x + BAR / 2, base - height - 5, f'{100 * share:g}', 11, 'middle', fill='#555'))
            x += BAR + GAP
        out.append(text(x - group / 2, base + 24, way, 14, 'middle', 'bold'))
    x = LEFT
    for name in faults:
        out.append(f'<rect x="{x}" y="{base + 48}" width="16" height="16" fill="{colour[name]}"/>')
        out.append(text(x + 22, base + 61, name, 13))
        x += 50 + 8 * len(name)
    return '\n'.join(out) + '\n</svg>\n'


if __name__ == '__main__':
    sys.stdout.write(svg(*table(sys.stdin)))
