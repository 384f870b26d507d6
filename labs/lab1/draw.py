#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: draw.py OUT.svg: the picture of the handout. A leaf before and after an insert, and after a removal."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), 'tool'))
sys.dont_write_bytecode = True

from svg import box, document, legend, text  # noqa: E402

LEFT, WIDTH, TOP, HEIGHT, ROW = 30, 1000, 84, 56, 150
HEADER, SLOT, FREE, CELL, DEAD, PREFIX, NEW = '#e4e4e4', '#d5e5f5', '#ffffff', '#dcefd8', '#c9c9c9', '#eadcf3', '#f6d9b8'


def arrow(x_from, x_to, y, bow):
    """From a slot to its cell, below the page."""
    return f'<path d="M {x_from} {y} C {x_from} {y + bow}, {x_to} {y + bow}, {x_to} {y + 3}" fill="none" stroke="#777" marker-end="url(#a)"/>'


def row(n, title, parts):
    """parts: (name, width, fill, words); a slot's name is s and a cell's c, each with the same letter behind it."""
    y, x, out, at = TOP + n * ROW, LEFT, [text(LEFT, TOP + n * ROW - 10, title, 14, weight='bold')], {}
    for name, width, fill, words in parts:
        out += box(x, y, width, HEIGHT, fill, words)
        at[name] = x + width / 2
        x += width
    slots = [name for name in at if name[0] == 's' and 'c' + name[1:] in at]
    out += [arrow(at[s], at['c' + s[1:]], y + HEIGHT, 22 + 10 * i) for i, s in enumerate(slots)]
    return out


def draw():
    head, pre = ('h', 130, HEADER, 'header'), ('p', 70, PREFIX, 'lib|prefix')
    a, c, z = ('sa', 80, SLOT, 'asan'), ('sc', 80, SLOT, 'c6'), ('sz', 80, SLOT, 'z')
    ca, cc, cz = ('ca', 110, CELL, 'libasan8'), ('cc', 110, CELL, 'libc6'), ('cz', 110, CELL, 'libz')
    parts = ['<defs><marker id="a" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
             '<path d="M 0 0 L 8 4 L 0 8 z" fill="#777"/></marker></defs>',
             text(LEFT, 30, 'A slotted page: slots grow up, cells grow down, free bytes are between', 17, weight='bold')]
    parts += row(0, '1  libc6 came first, then libasan8. The slots are in order of the keys; the cells are not.',
                 [head, a, c, ('f', 420, FREE, 'free'), ca, cc, pre])
    parts += row(1, '2  libz is inserted: its slot behind the others, its cell below the lowest cell.',
                 [head, a, c, ('sz', 80, NEW, 'z'), ('f', 230, FREE, 'free'), ('cz', 110, NEW, 'libz'), ca, cc, pre])
    parts += row(2, '3  libasan8 is removed: the slots close up; its cell is dead, and is counted.',
                 [head, c, z, ('f', 310, FREE, 'free'), cz, ('d', 110, DEAD, 'dead'), cc, pre])
    y = TOP + 3 * ROW - 10
    parts += legend(LEFT, y, 300, ((SLOT, 'slot: head, offset, length'), (CELL, 'cell: value length, tail, value'), (DEAD, 'dead: collected when it is needed')))
    width, height = LEFT + WIDTH + 30, y + 34
    return document(width, height, parts)


if __name__ == '__main__':
    with open(sys.argv[1], 'w', encoding='utf-8') as f:
        f.write(draw())
