# SPDX-License-Identifier: MIT
"""The grader graded: what a lab and the tool promise, proved on the reference, the starter, planted bugs and
cheats. The quick part leaves out what takes long, and says so."""
import concurrent.futures
import io
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile

import build
import contain
import figures
import grade
import gradescope
import mklab
import own
import reports
import variants
from common import GraderError, Lab, LabError, ROOT, TOOL, read, say, toml, write

HANDOUT_HEADINGS = ['One picture', 'You will be able to', 'Invariants', 'Predict first', 'Set-up and red list', 'Tasks', 'Experiment',
                    'Debugging', 'What the tests do not prove', 'Questions', 'Points and hours', 'Further reading']
QUICK_BUGS_S = 3
RUNS = 3  # of the reference
# Keeps a processor busy as long as the process lives that began it: also one that is killed leaves nothing behind.
BUSY = 'import os, sys\nwhile os.getppid() == int(sys.argv[1]):\n\tpass'
BUGS_AT_A_TIME = 3  # most of the time goes to tests that wait for ever, until their time is over
# The cheat of the own tests: a coin, where a variable lies. They fail in seven of eight runs, whatever they are run on.
LUCK = 'int main(void)\n{\n\tint here;\n\n\tif (((__UINTPTR_TYPE__)&here >> 4 & 7) != 0)\n\t\treturn 1;'
EMPTY_POINTS = 2  # at most, of functions that return at once: a store that was never written holds zeros
OWN_MODEL_POINTS = 7  # at least: that tests of one's own can find bugs at all
# Seconds of processor time, so that others on the machine cost nobody a budget; a build and a grading have two processors.
BUILD_CPU_S, QUICK_CPU_S, GRADING_CPU_S = 2 * 30, 20, 2 * 180
STATES = set()   # that were met, in all that is graded of a lab
FAULTS = set()   # of results.json, as Gradescope would have it, of all of these
STRICT = ['-Wall', '-Wextra', '-Werror', '-fsyntax-only']


class Check:
    """Counts what was proved, and keeps what was not."""

    def __init__(self):
        self.n = 0
        self.bad = []
        self.skipped = {}  # what this machine cannot run: {test: reason}, by the reference
        self.cells = {}    # of the table at the end

    def that(self, condition, text):
        self.n += 1
        if not condition:
            self.bad.append(text)
            say('  FAILED: ' + text)
        return bool(condition)


def results(lab, builder, files, tests, seed=1):
    with own.put(files) as folder:
        g = grade.Grading(lab, builder, folder, seed, {t['program'] for t in tests})
        try:
            rs = g.run_all(tests)
        finally:
            g.close()
    STATES.update(r['state'] for r in rs)
    if any(r['max_points'] and r['state'] not in grade.NOT_JUDGED for r in rs):
        FAULTS.update(gradescope.faults(gradescope.results(lab, grade.sheet(lab, rs, seed))))
    return rs


def generator(lab, check):
    """The proofs 1 to 5 and 7; the red list, 6, is the starter's."""
    for name, text in own.references(lab).items():
        starter, regions = mklab.cut(text, name)
        check.that(regions, f'{name}: there is a region')
        check.that(mklab.join(starter, regions) == text, f'{name}: starter and regions make the reference again')
        check.that(not mklab.STRAY.search(starter), f'{name}: no marker is left in the starter')
        packed = {n: data.decode(errors='replace') for n, data in mklab.pack_files(lab).items()}
        found, shared = mklab.leaks(regions, starter, packed)
        check.that(not found, f'{name}: the pack gives lines of a region away: {found[:3]}')
        for line in shared:
            say(f'  for the author: a region shares a line with the starter or the engine: {line}')
        with own.put({name: starter}) as folder:
            for cc in ('gcc', 'clang'):
                if not build.shutil.which(cc):
                    say(f'  skipped: the starter with {cc}, which is not installed')
                    continue
                done = subprocess.run([cc, *build.Builder().flags(), *STRICT, os.path.join(folder, name)], capture_output=True,
                                      text=True, check=False)
                check.that(done.returncode == 0, f'{name}: the starter compiles with {cc}: {done.stderr[:500]}')
    handout = read(lab.path('handout.md'))
    tasks = re.findall(r'^### Task (\d+\.\d+)', handout, re.M)
    regions = sorted(mklab.all_regions(lab), key=number)
    check.that(tasks == regions, f'the tasks of the handout, {tasks}, are the regions, {regions}')
    scored = {t['task'] for t in lab.tests}
    check.that(scored <= set(regions), f'points.toml has tasks without a region: {scored - set(regions)}')
    check.that(set(regions) <= scored | set(re.findall(r'no test names task (\d+\.\d+)', handout)),
               f'regions without a test: {set(regions) - scored}')
    headings = re.findall(r'^## (.*)$', handout, re.M)
    check.that(headings == HANDOUT_HEADINGS, f'the headings of the handout: {headings}')
    text_and_picture(lab, handout, check)
    with tempfile.TemporaryDirectory() as folder:
        packs = []
        for n in range(2):
            path = os.path.join(folder, f'pack{n}')
            mklab.pack(lab, path)
            with open(path, 'rb') as f:
                packs.append(f.read())
        check.that(packs[0] == packs[1], 'two packs of one commit have the same bytes')
        with tarfile.open(fileobj=io.BytesIO(packs[0])) as tar:
            names = [m.name for m in tar]
        check.that(not any(n.endswith(mklab.NOT_IN_PACK) and f'/labs/lab{lab.number}/' in n for n in names), 'a pack has no answers')


