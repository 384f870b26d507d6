#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the scdoc source of a man page of a template and of what it speaks about.

usage: man_page.py TEMPLATE.scd INCLUDE_FOLDER [TOOL] >PAGE.scd
       man_page.py --unnamed MAN_FOLDER INCLUDE_FOLDER

So that a page cannot differ from the header or from the tool, what they say is taken from them. A line
of the template is scdoc (scdoc(5)), or one of

	@names TEXT         every call of the page, then ` - TEXT`
	@synopsis           the declarations of these calls
	@call NAME          the call: a heading, and its comment in the header
	@type DECLARATION   a declaration that begins so, with its comment
	@title TITLE        the part of the header's first comment that has this title
	@commands           what `TOOL help` says of each command

`--unnamed` prints what a user may write and no page has: calls, types, members, constants. Exit
status 1 then.
"""
import os
import re
import subprocess
import sys

CALL = re.compile(r'^(?!typedef)[a-z][a-z0-9_ ]*[ *](verso_[a-z0-9_]+)\(', re.M)
SPECIAL = re.compile(r'([\\*_])')


class Header:
    """The public headers: `docs` maps a call to its comment, `declarations` to its text."""

    def __init__(self, folder):
        self.declarations, self.docs, self.titles = {}, {}, {}
        self.blocks = []  # pairs of a declaration and its comment
        self.inlined = set()  # calls that have their body in a header
        for name in sorted(os.listdir(folder)):
            if name.endswith('.h'):
                with open(os.path.join(folder, name), encoding='utf-8') as f:
                    self.read(name, f.read())

    def read(self, name, text):
        if name == 'verso.h':
            self.read_titles(comment_text(text.split('/*')[2].split('*/')[0]))
        for block in blocks(text):
            comment, code = '', block.strip('\n')
            while code.startswith('/*'):
                comment, code = code.split('*/', 1)
                code = code.lstrip('\n')
            if not code or code.startswith('#'):
                continue
            self.blocks.append((code, comment_text(comment)))
            if code.startswith(('struct', 'enum', 'typedef')):
                continue
            self.inlined |= {m.group(1) for m in CALL.finditer(code) if code.startswith('static')}
            for match in CALL.finditer(code):
                end = re.compile(r'[;{]').search(code, match.start()).start()
                declaration = code[match.start():end].rstrip() + ';'
                self.declarations[match.group(1)] = declaration.replace('static inline ', '')
                self.docs[match.group(1)] = comment_text(comment)

    def read_titles(self, text):
        """Titles stand alone behind two empty lines."""
        for part in re.split(r'\n\n\n+', text):
            title, _, body = part.strip('\n').partition('\n')
            self.titles[title.strip()] = body.strip('\n')

    def type(self, begin):
        """The declaration that begins with the words `begin`."""
        for code, comment in self.blocks:
            if re.match(re.escape(begin) + r'\b', code):
                return prose(comment) + '\n\n' + literal(code)
        raise SystemExit(f'no declaration in the headers begins with `{begin}`')


def blocks(text):
    """What empty lines divide; those within braces do not."""
    lines, is_open = [], False
    for line in text.split('\n'):
        if not line and not is_open:
            if lines:
                yield '\n'.join(lines)
            lines = []
            continue
        lines.append(line)
        if re.match(r'(struct|enum|static)[^;]*{$', line) or line == '{':
            is_open = True
        elif line.startswith('}'):
            is_open = False
    yield '\n'.join(lines)


def comment_text(comment):
    """A comment's words, without its stars."""
    lines = comment.replace('/*', '', 1).split('\n')
    return '\n'.join(re.sub(r'^ \* ?|^ \*$', '', line).rstrip() for line in lines).strip('\n ')


def escaped(text):
    """Plain text for scdoc."""
    text = SPECIAL.sub(r'\\\1', text)
    return '\\' + text if text.startswith(('#', '[', ']', '|', '-', '+', '~', '.', '`')) else text


def prose(text):
    """Paragraphs, lists and indented lines of a comment, as scdoc."""
    out, code = [], []

    def end_code():
        while code and not code[-1]:
            code.pop()
        if code:
            indent = min(len(x) - len(x.lstrip()) for x in code if x)
            out.extend(['', literal('\n'.join(x[indent:] for x in code)), ''])
            code.clear()

    in_list = False
    for line in text.split('\n'):
        if line.startswith('\t') or (code and not line):
            code.append(line.expandtabs(8))
            continue
        end_code()
        if line.startswith('- '):
            in_list = True
            out.append('- ' + escaped(line[2:]))
        elif in_list and line.startswith('  '):
            out.append('  ' + escaped(line.strip()))
        else:
            in_list = in_list and not line
            out.append(escaped(line.strip()))
    end_code()
    return re.sub(r'\n\n+', '\n\n', '\n'.join(out)).strip('\n')


