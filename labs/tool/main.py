# SPDX-License-Identifier: MIT
"""The labs: a part of Verso that you write, judged by the proofs that Verso itself has to pass.

    ./lab doctor             what this machine has, and what is missing
    ./lab start N            puts the files of lab N into labs/my/labN/ (never over yours)
    ./lab test N             builds yours and runs the quick tests; --all: all that are graded
    ./lab test N --task T    the tests of one task, with those without which they do not count; good: all points
    ./lab test N ID          one test, with all that it says; --gdb: in the debugger; --seed S: another seed;
                             --replay 'LINE': the one image of a crash test that failed with this line
    ./lab run N NAME [...]   a program of the lab that is no test, around your files; with its own arguments;
                             --reference: around the teacher's files
    ./lab trace N NAME       a page to look at: what one test does with the pages of your cache, event by event (Labs 2 to 4);
                             NAME CHECK: one test of a whole program; --events K: how many; --out FOLDER; --reference
    ./lab hint N ID [K]      a hint on a test; K: which
    ./lab predict N          questions to answer before any code; then who is right
    ./lab predict N ID WORDS notes a prediction, once; --seed S: of another question of this kind
    ./lab measure N [...]    a lab that is a report: measures; further words are for experiments/run, but --reference
    ./lab lint N REPORT RUNS whether each claim of a report names its run, and has its number; --source 'E72 full rate: own-pool / pool-sync':
                             what a claim may say of that; --demo: runs that nobody measured will do
    ./lab bugs N             how many planted bugs your own tests find; in a pack: whether they pass with your own files
    ./lab hours N H          notes that you have spent H hours more on lab N
    ./lab submit N           one file to hand in

Teachers: ./lab grade N FOLDER [--private-seed S] [--json FILE] [--variant V], ./lab pack N FILE [--variant V] [--base mine] [--no-hints],
          ./lab selfcheck N|all [--variant V] [--quick] [--runs K] [--json FILE] [STEP ...], ./lab gradescope N FILE.zip --private-seed S [--variant V],
          ./lab classroom N [--graders], ./lab prepare N, ./lab slides N|all
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

import build
import classroom
import contain
import grade
import gradescope
import mklab
import own
import reports
import slides
import traces
import variants
from common import GraderError, Lab, LabError, LABS, MINE, ROOT, numbers, read, say, warn, write

OK, BAD, USAGE, BROKEN = 0, 1, 2, 3
# Which commands take an option. Elsewhere it is refused: one that is ignored would look as if it had done something.
TAKEN_BY = {
    'seed': ('test', 'predict', 'trace', 'grade'), 'private_seed': ('grade', 'gradescope'), 'task': ('test',), 'graders': ('classroom',), 'replay': ('test',),
    'gdb': ('test',), 'all': ('test',), 'json': ('grade', 'selfcheck'), 'quick': ('selfcheck',), 'runs': ('selfcheck',), 'events': ('trace',), 'out': ('trace',),
    'reference': ('trace',), 'against': ('selfcheck',), 'variant': ('pack', 'gradescope', 'grade', 'selfcheck'), 'base': ('pack',), 'no_hints': ('pack',),
    'demo': ('lint',), 'source': ('lint',)}
DEFAULTS = {'seed': 1, 'runs': 3, 'events': traces.EVENTS_MAX, 'base': 'reference'}
FOR_REPORTS, FOR_ALL = ('lint', 'measure'), ('start', 'predict', 'hours', 'submit', 'pack')


def arguments(argv):
    p = argparse.ArgumentParser(prog='lab', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('command', choices=['doctor', 'start', 'test', 'run', 'trace', 'measure', 'lint', 'hint', 'predict', 'bugs', 'hours', 'submit', 'grade', 'pack',
                                       'selfcheck', 'gradescope', 'classroom', 'prepare', 'slides'])
    p.add_argument('lab', nargs='?')
    p.add_argument('names', nargs='*')
    p.add_argument('--seed', type=int)
    p.add_argument('--private-seed', type=int)
    p.add_argument('--task')
    p.add_argument('--graders', action='store_true', help='classroom: with the graders of GitHub Classroom')
    p.add_argument('--replay')
    p.add_argument('--gdb', action='store_true')
    p.add_argument('--all', action='store_true')
    p.add_argument('--json', metavar='FILE', help='grade: the results as JSON, too; selfcheck: its table as JSON, which is not printed then')
    p.add_argument('--quick', action='store_true', help='selfcheck: a part of at most 3 minutes')
    p.add_argument('--runs', type=int, help='selfcheck: how often the reference is run')
    p.add_argument('--events', type=int, help='trace: most events of a trace')
    p.add_argument('--out', help='trace: into which folder')
    p.add_argument('--reference', action='store_true', help='trace: of the teacher\'s files')
    p.add_argument('--against', metavar='FOLDER', help='selfcheck: a solution of another year, which must lose points')
    p.add_argument('--variant', help='pack, gradescope, grade, selfcheck: a variant of the lab (variants.toml)')
    p.add_argument('--base', choices=['reference', 'mine'], help='pack: the earlier labs; mine: as you wrote them')
    p.add_argument('--no-hints', action='store_true', help='pack: without the hints of the tests')
    p.add_argument('--demo', action='store_true', help='lint: runs that nobody measured will do (labs/lab7/model.py)')
    p.add_argument('--source', help='lint: what a claim may say of this')
    p.add_argument('--build', help='the folder of objects (default: build-labs); selfcheck all: a second one beside it has -2 at its end')
    if argv[:1] in (['run'], ['measure']):
        args = p.parse_args(argv[:2])
        args.names = argv[2:]
    else:
        args = p.parse_intermixed_args(argv)
    for name, commands in TAKEN_BY.items():
        given = getattr(args, name)
        if given is None or given is False:
            setattr(args, name, DEFAULTS.get(name, given))
        elif args.command not in commands:
            raise LabError(f'--{name.replace("_", "-")} says nothing to ./lab {args.command}; it is for ./lab {", ".join(commands)}')
    if args.private_seed is not None and args.private_seed < 1:
        raise LabError(f'--private-seed {args.private_seed}: expected a number above 0')
    if args.command == 'selfcheck':
        refuse_ignored(args)
    return args


def refuse_ignored(args):
    """What a self-check would ignore, though the command takes it."""
    for name in ('variant', 'against'):
        if args.lab == 'all' and getattr(args, name):
            raise LabError(f'--{name} is for one lab and not for all: ./lab selfcheck N --{name} ...')
    if args.variant and args.against:
        raise LabError('--against says nothing beside --variant, which is held against the usual lab')


def doctor():
    good = True
    for there, what in build.doctor():
        say(('  ok       ' if there else '  MISSING  ') + what)
        good = good and there
    for there, what in build.optional():
        say(('  ok       ' if there else '  without  ') + what)
    say('  tests run in ' + contain.wrapper()[1])
    say('io_uring is not needed: the labs are graded without it.')
    return OK if good else BAD


def start(lab):
    made = False
    files = mklab.starters(lab)
    if lab.own_tests:
        files[lab.own_tests] = read(lab.path(lab.own_tests))
    for name, text in files.items():
        path = os.path.join(lab.mine, name)
        if os.path.exists(path):
            say(f'{os.path.relpath(path, ROOT)} is there already, and stays as it is')
            continue
        write(path, text)
        made = True
        say(f'made {os.path.relpath(path, ROOT)}')
    rules = os.path.join(lab.mine, 'AGENTS.md')
    if not os.path.exists(rules):
        write(rules, read(os.path.join(LABS, 'AGENTS.md')))
    if made:
        say(f'Read {os.path.relpath(lab.path("handout.md"), ROOT)}, then: ./lab {"predict" if lab.is_report else "test"} {lab.number}')
    return OK


def tested(lab, args):
    folder = lab.mine
    if not os.path.isdir(folder):
        raise LabError(f'there is nothing of yours yet: ./lab start {lab.number}')
    wanted = [lab.test(n) for n in args.names] or (
        lab.of_task(args.task) if args.task else [t for t in lab.tests if args.all or lab.programs[t['program']].get('quick')])
    tests = lab.with_parents(wanted) if args.task else wanted
    is_part = bool(args.names or args.task)
    began = time.monotonic()
    with build.Builder(args.build) as builder:
        g = grade.Grading(lab, builder, folder, args.seed, {t['program'] for t in tests}, args.replay)
        try:
            if g.broken and not is_part:
                say(g.broken[1])
                return BAD if g.broken[0] != grade.ERROR else BROKEN
            built_s = time.monotonic() - began
            if args.gdb:
                return debug(g, tests[0])
            results = g.run_all(tests, each=lambda t, r: say('\n'.join(grade.lines_of(t, r, lab))))
        finally:
            g.close()
    report = grade.sheet(lab, results, args.seed)
    if not is_part:
        write(os.path.join(lab.mine, 'result.json'), json.dumps(report, indent=1) + '\n')
    say()
    whole = len(tests) == len(lab.tests) and 'public_points' in report
    say(f'lab {lab.number}: {report["points"]} of {report["max_points"]} points'
        + (f', which count {report["public_points"]} of {report["public_max"]}' if whole else '') + f'; built in {built_s:.0f} s, '
        f'tested in {time.monotonic() - began - built_s:.0f} s')
    if len(tests) < len(lab.tests) and not is_part:
        say(f'{len(lab.tests) - len(tests)} longer tests were not run: ./lab test {lab.number} --all')
    left = [t for t, lines in sorted(mklab.left(lab).items(), key=lambda x: [int(n) for n in x[0].split('.')]) if lines]
    if left:
        say(f'next: task {left[0]}')
    if args.task:
        ids = {t['id'] for t in wanted}
        mine = [r for r in results if r['id'] in ids]
        say(f'task {args.task}: {sum(r["points"] for r in mine)} of {sum(r["max_points"] for r in mine)} points')
        if any(r['state'] == grade.ERROR for r in results):
            return BROKEN
        return OK if all(r['state'] == grade.SKIPPED or r['state'] == grade.PASS and r['points'] == r['max_points'] for r in mine) else BAD
    return OK if all(r['state'] in (grade.PASS, grade.SKIPPED) for r in results) else BAD


def debug(g, test):
    if g.broken:
        say(g.broken[1])
        return BAD
    if not shutil.which('gdb'):
        raise LabError('--gdb needs the debugger gdb, which is not installed: apt-get install gdb. Without it: leave --gdb out')
    program = g.lab.programs[test['program']]
    env = grade.environment(g.lab, program, g.out, g.seed, g.replay)
    env.update(VERSO_TEST=test.get('check', ''), CK_FORK='no', TERM=os.environ.get('TERM', 'dumb'))
    if not test.get('check'):
        del env['VERSO_TEST']
    return subprocess.call(['gdb', '-q', '--args', g.path(program['name']), *test.get('args', [])], env=env)


def run(lab, args):
    """Its arguments are its own, so they are not those of this command."""
    programs = [n for n, p in lab.programs.items() if p.get('tool') and not p.get('own')]
    if not args.names or args.names[0] not in programs:
        raise LabError(f'which program? ./lab run {lab.number} NAME; there are: {", ".join(programs) or "none"}')
    program = lab.programs[args.names[0]]
    rest = args.names[1:]
    references = '--reference' in rest
    with build.Builder(args.build) as builder, tempfile.TemporaryDirectory() as scratch:
        folder = lab.mine
        if references:
            rest.remove('--reference')
            own.need_references(lab)
            folder = scratch
            for name in lab.files:
                write(os.path.join(scratch, name), read(lab.path(name)))
        elif not os.path.isdir(folder):
            raise LabError(f'there is nothing of yours yet: ./lab start {lab.number}')
        g = grade.Grading(lab, builder, folder, args.seed, {program['name']})
        try:
            if g.broken:
                say(g.broken[1])
                return BAD if g.broken[0] != grade.ERROR else BROKEN
            return subprocess.call([g.path(program['name']), *rest], env=grade.environment(lab, program, scratch, args.seed))
        finally:
            g.close()


def hint(lab, args):
    if not args.names:
        raise LabError(f'of which test? ./lab hint {lab.number} ID')
    test = lab.test(args.names[0])
    hints = test.get('hints', [])
    if not hints:
        say(f'{test["id"]} has no hint. Look at: {test["look"]}')
        return OK
    which = int(args.names[1]) if len(args.names) > 1 and args.names[1].isdigit() else 1
    if not 1 <= which <= len(hints):
        raise LabError(f'{test["id"]} has {len(hints)} hints')
    say(f'hint {which} of {len(hints)}: {hints[which - 1]}')
    return OK


def hours(lab, args):
    try:
        spent = float(args.names[0])
    except (IndexError, ValueError):
        raise LabError(f'how many? ./lab hours {lab.number} 2.5') from None
    if not 0 < spent <= own.HOURS_MAX:
        raise LabError(f'hours are more than 0 and at most {own.HOURS_MAX}')
    path = os.path.join(lab.mine, 'hours.txt')
    os.makedirs(lab.mine, exist_ok=True)
    with open(path, 'a', encoding='utf-8') as f:
        f.write(f'{spent}\n')
    total = own.hours_of(lab.mine)
    if not total:
        raise LabError(f'{os.path.relpath(path, ROOT)}: expected a number of hours in each line, more than 0 and at most {own.HOURS_MAX}; mend it, or remove it')
    say(f'lab {lab.number}: {total:g} hours')
    return OK


def runs_of(lab):
    """What was measured for a report: names below the student's folder."""
    return sorted(os.path.relpath(os.path.join(at, n), lab.mine) for at, _, names in os.walk(os.path.join(lab.mine, 'runs')) for n in names
                  if n.endswith('.jsonl')) if lab.is_report else []


