#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: draw.py OUT.svg: the picture of the handout. The ten places of a store, at four moments of a commit."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), 'tool'))
sys.dont_write_bytecode = True

from svg import box, document, legend, text  # noqa: E402

BOX_W, BOX_H, GAP = 62, 44, 6
LEFT, TOP, ROW = 168, 76, 92
COMMITTED, NEW, OLD, FREE = '#d5e5f5', '#f6d9b8', '#ededed', '#ffffff'


def row(n, title, note, places):
    y = TOP + n * ROW
    parts = [text(12, y + 18, title, 13, weight='bold'), text(12, y + 36, note, 12, fill='#555')]
    for place in range(10):
        parts += box(LEFT + place * (BOX_W + GAP), y, BOX_W, BOX_H, *places.get(place, (FREE, '')), 4)
    return parts


def draw():
    before = {0: (OLD, 'meta|empty'), 1: (COMMITTED, 'meta|seq 1'), 2: (OLD, ''), 3: (COMMITTED, 'page 1'), 4: (COMMITTED, 'page 2'),
              5: (COMMITTED, 'page 3'), 6: (COMMITTED, 'page 0')}
    touched = {**before, 2: (NEW, 'page 0|new'), 7: (NEW, 'page 1|new')}
    meta = {**touched, 0: (NEW, 'meta|seq 2 ?')}
    after = {0: (COMMITTED, 'meta|seq 2'), 1: (OLD, 'meta|seq 1'), 2: (COMMITTED, 'page 0'), 3: (OLD, ''), 4: (COMMITTED, 'page 2'),
             5: (COMMITTED, 'page 3'), 6: (OLD, ''), 7: (COMMITTED, 'page 1')}
    parts = [text(12, 26, 'Shadow pages: pages 0 and 1 are changed and committed', 16, weight='bold')]
    parts += [text(LEFT + place * (BOX_W + GAP) + BOX_W / 2, 62, f'place {place}', 12, 'middle', fill='#666') for place in range(10)]
    parts += row(0, '1 before', 'commit 1 is durable', before)
    parts += row(1, '2 pages written', 'then a flush', touched)
    parts += row(2, '3 meta page written', 'durable? torn? lost?', meta)
    parts += row(3, '4 after the flush', 'commit 2 is durable', after)
    y = TOP + 4 * ROW + 4
    parts += legend(LEFT, y, 220, ((COMMITTED, 'committed: never changed'), (NEW, 'written, not committed'), (OLD, 'may be used again')))
    parts.append(text(LEFT, y + 40, 'A power cut in rows 1 and 2 leaves commit 1. In row 3 it leaves commit 1 or commit 2, and nothing else.', 13))
    width, height = LEFT + 10 * (BOX_W + GAP) + 10, y + 56
    return document(width, height, parts)


if __name__ == '__main__':
    with open(sys.argv[1], 'w', encoding='utf-8') as f:
        f.write(draw())
