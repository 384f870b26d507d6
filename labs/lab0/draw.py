#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: draw.py OUT.svg: the picture of the handout. A reference, the page that it names, and a read in three attempts."""
import sys

LEFT, WIDTH = 30, 960
FONT = 'font-family="sans-serif"'
BLUE, ORANGE, GREEN, GREY, WHITE = '#d5e5f5', '#f6d9b8', '#dcefd8', '#ededed', '#ffffff'


def text(x, y, words, size=13, anchor='start', weight='normal', fill='#222'):
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{fill}" {FONT}>{words}</text>'


def box(x, y, width, height, fill, words, size=12):
    lines = words.split('|')
    return [f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}" stroke="#555"/>'] + [
        text(x + width / 2, y + height / 2 + 4 + (i - (len(lines) - 1) / 2) * 15, line, size, 'middle') for i, line in enumerate(lines)]


def arrow(path):
    return f'<path d="{path}" fill="none" stroke="#555" marker-end="url(#a)"/>'


def page(y):
    """The file, and one page of it with its header."""
    out, x = [text(LEFT, y - 54, 'A reference names a page; the header of the page says whether it is the one', 16, weight='bold')], LEFT + 270
    out += box(LEFT, y, 170, 50, ORANGE, 'a parent holds|page 1000, generation 770')
    for words, fill in (('page 998', GREY), ('page 999', GREY), ('page 1000', BLUE), ('page 1001', GREY), ('page 1002', GREY)):
        out += box(x, y, 110, 50, fill, words)
        x += 110
    out.append(text(x + 12, y + 30, 'the file', 13, fill='#555'))
    out.append(arrow(f'M {LEFT + 170} {y + 14} C {LEFT + 240} {y - 30}, {LEFT + 500} {y - 46}, {LEFT + 542} {y - 3}'))
    top, bottom = y + 50, y + 96
    out.append(f'<path d="M {LEFT + 490} {top} L {LEFT} {bottom} M {LEFT + 600} {top} L {LEFT + WIDTH} {bottom}" stroke="#999" stroke-dasharray="4 3"/>')
    x = LEFT
    for words, at, width, fill in (('checksum', 0, 120, ORANGE), ('pgno|1000', 8, 80, BLUE), ('type', 12, 44, WHITE), ('level', 13, 44, WHITE),
                                   ('flags', 14, 50, WHITE), ('gen|770', 16, 110, BLUE), ('lsn', 24, 100, WHITE), ('tree', 32, 62, WHITE),
                                   ('scratch', 36, 62, WHITE), ('payload|what the page is for', 40, 288, GREEN)):
        out += box(x, bottom, width, 50, fill, words)
        out.append(text(x + 2, bottom + 66, str(at), 11, fill='#555'))
        x += width
    out.append(f'<path d="M {LEFT + 120} {bottom + 78} v 8 H {LEFT + WIDTH} v -8" fill="none" stroke="#b06020"/>')
    out.append(text(LEFT + 540, bottom + 104, 'the checksum is computed from all of this', 13, 'middle', fill='#804010'))
    out.append(text(LEFT, bottom + 84, 'the number: the', 11, fill='#555'))
    out.append(text(LEFT, bottom + 98, 'byte where it begins', 11, fill='#555'))
    return out


def transfer(y):
    """A read of three blocks."""
    out, block, x = [text(LEFT, y - 12, 'A read of three blocks, of which the kernel does a part at a time', 16, weight='bold')], 190, LEFT + 260
    rows = (('1  asks for all', '5000 bytes come: one whole block counts', 5000 / 4096, 0), ('2  goes on behind it', 'interrupted: again', 0, 1),
            ('3  the same again', 'the rest: over', 2, 1))
    for n, (title, note, moved, done) in enumerate(rows):
        at = y + 8 + n * 44
        out += [text(LEFT, at + 19, title, 13, weight='bold'), text(LEFT + 3 * block + 280, at + 19, note, 12, fill='#555')]
        for k in range(3):
            out += box(x + k * block, at, block, 28, BLUE if k < done else WHITE, 'done' if k < done else '')
        if moved:
            out.append(f'<rect x="{x + done * block}" y="{at + 5}" width="{moved * block:g}" height="18" fill="{GREEN}" stroke="#4a8a4a"/>')
        out.append(f'<path d="M {x + done * block} {at - 3} v 34" stroke="#b03030" stroke-width="3"/>')
    out.append(text(LEFT, y + 8 + 3 * 44 + 14, 'red: where the attempt begins; green: what it moves; blue: what counts already', 12, fill='#555'))
    return out


def draw():
    parts = ['<defs><marker id="a" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
             '<path d="M 0 0 L 8 4 L 0 8 z" fill="#555"/></marker></defs>']
    parts += page(90) + transfer(346)
    width, height = LEFT + 3 * 190 + 280 + 270, 346 + 8 + 3 * 44 + 34
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">\n'
            f'<rect width="{width}" height="{height}" fill="white"/>\n' + '\n'.join(parts) + '\n</svg>\n')


if __name__ == '__main__':
    with open(sys.argv[1], 'w', encoding='utf-8') as f:
        f.write(draw())