def literal(text):
    return '```\n' + '\n'.join(line.expandtabs(8) for line in text.replace('\\', '\\\\').split('\n')) + '\n```'


def run(tool, *words):
    return subprocess.run([tool, *words], check=True, capture_output=True, text=True).stdout


def tool_commands(tool):
    """Names of the tool's commands, as its help lists them."""
    listed = run(tool, 'help').split('Commands:\n', 1)[1].split('\n\n')[0]
    return [line.split()[0] for line in listed.split('\n') if re.match(r'  [a-z]', line)]


def tool_text(tool):
    """Each command: its usage, what it does, its options."""
    out = []
    for name in tool_commands(tool):
        text = run(tool, 'help', name)
        usage, _, rest = text.partition('\n')
        about, _, options = rest.partition('\nOptions:\n')
        out.append(f'## {name}')
        out.append('*' + escaped(usage.removeprefix('usage: ')) + '*')
        # Lines that are indented are laid out already.
        for paragraph in re.split(r'\n\n+', about.strip('\n')):
            is_text = not paragraph.startswith(' ')
            out.append('\n'.join(escaped(x) for x in paragraph.split('\n')) if is_text else literal(paragraph))
        out.append(tool_options(options))
    return '\n\n'.join(out)


def tool_options(text):
    """The lines `  --name=VALUE   what it does` as a list of terms."""
    out = []
    for line in text.split('\n'):
        match = re.match(r'  (-\S.*?)(?:\s{2,}(\S.*))?$', line)
        if match:
            out.append('*' + escaped(match.group(1)).lstrip('\\') + '*')
            if match.group(2):
                out.append('\t' + escaped(match.group(2)))
        elif line.strip() and out and line.startswith('   '):
            out.append('\t' + escaped(line.strip()))
        elif line.strip():
            out.append('\n' + escaped(line.strip()) + '\n')
    made = []
    for line in out:
        if line.startswith('*') and made:
            made.append('')
        made.append(line)
    return '\n'.join(made)


def page_calls(template):
    return [line.split()[1] for line in template.split('\n') if line.startswith('@call ')]


def expand(template, header, tool):
    out = []
    calls = page_calls(template)
    for line in template.split('\n'):
        word, _, rest = line.partition(' ')
        if word == '@names':
            out.append(', '.join(calls) + ' - ' + rest)
        elif word == '@synopsis':
            out.append(literal('#include <verso.h>\n\n' + '\n'.join(header.declarations[c] for c in calls)))
        elif word == '@call':
            shared = header.docs[rest] or 'See above.'
            out += [f'## {rest}()', '', prose(shared)]
        elif word == '@type':
            out.append(header.type(rest))
        elif word == '@title':
            out += [f'# {rest.upper()}', '', prose(header.titles[rest])]
        elif word == '@commands':
            out.append(tool_text(tool))
        elif word.startswith('@'):
            raise SystemExit(f'no such line: {line}')
        else:
            out.append(line)
    return '\n'.join(out)


def public_names(header):
    """Everything that a user may write."""
    names = set(header.declarations)
    for code, _ in header.blocks:
        plain = re.sub(r'/\*.*?\*/', '', code, flags=re.S)
        names |= set(re.findall(r'\bVERSO_[A-Z0-9_]+', plain))
        if plain.startswith('struct') and '{' in plain:
            names |= set(re.findall(r'[ *](\w+)(?:\[\d+\])?(?=[;,])', plain))
            names.add(re.match(r'struct (\w+)', plain).group(1))
        names |= set(re.findall(r'^enum (\w+)', plain)) | set(re.findall(r'^typedef .*?(\w+)\(', plain))
    return names


def unnamed(folder, header):
    """Names of the headers that no page has."""
    text = ''
    owners = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith('.3.scd'):
            with open(os.path.join(folder, name), encoding='utf-8') as f:
                template = f.read()
            text += expand(template, header, None)
            for call in page_calls(template):
                owners.setdefault(call, []).append(name)
    words = set(re.findall(r'\w+', text.replace('\\', '')))
    found = [f'{call}() is on no page: add `@call {call}` to one in {os.path.basename(folder)}/'
             for call in header.declarations if call not in owners and call not in header.inlined]
    found += [f'{call}() stands on {len(on)} pages' for call, on in owners.items() if len(on) > 1]
    found += [f'{name} is on no page' for name in sorted(public_names(header) - words - set(header.declarations))]
    found += [f'{name} is on no page' for name in sorted(header.inlined - words)]
    return found


def main():
    sys.stdout.reconfigure(encoding='utf-8')
    if sys.argv[1] == '--unnamed':
        found = unnamed(sys.argv[2], Header(sys.argv[3]))
        print('\n'.join(found))
        return 1 if found else 0
    with open(sys.argv[1], encoding='utf-8') as f:
        template = f.read()
    print(expand(template, Header(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None))
    return 0


if __name__ == '__main__':
    sys.exit(main())