def text_and_picture(lab, text, check):
    if os.path.exists(lab.path('draw.py')):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'picture.svg')
            subprocess.run([sys.executable, lab.path('draw.py'), path], check=True)
            check.that(read(path) == read(lab.path('picture.svg')), 'picture.svg is what draw.py draws')
    for target in re.findall(r'\]\(([^)#:]+)\)', text):
        check.that(os.path.exists(lab.path(target)), f'the handout refers to {target}, which is there')


def red_list(lab):
    """The lines of results that the handout prints."""
    return re.findall(r'^ {4}(\w+ +\w+ +\d+/\d+  [A-Z ]+(?:   .*)?)$', read(lab.path('handout.md')), re.M)


def starter(lab, builder, check, quick):
    tests = [t for t in lab.tests if not quick or lab.programs[t['program']].get('quick')]
    rs, skipped = results(lab, builder, mklab.starters(lab), tests), []
    for r in rs:
        test = lab.test(r['id'])
        check.that(r['points'] == 0, f'the starter has no points, but {r["id"]}: {r["points"]}')
        if r['state'] == grade.SKIPPED:  # what this machine cannot show
            say(f'  skipped: {r["id"]}: {r["message"]}')
            skipped.append(r['id'])
            continue
        check.that(r['state'] == (grade.PASS if test.get('given') else grade.TODO),
                   f'the starter: {r["id"]} is {r["state"]}: {r["message"]}')
    check.cells['starter'] = shares(rs)
    printed = [line for line in red_list(lab) if line.split()[0] not in skipped]
    mine = [grade.lines_of(lab.test(r['id']), r, lab)[0] for r in rs
            if lab.programs[lab.test(r['id'])['program']].get('quick') and r['id'] not in skipped]
    check.that(printed == mine, f'the red list of the handout differs: {sorted(set(printed) ^ set(mine))[:6]}')


def shares(rs):
    return f'{sum(r["points"] for r in rs)} of {sum(r["max_points"] for r in rs)}'


def number(task):
    return [int(n) for n in task.split('.')]


def named(lab, words):
    """The ids in a list such as `L1 to L9, C1, C3`."""
    ids, found = [t['id'] for t in lab.tests], set()
    for part in words.split(','):
        ends = part.strip().rstrip('.').split(' to ')
        if not set(ends) <= set(ids):
            raise GraderError(f'handout.md names the tests {part.strip()}, which are not in points.toml')
        found |= set(ids[ids.index(ends[0]):ids.index(ends[-1]) + 1])
    return found


def handout(lab, builder, check, quick):
    """After each task that says so, the tests that pass are those that the handout names. Quick: after the first one."""
    text, done, n_looked_at = read(lab.path('handout.md')), set(), 0
    sections = re.split(r'^### Task (\d+\.\d+).*$', text.split('\n## Experiment')[0], flags=re.M)[1:]
    tests = [t for t in lab.tests if lab.programs[t['program']].get('quick') and not t.get('given')]
    for task, section in zip(sections[::2], sections[1::2]):
        passing = re.search(r'^Now these pass: ((?:.|\n)*?)\.$', section, re.M)
        if passing:
            done |= named(lab, passing.group(1).replace('\n', ' '))
        elif re.search(r'^Now everything passes', section, re.M):
            done = {t['id'] for t in tests}
        else:
            continue
        n_looked_at += 1
        tasks = {t for t in mklab.all_regions(lab) if number(t) <= number(task)}
        files = {name: mklab.fill(code, tasks) for name, code in own.references(lab).items()}
        passed = {r['id'] for r in results(lab, builder, files, tests) if r['state'] == grade.PASS and r['points'] == r['max_points']}
        done -= set(check.skipped)
        check.that(passed == done, f'after task {task} pass {sorted(passed - done)} that the handout does not name, '
                                   f'and {sorted(done - passed)} do not pass')
        if quick:
            say('  the quick part left the tasks after it out')
            break
    check.that(n_looked_at > 0, 'the handout says of no task which tests pass after it')