def submit(lab):
    path = os.path.join(MINE, f'lab{lab.number}.tar')
    with tarfile.open(path, 'w') as tar:
        for name in dict.fromkeys([*lab.files, *filter(None, [lab.own_tests]), 'hours.txt', 'predict.json', 'report.md', *runs_of(lab)]):
            mine = os.path.join(lab.mine, name)
            if os.path.isfile(mine):
                tar.add(mine, name)
            elif name in lab.files:
                raise LabError(f'{name} is not there: ./lab start {lab.number}')
    say(f'hand in {os.path.relpath(path, ROOT)}')
    return OK


def graded(lab, args):
    if len(args.names) != 1 or not os.path.isdir(args.names[0]):
        raise LabError(f'which folder? ./lab grade {lab.number} FOLDER')
    if args.variant:
        words = ['--seed', str(args.seed), *(['--private-seed', str(args.private_seed)] if args.private_seed else []),
                 *(['--json', os.path.abspath(args.json)] if args.json else [])]
        return variants.in_copy(lab, args.variant, ['grade', lab.number, os.path.abspath(args.names[0]), *words])
    with build.Builder(args.build) as builder:
        results = grade.grade_folder(lab, builder, args.names[0], args.seed, args.private_seed)
        rows = own.extras(lab, builder, args.names[0])
    report = grade.sheet(lab, results, args.seed)
    if rows:
        report['others'] = [{'name': n, 'points': p, 'max_points': m, 'message': what} for n, p, m, what in rows]
    if args.json:
        grade.save(args.json, report)
    by_id = {t['id']: t for t in [*lab.tests, *grade.seeded(lab)]}
    for r in results:
        say('\n'.join(grade.lines_of(by_id[r['id']], r, lab)))
    for line in totals(report, rows):
        say(line)
    if lab.own_tests and 'own tests' not in [row[0] for row in rows]:
        say(f'own tests: {own.OWN_POINTS} points that are not counted here: a pack has neither reference nor planted bugs. Grade in a clone'
            ' (a variant: ./lab grade N FOLDER --variant V)')
    return BROKEN if any(r['state'] == grade.ERROR for r in results) else OK


