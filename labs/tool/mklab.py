# SPDX-License-Identifier: MIT
"""Cuts a reference into what a student starts from, and packs it.

    /* LAB 2.4 begin: what to do, in a line */
    ...the reference...
    /* LAB 2.4 end: return LAB_TODO("2.4"); */

What stands after `end:` takes the place of the region. The starter has no other trace of it.
"""
import gzip
import io
import os
import re
import subprocess
import tarfile

import build
from common import GraderError, Lab, ROOT, TOOL, numbers, read, read_any, toml

FIRST_STEPS, FOR_STUDENTS = 'From clone to the first green test', ('How your code gets in', 'What a test did with your pages', 'May an assistant help?')
PACK_README = '''# Lab {lab.number}: {lab.title}

This is one lab of a course on Verso, with the engine, its tests and the tool. [lab{lab.number}/handout.md](lab{lab.number}/handout.md) says what to write. Your part then takes the place of the
engine's own, and the same tests judge both.

## The first steps

{needs}

{steps}'''
CODE_STEPS = '''    ./lab doctor         # what is there, and what is missing
    ./lab start {lab.number}        # makes your files in labs/my/lab{lab.number}/ from the starters
    ./lab test {lab.number}         # a red list: everything is yours to write
    ./lab test {lab.number} {test}      # one test alone: when it fails, why it matters and where to look
    ./lab hint {lab.number} {test}      # and if that is not enough
    ./lab test {lab.number} --all   # the long tests too
    ./lab submit {lab.number}       # one file to hand in
'''
REPORT_STEPS = '''    ./lab start {lab.number}        # makes your report in labs/my/lab{lab.number}/
    ./lab predict {lab.number}      # hypotheses come first
    ./lab measure {lab.number}      # your files of earlier labs lie in labs/my/
    ./lab submit {lab.number}       # one file to hand in
'''
BEGIN = re.compile(r'^(\s*)/\* LAB (\d+\.\d+) begin: (.*) \*/$')
END = re.compile(r'^(\s*)/\* LAB (\d+\.\d+) end: (.*) \*/$')
STRAY = re.compile(r'\bLAB \d+\.\d+ (begin|end)\b')
TASK = re.compile(r'^(\s*)/\* LAB (\d+\.\d+): (.*) \*/$')
# For references that are files of the project, which knows nothing of labs.
STUBS = '#include "labs/lib/todo.h" /* LAB_TODO() */'
# What is not used before all is written. The cut makes it, so the cut silences it.
QUIET = '''
/* Until all is written some functions and names here have no use yet. You may take these lines out. */
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-variable"
'''
TELLING_CHARACTERS = 24  # a line of a region as long as this gives something away
# Of the project, what is in a pack beside the labs; and in one that measures the engine itself.
TOPS = {'base', 'io', 'pager', 'bufpool', 'mmap', 'vmcache', 'space', 'txn', 'btree', 'db', 'include', 'trace', 'tests', 'tools', 'lab', 'LICENSE', '.clang-format'}
TOPS_TO_MEASURE = {'experiments', 'meson.build', 'meson_options.txt'}
ALSO_TO_MEASURE = ('docs/man/meson.build', 'python/meson.build')  # which the build reads, though it makes nothing of theirs
NOT_IN_PACK = ('bugs.toml', 'cheats.toml', 'rubric.md', 'meson.build', 'own_model.c', 'variants.toml')


def cut(text, name='text'):
    """(starter, {task: lines of the region}) of a reference."""
    starter, regions, inside, at_last_include = [], {}, None, 0
    for number, line in enumerate(text.split('\n'), 1):
        begin, end = BEGIN.match(line), END.match(line)
        if begin:
            if inside or begin.group(2) in regions:
                raise GraderError(f'{name}:{number}: region {begin.group(2)} begins in another, or twice')
            inside = begin.group(2)
            regions[inside] = []
            starter.append(f'{begin.group(1)}/* LAB {inside}: {begin.group(3)} */')
        elif end:
            if inside != end.group(2):
                raise GraderError(f'{name}:{number}: region {end.group(2)} ends, and {inside} is open')
            starter.append(end.group(1) + end.group(3))
            inside = None
        elif inside:
            regions[inside].append(line)
        else:
            starter.append(line)
            if line.startswith('#include'):
                at_last_include = len(starter)
        if not begin and not end and STRAY.search(line):
            raise GraderError(f'{name}:{number}: a marker that is not whole: {line.strip()}')
    if inside:
        raise GraderError(f'{name}: region {inside} has no end')
    if regions:
        needs_stubs = '#include "labs/lib/todo.h"' not in starter
        starter[at_last_include:at_last_include] = [STUBS] * needs_stubs + QUIET.rstrip('\n').split('\n')
    return '\n'.join(starter), regions


