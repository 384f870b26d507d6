# SPDX-License-Identifier: MIT
"""Sentences in which every number knows where it comes from.

A sentence is a template whose literal text holds no digit, filled with Numbers and Names. A Number without the ids of the runs
from which it was computed cannot be made, so a page with a made-up figure does not build.
"""
import html
import re
from dataclasses import dataclass

# What has digits but is no figure: questions, experiments, hazards and rules.
IDENTIFIER = re.compile(r'\b[QEHRT]\d{1,2}(\.\w+)?\b')
DIGIT = re.compile(r'\d')
PART = re.compile(r'\{(\w+)\}')


class NoSource(Exception):
    """A number that does not say from which runs it was computed; the text shows it."""


@dataclass(frozen=True)
class Number:
    """A figure in a sentence or a table.

    text: as it is shown. ids: of the runs it was computed from; of a plan (`plan E2`) for what was predicted; of the session for
    how it was measured. what: how to compute it again, for the tests (page_evidence.py). value: without rounding, or None.
    """
    text: str
    ids: tuple
    what: str = ''
    value: float | None = None

    def __post_init__(self):
        if not self.ids or not all(isinstance(i, str) and i for i in self.ids):
            raise NoSource(f'"{self.text}" {self.what}: a number needs the ids of its runs')


@dataclass(frozen=True)
class Name:
    """The name of a cell, a file or a version: may have digits, and is no figure. code: it is typed like that."""
    text: str
    code: bool = False


@dataclass(frozen=True)
class Sentence:
    """Parts: str without digits, Number, Name."""
    parts: tuple

    def text(self):
        return ''.join(part if isinstance(part, str) else part.text for part in self.parts)

    def html(self, index_of):
        """index_of: from the id of a run to the short name that it has on the page."""
        return ''.join(html_of(part, index_of) for part in self.parts)

    def numbers(self):
        return [part for part in self.parts if isinstance(part, Number)]


def html_of(part, index_of):
    """A part of a sentence, or a cell of a table, as HTML."""
    if isinstance(part, Sentence):
        return part.html(index_of)
    if isinstance(part, Name):
        text = html.escape(part.text)
        return f'<code>{text}</code>' if part.code else f'<span class="name">{text}</span>'
    if isinstance(part, Number):
        ids = ' '.join(index_of(i) for i in part.ids)
        return f'<data value="{"" if part.value is None else repr(part.value)}" data-runs="{html.escape(ids)}" ' \
               f'data-what="{html.escape(part.what)}">{html.escape(part.text)}</data>'
    return html.escape(part)


def _literal(text):
    if DIGIT.search(IDENTIFIER.sub('', text)):
        raise NoSource(f'"{text}": a figure in the text of a sentence; give it as a Number with the ids of its runs')
    return text


def fill(template, **values):
    """A Sentence from a template such as "a get costs {ratio} times the CPU time". A value is a str without digits, a Number, a
    Name, or a Sentence; every one must be used."""
    parts, end, used = [], 0, set()
    for match in PART.finditer(template):
        parts.append(_literal(template[end:match.start()]))
        name = match.group(1)
        if name not in values:
            raise KeyError(f'"{template}": nothing was given for {{{name}}}')
        used.add(name)
        value = values[name]
        parts += value.parts if isinstance(value, Sentence) else (_literal(value) if isinstance(value, str) else value,)
        end = match.end()
    if set(values) - used:
        raise KeyError(f'"{template}": has no place for {", ".join(sorted(set(values) - used))}')
    parts.append(_literal(template[end:]))
    return Sentence(tuple(part for part in parts if part != ''))


def join(sentences, between):
    """One Sentence out of some."""
    parts = []
    for i, sentence in enumerate(sentences):
        parts += ([between] if i else []) + list(sentence.parts)
    return Sentence(tuple(parts))


def capital(sentence):
    """The same with a capital letter in front."""
    first = sentence.parts[0] if sentence.parts else None
    if isinstance(first, Name) and not first.code:
        return Sentence((Name(first.text[:1].upper() + first.text[1:]),) + sentence.parts[1:])
    if not isinstance(first, str):
        return sentence
    return Sentence((first[:1].upper() + first[1:],) + sentence.parts[1:])


def quoted(text):
    """A text that a person wrote for one experiment (a reason, a pitfall): shown as it is, not a figure of ours."""
    return Sentence((Name(text),))