def packed(lab, args):
    """The lab for students; of a variant, or on one's own files of the earlier labs."""
    if len(args.names) != 1:
        raise LabError(f'into which file? ./lab pack {lab.number} FILE.tar.gz')
    of_variant, taken = variants.changer(lab, args.variant), []

    def change(files):
        files = of_variant(files) if of_variant else files
        if args.no_hints and not lab.is_report:
            files = mklab.without_hints(lab, files)
        if args.base == 'mine':
            files, taken[:] = variants.on_mine(files, lab)
        return files
    n_bytes = mklab.pack(lab, args.names[0], change)
    say(f'{n_bytes} bytes, compressed into {args.names[0]}' + (f', variant {args.variant}' if args.variant else ''))
    if args.base == 'mine':
        say('on your own files of ' + (f'lab {", ".join(taken)}' if taken else 'no earlier lab: it is on the references'))
    return OK


def prepare(lab, args):
    """All that is not a student's, so that what follows needs to compile little."""
    with build.Builder(args.build) as builder:
        builder.prepare(lab, [p for p in lab.programs.values() if not p.get('tool')])
        say(f'lab {lab.number}: {builder.n_compiled} objects built, all there')
    return OK


def archive(lab, args):
    if len(args.names) != 1:
        raise LabError(f'into which file? ./lab gradescope {lab.number} FILE.zip --private-seed S')
    if not args.private_seed:
        raise LabError('--private-seed S is missing: a number that no student knows; without it the seeded points cannot be had')
    say(f'{gradescope.make(lab, args.names[0], args.private_seed, variants.changer(lab, args.variant))} files in {args.names[0]}')
    say(f'set the points of the assignment to {gradescope.max_points(lab)}')
    return OK


