#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws how full leaves are: lines `order, how,percent` of the program fill on standard input, an SVG on standard output.

    (./lab run 5 fill leaves; ./lab run 5 fill_share leaves) | python3 labs/lab5/plot.py > fill.svg

A panel for each order of keys and each way of making space. A bar is the share of the leaves that are so full.
"""
import sys

LEFT, TOP, WIDTH, HEIGHT, GAP_X, GAP_Y = 70, 84, 250, 130, 34, 70
BIN = 4  # per cent of a page, a bar
COLOURS = ['#3060b0', '#c08030']


def text(x, y, words, size=12, anchor='start', fill='#222', more=''):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{fill}"{more}>{words}</text>'


def panel(x, y, percents, colour):
    """The bars of one tree, and its mean as a line."""
    bars = [0] * (100 // BIN)
    for percent in percents:
        bars[min(percent, 99) // BIN] += 1
    out = [f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" fill="#f7f7f7" stroke="#bbb"/>']
    for k, n in enumerate(bars):
        height = HEIGHT * n / len(percents)
        if n:
            out.append(f'<rect x="{x + WIDTH * k * BIN / 100:.1f}" y="{y + HEIGHT - height:.1f}" width="{WIDTH * BIN / 100 - 1:.1f}" '
                       f'height="{height:.1f}" fill="{colour}"/>')
    mean = sum(percents) / len(percents)
    at = x + WIDTH * mean / 100
    out.append(f'<path d="M{at:.1f} {y}V{y + HEIGHT}" stroke="#b03030" stroke-dasharray="4 3"/>')
    out.append(text(x, y - 8, f'{len(percents)} leaves, on average {mean:.0f} % full'))
    for share in (0, 25, 50, 75, 100):
        out.append(text(x + WIDTH * share / 100, y + HEIGHT + 16, share, 11, 'middle', '#555'))
    return out


def svg(trees):
    """trees: {(order, how): per cent of each leaf}."""
    orders = list(dict.fromkeys(order for order, _ in trees))
    ways = list(dict.fromkeys(how for _, how in trees))
    width, height = LEFT + len(orders) * (WIDTH + GAP_X), TOP + len(ways) * (HEIGHT + GAP_Y) + 6
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif">',
           f'<rect width="{width}" height="{height}" fill="white"/>',
           text(LEFT, 26, 'How full are the leaves? By the order in which the keys came', 15, more=' font-weight="bold"')]
    for column, order in enumerate(orders):
        out.append(text(LEFT + column * (WIDTH + GAP_X) + WIDTH / 2, 50, order, 13, 'middle', more=' font-weight="bold"'))
    for row, how in enumerate(ways):
        y = TOP + row * (HEIGHT + GAP_Y)
        out.append(text(0, 0, how, 13, 'middle', more=f' font-weight="bold" transform="translate(30 {y + HEIGHT / 2:.0f}) rotate(-90)"'))
        for share in (0, 100):
            out.append(text(LEFT - 6, y + HEIGHT * (1 - share / 100) + 4, f'{share} %', 11, 'end', '#555'))
        for column, order in enumerate(orders):
            if (order, how) in trees:
                out += panel(LEFT + column * (WIDTH + GAP_X), y, trees[order, how], COLOURS[row % len(COLOURS)])
    out.append(text(LEFT, height - 10, 'to the right: per cent of a leaf that are used; a bar: the share of the leaves; dashed: the mean', 12, fill='#555'))
    out.append('</svg>')
    return '\n'.join(out) + '\n'


def main():
    trees = {}
    for line in sys.stdin:
        name, comma, percent = line.strip().rpartition(',')
        order, of_two, how = name.partition(', ')
        if comma and of_two and percent.isdigit():
            trees.setdefault((order, how), []).append(int(percent))
    if not trees:
        sys.exit('plot.py: no line on standard input: ./lab run 5 fill leaves | python3 labs/lab5/plot.py > fill.svg')
    sys.stdout.write(svg(trees))


if __name__ == '__main__':
    main()
