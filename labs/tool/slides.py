# SPDX-License-Identifier: MIT
"""Slides of a lab, made of its handout: the same pictures, invariants, worked examples and questions, a screen each. So they cannot
say anything else than the text does. labs/teach/slides/labN.html is what `./lab slides N` writes, and a test holds it.

The page needs no network. The arrow keys, a click or a swipe turn it; printed, each slide is a page. Contracts, hints and what a
student need not do stay in the handout: a slide has what a room looks at together.
"""
import base64
import html
import os
import re

from common import LABS, read, write

FOLDER = os.path.join(LABS, 'teach', 'slides')
PAGE = '''<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<!-- Made by `./lab slides {number}` of labs/lab{number}/handout.md. Change that one. -->
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0; font: clamp(16px, 2.1vw, 30px)/1.4 system-ui, sans-serif; }}
section {{ box-sizing: border-box; min-height: 100vh; padding: 4vh 6vw 8vh; display: none; }}
section:target, body:not(:has(:target)) section:first-of-type {{ display: block; }}
h1, h2 {{ margin: 0 0 .6em; line-height: 1.15; font-size: 1.5em; }}
h1 {{ font-size: 2.2em; }}
img {{ width: 100%; height: 72vh; object-fit: contain; object-position: left top; background: #fff; border-radius: 6px; }}
pre {{ overflow-x: auto; font-size: .72em; line-height: 1.3; padding: .7em; background: #8882; border-radius: 6px; }}
code {{ font-size: .9em; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: .8em; }}
td, th {{ border: 1px solid #8886; padding: .25em .6em; text-align: left; vertical-align: top; }}
footer {{ position: fixed; bottom: 0; right: 0; padding: .6em 1em; font-size: .6em; }}
footer a {{ padding: .5em; }}
@media print {{ section {{ display: block; break-after: page; min-height: 0; }} footer {{ display: none; }} }}
</style>
<body>
{slides}<footer><a href="#1" id="back" aria-label="back">&#9664;</a> <span id="at"></span> <a href="#2" id="on" aria-label="on">&#9654;</a></footer>
<script>
const last = document.querySelectorAll('section').length;
const at = () => Math.min(last, Math.max(1, Number(location.hash.slice(1)) || 1));
// Smaller letters where a screen is too small for all that belongs together.
const isFull = s => s.scrollHeight > innerHeight || [...s.querySelectorAll('pre, .wide')].some(e => e.scrollWidth > e.clientWidth);
const fit = s => {{
	s.style.fontSize = '';
	for (let size = 95; size >= 50 && isFull(s); size -= 5)
		s.style.fontSize = size + '%';
}};
const go = n => {{ location.hash = Math.min(last, Math.max(1, n)); }};
const show = () => {{
	document.getElementById('at').textContent = at() + ' / ' + last;
	document.getElementById('back').href = '#' + Math.max(1, at() - 1);
	document.getElementById('on').href = '#' + Math.min(last, at() + 1);
	window.scrollTo(0, 0);
	fit(document.querySelectorAll('section')[at() - 1]);
}};
addEventListener('resize', show);
addEventListener('load', show);
addEventListener('hashchange', show);
addEventListener('keydown', e => {{
	if (['ArrowRight', 'PageDown', ' '].includes(e.key)) {{ e.preventDefault(); go(at() + 1); }}
	if (['ArrowLeft', 'PageUp'].includes(e.key)) {{ e.preventDefault(); go(at() - 1); }}
}});
let x = null;
addEventListener('touchstart', e => {{ x = e.touches[0].clientX; }});
addEventListener('touchend', e => {{
	const by = e.changedTouches[0].clientX - x;
	if (Math.abs(by) > 80) go(at() + (by < 0 ? 1 : -1));
}});
show();
</script>
'''


def inline(text):
    text = html.escape(text, quote=False)
    text = re.sub(r'`([^`]+)`', r'<code>\1</code>', text)
    text = re.sub(r'\[([^]]+)\]\([^)]+\)', r'\1', text)
    text = re.sub(r'\*\*([^*]+)\*\*', r'<strong>\1</strong>', text)
    return re.sub(r'(?<![\w*])\*(?=\S)([^*\n]+)(?<=\S)\*(?![\w*])', r'<em>\1</em>', text)


def blocks(text):
    """The parts of a text between empty lines; what is indented stays together."""
    found = []
    for part in re.split(r'\n{2,}', text.strip('\n')):
        if found and part.startswith('    ') and found[-1].startswith('    '):
            found[-1] += '\n\n' + part
        elif part.strip():
            found.append(part)
    return found