def totals(report, rows):
    """Where a lab says what its public tests are worth, their points are shares of that."""
    points, of = report['points'], report['max_points']
    if 'public_points' in report:
        public = [r for r in report['tests'] if not r.get('is_private')]
        seeded = [r for r in report['tests'] if r.get('is_private')]
        points = report['public_points'] + sum(r['points'] for r in seeded)
        of = report['public_max'] + sum(r['max_points'] for r in seeded)
        yield (f'public tests: {sum(r["points"] for r in public)} of {sum(r["max_points"] for r in public)}, '
               f'which count {report["public_points"]:g} of {report["public_max"]}')
        if seeded:
            yield f'seeded tests: {sum(r["points"] for r in seeded)} of {sum(r["max_points"] for r in seeded)}'
    for name, got, most, what in rows:
        yield f'{name}: {got} of {most} ({what})'
    by_hand = report.get('by_hand')
    yield f'{points + sum(r[1] for r in rows):g} of {of + sum(r[2] for r in rows):g} points' + (f', and {by_hand} by hand: rubric.md' if by_hand else '')


def refuse(lab, command):
    """A command is for labs with code, for reports, or for both."""
    if command in FOR_ALL or lab.is_report == (command in FOR_REPORTS):
        return
    if lab.is_report:
        raise LabError(f'lab {lab.number} is a report and has no code, so there is no ./lab {command}; there are: {", ".join((*FOR_ALL, *FOR_REPORTS))}')
    raise LabError(f'lab {lab.number} has code and no report, so there is no ./lab {command}')


