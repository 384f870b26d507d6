# SPDX-License-Identifier: MIT
"""What a handout shows of programs is what the programs print."""
import re
import subprocess
import sys
import tempfile

import contain
import grade
import own
from common import read, say


def blocks(text):
    """Each indented block of a text, without its indentation: those with empty lines in them, and the parts between."""
    found = re.findall(r'(?:^    .*\n|^\n(?=    ))+', text, re.M) + re.findall(r'(?:^    .*\n)+', text, re.M)
    return [re.sub(r'^    ', '', block, flags=re.M).strip('\n') for block in found]


def figures(lab, builder, check):
    """What the handout shows of a program is what the program prints: as a block of the text, or through a script as a picture."""
    if not lab.figures and 'tool' not in lab.programs:
        say('  lab.toml names none')
        return
    with own.put(own.references(lab)) as folder:
        g = grade.Grading(lab, builder, folder, 1, {f['program'] for f in lab.figures} | {'tool'} & set(lab.programs))
        try:
            if 'tool' in lab.programs:
                command_works(lab, g, check)
            for figure in lab.figures:
                figure_is_shown(lab, g, figure, check)
        finally:
            g.close()


def command_works(lab, g, check):
    """The command verso, with the lab's pager in it."""
    program = lab.programs['tool']
    with tempfile.TemporaryDirectory(dir=g.builder.folder) as scratch:
        for words, says in ((['put', 'a.verso', 'earth', '6371 km'], ''), (['get', 'a.verso', 'earth'], '6371 km'), (['check', 'a.verso'], '')):
            args = [words[0], *program.get('args', []), *words[1:]]
            run = contain.run([g.path('tool'), *args], program['limit_s'], env=grade.environment(lab, program, scratch, 1), cwd=scratch)
            check.that(run.status == 0 and says in run.output, f'verso {" ".join(args)}: status {run.status}: {run.output[:300]}')


def figure_is_shown(lab, g, figure, check):
    program, args = lab.programs[figure['program']], figure.get('args', [])
    what = f'{program["name"]} {" ".join(args)}'
    # Not where temporary files go: what lies in memory only shows nothing of a disk.
    with tempfile.TemporaryDirectory(dir=g.builder.folder) as scratch:
        run = contain.run([g.path(program['name']), *args], program['limit_s'], env=grade.environment(lab, program, scratch, 1), cwd=scratch)
    if not check.that(run.status == 0, f'{what}: status {run.status}: {run.output[:400]}'):
        return
    if 'script' in figure:
        drawn = subprocess.run([sys.executable, lab.path(figure['script'])], input=run.output, capture_output=True, text=True, check=False).stdout
        check.that(drawn == read(lab.path(figure['file'])), f'{figure["file"]} is what {figure["script"]} draws of `{what}`')
        return

    def fixed(text):
        return re.sub(figure['varies'], '?', text) if 'varies' in figure else text
    check.that(fixed(run.output.strip('\n')) in map(fixed, blocks(read(lab.path('handout.md')))),
               f'the handout shows what `{what}` prints: {run.output[:600]}')


def messages(lab, builder, check):
    """A message that the handout prints is what the test says of the planted bug (`shown` in bugs.toml), and its line to replay fails again."""
    text = read(lab.path('handout.md'))
    printed = {line.strip() for line in text.split('\n')}
    shown = [(bug, name, lab.test(i)) for name, bug in lab.bugs.items() for i in bug.get('shown', [])]
    if not shown:
        say('  the handout prints none')
    for bug, name, test in shown:
        with own.put(own.changed(own.references(lab), bug, name)) as folder:
            g = grade.Grading(lab, builder, folder, 1, {test['program']})
            try:
                r = g.run_all([test])[0]
                for line in grade.lines_of(test, r, lab)[1:]:
                    check.that(line.strip() in printed, f'{name}: the handout prints what {test["id"]} says: {line.strip()}')
                replay = re.search(r"--replay '([^']*)'", r['message'])
                if replay:
                    command = f'./lab test {lab.number} {test["id"]} {replay.group()}'
                    check.that(command in text, f'{name}: the handout has the command {command}')
                    g.replay = replay.group(1)
                    check.that(g.run_all([test])[0]['state'] == grade.FAIL, f'{name}: {command} fails')
            finally:
                g.close()
    check.that(len(shown) == text.count('why it matters: '), f'the handout prints {text.count("why it matters: ")} messages, of which {len(shown)} are held')
