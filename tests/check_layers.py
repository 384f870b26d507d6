#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the floors: an #include goes down, or stays in its own folder.

usage: check_layers.py ROOT

base < io < pager < {bufpool, mmap, vmcache} < space < txn < btree < db < trace < {tools, bench} <
tests < {labs, experiments, examples}. The pagers never see each other, and only db/pagers.c sees them. A folder's
private header (<folder>_int.h) is seen by its own folder only, tests excepted. include/verso_codes.h
belongs to floor 0, the other public headers to 7; tools, labs and experiments are users of the API and
see nothing else of the library but base/ and trace/, which replays the pool's policies; bench may
measure any floor but the pagers, which it has through the API. Labs and experiments may use FIXTURES
of the tests and what programs share in tools/common/ too; nothing uses them. In the labs, a student's
part takes the place of one of the engine's, so they see the SEAMS it fits into. A path goes straight to
its file, without `..`; a folder with C files that has no floor is an error. The order of the files
within a folder is held by check_order.py.
"""
import os
import re
import sys

FLOORS = {
    'base': 0,
    'io': 1,
    'pager': 2,
    'bufpool': 3,
    'mmap': 3,
    'vmcache': 3,
    'space': 4,
    'txn': 5,
    'btree': 6,
    'db': 7,
    'trace': 8,
    'tools': 9,
    'bench': 9,
    'tests': 10,
    'labs': 11,
    'experiments': 11,
    'examples': 11,
}
PAGERS = {'bufpool', 'mmap', 'vmcache'}
ABOVE_ALL = {'labs', 'experiments', 'examples'}
API_USERS = ABOVE_ALL | {'tools'}
SHARED = ('tools/common/',)  # the switches of a database, for every program that opens one
FIXTURES = ('tests/btree_model.h', 'tests/check_main.h', 'tests/contract/', 'tests/crash/', 'tests/double_txn.h', 'tests/pool_fixture.h',
            'tests/refpager/', 'tests/sim/')
# Of the engine, what a part that is written in a lab is made of: the page interface and what is below
# it, the names of the pool and the tables of its policies, the pager over a map, and a node with the tree
# that stands on it.
SEAMS = ('io/', 'pager/', 'bufpool/bufpool.h', 'bufpool/policies.h', 'bufpool/policy.h', 'mmap/mmap.h', 'mmap/view.h',
         'btree/btree.h', 'btree/node.h')
PUBLIC = {'verso_codes.h': 0, 'verso_copy.h': 7, 'verso_key.h': 7, 'verso_options.h': 7, 'verso_space.h': 7, 'verso_stat.h': 7, 'verso_trace.h': 7, 'verso.h': 7}
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
NOT_OURS = ('.', 'build', 'rel', 'subprojects') # how the names of folders begin that hold no source


def included(line):
    """What a line includes of the project, in quotes or not; None: nothing."""
    match = INCLUDE.match(line)
    if not match:
        return None
    quoted, name = match.groups()
    is_ours = name and (name in PUBLIC or '..' in name.split('/') or name.split('/')[0] in FLOORS)
    return quoted or (name if is_ours else None)


def edge_error(source, target):
    """Why the file `source` may not include `target` (both relative to the root), or None."""
    folder = source.split('/')[0]
    if {'..', '.', ''} & set(target.split('/')):
        return 'a path without ., .. and //, so that its first word is its folder'
    if folder == 'include':
        name = os.path.basename(source)
        ok = target in PUBLIC and PUBLIC[target] <= PUBLIC.get(name, -1)
        return None if ok else 'a public header sees public headers only'
    floor = FLOORS[folder]
    if target in PUBLIC:
        return None if PUBLIC[target] <= floor else 'the API lies above this floor'
    if source.startswith('examples/') and target == 'example.h': # as a user compiles it
        return None
    if '/' not in target:
        return 'an include names its folder'
    to = target.split('/')[0]
    if to not in FLOORS:
        return 'no such floor'
    if to == folder:
        return None
    if to in ABOVE_ALL:
        return 'nothing uses labs, experiments and examples'
    if folder == 'tests':
        return None
    if target.endswith('_int.h'):
        return 'a private header of another folder'
    if folder == 'examples':
        return 'an example has the public headers, as a user has'
    if folder in ABOVE_ALL and target.startswith(FIXTURES + SHARED):
        return None
    if folder == 'labs' and target.startswith(SEAMS):
        return None
    if folder in API_USERS:
        return None if to in ('base', 'trace') else 'tools use the API'
    if source.startswith('trace/') and target in ('bufpool/policies.h', 'bufpool/policy.h'):
        return None
    if FLOORS[to] >= floor:
        return 'includes go down only'
    if to in PAGERS and source != 'db/pagers.c':
        return 'only db/pagers.c names a pager'
    return None


def sources(root):
    """Every C file below the root but those in labs/my, a student's; what is in a folder without a floor too."""
    for path, folders, names in os.walk(root):
        folders[:] = sorted(d for d in folders if d != 'my' and (path != root or not d.startswith(NOT_OURS)))
        for name in sorted(names):
            if name.endswith(('.c', '.h')):
                yield os.path.relpath(os.path.join(path, name), root)