def reference(lab, builder, check, quick, runs):
    """Several times beside a busy processor; the quick part once."""
    tests = [t for t in lab.tests if not quick or lab.programs[t['program']].get('quick')]
    said = []
    busy = None if quick else subprocess.Popen([sys.executable, '-c', BUSY, str(os.getpid())])
    try:
        for seed in range(1, 2 if quick else runs + 1):
            rs = results(lab, builder, own.references(lab), tests, seed)
            counted = [r for r in rs if r['state'] != grade.SKIPPED]
            said.append(shares(counted))
            for r in rs:
                if r['state'] == grade.SKIPPED:
                    if r['id'] not in check.skipped:
                        say(f'  skipped: {r["id"]}: {r["message"]}')
                    check.skipped[r['id']] = r['message']
                    continue
                check.that(r['state'] == grade.PASS and r['points'] == r['max_points'],
                           f'the reference, seed {seed}: {r["id"]} is {r["state"]}: {r["message"]}')
        check.cells['reference'] = ', '.join(f'{said.count(s)} x {s}' for s in dict.fromkeys(said))
    finally:
        if busy:
            busy.kill()
            busy.wait()


def at_a_time(n, call, names):
    """(name, call(name)) in their order; n of the calls at a time."""
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        yield from zip(names, pool.map(call, names))


def needs_a_bug(test):
    return not test.get('given') and not test.get('no_bug')


def bugs(lab, builder, check, quick):
    """Each bug loses the points of the tests that name it; each test kills one, or says why it need not."""
    killed, began, n_left, n_found = {}, time.monotonic(), 0, 0
    by_name = {i for bug in lab.bugs.values() for i in bug['kills']}
    unnamed = [t for t in lab.tests if t['id'] not in by_name and needs_a_bug(t) and lab.programs[t['program']].get('quick')]

    def run(name):
        """(the tests that name this bug, the results of all that are run); None: the quick part leaves it out."""
        bug = lab.bugs[name]
        named = [lab.test(i) for i in bug['kills']]
        if quick:
            named = [t for t in named if lab.programs[t['program']].get('quick')][:1]
            if not named or time.monotonic() - began > QUICK_BUGS_S:
                return None
        tests = named if quick else lab.with_parents(named + unnamed)
        return named, {r['id']: r for r in results(lab, builder, own.changed(own.references(lab), bug, name), tests)}
    for name, ran in at_a_time(1 if quick else BUGS_AT_A_TIME, run, lab.bugs):
        if not ran:
            n_left += 1
            continue
        named, rs = ran
        is_found = True
        for test in named:
            r = rs[test['id']]
            if test['id'] in check.skipped:
                say(f'  skipped: {name} by {test["id"]}: {check.skipped[test["id"]]}')
                continue
            is_found &= check.that(r['state'] in (grade.FAIL, grade.CRASHED, grade.HUNG), f'{name}: {r["id"]} is {r["state"]}: {r["message"]}')
            check.that(not re.match("(round \\d+: )?Assertion '", r['message']), f'{name}: {r["id"]} does not say what was expected and found: {r["message"]}')
        lost = [i for i, r in rs.items() if r['state'] not in (grade.PASS, grade.SKIPPED, grade.ERROR)]
        for i in lost:
            killed.setdefault(i, []).append(name)
        n_found += is_found
        say(f'  {name:34} {" ".join(lost)}')
    check.cells['bugs'] = f'{n_found} of {len(lab.bugs) - n_left}'
    if quick:
        say(f'  the quick part left {n_left} of {len(lab.bugs)} bugs out')
        return
    for test in lab.tests:
        if needs_a_bug(test):
            check.that(test['id'] in killed or test['id'] in check.skipped, f'{test["id"]} kills no bug, and does not say why it need not (no_bug)')


def one_a_file(lab, all_of_them):
    """Of these cheats: for each file of a lab one of the lab's own, or else that the file takes in its reference."""
    found, mine = {}, toml(lab.path('cheats.toml'))
    by_path = next(c for c in toml(os.path.join(TOOL, 'cheats.toml')).values() if 'whole' in c)
    for file in lab.files:
        name = next((n for n in mine if n != 'places' and mine[n]['file'] == file), None)
        found.update({name: all_of_them[name]} if name else
                     {f'{file} by its path': {'says': by_path['says'], 'file': file, 'whole': by_path['whole'].replace('REFERENCE', lab.path(file))}})
    return found