def main(argv):
    try:
        args = arguments(argv)
        if args.command == 'doctor':
            return doctor()
        if not args.lab:
            raise LabError('which lab? ./lab ' + args.command + ' N')
        if args.command == 'selfcheck':
            import selfchecks  # pylint: disable=import-outside-toplevel
            if args.variant:
                words = ['--runs', str(args.runs), *(['--json', os.path.abspath(args.json)] if args.json else [])]
                return OK if variants.selfcheck(Lab(args.lab), args.variant, args.names, args.quick, words) else BAD
            return selfchecks.main(numbers() if args.lab == 'all' else [args.lab], args)
        if args.command == 'slides':
            for n in numbers() if args.lab == 'all' else [args.lab]:
                say(os.path.relpath(slides.make(Lab(n)), ROOT))
            return OK
        lab = Lab(args.lab)
        refuse(lab, args.command)
        if args.command == 'lint':
            return reports.lint_command(lab, args)
        if args.command == 'measure':
            return reports.measure(lab, args)
        if args.command == 'predict' and lab.is_report:
            reports.predict(lab, args)
            return OK
        if args.command == 'start':
            return start(lab)
        if args.command == 'test':
            return tested(lab, args)
        if args.command == 'run':
            return run(lab, args)
        if args.command == 'trace':
            return traces.trace(lab, args)
        if args.command == 'hint':
            return hint(lab, args)
        if args.command in ('predict', 'bugs'):
            with build.Builder(args.build) as builder:
                if args.command == 'bugs':
                    return OK if own.bugs(lab, builder) else BAD
                own.predict(lab, args, builder)
            return OK
        if args.command == 'hours':
            return hours(lab, args)
        if args.command == 'submit':
            return submit(lab)
        if args.command == 'grade':
            return graded(lab, args)
        if args.command == 'pack':
            return packed(lab, args)
        if args.command == 'prepare':
            return prepare(lab, args)
        if args.command == 'gradescope':
            return archive(lab, args)
        say(classroom.workflow(lab, args.graders).rstrip('\n'))
        return OK
    except LabError as e:
        warn(f'lab: {e}')
        return USAGE
    except GraderError as e:
        warn(f'lab: GRADER ERROR, not your fault: {e}')
        return BROKEN
    except BrokenPipeError:  # as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return BAD
    except KeyboardInterrupt:
        return 130
