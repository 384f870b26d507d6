# SPDX-License-Identifier: MIT
"""Debian's packages and what each depends on, for keys = "debian": the index that apt keeps, as the demo reads it, or the list of
what is installed. The cell gets a file of numbers (cell/packages.h)."""
import glob
import os
import re
import subprocess

LISTS = '/var/lib/apt/lists'
HELPER = '/usr/lib/apt/apt-helper'  # knows how a list is compressed
INSTALLED = '/var/lib/dpkg/status'
FIELD = re.compile(r'^(Package|Pre-Depends|Depends|Provides): (.*)$', re.MULTILINE)
NAME = re.compile(r'\s*([^\s(:\[]+)')  # without version and architecture
FEW = 1000  # packages, with which nothing is worth to be looked up


def lists():
    """The indices that apt keeps."""
    return sorted(name for pattern in ('*_Packages', '*_Packages.*') for name in glob.glob(os.path.join(LISTS, pattern)) if os.path.getsize(name))


def why_not():
    """Why there are no packages here, or None."""
    if (lists() and os.access(HELPER, os.X_OK)) or os.path.exists(INSTALLED):
        return None
    return f'it looks packages up, and there is no index of packages here: neither {LISTS} nor {INSTALLED} (Debian: apt-get update)'


def read_index():
    """The text of all stanzas. Of the packages that are installed, where apt has no index."""
    if lists() and os.access(HELPER, os.X_OK):
        done = subprocess.run([HELPER, 'cat-file', *lists()], capture_output=True, text=True, errors='replace', check=False, timeout=300)
        if done.returncode == 0 and done.stdout:
            return done.stdout
    with open(INSTALLED, encoding='utf-8', errors='replace') as f:
        return f.read()


def stanzas(text):
    """A dict of what FIELD finds, for each stanza that has a package."""
    found = {}
    for match in FIELD.finditer(text):  # 50 MiB: not line by line
        name, value = match.groups()
        if name == 'Package':
            if 'Package' in found:
                yield found
            found = {}
        found[name] = value
    if 'Package' in found:
        yield found


def alternatives(field):
    """What a field asks for: a list of lists of names, of which one each is enough. Versions and architectures are left out."""
    if not field:
        return []
    found = [[match.group(1) for match in map(NAME.match, part.split('|')) if match] for part in field.split(',')]
    return [names for names in found if names]


def graph(text):
    """[(name, [numbers of what it depends on])] in the order of names. Of alternatives the first that is there; a name that only
    others provide is the first of them, by name."""
    needs, provided = {}, {}
    for stanza in stanzas(text):
        name = stanza['Package']
        needs[name] = alternatives(stanza.get('Pre-Depends')) + alternatives(stanza.get('Depends'))
        for names in alternatives(stanza.get('Provides')):
            provided[names[0]] = min(name, provided.get(names[0], name))
    numbers = {name: i for i, name in enumerate(sorted(needs))}

    def number(names):
        for name in names:
            if name in numbers:
                return numbers[name]
            if name in provided:
                return numbers[provided[name]]
        return None
    found = []
    for name, mine in numbers.items():
        wanted = dict.fromkeys(number(names) for names in needs[name])
        found.append((name, [n for n in wanted if n is not None and n != mine]))
    return found


def write(path):
    """Makes the cell's file: a line for each package, with the numbers of what it depends on."""
    packages = graph(read_index())
    if len(packages) < FEW:
        raise OSError(0, f'expected {FEW} packages or more in the index, found {len(packages)}', path)
    with open(path + '.part', 'w', encoding='ascii') as f:
        f.writelines(' '.join(map(str, needs)) + '\n' for _, needs in packages)
    os.replace(path + '.part', path)
