# SPDX-License-Identifier: MIT
"""The pieces of HTML that the page is made of. Whatever is a str here is HTML already; texts go through `esc`."""
import html

from lib import plot
from lib.page_number import Sentence, html_of


def esc(text):
    return html.escape(str(text))


def chip(text, kind=''):
    """A word in a small box: the kind of evidence, a verdict."""
    return f'<span class="chip {kind}">{esc(text)}</span>'


def paragraph(content, kind=''):
    return f'<p{f" class={chr(34)}{kind}{chr(34)}" if kind else ""}>{content}</p>'


def bullets(items, kind=''):
    if not items:
        return ''
    return f'<ul class="{kind}">' + ''.join(f'<li>{item}</li>' for item in items) + '</ul>'


def definitions(pairs):
    return '<dl>' + ''.join(f'<div><dt>{esc(name)}</dt><dd>{content}</dd></div>' for name, content in pairs) + '</dl>'


def section(name, title, body):
    """A section with its heading. name: of the link to it. title: HTML."""
    return f'<section id="{esc(name)}" aria-labelledby="h-{esc(name)}"><h2 id="h-{esc(name)}">{title}</h2>{body}</section>\n'


def details(summary, content, open_it=False):
    return f'<details{" open" if open_it else ""}><summary>{esc(summary)}</summary>{content}</details>'


def table(caption, head, rows, kind=''):
    """A table that scrolls inside its own box. head: texts. rows: lists of HTML; the first of each is the row's head."""
    head = ''.join(f'<th scope="col">{esc(name)}</th>' for name in head)
    body = ''.join('<tr>' + ''.join(f'<th scope="row">{cell}</th>' if i == 0 else f'<td>{cell}</td>' for i, cell in enumerate(row))
                   + '</tr>' for row in rows)
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{esc(caption)}"><table class="{kind}">' \
           f'<caption>{esc(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def figure(picture, alt, caption, behind):
    """A plot with its text for who cannot see it, and its table. picture: a plot.Picture, or None: then a note stands there."""
    if picture is None:
        drawn = paragraph(esc(plot.NEEDED if not plot.program() else 'There is nothing to draw yet') + '.', 'note')
    else:
        drawn = f'<div class="plot" role="img" aria-label="{esc(alt)}">' \
                f'<div class="narrow" aria-hidden="true">{picture.narrow}</div>' \
                f'<div class="wide" aria-hidden="true">{picture.wide}</div></div>'
    return f'<figure>{drawn}<figcaption>{caption}</figcaption>{details("The table behind it", behind)}</figure>'


class Shown:
    """Turns sentences and numbers into HTML with the short names of one page's runs."""

    def __init__(self, evidence):
        self.index_of = evidence.index_of

    def __call__(self, part):
        """part: Sentence, Number, Name or str; None: a dash."""
        return '–' if part is None else html_of(part, self.index_of)

    def sentence(self, sentence: Sentence, kind='sentence'):
        return f'<span class="{kind}">{sentence.html(self.index_of)}</span>'