def join(starter, regions):
    """The opposite of cut(): proves that nothing else was changed."""
    starter = starter.replace(STUBS + '\n', '', 1)
    lines, out, stub = starter.replace(QUIET, '', 1).split('\n') if regions else starter.split('\n'), [], None
    for line in lines:
        task = TASK.match(line)
        if stub:
            out.append(f'{stub[0]}/* LAB {stub[1]} end: {line.strip()} */')
            stub = None
        elif task and task.group(2) in regions:
            stub = task.groups()
            out.append(f'{stub[0]}/* LAB {stub[1]} begin: {stub[2]} */')
            out += regions[stub[1]]
        else:
            out.append(line)
    return '\n'.join(out)


def fill(text, tasks):
    """A reference in which only these tasks are written: what a student has in the middle of a lab."""
    out, inside, at_last_include = [], None, 0
    for line in text.split('\n'):
        begin, end = BEGIN.match(line), END.match(line)
        if begin:
            inside = begin.group(2)
        elif end:
            if inside not in tasks:
                out.append(end.group(1) + end.group(3))
            inside = None
        elif inside is None or inside in tasks:
            out.append(line)
            if line.startswith('#include'):
                at_last_include = len(out)
    if '#include "labs/lib/todo.h"' not in out:
        out.insert(at_last_include, STUBS)
    return '\n'.join(out)


def leaks(regions, outside, packed):
    """(pairs of a file of the labs and a line of a region that it gives away; lines that the starter or the
    engine has anyway: for the author to look at)."""
    known = {line.strip() for line in outside.split('\n')}
    telling = {line.strip() for lines in regions.values() for line in lines
               if len(line.strip()) >= TELLING_CHARACTERS and not line.strip().startswith(('/*', '*'))}
    known |= {line.strip() for name, text in packed.items() if not name.startswith('labs/') for line in text.split('\n')}
    shared = sorted(telling & known)
    found = [(name, line) for name, text in packed.items() for line in sorted(telling - known)
             if any(line == there.strip() for there in text.split('\n'))]
    return found, shared


