#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: draw.py OUT.svg: the picture of the handout. Two rounds of one experiment, and what is taken from them."""
import sys

FONT = 'font-family="sans-serif"'
BLUE, ORANGE, GREEN, GREY, WHITE = '#d5e5f5', '#f6d9b8', '#d9ead0', '#ededed', '#ffffff'
LEFT, BOX_W, BOX_H, GAP, TOP = 128, 92, 40, 8, 64
ROUNDS = (('map', 'pool', 'own', 'pool (2)'), ('own', 'pool', 'pool (2)', 'map'))
FILLS = {'pool': BLUE, 'pool (2)': BLUE, 'map': ORANGE, 'own': GREEN}
RATES = ({'pool': 10400, 'pool (2)': 10500, 'map': 9700, 'own': 9800}, {'pool': 10300, 'pool (2)': 10250, 'map': 9500, 'own': 9750})


def text(x, y, words, size=13, anchor='start', weight='normal', fill='#222'):
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{fill}" {FONT}>{words}</text>'


def box(x, y, words, note, fill):
    return [f'<rect x="{x:g}" y="{y:g}" width="{BOX_W}" height="{BOX_H}" rx="4" fill="{fill}" stroke="#555"/>',
            text(x + BOX_W / 2, y + 17, words, 12, 'middle', 'bold'), text(x + BOX_W / 2, y + 33, note, 12, 'middle')]


def draw():
    parts = [text(12, 28, 'In turns: each round runs every cell once, in an order of its own (numbers: an example)', 16, weight='bold')]
    for n, (order, rates) in enumerate(zip(ROUNDS, RATES)):
        y = TOP + n * 96
        parts.append(text(12, y + 25, f'round {n + 1}', 13, weight='bold'))
        for place, name in enumerate(order):
            parts += box(LEFT + place * (BOX_W + GAP), y, name, f'{rates[name]} gets/s', FILLS[name])
        ratio, twins = rates['map'] / rates['pool'], rates['pool (2)'] / rates['pool']
        x = LEFT + len(order) * (BOX_W + GAP) + 12
        parts += [text(x, y + 15, f'map / pool = {ratio:.3f}'), text(x, y + 33, f'pool / pool = {twins:.3f}', fill='#555')]
        parts.append(text(LEFT, y + 60, 'file out of the page cache; the same keys, the same memory; one second of nothing before each', 12, fill='#555'))
    y = TOP + 2 * 96 + 18
    parts += [text(12, y, 'The ratio is taken inside a round, where the machine was in the same mood for both. Five rounds give five ratios:', 13),
              text(12, y + 20, 'their mean, and an interval. The pool beside itself (A/A) shows how large a difference is that means nothing.', 13)]
    width, height = LEFT + 4 * (BOX_W + GAP) + 178, y + 36
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">\n'
            f'<rect width="{width}" height="{height}" fill="white"/>\n' + '\n'.join(parts) + '\n</svg>\n')


if __name__ == '__main__':
    with open(sys.argv[1], 'w', encoding='utf-8') as f:
        f.write(draw())