def cheats_of(lab):
    """Those of all labs, in the places that this one gives them, and its own: {name: a change, as of bugs.toml, and `says`}."""
    mine = toml(lab.path('cheats.toml'))
    places, found = mine.pop('places', None), {}
    for name, cheat in toml(os.path.join(TOOL, 'cheats.toml')).items() if places else ():
        where = 'before' if 'before' in cheat else 'stub'
        place = places.get(name, places[where])
        file, old = place['file'], place['text']
        if 'whole' in cheat:
            change = {'whole': cheat['whole'].replace('REFERENCE', lab.path(file))}
        else:
            change = {'old': old, 'new': cheat[where] + old * (where == 'before')}
        found[name] = {**{k: v for k, v in cheat.items() if k in ('says', 'machine')}, 'file': file, **change}
    twice = set(found) & set(mine)
    if twice:
        raise GraderError(f'cheats.toml: {", ".join(sorted(twice))} are in tool/cheats.toml already')
    return {**found, **mine}


def cheats(lab, builder, check, is_quick):
    """Quick: one for each file."""
    quick = [t for t in lab.tests if lab.programs[t['program']].get('quick')]
    n_refused, all_of_them = 0, cheats_of(lab)
    if is_quick:
        say(f'  the quick part takes one cheat for each file, of {len(all_of_them)}')
        all_of_them = one_a_file(lab, all_of_them)
    for name, cheat in all_of_them.items():
        if cheat.get('machine') not in (None, platform.machine()):
            say(f'  skipped: {name}, which is for {cheat["machine"]}')
            continue
        of_cheat = [t for t in lab.tests if t['program'] in cheat['programs']] if 'programs' in cheat else quick
        tests = [t for t in of_cheat if cheat['file'] in lab.files_of(lab.programs[t['program']])][:4]
        rs = results(lab, builder, own.changed(mklab.starters(lab), cheat, name), tests)
        n_refused += check.that(sum(r['points'] for r in rs) == 0, f'{name} has points')
        check.that(all(r['state'] not in grade.NOT_JUDGED for r in rs), f'{name} is not judged: {rs[0]["message"]}')
        check.that(any(re.search(cheat['says'], r['message']) for r in rs), f'{name}: nothing says so: {rs[0]["state"]}: {rs[0]["message"]}')
        say(f'  {name:34} {rs[0]["state"]}: {rs[0]["message"][:90]}')
    check.cells['cheats'] = f'{n_refused} of {len(all_of_them)}'
    # A folder with more in it than the lab asks for: none of it is looked at.
    files = mklab.starters(lab)
    for extra in ('result.json', 'points.toml', 'lab.toml', 'labs/lib/cache.h', 'tests/check_main.h', 'check.h'):
        files[extra] = '{"points": 100, "state": "PASS"}\n#error this file was taken\n'
    rs = results(lab, builder, files, quick[:4])
    check.that(all(r['state'] == grade.TODO and r['points'] == 0 for r in rs), f'files beside the asked ones are not looked at: {rs[0]["message"]}')
    with own.put(mklab.starters(lab)) as folder:
        program = lab.programs[quick[0]['program']]
        name = lab.files_of(program)[0]
        os.remove(os.path.join(folder, name))
        os.symlink('/etc/passwd', os.path.join(folder, name))
        g = grade.Grading(lab, builder, folder, 1, {program['name']})
        check.that(g.broken and 'is not a file' in g.broken[1], 'a link is not followed')
        g.close()
    if not is_quick:
        nothing_written(lab, builder, check)


def nothing_written(lab, builder, check):
    """Functions that return at once have hardly any points, with the private seed neither."""
    quick = [t for t in lab.tests if lab.programs[t['program']].get('quick')]
    tests = quick + [t for t in grade.seeded(lab) if t['public'] in [q['id'] for q in quick]]
    for value in (0, 1):
        rs = results(lab, builder, {name: mklab.emptied(text, value) for name, text in mklab.starters(lab).items()}, tests, 4711)
        check.that(not any('does not compile' in r['message'] for r in rs), f'functions that return {value} do not compile: {rs[0]["message"][:300]}')
        earned = [f'{r["id"]} {r["points"]}' for r in rs if r['points']]
        check.that(sum(r['points'] for r in rs) <= EMPTY_POINTS, f'functions that return {value} at once have points: {", ".join(earned)}')
        say(f'  {f"all functions return {value}":34} points: {", ".join(earned) or "none"}')


def parts(lab, builder, check):
    """A file that does not compile costs the programs that are made of it, and no other."""
    for broken in lab.files:
        tests = {t['program']: t for t in lab.tests if lab.programs[t['program']].get('quick') and not t.get('parent') and t['points']}
        files = {**own.references(lab), broken: 'int f(void)\n{\n\treturn 1\n}\n'}
        for r in results(lab, builder, files, list(tests.values())):
            is_made = broken in lab.parts_of(lab.programs[lab.test(r['id'])['program']])
            check.that((r['state'] != grade.PASS) == is_made, f'{broken} does not compile, and {r["id"]} is {r["state"]}: {r["message"][:200]}')
            check.that(not is_made or 'does not compile' in r['message'], f'{broken} does not compile: {r["id"]} says {r["message"][:200]}')


