# SPDX-License-Identifier: MIT
"""What a pack may have in the place of the project's own files: a variant of the lab, and a student's earlier labs.

A variant changes constants, so that the answers of last year are wrong this year. labs/labN/variants.toml:

    [other_numbers]
    about = "what is different, in a sentence for the teacher"

    [[other_numbers.change]]
    file = "pager/page.c"                # of the project
    old = "return sum ? sum : 1;"        # occurs exactly once, or `times` times
    new = "return sum ? sum : 2;"

All changes of a variant are made together: in the reference, of which the starter is cut, in tests, handout, hints and
planted bugs. That they fit is proved by a self-check in a copy of the project with these changes. It also proves what a
variant is for: there the lab's usual solution loses points, and the variant's loses some in the usual tests.
"""
import os
import shutil
import subprocess
import sys
import tempfile

import mklab
from common import GraderError, Lab, LabError, ROOT, numbers, read, read_any, toml, write

AGAINST = 'another year'  # the step that needs the usual solution
STEPS = ['generator', 'starter', 'reference', 'handout', 'figures', 'predictions', 'own tests', 'bugs', AGAINST]  # of the self-check in a copy
CHANGE = {'file', 'old', 'new', 'times'}


def of(lab):
    """{name: variant} of a lab."""
    if not os.path.exists(lab.path('variants.toml')):
        return {}
    found = toml(lab.path('variants.toml'))
    for name, variant in found.items():
        if not isinstance(variant, dict) or set(variant) != {'about', 'change'}:
            raise GraderError(f'variants.toml: {name} has about and changes, and nothing else')
        for change in variant['change']:
            if not {'file', 'old', 'new'} <= set(change) <= CHANGE:
                raise GraderError(f'variants.toml: a change of {name} has {", ".join(sorted(change))}; expected file, old, new')
    return found


def changes(lab, name):
    there = of(lab)
    if name not in there:
        raise LabError(f'lab {lab.number} has no variant {name}; there are: {", ".join(there) or "none"}')
    return there[name]['change']


def changed(files, todo):
    """{name: bytes} with these changes."""
    files = dict(files)
    for change in todo:
        name, old, times = change['file'], change['old'], change.get('times', 1)
        if name not in files:
            raise GraderError(f'variants.toml: there is no file {name}')
        text = files[name].decode()
        if text.count(old) != times:
            raise GraderError(f'variants.toml: `{old}` occurs {text.count(old)} times in {name}, expected {times}')
        files[name] = text.replace(old, change['new']).encode()
    return files


def changer(lab, name):
    """What makes a pack that of a variant, None: of no variant. Of the changes those to what no pack has are left out."""
    if not name:
        return None
    todo = changes(lab, name)
    return lambda files: changed(files, [c for c in todo if c['file'] in files or not c['file'].endswith(mklab.NOT_IN_PACK)])


def on_mine(files, lab):
    """{name: bytes} in which files of the project are those that the student wrote in earlier labs; and the labs taken."""
    files, taken = dict(files), []
    for number in numbers():
        earlier = Lab(number)
        if int(number) >= int(lab.number) or not earlier.elsewhere or not os.path.isdir(earlier.mine):
            continue
        left = mklab.left(earlier)
        if left:
            raise LabError(f'lab {number} is not finished: task {sorted(left)[0]}. A pack on your own files needs all of it')
        for short, path in earlier.elsewhere.items():
            name = os.path.relpath(path, ROOT)
            if name in files:
                files[name] = read_any(os.path.join(earlier.mine, short)).encode(errors='surrogateescape')
        taken.append(number)
    return files, taken


def copy(lab, name, folder):
    """Writes the project with a variant of the lab, references and all: for the teacher."""
    files = {}
    for path in mklab.project_files():
        if os.path.isfile(os.path.join(ROOT, path)) and not os.path.islink(os.path.join(ROOT, path)):
            with open(os.path.join(ROOT, path), 'rb') as f:
                files[path] = f.read()
    for path, data in changed(files, changes(lab, name)).items():
        to = os.path.join(folder, path)
        os.makedirs(os.path.dirname(to), exist_ok=True)
        with open(to, 'wb') as f:
            f.write(data)
        shutil.copymode(os.path.join(ROOT, path), to)


def solution(lab, name):
    """{short name: text} of the references of a variant."""
    paths = {short: os.path.relpath(lab.path(short), ROOT) for short in lab.files}
    todo = [c for c in changes(lab, name) if c['file'] in paths.values()]
    made = changed({path: read(lab.path(short)).encode() for short, path in paths.items()}, todo)
    return {short: made[path].decode() for short, path in paths.items()}


def in_copy(lab, name, words):
    """The status of a command of this tool, in a copy of the project with the variant."""
    with tempfile.TemporaryDirectory(prefix='lab-variant-') as folder:
        copy(lab, name, folder)
        command = [sys.executable, os.path.join(folder, 'lab'), *words, '--build', os.path.join(folder, 'build-labs')]
        return subprocess.run(command, check=False).returncode


def selfcheck(lab, name, steps=(), quick=True, options=()):
    """Whether the variant passes, in a copy; prints what the self-check there says. options: further ones of it."""
    with tempfile.TemporaryDirectory(prefix='lab-usual-') as usual:
        for short in lab.files:
            write(os.path.join(usual, short), read(lab.path(short)))
        words = ['selfcheck', lab.number, *(steps or STEPS), '--against', usual, *['--quick'] * quick, *options]
        return in_copy(lab, name, words) == 0