def file_findings(source, lines):
    """What is wrong with the includes of a file: pairs of a line's number and a text; and how many it has."""
    found, n_edges = [], 0
    if source.split('/')[0] not in FLOORS and not source.startswith('include/'):
        return [(1, 'a C file in a folder that has no floor: give it one in FLOORS')], 0
    for number, line in enumerate(lines, 1):
        target = included(line)
        why = edge_error(source, target) if target else None
        n_edges += target is not None
        if why:
            found.append((number, f'"{target}": {why}'))
    return found, n_edges


def self_test():
    """A checker that finds nothing is a defect."""
    bad = [('io/a.c', 'pager/pager.h'), ('mmap/a.c', 'bufpool/bufpool.h'),
           ('bufpool/a.c', 'mmap/mmap.h'), ('btree/a.c', 'bufpool/bufpool.h'),
           ('db/db.c', 'mmap/mmap.h'), ('txn/a.c', 'btree/btree.h'), ('space/a.c', 'txn/txn.h'), ('txn/a.c', 'io/io_int.h'),
           ('btree/a.c', 'verso.h'), ('base/a.c', 'io/io.h'), ('io/a.c', 'io.h'),
           ('tools/a.c', 'db/db.h'), ('bench/a.c', 'io/io_int.h'), ('include/verso.h', 'db/db.h'),
           ('include/verso_codes.h', 'verso.h'), ('pager/a.c', 'tests/check_main.h'),
           ('tests/a.c', 'labs/a.h'), ('bench/a.c', 'experiments/a.h'), ('labs/a.c', 'experiments/a.h'),
           ('labs/a.c', 'btree/catalogue.h'), ('labs/a.c', 'bufpool/bufpool_int.h'), ('labs/a.c', 'io/io_int.h'),
           ('experiments/a.c', 'pager/pager.h'), ('labs/a.c', 'mmap/mmap_int.h'), ('experiments/a.c', 'mmap/mmap.h'), ('experiments/a.c', 'bufpool/policy.h'),
           ('experiments/a.c', 'tests/api.h'), ('experiments/a.c', 'tools/verso/tool.h'), ('labs/a.c', 'tests/sim/sim_int.h'),
           ('db/a.c', 'db/../mmap/mmap.h'), ('bufpool/a.c', 'bufpool/../mmap/mmap_int.h'),
           ('labs/a.c', 'tests/sim/../api.h'), ('examples/a.c', 'base/error.h'), ('tests/a.c', 'examples/example.h'),
           ('examples/a.c', 'tools/common/switches.h'), ('db/a.c', './mmap/mmap.h'), ('bench/a.c', 'mmap/mmap.h')]
    good = [('db/pagers.c', 'bufpool/bufpool.h'), ('db/pagers.c', 'mmap/mmap.h'),
            ('txn/a.c', 'pager/pager.h'), ('txn/a.c', 'space/space.h'), ('base/error.h', 'verso_codes.h'),
            ('db/a.c', 'verso.h'), ('bench/a.c', 'io/queue.h'), ('tests/test_a.c', 'io/io_int.h'), ('io/a.c', 'io/io_int.h'),
            ('include/verso.h', 'verso_codes.h'), ('tools/a.c', 'verso.h'), ('labs/a.c', 'trace/trace.h'),
            ('experiments/a.c', 'verso.h'), ('experiments/a.c', 'tools/common/switches.h'), ('labs/a.c', 'tests/sim/simdisk.h'),
            ('labs/lab1/show.c', 'btree/node.h'),
            ('labs/lab2/pool.c', 'bufpool/policy.h'), ('labs/lab4/map.c', 'mmap/view.h'), ('labs/lib/a.c', 'pager/pager.h')]
    for edge in bad:
        assert edge_error(*edge), edge
    for edge in good:
        assert not edge_error(*edge), edge
    for source, line in (('btree/a.c', '#include <mmap/mmap.h>\n'), ('btree/a.c', ' # include "mmap/mmap.h"\n'),
                         ('btree/a.c', '#include <verso.h>\n'), ('btree/a.c', '#include <sys/../mmap/mmap.h>\n'),
                         ('engine/a.c', '\n'), ('a.c', '\n')):
        assert file_findings(source, [line])[0], (source, line)
    for line in ('#include <sys/mman.h>\n', '#include <stdio.h>\n', '#include "base/error.h"\n'):
        assert not file_findings('btree/a.c', [line])[0], line


def main():
    self_test()
    root = sys.argv[1]
    n_files = n_edges = n_bad = 0
    for source in sources(root):
        n_files += 1
        with open(os.path.join(root, source), encoding='utf-8') as f:
            found, n = file_findings(source, f)
        n_edges += n
        n_bad += len(found)
        for number, text in found:
            print(f'{source}:{number}: {text}')
    print(f'{n_files} files, {n_edges} includes, {n_bad} not allowed')
    return 1 if n_bad or not n_edges else 0


if __name__ == '__main__':
    sys.exit(main())