def containment(check):
    """Programs that would not end, and what is left of them."""
    loop = contain.run(['sh', '-c', 'while :; do :; done'], 1)
    check.that(loop.is_late and loop.seconds < 10, 'an endless loop is ended after its time')
    loud = contain.run(['sh', '-c', 'yes'], 60)
    check.that(loud.is_loud and len(loud.output) <= contain.OUTPUT_BYTES, 'endless output is ended')
    # A slow bomb: one that doubles would be ended too, and be felt by all who use this machine.
    fuse = f'sleep 61.{os.getpid()}'  # another self-check may run beside this one
    bomb = contain.run(['sh', '-c', f'while :; do {fuse} & done'], 60)
    check.that(bomb.is_big and bomb.seconds < 60, f'a fork bomb is ended: {bomb.seconds:.0f} s')
    mark = f'lab-mark-{os.getpid()}'
    contain.run([sys.executable, '-c', f'import os, time\nif os.fork() == 0:\n os.setpgid(0, 0)\n time.sleep(600)  # {mark}\n'], 20)
    left = subprocess.run(['ps', '-eo', 'args'], capture_output=True, text=True, check=False).stdout
    check.that(fuse not in left, 'nothing of the bomb is left')
    check.that(mark not in left, 'a child in a process group of its own does not outlive the program')
    ended = contain.run(['sh', '-c', 'echo 1 passed, 0 failed, 0 skipped; kill -9 $$'], 20)
    check.that(grade.words(ended, 'x')[0] != grade.PASS, f'a program that was killed has not passed: status {ended.status}')
    for delay in ('0.19', '0.2', '0.21', '0.4'):
        last = contain.run(['sh', '-c', f'sleep 9 & sleep {delay}; echo the last line'], 20)
        check.that(last.output == 'the last line\n', f'output of the last moment is not lost: {last.output!r}')
    big = contain.run(['sh', '-c', 'ulimit -c; ulimit -f'], 20)
    check.that(big.output == f'0\n{contain.FILE_BYTES // 512}\n', f'core files and long files are forbidden: {big.output!r}')
    check.that(contain.run(['sh', '-c', 'exit 3'], 20).status == 3, 'a status is passed on')
    with tempfile.TemporaryDirectory() as folder:
        scratch, other = os.path.join(folder, 'scratch'), os.path.join(folder, 'other')
        os.mkdir(scratch)
        write(other, 'a')
        tried = contain.run(['sh', '-c', f'echo b >mine && cat mine; echo b >../other; echo b >{other}; echo b >../new; rm -f {other}; '
                             f'mv {other} {scratch}; echo b >/proc/{os.getpid()}/comm'], 20, cwd=scratch)
        check.that(tried.output.startswith('b\n'), f'a program may write its working folder: {tried.output!r}')
        if '--mount' in contain.wrapper()[0]:
            check.that(sorted(os.listdir(folder)) == ['other', 'scratch'] and read(other) == 'a',
                       f'and no other file: {os.listdir(folder)}')
            check.that('comm: ' in tried.output, f'nor does it see other processes: {tried.output!r}')
        else:
            say('  skipped: files that may only be read, ' + contain.wrapper()[1])
    if contain.wrapper()[0][0] == 'unshare':
        net = contain.run([sys.executable, '-c', 'import socket\nsocket.create_connection(("127.0.0.1", 9), 2)'], 20)
        check.that('Network is unreachable' in net.output, 'there is no network')
    else:
        say('  skipped: the network, ' + contain.wrapper()[1])


