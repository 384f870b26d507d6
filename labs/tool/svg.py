# SPDX-License-Identifier: MIT
"""What the labs' pictures are drawn with: text, boxes with words, and the document around them."""
FONT = 'font-family="sans-serif"'
INK, FRAME = '#222', '#555'


def text(x, y, words, size=13, anchor='start', weight='normal', fill=INK):
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{fill}" {FONT}>{words}</text>'


def box(x, y, width, height, fill, words='', radius=0):
    """A rectangle with lines of words, cut at `|`, in its middle: a list of elements."""
    lines = words.split('|') if words else []
    round_by = f' rx="{radius}"' if radius else ''
    return [f'<rect x="{x:g}" y="{y:g}" width="{width}" height="{height}"{round_by} fill="{fill}" stroke="{FRAME}"/>'] + [
        text(x + width / 2, y + height / 2 + 5 + (i - (len(lines) - 1) / 2) * 16, line, 12, 'middle') for i, line in enumerate(lines)]


def legend(x, y, step, entries):
    """Small squares beside each other, with what their colours mean."""
    parts = []
    for i, (fill, words) in enumerate(entries):
        parts += box(x + i * step, y, 16, 16, fill) + [text(x + i * step + 24, y + 13, words, 12)]
    return parts


def document(width, height, parts, attributes=''):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"{attributes}>\n'
            f'<rect width="{width}" height="{height}" fill="white"/>\n' + '\n'.join(parts) + '\n</svg>\n')


CHART = f' {FONT} font-size="13"'  # attributes of a document in which no text says them itself