def project_files():
    done = subprocess.run(['git', '-C', ROOT, 'ls-files'], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return [n for n in done.stdout.split('\n') if n]
    return sorted(os.path.relpath(os.path.join(path, n), ROOT) for path, folders, names in os.walk(ROOT)
                  for n in names if not folders.sort() and (path == ROOT or not os.path.relpath(path, ROOT).startswith(('build', '.', 'labs/my'))))


def strangers(labs):
    """References of other labs that are no part of the engine, and of which no program of these is made: {name in the project}."""
    made_of = {os.path.relpath(s, ROOT) for lab in labs for p in lab.programs.values()
               for s in build.find([*p['sources'], *p.get('given', lab.given), *(s for n in p.get('libs', []) for s in libraries()[n]['sources'])])}
    others = [Lab(n) for n in numbers() if n not in [lab.number for lab in labs]]
    return {name for other in others for name in (os.path.relpath(other.path(f), ROOT) for f in other.files)
            if name.startswith(('tests/', 'labs/')) and name not in made_of}


def libraries():
    return toml(os.path.join(TOOL, 'libraries.toml'))


def readme(lab, text):
    """The labs' README as a pack has it, which holds one lab: its first steps are that lab's, and what is for teachers is gone."""
    sections = dict(re.findall(r'^## ([^\n]*)\n(.*?)(?=^## |\Z)', text, re.M | re.S))
    missing = [name for name in (FIRST_STEPS, *FOR_STUDENTS) if name not in sections]
    if missing:
        raise GraderError(f'labs/README.md has no part {missing[0]}')
    needs = sections[FIRST_STEPS].split('    ./lab')[0].strip('\n')
    test = next((t['id'] for t in lab.tests if t['points']), None)
    made = PACK_README.format(lab=lab, needs=needs, steps=(REPORT_STEPS if lab.is_report else CODE_STEPS).format(lab=lab, test=test))
    return made + ''.join(f'\n## {name}\n{sections[name]}'.rstrip('\n') + '\n' for name in FOR_STUDENTS)


def pack_files(lab, change=None):
    """{name in the pack: bytes}: the engine, its tests, the tool, and this lab without what gives it away. References of other labs
    are not in it, but where they are the engine itself. change: makes other files of these, before the starter is cut."""
    labs = [lab, *map(Lab, lab.measures)]
    files, not_here = {}, strangers(labs)
    own = tuple(os.path.relpath(here.folder, ROOT) + '/' for here in labs)
    tops = TOPS | TOPS_TO_MEASURE if lab.is_report else TOPS
    for name in project_files():
        is_lab = name.startswith('labs/') and (name.startswith((*own, 'labs/lib/', 'labs/tool/')) or name.count('/') == 1)
        if not is_lab and name.split('/')[0] not in tops or name.startswith('experiments/results/'):
            continue
        if name.startswith((*own, 'labs/tool/')) and os.path.basename(name) in NOT_IN_PACK or name in not_here:
            continue
        with open(os.path.join(ROOT, name), 'rb') as f:
            files[name] = f.read()
    for name in (*lab.also, *(ALSO_TO_MEASURE if lab.is_report else ())):
        files[name] = read(os.path.join(ROOT, name)).encode()
    files['labs/README.md'] = readme(lab, files['labs/README.md'].decode()).encode()
    files = change(files) if change else files
    files['AGENTS.md'] = files['labs/AGENTS.md']  # where tools look for it
    for here in labs:
        for name in here.files:
            path = os.path.relpath(here.path(name), ROOT)
            files[path] = cut(files[path].decode(), name)[0].encode()
    return files


def pack(lab, path, change=None):
    """The same commit makes the same bytes: no time, no owner, one order."""
    raw = io.BytesIO()
    top = f'verso-lab{lab.number}/'
    with tarfile.open(fileobj=raw, mode='w', format=tarfile.USTAR_FORMAT) as tar:
        for name, data in sorted(pack_files(lab, change).items()):
            info = tarfile.TarInfo(top + name)
            info.size = len(data)
            info.mode = 0o755 if name == 'lab' or name.endswith('.sh') else 0o644
            tar.addfile(info, io.BytesIO(data))
    with open(path, 'wb') as f, gzip.GzipFile(filename='', fileobj=f, mode='wb', mtime=0) as z:
        z.write(raw.getvalue())
    return len(raw.getvalue())


def without_hints(lab, files):
    """{name: bytes} in which no test of the lab has hints."""
    path = os.path.relpath(lab.path('points.toml'), ROOT)
    return {**files, path: re.sub(rb'(?m)^hints = \[\n(?:    .*\n)*\]\n', b'', files[path])}


def starters(lab):
    return {name: cut(read(lab.path(name)), name)[0] for name in lab.files}


def all_regions(lab):
    regions = {}
    for name in lab.files:
        regions.update(cut(read(lab.path(name)), name)[1])
    return regions


def emptied(starter, value):
    """A starter in which each stub returns at once: this value, where its function has one."""
    out, head = [], ''
    for line in starter.split('\n'):
        if re.match(r'[a-z].*\(', line):
            head = line
        stub = re.match(r'(\t+)(?:return )?LAB_(?:TODO|TODO_VOID)\("[\d.]+"\);', line)
        out.append(stub.group(1) + return_of(head, value) if stub else line)
    return '\n'.join(out)


def return_of(head, value):
    """What ends a function with this first line at once."""
    kind = re.match(r'(?:static )?(?:inline )?(.*?) ?\w+\(', head).group(1)
    if kind == 'void':
        return 'return;'
    if kind.startswith('struct ') and not kind.endswith('*'):
        return f'return ({kind}){{0}};'
    return f'return {value};'


def left(lab):
    """{task: stubs} that a student has not replaced yet."""
    found = {}
    for name in lab.files:
        path = os.path.join(lab.mine, name)
        for line in read_any(path).split('\n') if os.path.exists(path) else []:
            for task in re.findall(r'\bLAB_(?:TODO|TODO_VOID|LATER)\("(\d+\.\d+)"\)', '' if END.match(line) else line):
                found[task] = found.get(task, 0) + 1
    return found