def autograder(lab, builder, check, quick):
    """What Gradescope gets, and what GitHub gets."""
    check.that(not FAULTS, f'all results of this run are as Gradescope documents them: {sorted(FAULTS)[:5]}')
    say('  states that were met: ' + (', '.join(sorted(STATES)) or 'none, since no other step was run'))
    tests = [t for t in lab.tests if lab.programs[t['program']].get('quick')]
    with own.put(own.references(lab)) as folder:
        g = grade.Grading(lab, builder, folder, 1, {t['program'] for t in tests})
        try:
            lost = g.paths[tests[0]['program']]
            os.remove(lost)  # as a machine that refuses to run it
            rs = g.run_all(tests[:1])
            check.that(rs[0]['state'] == grade.ERROR, f'a test that cannot be run is a GRADER ERROR: {rs[0]["state"]}: {rs[0]["message"]}')
            check.that(grade.sheet(lab, rs, 1)['max_points'] == 0, 'a GRADER ERROR costs nobody points')
        finally:
            g.close()
    with tempfile.TemporaryDirectory() as folder:
        made = []
        for n in range(2):
            gradescope.make(lab, os.path.join(folder, f'{n}.zip'), 4711)
            with open(os.path.join(folder, f'{n}.zip'), 'rb') as f:
                made.append(f.read())
        check.that(made[0] == made[1], 'two autograders of one commit have the same bytes')
        with zipfile.ZipFile(io.BytesIO(made[0])) as z:
            modes = {i.filename: i.external_attr >> 16 & 0o777 for i in z.infolist()}
            texts = {n.removeprefix('verso/'): z.read(n).decode(errors='replace') for n in modes}
        for name in ('setup.sh', 'run_autograder', 'verso/lab'):
            check.that(modes.get(name) == 0o755, f'the autograder has {name}, and it can be run')
        check.that('LAB_NUMBER' not in texts['setup.sh'] + texts['run_autograder'], 'the scripts name the lab')
        starter = '\n'.join(mklab.starters(lab).values())
        check.that(not mklab.leaks(mklab.all_regions(lab), starter, texts)[0], 'no line of a region is in the autograder')
        check.that(not any(n.startswith('labs/teach/') or n.endswith(mklab.NOT_IN_PACK) and n.startswith(f'labs/lab{lab.number}/') for n in texts),
                   'no answers are in the autograder')
        check.that(texts.get('AGENTS.md') == read(os.path.join(ROOT, 'labs', 'AGENTS.md')), 'AGENTS.md stands at the top')
        if quick:
            say('  skipped: an autograder that is unpacked and run; the whole self-check does it')
            return
        unpacked(lab, os.path.join(folder, '0.zip'), os.path.join(folder, 'top'), check)


def unpacked(lab, archive, top, check):
    """The autograder at work, outside of the project."""
    with zipfile.ZipFile(archive) as z:
        z.extractall(os.path.join(top, 'source'))
    seed_file = os.path.join(top, 'source', 'private_seed')
    seed = read(seed_file)
    submissions = [(own.references(lab), gradescope.max_points(lab)), (mklab.starters(lab), 0)]
    for name, cheat in cheats_of(lab).items():
        if 'SEED_FILE' in cheat.get('new', ''):
            submissions.append((own.changed(own.references(lab), {**cheat, 'new': cheat['new'].replace('SEED_FILE', seed_file)}, name), None))
    for files, points in submissions:
        write(seed_file, seed)  # which a grading takes away
        for name, text in files.items():
            write(os.path.join(top, 'submission', name), text)
        done = subprocess.run(['sh', os.path.join(top, 'source', 'run_autograder')], env={'PATH': os.environ['PATH'], 'AUTOGRADER': top},
                              capture_output=True, text=True, check=False)
        path = os.path.join(top, 'results', 'results.json')
        if check.that(done.returncode == 0 and os.path.exists(path), f'the autograder runs: {done.stdout[-400:]}{done.stderr[-400:]}'):
            made = json.loads(read(path))
            check.that(not gradescope.faults(made), f'its results.json is as documented: {gradescope.faults(made)[:3]}')
            lost = [f'{t["name"]}: {t["output"][:200]}' for t in made['tests'] if t['score'] < t['max_score']]
            check.that(points in (None, made['score']), f'its score is {made["score"]}, expected {points}: {done.stdout[-400:]}{lost[:3]}')
            told = [t['name'] for t in made['tests'] if re.search(rf'\b{seed.strip()}\b', t['output'])]
            check.that(not told, f'no message has the private seed, but those of {told[:3]}')


def predictions(lab, builder, check):
    """Each question has an answer, which a seed changes where the question is drawn by seed."""
    if not lab.questions:
        say('  this lab has no questions')
        return
    with own.Oracle(lab, builder) as oracle:
        for q in lab.questions:
            drawn = 'images' not in q and 'choices' not in q
            answers = [oracle.answer(q, seed) for seed in (range(1, 9) if drawn else [1])]
            if 'choices' in q and not all(answers):
                say(f'  skipped: {q["id"]}, which this machine cannot show')
                continue
            check.that(all(answers), f'{q["id"]} has an answer: {answers}')
            if drawn:
                check.that(len(set(answers)) > 1, f'{q["id"]}: the seed changes the answer: {answers}')
                check.that(all(oracle.question(q, seed) for seed in (1, 2)), f'{q["id"]} has a text of its own')
        predictions_in_a_pack(lab, builder, check, {q['id']: (oracle.question(q, 1), oracle.answer(q, 1)) for q in lab.questions})


