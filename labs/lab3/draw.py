#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: draw.py OUT.svg: the picture of the handout. Requests on their way through a queue and back."""
import sys

FONT = 'font-family="sans-serif"'


def text(x, y, words, size=13, anchor='start', weight='normal', fill='#222'):
    return f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{fill}" {FONT}>{words}</text>'


def box(x, y, w, h, title, fill):
    return [f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="6" fill="{fill}" stroke="#555"/>',
            text(x + w / 2, y - 8, title, 13, 'middle', 'bold')]


def slots(x, y, names, fills):
    parts = []
    for k, (name, fill) in enumerate(zip(names, fills)):
        parts += [f'<rect x="{x + 46 * k}" y="{y}" width="42" height="30" rx="3" fill="{fill}" stroke="#777"/>',
                  text(x + 46 * k + 21, y + 20, name, 13, 'middle')]
    return parts


def arrow(x1, y1, x2, y2, words='', dx=0, dy=-6):
    return [f'<path d="M{x1} {y1}L{x2} {y2}" stroke="#333" stroke-width="2" fill="none" marker-end="url(#tip)"/>',
            text((x1 + x2) / 2 + dx, (y1 + y2) / 2 + dy, words, 12, 'middle', fill='#333')]


BLUE, ORANGE, GREEN, GREY = '#d5e5f5', '#f6d9b8', '#d8edd8', '#f4f4f4'


def draw():
    parts = ['<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
             '<path d="M 0 0 L 10 5 L 0 10 z" fill="#333"/></marker></defs>',
             text(20, 28, 'Six reads, a queue of depth 4: who has them now?', 17, weight='bold')]
    parts += box(20, 80, 130, 70, 'thread A', GREY) + [text(85, 112, 'submit(6 reads)', 12, 'middle'),
                                                       text(85, 132, 'sleeps for a place', 12, 'middle', fill='#a04000')]
    parts += box(20, 210, 130, 70, 'thread B', GREY) + [text(85, 242, 'wait(read 2)', 12, 'middle'),
                                                        text(85, 262, 'sleeps', 12, 'middle', fill='#a04000')]
    parts += slots(20, 164, ['5', '6'], [GREY, GREY]) + [text(118, 184, 'not submitted yet', 11, fill='#555')]
    parts += box(250, 80, 200, 54, 'in the ring: submission', GREY) + slots(260, 92, ['4'], [BLUE])
    parts += box(250, 226, 200, 54, 'in the ring: completion', GREY) + slots(260, 238, ['2'], [GREEN])
    parts += box(540, 80, 170, 200, 'the kernel and the device', GREY) + slots(580, 120, ['1'], [ORANGE]) + slots(580, 190, ['3'], [ORANGE])
    parts += [text(625, 175, 'in any order', 12, 'middle', fill='#555')]
    parts += arrow(152, 106, 246, 106, 'push, enter')
    parts += arrow(452, 106, 536, 106)
    parts += arrow(536, 252, 454, 252, 'answers')
    parts += box(250, 330, 200, 70, '', GREY) + [text(350, 352, 'the reaper', 13, 'middle', 'bold'),
                                                 text(350, 372, 'take the answer, done(),', 12, 'middle'), text(350, 388, 'complete, wake', 12, 'middle')]
    parts += arrow(350, 282, 350, 326, 'wait', 24, 4)
    parts += arrow(248, 365, 88, 284, 'wakes B', 0, 24)
    parts += [text(470, 352, 'short? it goes in once more,', 12), text(470, 368, 'and keeps its place', 12)]
    parts += [text(20, 430, 'Four are in flight (1, 2, 3, 4), so there is no place for 5. Blue: handed over. Orange: at work. Green: answered, not yet complete.', 12)]
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="760" height="446" viewBox="0 0 760 446">\n'
            '<rect width="760" height="446" fill="white"/>\n' + '\n'.join(parts) + '\n</svg>\n')


if __name__ == '__main__':
    with open(sys.argv[1], 'w', encoding='utf-8') as f:
        f.write(draw())
