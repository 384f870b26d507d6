# SPDX-License-Identifier: MIT
"""Pictures by gnuplot, as SVG that takes its colours from the page: every colour is a CSS variable, so one picture serves light,
dark and print. Each is drawn twice, for a phone and for a desk, so that its text is legible on both.

A script names colours by `colour('pool')`; gnuplot sees a stand-in, and `_finish` puts the variable in its place. A picture says which
version drew it, because another may place the same picture otherwise.
"""
import math
import re
import shutil
import subprocess
from dataclasses import dataclass

NEEDED = 'gnuplot is not installed (apt-get install gnuplot-nox), so this page has its tables and no plots'
NARROW, WIDE = 350, 700
FONT_PX = 12
KEY_ROW_PX = 17
LETTERS = 1.6  # that fit into a line as long as the font is high

# Names of the CSS variables: light and dark. Blue, orange and the others differ for the colour-blind too.
COLOURS = {
    'ink': ('#1f2328', '#e6e8eb'), 'muted': ('#59626d', '#a2abb6'), 'line': ('#d5dae0', '#3a414a'), 'band': ('#e4e8ee', '#2c333b'),
    'paper': ('#ffffff', '#15191e'), 'pool': ('#0b62a4', '#6cb6ff'), 'map': ('#bd4b00', '#ff9d4d'), 'third': ('#0f766e', '#4fd1b5'),
    'lmdb': ('#86439a', '#d59ee6'), 'device': ('#6a6f76', '#9aa2ac'), 'extra': ('#8a6400', '#e3bd45'),
    'good': ('#1a6b3c', '#6fd396'), 'good-back': ('#dff3e6', '#16402a'),
    'bad': ('#b3261e', '#ff8f86'), 'bad-back': ('#fbe3e1', '#54201d'),
}
STAND_IN = {name: f'#0a0b{10 + i:02x}' for i, name in enumerate(COLOURS)}
BACK = {f'{int(c[1:3], 16)},{int(c[3:5], 16)},{int(c[5:7], 16)}': name for name, c in STAND_IN.items()}
SERIES = ('pool', 'map', 'third', 'lmdb', 'device', 'extra')


class PlotError(Exception):
    """gnuplot failed: with what message, on which picture."""


@dataclass(frozen=True)
class Picture:
    """The same drawing for a phone and for a desk: <svg> elements."""
    narrow: str
    wide: str


def colour(name):
    return f"rgb '{STAND_IN[name]}'"


def palette(names, engine_of):
    """{name: colour}: the first of an engine has the engine's colour, each further one another that is free."""
    found = {}
    for name in names:
        own = engine_of(name)
        if own in SERIES and own not in found.values():
            found[name] = own
    others = [colour for colour in (*reversed(SERIES), 'muted', 'ink') if colour not in found.values()] or ['ink']
    for name in names:
        if name not in found:
            found[name] = others.pop(0) if len(others) > 1 else others[0]
    return found


def quote(text):
    """For a script: gnuplot's single quotes hold everything but themselves."""
    return "'" + text.replace("'", '’').replace('\n', ' ') + "'"


def fit(text, width_px):
    """A label that fits into a line of a picture: its end is left out when it is too long. The table has all of it."""
    most = int(width_px / FONT_PX * LETTERS)
    return text if len(text) <= most else text[:most - 1].rstrip() + '…'


