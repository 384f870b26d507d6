# SPDX-License-Identifier: MIT
"""What a student's file is made of, looked at before the compiler makes code of it.

A compiler reads each file that an `#include` or an `.incbin` names: the reference of a lab, or the teacher's seed. And a few words
of C get round a judge: assembly, which no sanitizer sees; a section of its own; an attribute that switches a sanitizer off; other
code under a sanitizer than without one. No honest solution of a lab needs any of these.

A student's *own lines* are those that the preprocessor makes of the student's files: macros are replaced, what an #if leaves out
is gone. Which line is whose says the preprocessor itself, so a file must not say it too (`#line`).
"""
import os
import re

from common import GraderError, LabError, ROOT

MARKER = re.compile(r'^# \d+ "((?:[^"\\]|\\.)*)"')
# Strings and characters, which stay (one without an end goes to the end of its line), and comments, which go.
QUOTED = r'"(?:\\.|[^"\\\n])*(?:"|(?=\n)|\Z)|\'(?:\\.|[^\'\\\n])*(?:\'|(?=\n)|\Z)'
COMMENT = r'//[^\n]*|/\*(?:.|\n)*?(?:\*/|\Z)'
DIRECTIVE = re.compile(r'^\s*(?:#|%:)\s*(line\b|ident\b|sccs\b|\d)', re.M)
FORBIDDEN = (
    (r'(?:asm|__asm|__asm__)\b', 'assembly (`{}`): a sanitizer does not see it, and only the engine calls the kernel'),
    (r'\w*(?:no_?sanitize|sanitizer_|no_address_safety)\w*', '`{}`, which would hide it from a sanitizer'),
    (r'_*(?:section|alias|ifunc|weakref|symver)_*(?=\s*\()', 'the attribute `{}`: where code lies, and under which names, is the compiler\'s business'),
)
WORD = re.compile('|'.join(rf'(\b{word})' for word, _ in FORBIDDEN))


def without_comments(text):
    """The text as the compiler looks for directives in it: trigraphs replaced, lines joined, no comments."""
    text = text.replace('??=', '#').replace('??/', '\\')
    text = re.sub(r'\\[ \t\f\v\r]*\n', '', text)
    return re.sub(f'({QUOTED})|{COMMENT}', lambda m: m.group(1) or ' ', text)


def directive(text):
    """A line that no solution needs, or None."""
    found = DIRECTIVE.search(without_comments(text))
    return f'`#{found.group(1)}`: its lines have their own numbers and names' if found else None


def own_lines(preprocessed, mine):
    """Those that come from these files."""
    lines, is_mine, is_met = [], False, False
    for line in preprocessed.split('\n'):
        marker = MARKER.match(line)
        if marker:
            is_mine = re.sub(r'\\(.)', r'\1', marker.group(1)) in mine
            is_met = is_met or is_mine
        elif is_mine and line.strip():
            lines.append(line.strip())
    if not is_met:
        raise GraderError(f'the preprocessor does not say which lines are of {", ".join(mine)}')
    return lines


def words(lines):
    """What a student's own lines must not have: sentences."""
    text, found = re.sub(QUOTED, '""', '\n'.join(lines)), {}
    for match in WORD.finditer(text):
        found[FORBIDDEN[match.lastindex - 1][1].format(match.group())] = None
    return list(found)


def made_of(text):
    """The files in a rule for make, which is how compiler and assembler say what they have read."""
    rule = text.replace('\\\n', ' ').split(': ', 1)
    return [re.sub(r'\\(.)', r'\1', name).replace('$$', '$') for name in re.findall(r'(?:\\.|[^\s\\])+', rule[1])] if len(rule) == 2 else []


def stranger(path, mine, system, forbidden, of_tests=()):
    """Whether a file may not be a part of a student's object. mine: the student's files; system: folders of the system's headers;
    forbidden: files and folders of the project; of_tests: headers of tests that it may take in, as they are called from ROOT (None: any)."""
    path = os.path.realpath(path)
    if path in mine or _within(path, system):
        return False
    if not _within(path, [ROOT]) or not path.endswith('.h') or _within(path, forbidden):
        return True
    name = os.path.relpath(path, ROOT)
    return of_tests is not None and 'tests' in name.split(os.sep)[:-1] and name not in of_tests


def _within(path, places):
    return any(path == place or path.startswith(place.rstrip(os.sep) + os.sep) for place in places)


def include_folders(verbose):
    """Those of the system's headers, out of what `cc -E -v` says."""
    found = re.search(r'^#include <\.\.\.>.*\n((?: .*\n)+)', verbose, re.M)
    return [os.path.realpath(line.strip()) for line in found.group(1).splitlines()] if found else []


def refuse_strangers(name, paths, mine, system, forbidden, of_tests=()):
    for path in paths:
        if stranger(path, mine, system, forbidden, of_tests):
            shown = os.path.realpath(path)
            shown = os.path.relpath(shown, ROOT) if _within(shown, [ROOT]) else path
            raise LabError(f'refused before it was run: {name} takes in {shown}; it may include headers of Verso (of its tests those '
                           'alone that lab.toml names) and of the system, and no other file')


def complaint(text):
    """What the preprocessor complains of, without the lines of other files that it shows."""
    return '\n'.join(line for line in text.split('\n') if re.match(r'\S+:\d+|In file included|\s+from ', line))[:4000]
