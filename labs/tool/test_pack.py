#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A pack, unpacked in an empty root folder: an ordinary user builds and tests there, without network, with what a plain Debian has. And the
pack of Lab 7 builds the engine with meson, and measures.

usage: test_pack.py [NUMBER ...]: of these labs; without one of Lab 0
"""
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import mklab  # noqa: E402
import own  # noqa: E402
import selfcheck  # noqa: E402
from common import Lab, ROOT, write  # noqa: E402

sys.path.append(os.path.join(ROOT, 'tests'))

import unit_main  # noqa: E402

NOBODY = 65534
NUMBERS = sys.argv[1:] or ['0']
# A root folder with the system's programs and libraries, for reading, and the student's home: nothing else of this machine. $1: the root, the rest
# is the command.
JAIL = r'''
set -e
root=$1
shift
chmod 755 "$root"
for d in /usr /etc /dev; do
	mkdir -p "$root$d"
	mount --rbind "$d" "$root$d"
	[ "$d" = /dev ] || mount -o remount,bind,ro "$root$d"
done
for d in /bin /sbin /lib /lib32 /lib64; do
	if [ -L "$d" ]; then
		ln -sfn "$(readlink "$d")" "$root$d"
	elif [ -d "$d" ]; then
		mkdir -p "$root$d"
		mount --rbind "$d" "$root$d"
	fi
done
mkdir -p "$root/proc" "$root/tmp"
mount -t proc proc "$root/proc"
chmod 1777 "$root/tmp"
exec chroot "$root" setpriv --reuid 65534 --regid 65534 --clear-groups env -i PATH=/usr/bin:/bin HOME=/home LANG=C.UTF-8 "$@"
'''


def jailed(root, *command):
    return subprocess.run(['unshare', '--mount', '--net', '--pid', '--fork', 'sh', '-c', JAIL, 'sh', root, *command], capture_output=True, text=True,
                          check=False, timeout=1500)


def what_is_missing():
    """Why there can be no such root folder here; '': there can."""
    if os.geteuid() != 0:
        return 'only root may make a root folder'
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = jailed(folder, 'python3', '-c', 'import tomllib')
        except OSError as e:
            return str(e)
        return (done.stderr.strip() or 'it could not be made') if done.returncode else ''


class Pack(unittest.TestCase):
    def setUp(self):
        missing = what_is_missing()
        if missing:
            self.skipTest(missing)

    def lab(self, number):
        lab = Lab(number)
        with tempfile.TemporaryDirectory(prefix='lab-pack-') as root:
            home = os.path.join(root, 'home')
            path = os.path.join(root, 'pack.tar.gz')
            mklab.pack(lab, path)
            with tarfile.open(path) as tar:
                tar.extractall(home, filter='data')
            os.remove(path)
            top = f'/home/verso-lab{number}'
            for at, folders, files in os.walk(home):
                for name in ['.', *folders, *files]:
                    os.chown(os.path.join(at, name), NOBODY, NOBODY)

            def command(words):
                return jailed(root, 'sh', '-c', f'cd {top} && {words}')
            self.assertEqual(command('id -u').stdout, f'{NOBODY}\n')
            self.assertIn('unreachable', command('python3 -c "import socket; socket.create_connection((\'192.0.2.1\', 80), 2)"').stderr)
            self.assertNotIn('MISSING', command('./lab doctor').stdout)
            started = command(f'./lab start {number}')
            self.assertEqual(started.returncode, 0, started.stderr)
            red = command(f'./lab test {number}')
            printed = re.findall(r'(?m)^(\w+ +\w+ +\d+/\d+  [A-Z ]+(?:   .*)?)$', red.stdout)
            # What the system refuses has its reason beside it.
            refused = set(re.findall(r'(?m)^ +(\w+): this system lets nobody ', red.stdout))
            expected = [line.replace('NOT IMPLEMENTED', 'SKIPPED') if line.split()[1] in refused else line for line in selfcheck.red_list(lab)]
            self.assertEqual(printed, expected, red.stdout[-2000:] + red.stderr[-2000:])
            mine = os.path.join(home, f'verso-lab{number}', 'labs', 'my', f'lab{number}')
            self.commands_for_what_is_not_written(lab, command, mine)
            for name, text in own.references(lab).items():
                write(os.path.join(mine, name), text)
            self.commands_for_what_is_right(lab, command)
            green = command(f'./lab test {number} --all')
            self.assertEqual(green.returncode, 0, green.stdout[-3000:] + green.stderr[-2000:])
            points = re.search(r'(?m)^lab \d: (\d+) of (\d+) points', green.stdout)
            self.assertEqual(points.group(1), points.group(2))
            print(f'lab {number}: {len(printed)} lines of the red list; the reference has {points.group(1)} of {points.group(2)} points', flush=True)
            shutil.rmtree(os.path.join(home, f'verso-lab{number}', 'build-labs'), ignore_errors=True)

    def predicted(self, lab, command):
        """{id: what `predict` says of a question}."""
        done = command(f'./lab predict {lab.number}')
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        parts = re.split('(?m)^(' + '|'.join(q['id'] for q in lab.questions) + ')  ', done.stdout)
        self.assertEqual(parts[1::2], [q['id'] for q in lab.questions])
        for q, said in zip(lab.questions, parts[2::2]):
            self.assertRegex(said, re.escape(q['text']) + r'\n {8}\S')
        return dict(zip(parts[1::2], parts[2::2]))

    def commands_for_what_is_not_written(self, lab, command, mine):
        """`predict` and `bugs` with the starter, and with files that do not compile: no answer without a reason."""
        for said in self.predicted(lab, command).values():
            self.assertIn('your prediction: ./lab predict', said)
        for q in lab.questions:
            self.assertEqual(command(f'./lab predict {lab.number} {q["id"]} 7').returncode, 0)
        before = self.predicted(lab, command)
        for q in lab.questions:
            self.assertRegex(before[q['id']], 'your own code answers here, once tasks? .* green: ./lab test' if 'tasks' in q else '   (but it is: |right$|not known here)')
        bugs = command(f'./lab bugs {lab.number}')
        # Some examples only open what is given, which the starter can.
        self.assertRegex(bugs.stdout, rf'^your tests on your own files: (PASS|NOT IMPLEMENTED: Lab {lab.number}\.\d+, .*)\n.*no pack has them')
        self.assertEqual(bugs.returncode == 0, ': PASS\n' in bugs.stdout)
        for name in lab.files:
            write(os.path.join(mine, name), 'int f(void)\n{\n\treturn 1\n}\n')
        self.assertEqual(self.predicted(lab, command), before)
        self.assertRegex(command(f'./lab bugs {lab.number}').stdout, 'FAIL: .* does not compile')

    def commands_for_what_is_right(self, lab, command):
        after = self.predicted(lab, command)
        for q in lab.questions:
            self.assertEqual(', says your own code' in after[q['id']], 'tasks' in q, after[q['id']])
        bugs = command(f'./lab bugs {lab.number}')
        self.assertRegex(bugs.stdout, 'your tests on your own files: PASS')
        self.assertEqual(bugs.returncode, 0)

    def test_a_student_can_work_in_it(self):
        for number in NUMBERS:
            with self.subTest(lab=number):
                self.lab(number)


@unittest.skipUnless(NUMBERS == ['0'] and shutil.which('meson') and shutil.which('ninja'), 'needs meson and ninja, and is run once')
class PackToMeasure(unittest.TestCase):
    def test_the_engine_is_built_and_measured_in_it(self):
        lab = Lab('7')
        with tempfile.TemporaryDirectory(prefix='lab-pack-') as folder:
            path = os.path.join(folder, 'pack.tar.gz')
            mklab.pack(lab, path)
            with tarfile.open(path) as tar:
                tar.extractall(folder, filter='data')
            top = os.path.join(folder, 'verso-lab7')
            for number in lab.measures:
                for name, text in own.references(Lab(number)).items():
                    write(os.path.join(top, 'labs', 'my', f'lab{number}', name), text)

            def command(*words):
                return subprocess.run(['./lab', *words], cwd=top, capture_output=True, text=True, check=False, timeout=600)
            for h in lab.hypotheses:
                self.assertEqual(command('predict', '7', h['id'], 'less').returncode, 0)
            done = command('measure', '7', '--dry-run')
            self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])
            for plan in os.listdir(lab.path('plans')):
                self.assertIn(plan[:-5], done.stdout)


if __name__ == '__main__':
    unit_main.main()