def head_of_plot(width_px, height_px, y_title, n_keys):
    """Lines of a script: above the plot, left, first the title of the y axis and then the key, in as many columns as fit. height_px: of
    the plot without its key. Returns (height in px with the key, lines)."""
    rows = -(-n_keys // (2 if width_px == NARROW else 4))
    height = height_px + KEY_ROW_PX * rows
    return height, [f'set label 1 {quote(y_title)} at graph 0, screen {1 - 11 / height} left tc {colour("muted")}',
                    f'set tmargin {2.2 + 1.25 * rows}',
                    f'set key at graph 0, screen {1 - 20 / height} left top maxrows {rows} Left reverse tc {colour("ink")}']


def program():
    return shutil.which('gnuplot')


def version():
    """Of gnuplot, as its pictures have it (`drawn_by`); None where it is missing."""
    return subprocess.run([program(), '--version'], capture_output=True, text=True, check=True, timeout=60).stdout.strip() if program() else None


def drawn_by(svg):
    """The version of gnuplot that drew a picture; None: it does not say."""
    found = re.match(r'[^<]*(?:<\?xml[^>]*>\s*)?<svg data-drawn-by="([^"]*)"', svg)
    return found.group(1) if found else None


def css(dark):
    """The variables, as declarations."""
    return ' '.join(f'--{name}: {pair[dark]};' for name, pair in COLOURS.items())


def _finish(text, prefix):
    """gnuplot's output as an element that can stand in a page beside others."""
    text = text[text.index('<svg'):]
    by = re.search(r'<desc>Produced by (.*?)\s*</desc>', text)
    text = text.replace('<svg', f'<svg data-drawn-by="{by.group(1).lower()}"', 1) if by else text
    text = re.sub(r'<title>.*?</title>|<desc>.*?</desc>', '', text, flags=re.DOTALL)
    text = re.sub(r'<filter .*?</filter>', '', text, flags=re.DOTALL)
    text = re.sub(r'rgb\(\s*(\d+),\s*(\d+),\s*(\d+)\)',
                  lambda m: f'var(--{BACK[",".join(m.groups())]})' if ','.join(m.groups()) in BACK else m.group(0), text)
    text = re.sub(r'<tspan font-family="sans-serif" >(.*?)</tspan>', lambda m: m.group(1).strip(), text)
    text = text.replace(' font-family="sans-serif"', '').replace('xlink:href', 'href')
    text = re.sub(r' xmlns:xlink="[^"]*"', '', text)
    text = re.sub(r'<g [^>]*>\s*</g>\s*', '', text)
    text = re.sub(r'\bid="\w+"\s*', '', text)
    # Only the points that are used stay, under names that no other picture has.
    used = set(re.findall(r"href='#(gp\w+)'", text[text.index('</defs>'):]))
    for _ in range(4):
        for name in list(used):
            found = re.search(rf"<use href='#(gp\w+)' id='{name}'", text)
            used |= {found.group(1)} if found else set()
    text = re.sub(r"\t<\w+ [^>]*?id='(gp\w+)'[^>]*/>\n", lambda m: m.group(0) if m.group(1) in used else '', text)
    text = re.sub(r"'#?gp\w+'", lambda m: m.group(0).replace('gp', f'{prefix}-'), text)
    return re.sub(r'\n\s*', '\n', text).strip()


def _draw(name, width, height, body):
    head = f"""set encoding utf8
set terminal svg size {width},{height} dynamic noenhanced font "sans-serif,{FONT_PX}"
set border 3 lc {colour('line')} lw 1
set tics nomirror tc {colour('muted')}
set grid lc {colour('line')} lw 1 dt solid
set key noautotitle tc {colour('ink')} samplen 1.5
set style fill solid 1 noborder
"""
    done = subprocess.run([program(), '-'], input=head + body, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0 or '<svg' not in done.stdout:
        raise PlotError(f'gnuplot failed on {name}: {done.stderr.strip()[-400:] or "no picture"}')
    return _finish(done.stdout, re.sub(r'\W', '', f'{name}{"n" if width == NARROW else "w"}'))


def draw(name, script):
    """A Picture, or None where gnuplot is missing. script(width) returns (height in px, the text of a script)."""
    if not program():
        return None
    return Picture(*(_draw(name, width, *script(width)) for width in (NARROW, WIDE)))


def alone(svg):
    """The element as a file of its own, light and dark: for a README."""
    style = f'<style>svg {{ {css(0)} font-family: system-ui, sans-serif; }} ' \
            f'@media (prefers-color-scheme: dark) {{ svg {{ {css(1)} }} }}</style>'
    end = svg.index('>') + 1
    return '<?xml version="1.0" encoding="utf-8"?>\n' + svg[:end] + '\n' + style + svg[end:] + '\n'


def log_tics(low, high):
    """(lower end, upper end, labels) of a logarithmic axis for ratios: round numbers, 1 among them."""
    low, high = min(low, 0.95), max(high, 1.05)
    steps = [m * 10.0 ** e for e in range(-4, 5) for m in (1, 2, 5)]
    if high / low < 6:
        steps = sorted(steps + [0.7, 1.5, 3] + ([0.8, 0.9, 1.1, 1.2, 1.3] if high / low < 2 else []))
    low, high = low / 1.06, high * 1.06
    inside = [s for s in steps if low <= s <= high]
    while len(inside) > 7:
        inside = [s for s in inside if abs(round(math.log10(s)) - math.log10(s)) < 1e-9] if len(inside) > 12 else \
            [s for i, s in enumerate(inside) if s == 1 or i % 2 == inside.index(1) % 2]
    return low, high, ', '.join(f"'{s:g}' {s:g}" for s in inside)