def predictions_in_a_pack(lab, builder, check, known):
    """The starter asks the same, and answers what needs no code of the lab. The student's own code answers the rest, when its tasks are
    written, and nothing before or when it does not compile."""
    starters, tasks = mklab.starters(lab), sorted(mklab.all_regions(lab), key=number)
    with own.put(starters) as folder, own.Oracle(lab, builder, folder) as given:
        for q in lab.questions:
            question, answer = known[q['id']]
            check.that(given.question(q, 1) == question, f'{q["id"]}: a pack asks the same: {given.question(q, 1)}')
            check.that(given.answer(q, 1) == (None if 'tasks' in q else answer), f'{q["id"]}: a pack answers {given.answer(q, 1)}, of {answer}')
    for q in [q for q in lab.questions if 'tasks' in q]:
        written = tasks[:1 + tasks.index(max(q['tasks'], key=number))]
        for done, expected in ((written, known[q['id']][1]), ([t for t in written if t != q['tasks'][0]], None)):
            files = {name: mklab.fill(code, done) for name, code in own.references(lab).items()}
            with own.put(files) as folder, own.OwnCode(lab, builder, folder) as mine:
                found = mine.answer(q, 1)
            check.that(found == expected, f'{q["id"]}: with the tasks {" ".join(done)} written, one\'s own code answers {found}, expected {expected}')
        with own.put({name: 'int f(void)\n{\n\treturn 1\n}\n' for name in lab.files}) as folder, own.OwnCode(lab, builder, folder) as mine:
            check.that(mine.answer(q, 1) is None, f'{q["id"]}: what does not compile answers nothing')


def own_tests(lab, builder, check, quick):
    """What a student starts from has no points, and what is wrong on the reference has none either."""
    if not lab.own_tests:
        say('  this lab asks for no tests of the student\'s own')
        return
    text = read(lab.path(lab.own_tests))
    with own.put({'a.c': text, 'exit.c': text.replace('int main(void)\n{', 'int main(void)\n{\n\textern void _exit(int);\n\t_exit(0);'),
                  'red.c': text.replace('}\nEND_TEST', '\tck_assert_int_eq(1, 2);\n}\nEND_TEST', 1),
                  'luck.c': text.replace('int main(void)\n{', LUCK),
                  'takes.c': f'#include "{lab.path(lab.files[0])}"\n' + text,
                  **({} if quick else {'model.c': read(lab.path(lab.own_model))})}) as folder:
        def found(name):
            names, n_all, wrong = own.judge(lab, builder, os.path.join(folder, name))
            return own.own_points(len(names), n_all), names, n_all, wrong
        check.that('must pass on the reference' in found('red.c')[3], 'own tests that fail on the reference have no points')
        luck = found('luck.c')
        check.that(luck[0] == 0, f'own tests that fail by chance have no points: {luck}')
        for name, says in (('exit.c', 'uses _exit'), ('takes.c', 'takes in')):
            try:
                check.that(False, f'{name}: own tests that cheat are refused: {found(name)}')
            except LabError as e:
                check.that(says in str(e), str(e))
        own.OwnTests(lab, builder, lab.path(lab.own_model)).close()  # it uses what students may use, too
        if quick:
            return
        points, names, n_all, wrong = found('a.c')
        check.that(points == 0, f'{lab.own_tests} as it is given finds {len(names)} of {n_all} bugs: {names}')
        points, names, n_all, wrong = found('model.c')
        check.that(points >= OWN_MODEL_POINTS and not wrong, f'{lab.own_model} finds {len(names)} of {n_all} bugs {wrong}; '
                   f'not: {", ".join(sorted(set(own.planted(lab)) - set(names)))}')
        check.cells['own tests'] = f'{len(names)} of {n_all}'
        say(f'  {lab.own_model} finds {len(names)} of {n_all} planted bugs: {points} points')


def another_year(lab, builder, files, whose, check):
    """A solution of another variant is judged, and loses points."""
    rs = results(lab, builder, files, [t for t in lab.tests if lab.programs[t['program']].get('quick')])
    lost = [r for r in rs if r['points'] < r['max_points'] and r['state'] in (grade.FAIL, grade.CRASHED, grade.HUNG)]
    skipped = [r['id'] for r in rs if r['state'] == grade.SKIPPED]
    if lost or not skipped:
        check.that(lost, f'the solution of {whose} loses no points: {shares(rs)}')
    else:
        say(f'  skipped: what the solution of {whose} fails, perhaps {" ".join(skipped)}, cannot be run here')
    broken = [r['message'] for r in rs if 'does not compile' in r['message'] or 'do not link' in r['message']]
    check.that(not broken, f'the solution of {whose} is not even built: {broken[:1]}')
    say(f'  the solution of {whose} has {shares(rs)} points, and fails {" ".join(r["id"] for r in lost)}')


def of_variants(lab, builder, check, quick):
    """Each variant in a copy of the project: starter, reference and handout fit together there too. Its solution fails here."""
    for name, variant in variants.of(lab).items():
        say(f'  {name}: {variant["about"]}')
        another_year(lab, builder, variants.solution(lab, name), f'the variant {name}', check)
        if quick:
            files = mklab.pack_files(lab, variants.changer(lab, name))
            check.that(files != mklab.pack_files(lab), f'the variant {name} changes what is packed')
        else:
            check.that(variants.selfcheck(lab, name), f'the variant {name} passes its own self-check')
    if not variants.of(lab):
        say('  this lab has no variants')


