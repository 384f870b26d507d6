#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: draw.py OUT.svg: the picture of the handout. A pool of three frames before and after a miss."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), 'tool'))
sys.dont_write_bytecode = True

from svg import document, text  # noqa: E402

FRAME_W, FRAME_H, GAP = 150, 64, 14


def frame(x, y, number, page, pins, note=''):
    fill = '#eee' if page is None else '#f6d9b8' if pins else '#d5e5f5'
    parts = [f'<rect x="{x}" y="{y}" width="{FRAME_W}" height="{FRAME_H}" rx="6" fill="{fill}" stroke="#555"/>',
             text(x + 8, y + 20, f'frame {number}', 12, fill='#666'),
             text(x + FRAME_W / 2, y + 42, 'free' if page is None else f'page {page}', 16, 'middle', 'bold'),
             text(x + FRAME_W - 8, y + 20, f'pins {pins}' if page is not None else '', 12, 'end', fill='#a04000' if pins else '#666')]
    if note:
        parts.append(text(x + FRAME_W / 2, y + 58, note, 11, 'middle', fill='#a00000'))
    return parts


def column(x, title, frames):
    parts = [text(x + FRAME_W / 2, 62, title, 14, 'middle', 'bold')]
    for i, (page, pins, note) in enumerate(frames):
        parts += frame(x, 76 + i * (FRAME_H + GAP), i, page, pins, note)
    return parts


def arrow(x, words):
    return [f'<path d="M {x} 190 h 86 m -9 -6 l 9 6 l -9 6" fill="none" stroke="#333" stroke-width="2"/>',
            text(x + 43, 180, words, 12, 'middle')]


def draw():
    parts = [text(20, 30, 'A pool of three frames: fix(page 12) when no frame is free', 17, weight='bold')]
    parts += column(20, 'before', [(7, 1, ''), (9, 0, 'the victim'), (4, 0, '')])
    parts += arrow(180, 'evict')
    parts += column(280, 'a frame is free', [(7, 1, ''), (None, 0, ''), (4, 0, '')])
    parts += arrow(440, 'read, link')
    parts += column(540, 'after', [(7, 1, ''), (12, 1, 'pinned for the caller'), (4, 0, '')])
    parts += [text(20, 338, 'Orange: pinned, somebody uses it, it must stay. Blue: nobody uses it, it may leave. The file below has all pages.', 12),
              '<rect x="20" y="350" width="670" height="26" fill="#fafafa" stroke="#555"/>']
    for pgno in range(14):
        x = 20 + pgno * 670 / 14
        parts += [f'<path d="M {x:.1f} 350 v 26" stroke="#999"/>', text(round(x + 24, 1), 368, str(pgno), 12, 'middle')]
    return document(710, 392, parts)


if __name__ == '__main__':
    with open(sys.argv[1], 'w', encoding='utf-8') as f:
        f.write(draw())
