#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws the folders of the library, their includes, and the circles of calls inside them, as SVG.

usage: draw_structure.py OUT.svg [COMMIT]

Of the working tree, or of a commit. An arrow is an include of another folder; how many there are
stands beside it. Below a folder's name stands the number of its sources; files that call each other
in a circle are named in red. Tests and benchmarks, which may include every folder, are left out. The
program dot of graphviz has to be installed (Debian: apt-get install graphviz).
"""
import collections
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..')
sys.path.insert(0, os.path.join(ROOT, 'tests'))
import check_layers  # noqa: E402
import check_order  # noqa: E402

FOLDERS = check_order.FOLDERS + ('include', 'tools')


def folder_of(name):
    return 'include' if '/' not in name else name.split('/')[0]


def reached(arrows, start):
    done, todo = set(), [start]
    while todo:
        for name in arrows[todo.pop()] - done:
            done.add(name)
            todo.append(name)
    return done


def circles(texts):
    """The circles of calls between files: sorted lists of names."""
    arrows = collections.defaultdict(set)
    for caller, callee, _ in check_order.calls(texts):
        arrows[caller].add(callee)
    found = {frozenset(other for other in reached(arrows, name) if name in reached(arrows, other))
             for name in list(arrows) if name in reached(arrows, name)}
    return sorted(sorted(circle) for circle in found)


def look(root):
    """The sources {folder: {name: text}} and includes {(from, to): number} of a tree."""
    texts = {folder: {} for folder in FOLDERS}
    includes = collections.Counter()
    for source in check_layers.sources(root):
        folder = source.split('/')[0]
        if folder not in FOLDERS:
            continue
        with open(os.path.join(root, source), encoding='utf-8') as f:
            text = texts[folder][os.path.basename(source)] = f.read()
        for line in text.split('\n'):
            match = check_layers.INCLUDE.match(line)
            if match and match.group(1) and folder_of(match.group(1)) != folder:
                includes[folder, folder_of(match.group(1))] += 1
    return {folder: files for folder, files in texts.items() if files}, includes


def dot_of(texts, includes, title):
    lines = ['digraph structure {', '\trankdir=TB; nodesep=0.4; ranksep=0.5;',
             '\tnode [shape=box, style="rounded,filled", fillcolor="#f4f4f4", fontname="sans-serif"];',
             '\tedge [color="#707070", fontname="sans-serif", fontsize=9, fontcolor="#707070"];',
             f'\tlabel="{title}"; labelloc=t; fontname="sans-serif";']
    n_circles = 0
    for folder, files in texts.items():
        label = f'<b>{folder}/</b><br/><font point-size="10">{len(files)} files</font>'
        for circle in circles(files) if folder in check_order.FOLDERS else ():
            n_circles += 1
            for at in range(0, len(circle), 4):
                names = '&#160; '.join(circle[at:at + 4])
                label += f'<br/><font point-size="10" color="#c00000">{names}</font>'
        lines.append(f'\t"{folder}" [label=<{label}>];')
    for (source, target), n in sorted(includes.items()):
        lines.append(f'\t"{source}" -> "{target}" [label="{n}"];')
    return '\n'.join(lines + ['}', '']), n_circles


def main():
    out, commit = sys.argv[1], (sys.argv[2:] or [None])[0]
    dot = shutil.which('dot')
    if not dot:
        sys.exit('draw_structure: the program dot is not there: apt-get install graphviz')
    with tempfile.TemporaryDirectory() as folder:
        root = ROOT
        if commit:
            root = folder
            archive = subprocess.run(['git', '-C', ROOT, 'archive', commit], check=True,
                                     capture_output=True).stdout
            with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                tar.extractall(folder, filter='data')
        texts, includes = look(root)
    title = ('includes between folders' + (f' at {commit}' if commit else '') +
             '; in red: files that call each other in a circle')
    graph, n_circles = dot_of(texts, includes, title)
    svg = subprocess.run([dot, '-Tsvg'], input=graph, text=True, check=True,
                         capture_output=True).stdout
    with open(out, 'w', encoding='utf-8') as f:
        f.write(svg)
    print(f'{out}: {len(texts)} folders, {len(includes)} arrows, {n_circles} circles of files')


if __name__ == '__main__':
    main()