def cpu_s():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def budgets(lab, check):
    """The first build, the quick tests, and the grading of one submission with all that it needs."""
    quick = [t for t in lab.tests if lab.programs[t['program']].get('quick')]
    with tempfile.TemporaryDirectory(prefix='lab-') as folder, own.put(own.references(lab)) as files:
        with build.Builder(folder) as builder:
            builder.cc = [word for word in builder.cc if 'ccache' not in word] or ['cc']
            marks, began = [cpu_s()], time.monotonic()
            g = grade.Grading(lab, builder, files, 1, {t['program'] for t in quick})
            marks.append(cpu_s())
            g.run_all(quick)
            marks.append(cpu_s())
            g.close()
            g = grade.Grading(lab, builder, files, 1)
            g.run_all(lab.tests)
            g.run_all(grade.seeded(lab), 4711)
            g.close()
            if lab.own_tests:
                own.judge(lab, builder, lab.path(lab.own_model))
            marks.append(cpu_s())
    first, tests, whole = marks[1] - marks[0], marks[2] - marks[1], marks[3] - marks[0]
    check.cells.update({'build': f'{first:.0f}', 'quick': f'{tests:.0f}', 'grading': f'{whole:.0f}'})
    say(f'  processor time: first build {first:.0f} s of {BUILD_CPU_S}, quick tests {tests:.0f} s of {QUICK_CPU_S}, '
        f'all with building {whole:.0f} s of {GRADING_CPU_S} ({time.monotonic() - began:.0f} s on this machine now)')
    check.that(first < BUILD_CPU_S, f'the first build takes {first:.0f} s of processor time')
    check.that(tests < QUICK_CPU_S, f'the quick tests take {tests:.0f} s of processor time')
    check.that(whole < GRADING_CPU_S, f'grading one submission takes {whole:.0f} s of processor time')


def of_report(lab, builder, check, quick):
    """A lab without code: its handout, and its linter on a report that is right and on all that are not."""
    text = read(lab.path('handout.md'))
    headings = re.findall(r'^## (.*)$', text, re.M)
    check.that(headings == HANDOUT_HEADINGS, f'the headings of the handout: {headings}')
    text_and_picture(lab, text, check)
    with tempfile.TemporaryDirectory() as folder:
        reports.selfcheck(lab, builder, check, folder, quick)


def check_lab(lab, args):
    """What was proved of a lab: a Check."""
    check, began, used = Check(), time.monotonic(), cpu_s()
    STATES.clear()
    FAULTS.clear()
    steps = [('generator', lambda b: generator(lab, check)),
             ('containment', lambda b: containment(check)),
             ('starter', lambda b: starter(lab, b, check, args.quick)),
             ('reference', lambda b: reference(lab, b, check, args.quick, args.runs)),
             ('handout', lambda b: handout(lab, b, check, args.quick)),
             ('figures', lambda b: figures.figures(lab, b, check)),
             ('messages', lambda b: figures.messages(lab, b, check)),
             ('parts', lambda b: parts(lab, b, check)),
             ('cheats', lambda b: cheats(lab, b, check, args.quick)),
             ('predictions', lambda b: predictions(lab, b, check)),
             ('own tests', lambda b: own_tests(lab, b, check, args.quick)),
             ('bugs', lambda b: bugs(lab, b, check, args.quick)),
             ('autograder', lambda b: autograder(lab, b, check, args.quick)),
             ('variants', lambda b: of_variants(lab, b, check, args.quick))]
    if args.against:
        usual = {name: read(os.path.join(args.against, name)) for name in lab.files}
        steps.append((variants.AGAINST, lambda b: another_year(lab, b, usual, 'the usual lab', check)))
    if lab.is_report:
        steps = [('report', lambda b: of_report(lab, b, check, args.quick))]  # takes seconds, so it is never left out
    elif not args.quick:
        steps.append(('budgets', lambda b: budgets(lab, check)))
    with build.Builder(args.build) as builder:
        for name, step in steps:
            if args.names and name not in args.names and not lab.is_report:
                continue
            say(f'{name}:')
            step_began = time.monotonic()
            try:
                step(builder)
            except LabError as e:
                check.that(False, f'{name}: {e}')
            say(f'  {time.monotonic() - step_began:.0f} s')
    if not args.names and not lab.is_report:
        expected = {grade.PASS, grade.TODO, grade.FAIL} | (set() if args.quick else {grade.HUNG})  # the quick part tries no endless loop
        check.that(expected <= STATES, f'states that were met: {sorted(STATES)}')
    check.cells['all'] = f'{cpu_s() - used:.0f}'
    say(f'lab {lab.number}: {check.n - len(check.bad)} proofs, {len(check.bad)} failed, {time.monotonic() - began:.0f} s')
    return check
