#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: draw.py OUT.svg: the picture of the handout. Pages of a file, the map, the words; and where a writer works."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), 'tool'))
sys.dont_write_bytecode = True

from svg import box, document, text  # noqa: E402

BOX_W, BOX_H, GAP = 84, 42, 6
LEFT, TOP, ROW = 150, 60, 92
BLUE, ORANGE, GREY, WHITE = '#d5e5f5', '#f6d9b8', '#ededed', '#ffffff'


def x_of(place):
    return LEFT + place * (BOX_W + GAP)


def row(n, title, note, boxes):
    y = TOP + n * ROW
    parts = [text(12, y + 18, title, 13, weight='bold'), text(12, y + 36, note, 12, fill='#555')]
    for place, (fill, words) in enumerate(boxes):
        if not fill:
            continue
        parts += box(x_of(place), y, BOX_W, BOX_H, fill, words, 4)
    return parts


def arrow(place, n, words, up=False):
    x, low, high = x_of(place) + BOX_W / 2, TOP + n * ROW + BOX_H + 4, TOP + (n + 1) * ROW - 6
    tip, back = (low, 7) if up else (high, -7)
    return [f'<path d="M{x} {low}V{high}M{x - 5} {tip + back}L{x} {tip}L{x + 5} {tip + back}" fill="none" stroke="#333"/>',
            text(x + 10, (low + high) / 2 + 4, words, 12, fill='#555')]


def draw():
    parts = [text(12, 28, 'A map of the file: page n lies n times 4096 bytes behind the beginning', 16, weight='bold')]
    parts += row(0, 'words', 'yours', [(WHITE, '0'), (BLUE, '1'), (WHITE, '0'), (BLUE, '3'), (WHITE, '0'), (WHITE, '0')])
    parts += row(1, 'the map', 'read only', [(GREY, 'page 0|?'), (BLUE, 'page 1|gen 1'), (GREY, 'page 2|?'), (BLUE, 'page 3|gen 3'),
                                             (GREY, 'page 4|?'), (GREY, 'page 5|?')])
    parts += row(2, 'the file', 'on the disk', [(BLUE, f'page {n}') for n in range(6)])
    parts += row(3, 'frames of', 'the writer', [(None, '')] * 4 + [(ORANGE, 'page 4|gen 7'), (ORANGE, 'page 5|gen 7')])
    parts += arrow(1, 0, 'verified here in generation 1')
    parts += arrow(3, 1, 'read, when a byte is touched', up=True)
    parts += arrow(4, 2, 'written at the commit', up=True)
    y = TOP + 4 * ROW - 8
    parts.append(text(12, y, '?: nobody has looked yet, or the kernel has taken it away. A get touches it, verifies it, and sets its word.', 13))
    width, height = x_of(6) + 10, y + 18
    return document(width, height, parts)


if __name__ == '__main__':
    with open(sys.argv[1], 'w', encoding='utf-8') as f:
        f.write(draw())
