#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: draw.py OUT.svg: the picture of the handout. A tree, a put that splits a leaf, and a delete that merges two."""
import sys

LEFT, WIDTH, TOP, ROW, INNER_Y, LEAF_Y, HIGH = 30, 1020, 62, 236, 34, 124, 38
FONT = 'font-family="sans-serif"'
SAME, NEW, OLD = '#d5e5f5', '#f6d9b8', '#f4f4f4'


def text(x, y, words, size=13, anchor='start', weight='normal', fill='#222'):
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{fill}" {FONT}>{words}</text>'


class Page:
    def __init__(self, x, width, words, fill):
        self.x, self.width, self.words, self.fill = x, width, words, fill

    def box(self, y):
        dashes = ' stroke-dasharray="5 4"' if self.fill == OLD else ''
        colour = '#888' if self.fill == OLD else '#222'
        return [f'<rect x="{self.x}" y="{y}" width="{self.width}" height="{HIGH}" rx="4" fill="{self.fill}" stroke="#555"{dashes}/>',
                text(self.x + self.width / 2, y + 24, self.words, 14, 'middle', fill=colour)]


def line(parent, child, share, y, is_old):
    """From a share of the parent's lower side to the middle of the child's upper side."""
    dashes = ' stroke-dasharray="5 4"' if is_old else ''
    return (f'<path d="M {parent.x + parent.width * share:g} {y + INNER_Y + HIGH} L {child.x + child.width / 2:g} {y + LEAF_Y}" '
            f'fill="none" stroke="{"#aaa" if is_old else "#555"}"{dashes}/>')


def row(n, title, note, roots, leaves):
    """roots: pairs of a page and the numbers of its leaves."""
    y = TOP + n * ROW
    out = [text(LEFT, y + 12, title, 14, weight='bold'), text(LEFT, y + LEAF_Y + HIGH + 24, note, 12, fill='#444')]
    for root, children in roots:
        for k, child in enumerate(children):
            out.append(line(root, leaves[child], (k + 0.5) / len(children), y, root.fill == OLD))
    for root, _ in roots:
        out += root.box(y + INNER_Y)
    for leaf in leaves:
        out += leaf.box(y + LEAF_Y)
    return out


def draw():
    out = [text(LEFT, 30, 'A B-tree: a root with separators, and below it leaves with records', 17, weight='bold')]
    out += row(0, '1  The leaf a b c d is full. Its fences: none below, g above.',
               'All keys of the leaf g h are at least g and less than m: g and m are its fences.',
               [(Page(420, 200, 'g | m', SAME), [0, 1, 2])],
               [Page(110, 180, 'a b c d', SAME), Page(430, 180, 'g h', SAME), Page(750, 180, 'm n', SAME)])
    out += row(1, '2  put bb: the leaf splits, and the separator bb goes up. What changes is a copy; the old pages stay for their readers.',
               'The path from the root to the leaf is shadowed: two copies and a new page are written. Two leaves belong to both trees.',
               [(Page(130, 160, 'g | m', OLD), [0, 3, 4]), (Page(560, 200, 'bb | g | m', NEW), [1, 2, 3, 4])],
               [Page(30, 160, 'a b c d', OLD), Page(230, 160, 'a b', NEW), Page(430, 180, 'bb c d', NEW),
                Page(650, 160, 'g h', SAME), Page(850, 160, 'm n', SAME)])
    out += row(2, '3  del h: the leaf g is less than a quarter full. It merges with its left neighbour, and the separator g goes.',
               'Had the two not fitted one page, the records would have been divided anew, with another separator.',
               [(Page(420, 200, 'bb | m', NEW), [0, 1, 2])],
               [Page(110, 180, 'a b', SAME), Page(430, 180, 'bb c d g', NEW), Page(750, 180, 'm n', SAME)])
    y = TOP + 3 * ROW - 8
    for i, (fill, words) in enumerate(((SAME, 'a page that stays as it is'), (NEW, 'a copy, or a new page'), (OLD, 'the old tree, for those who read it'))):
        x = LEFT + i * 300
        out += [f'<rect x="{x}" y="{y}" width="16" height="16" fill="{fill}" stroke="#555"/>', text(x + 24, y + 13, words, 12)]
    width, height = LEFT + WIDTH + 10, y + 34
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">\n'
            f'<rect width="{width}" height="{height}" fill="white"/>\n' + '\n'.join(out) + '\n</svg>\n')


if __name__ == '__main__':
    with open(sys.argv[1], 'w', encoding='utf-8') as f:
        f.write(draw())
