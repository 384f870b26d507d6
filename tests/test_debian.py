#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The Debian packages: built, with their documents, clean under lintian, installed into an empty Debian, where the manual's first page runs.

usage: test_debian.py ROOT

Skipped with the reason where a tool, root, or a mirror of Debian is missing. The mirror is the one that apt uses here.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

PACKAGES = ['libverso0', 'libverso-dev', 'verso-tools', 'python3-verso']
ROOT = os.path.abspath(sys.argv[1])


def skip(reason):
    print(f'skipped: {reason}', flush=True)
    sys.exit(77)


def run(*words, cwd=None, **more):
    """Standard output of what succeeds; the test fails with what it printed otherwise."""
    done = subprocess.run(words, cwd=cwd, check=False, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **more)
    if done.returncode != 0:
        print(done.stdout[-8000:])
        sys.exit(f'{" ".join(words)} failed with status {done.returncode}')
    return done.stdout


def need(program, package):
    if not shutil.which(program):
        skip(f'no {program} (Debian: apt install {package})')


def build(folder):
    """The packages and their source, made of the files that git knows; their folder."""
    source = os.path.join(folder, 'verso-0.1.0')
    os.makedirs(source)
    names = run('git', '-C', ROOT, 'ls-files', '-z').split('\0')
    for name in filter(None, names):
        os.makedirs(os.path.dirname(os.path.join(source, name)), exist_ok=True)
        shutil.copy(os.path.join(ROOT, name), os.path.join(source, name))
    missing = subprocess.run(['dpkg-checkbuilddeps'], cwd=source, check=False, text=True, capture_output=True).stderr
    if missing:
        skip(missing.strip())
    run('dpkg-buildpackage', '-us', '-uc', cwd=source, env={**os.environ, 'DEB_BUILD_OPTIONS': 'parallel=2'})
    found = sorted(os.path.basename(p).split('_')[0] for p in glob.glob(os.path.join(folder, '*.deb')))
    assert [n for n in found if not n.endswith('-dbgsym')] == sorted(PACKAGES), found
    return folder


def lint(folder):
    changes = glob.glob(os.path.join(folder, '*.changes'))
    words = ['lintian', '--fail-on', 'error,warning', '--suppress-tags', 'initial-upload-closes-no-bugs', *changes]
    if os.geteuid() == 0:
        words.insert(1, '--allow-root')
    print(run(*words), end='')


def check_docs(folder):
    """What the packaged README and the manual refer to is packaged, unless it is a part of the source."""
    target = os.path.join(folder, 'dev')
    run('dpkg-deb', '-x', *glob.glob(os.path.join(folder, 'libverso-dev_*.deb')), target)
    docs = os.path.join(target, 'usr', 'share', 'doc', 'libverso-dev')
    pages = [os.path.join(docs, 'README.md'), *sorted(glob.glob(os.path.join(docs, 'docs', 'manual', '*.md')))]
    n = 0
    for page in pages:
        with open(page, encoding='utf-8') as f:
            links = re.findall(r'\]\(([^)#:]+)[)#]', f.read())
        for link in links:
            path = os.path.normpath(os.path.join(os.path.dirname(page), link))
            if re.match(r'(docs|examples)/|CONTRIBUTING', os.path.relpath(path, docs)):
                n += 1
                assert os.path.exists(path), f'{os.path.relpath(page, docs)}: {link}'
    assert len(pages) > 10 and n > 30, (pages, n)


def mirror():
    """Where apt has the main archive from, and which suite of it."""
    out = run('apt-get', 'indextargets', '--format', '$(SITE) $(RELEASE) $(COMPONENT)', 'Identifier: Packages')
    for line in out.split('\n'):
        words = line.split()
        if len(words) == 3 and words[2] == 'main' and re.fullmatch(r'[a-z]+', words[1]):
            return words[0], words[1]
    skip('apt has no archive of Debian')
    return None


def first_page(language):
    """A block of docs/manual/start.md, and what it prints."""
    with open(os.path.join(ROOT, 'docs', 'manual', 'start.md'), encoding='utf-8') as f:
        return re.search(rf'^```{language}\n(.*?)^```\n+```output\n(.*?)^```', f.read(), re.M | re.S).groups()


def install_and_run(folder, target):
    site, suite = mirror()
    done = subprocess.run(['debootstrap', '--variant=minbase', suite, target, site], check=False, text=True,
                          capture_output=True)
    if done.returncode != 0:
        skip(f'debootstrap cannot make a root here: {(done.stdout + done.stderr).strip()[-300:]}')
    os.makedirs(os.path.join(target, 'debs'))
    for package in PACKAGES:
        for path in glob.glob(os.path.join(folder, package + '_*.deb')):
            shutil.copy(path, os.path.join(target, 'debs'))
    names = sorted('/debs/' + n for n in os.listdir(os.path.join(target, 'debs')))
    chroot = ['chroot', target, 'env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL=C.UTF-8',
              'DEBIAN_FRONTEND=noninteractive']
    run(*chroot, 'apt-get', 'install', '-qq', '-y', '--no-install-recommends', *names, 'gcc', 'libc6-dev',
        'pkg-config')
    # With the flags that its file gives, too: pkg-config wants to find what those that link statically need.
    for language, command in (('c', 'cc -o first first.c -lverso && ./first'),
                              ('c', 'cc -o first first.c $(pkg-config --cflags --libs verso) && ./first'),
                              ('c', 'cc -static -o first first.c $(pkg-config --static --cflags --libs verso) && ./first'),
                              ('python', 'python3 first.python'),
                              ('sh', 'sh first.sh')):
        place = os.path.join(target, 'tmp', language)
        os.makedirs(place, exist_ok=True)
        code, expected = first_page(language)
        with open(os.path.join(place, 'first.' + language), 'w', encoding='utf-8') as f:
            f.write(code)
        printed = run(*chroot, 'sh', '-ec', f'cd /tmp/{language} && rm -f *.verso* && {command}')
        assert printed == expected, (language, printed, expected)
        print(f'{language}: {printed.strip()!r}')
    # Nothing is left when they go.
    run(*chroot, 'apt-get', 'purge', '-qq', '-y', *PACKAGES)
    left = run(*chroot, 'sh', '-c', 'find / -xdev -path /proc -prune -o -name "*verso*" -print | grep -v -e ^/debs -e ^/tmp || true')
    assert not left.strip(), left


def main():
    # Debian's own programs, and the compiler as it is: as on the machine of whoever makes packages.
    os.environ['PATH'] = '/usr/sbin:/usr/bin:/sbin:/bin'
    for name in ('CC', 'CXX', 'CFLAGS', 'LDFLAGS'):
        os.environ.pop(name, None)
    need('dpkg-buildpackage', 'dpkg-dev')
    need('git', 'git')
    need('lintian', 'lintian')
    with tempfile.TemporaryDirectory() as folder:
        build(folder)
        check_docs(folder)
        print('built: ' + ', '.join(PACKAGES), flush=True)
        lint(folder)
        need('debootstrap', 'debootstrap')
        if os.geteuid() != 0:
            skip('built and clean, but only root installs them into an empty Debian')
        target = os.path.join(folder, 'root')
        try:
            install_and_run(folder, target)
        finally:
            # debootstrap may leave /proc mounted.
            subprocess.run(['umount', '-q', os.path.join(target, 'proc')], check=False, capture_output=True)
            subprocess.run(['umount', '-q', os.path.join(target, 'sys')], check=False, capture_output=True)
    print('1 passed, 0 failed, 0 skipped')


if __name__ == '__main__':
    main()