def table(lines):
    rows = [[cell.strip() for cell in re.split(r'(?<!\\)\|', line.strip().strip('|'))] for line in lines if not re.fullmatch(r'[|\s:-]+', line)]
    made = ''.join('<tr>' + ''.join(f'<{"th" if n == 0 else "td"}>{inline(cell)}</{"th" if n == 0 else "td"}>' for cell in row) + '</tr>\n'
                   for n, row in enumerate(rows))
    return f'<div class="wide"><table>\n{made}</table></div>\n'


def shown(block, number):
    """HTML of a block of the handout."""
    picture = re.fullmatch(r'!\[([^]]*)\]\(([^)]+)\)', block.strip())
    if picture:
        # The file itself, so that a page can be sent, or put on a stick, alone.
        data = base64.b64encode(read(os.path.join(LABS, f'lab{number}', picture.group(2))).encode()).decode()
        return f'<img src="data:image/svg+xml;base64,{data}" alt="{html.escape(picture.group(1))}">\n'
    lines = block.split('\n')
    if block.startswith('    '):
        code = '\n'.join(line[4:] for line in lines)
        return f'<pre>{html.escape(code, quote=False)}</pre>\n'
    if lines[0].startswith('|'):
        return table(lines)
    item = r'(?:- |\d+\. )'
    if re.match(item, lines[0]):
        kind = 'ul' if lines[0].startswith('- ') else 'ol'
        items = re.split(rf'\n(?={item})', block)
        first = re.match(r'\d+', lines[0])
        start = f' start="{first.group(0)}"' if first and first.group(0) != '1' else ''
        return f'<{kind}{start}>\n' + ''.join(f'<li>{inline(re.sub(item, "", i, count=1))}</li>\n' for i in items) + f'</{kind}>\n'
    return f'<p>{inline(block)}</p>\n'


def is_picture(block):
    return block.startswith('![')


def is_list(block):
    return re.match(r'- |\d+\. ', block) is not None


def examples(task):
    """What a task shows: from each `*Example*` on, up to the next part in italics."""
    found, is_shown = [], False
    for part in blocks(task):
        if re.match(r'\*(Example|Another example)', part):
            is_shown = True
        elif re.match(r'\*\w[^*]*\*|Now (these|everything)|\*\*', part):
            is_shown = False
        if is_shown:
            found.append(part)
    return found


def slides_of(lab):
    """[(heading, blocks)] of a lab."""
    text = read(lab.path('handout.md'))
    parts = dict(re.findall(r'^## ([^\n]*)\n(.*?)(?=^## |\Z)', text, re.M | re.S))
    picture = blocks(parts['One picture'])
    made = [(f'Lab {lab.number}: {lab.title}', [b for b in blocks(text.split('\n## ')[0])[1:]]),
            ('One picture', [b for b in picture if is_picture(b)]),
            ('The words', [b for b in picture if is_list(b) or b.startswith('|')]),
            ('You will be able to', [b for b in blocks(parts['You will be able to']) if is_list(b)]),
            ('Invariants', blocks(parts['Invariants'])),
            ('Predict first', blocks(parts['Predict first']))]
    for name, task in re.findall(r'^### Task ([^\n]*)\n(.*?)(?=^### |\Z)', parts['Tasks'], re.M | re.S):
        made.append((f'Task {name}', examples(task)))
    experiment = blocks(parts['Experiment'])
    for block in filter(is_picture, experiment):
        made.append(('Experiment', [block]))
    made.append(('Experiment', [b for b in experiment if not is_picture(b)]))
    made.append(('What the tests do not prove', blocks(parts['What the tests do not prove'])))
    made.append(('Questions', blocks(parts['Questions'])))
    return [(name, body) for name, body in made if body]


def page(lab):
    made = ''
    for n, (name, body) in enumerate(slides_of(lab), 1):
        level = 'h1' if n == 1 else 'h2'
        made += f'<section id="{n}">\n<{level}>{inline(name)}</{level}>\n' + ''.join(shown(block, lab.number) for block in body) + '</section>\n'
    return PAGE.format(title=html.escape(f'Lab {lab.number}: {lab.title}'), number=lab.number, slides=made)


def path_of(lab):
    return os.path.join(FOLDER, f'lab{lab.number}.html')


def make(lab):
    """Writes the slides of a lab. Its path."""
    write(path_of(lab), page(lab))
    return path_of(lab)
