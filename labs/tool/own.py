# SPDX-License-Identifier: MIT
"""Points beside those of the tests: predictions, the student's own tests, and hours.

A prediction counts when it was made: a wrong one teaches as much as a right one. The student's own tests
must pass on the reference, and each planted bug that they find counts.
"""
import contextlib
import copy
import json
import os
import shutil
import tempfile

import contain
import grade
import mklab
import objects
from common import GraderError, LabError, read, read_any, say, write

PREDICTION_POINTS, HOURS_POINTS, OWN_POINTS = 4, 1, 10
HOURS_MAX = 100  # that are noted at a time
OWN_LIMIT_S = 20
# How often own tests must pass on the reference: before the planted bugs, after each few of these, and at the end. A test that fails
# by chance would find bugs by chance.
OWN_RUNS_BEFORE, OWN_BUGS_BETWEEN = 3, 4
# What a file raises that ./lab predict has not written: Infinity is no seed, and brackets may be nested too deep.
NO_PREDICTIONS = (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
NOT_SHOWN = 77  # status of a program that cannot show an answer on this machine


def has_references(lab):
    """Not in a pack, where the regions are cut out."""
    return all(mklab.cut(read(lab.path(name)), name)[1] for name in lab.files)


def need_references(lab):
    """For --reference: in a pack that would be the starter."""
    if not has_references(lab):
        raise LabError(f'--reference takes the teacher\'s files of lab {lab.number}, and a pack does not have them: leave the word out, and your own '
                       f'files of labs/my/lab{lab.number}/ are taken; or work in a clone of the project')


def references(lab):
    return {name: read(lab.path(name)) for name in lab.files}


def put(files):
    folder = tempfile.TemporaryDirectory(prefix='lab-')
    for name, text in files.items():
        write(os.path.join(folder.name, name), text)
    return folder


# Predictions.

def noted(folder):
    """{id: {seed, answer}} of what was predicted in a folder."""
    path = os.path.join(folder, 'predict.json')
    if not os.path.isfile(path) or os.path.getsize(path) > grade.FILE_BYTES_MAX:
        return {}
    try:
        found = json.loads(read(path))
        return {i: {'seed': int(p['seed']), 'answer': str(p['answer'])} for i, p in found.items()}
    except NO_PREDICTIONS:
        return {}


def words(text):
    return ' '.join(text.lower().replace(',', ' ').split())


class Oracle:
    """Asks the programs of a lab, around the references. In a pack these are starters: they still put each question, and have the
    answers that need no code of the lab. The others are the student's own to give: OwnCode."""

    def __init__(self, lab, builder, folder=None, programs=()):
        self.lab, self.builder = lab, builder
        self.made = None if folder else put(references(lab) if has_references(lab) else mklab.starters(lab))
        self.g = grade.Grading(lab, builder, folder or self.made.name, 1, {q['program'] for q in lab.questions} | set(programs))

    def __enter__(self):
        if self.g.broken:
            broken = self.g.broken
            self.__exit__()
            raise (GraderError if broken[0] == grade.ERROR else LabError)(broken[1])
        return self

    def __exit__(self, *_):
        self.g.close()
        if self.made:
            self.made.cleanup()

    def output(self, question, *more):
        """What the program prints; None: the code for it is not written yet, or this machine cannot show it."""
        program = self.lab.programs[question['program']]
        # Not where temporary files go: what lies in memory only shows nothing of a disk.
        with tempfile.TemporaryDirectory(dir=self.builder.folder) as scratch:
            run = contain.run([self.g.path(program['name']), *question.get('args', []), *more], program['limit_s'],
                              env=grade.environment(self.lab, program, scratch, 1), cwd=scratch)
        if 'lab-todo: ' in run.output:
            return None
        if run.status == NOT_SHOWN:
            say(f'    not known here: {run.output.strip()[:200]}')
            return None
        if run.status != 0:
            raise GraderError(f'{program["name"]}: status {run.status}: {run.output[:400]}')
        return run.output

    def question(self, question, seed):
        """The lines of a question: drawn by seed, or a choice."""
        if 'choices' in question:
            return [f'{n}  {choice}' for n, choice in enumerate(question['choices'], 1)]
        if 'images' in question:
            return [f'{n}  {image}' for n, image in enumerate(question['images'], 1)]
        return (self.output(question, str(seed), 'question') or '').splitlines()

    def answer(self, question, seed):
        """None: not known before the code is written."""
        if 'choices' in question:
            out = self.output(question)
            if out is not None and out.strip() not in question['choices']:
                raise GraderError(f'predict.toml: {question["id"]} has no choice {out.strip()[:80]}')
            return out if out is None else str(question['choices'].index(out.strip()) + 1)
        if 'images' not in question:
            out = self.output(question, str(seed), 'answer')
            return out if out is None else words(out)
        out = self.output(question)
        if out is None:
            return None
        lines = iter(out.splitlines())
        if question['section'] not in lines:
            raise GraderError(f'predict.toml: {question["id"]}: the program has no section {question["section"]}')
        there = set()
        for line in lines:
            if line.endswith(':'):
                break
            there.add(' '.join(line.split()))  # a and A are two states of a sector
        return ' '.join(str(n) for n, image in enumerate(question['images'], 1) if ' '.join(image.split()) in there)


class OwnCode(Oracle):
    """The student's own files, which answer a question once the tests of its tasks are green: what a wrong page says is not the truth."""

    def __init__(self, lab, builder, folder=None):
        super().__init__(lab, builder, folder or lab.mine, {t['program'] for q in lab.questions for t in tests_of(lab, q)})

    def __enter__(self):
        return self  # files that do not compile answer nothing

    def answer(self, question, seed):
        """None: not yet."""
        rs = [] if self.g.broken else self.g.run_all(tests_of(self.lab, question))
        if not rs or any(r['state'] != grade.SKIPPED and (r['state'] != grade.PASS or r['points'] < r['max_points']) for r in rs):
            return None
        try:
            return super().answer(question, seed)
        except (GraderError, LabError):  # another file is wrong, and its own tests say so
            return None


def tests_of(lab, question):
    """The quick tests of the tasks that the answer to a question is made of."""
    return [t for t in lab.tests if t['task'] in question.get('tasks', ()) and t['points'] and lab.programs[t['program']].get('quick')]


def as_number(question, answer):
    """An answer in the words of a choice is the choice's number."""
    choices = [words(c) for c in question.get('choices', [])]
    return str(choices.index(answer) + 1) if answer in choices else answer


def judged(question, prediction, oracle, own_code):
    """What is said behind a prediction."""
    right, by = oracle.answer(question, prediction['seed']), ''
    if right is None and own_code and question.get('tasks'):
        right, by = own_code.answer(question, prediction['seed']), ', says your own code'
        if right is None:
            return '\n    ' + answered_later(oracle.lab, question)
    if right is None:
        return ''
    return f'   right{by}' if right == as_number(question, prediction['answer']) else f'   but it is: {right}{by}'


def answered_later(lab, question):
    """Why a pack has no answer yet."""
    *more, last = question['tasks']
    what = f'tasks {", ".join(more)} and {last} are' if more else f'task {last} is'
    return f'your own code answers here, once {what} green: ./lab test {lab.number}'


def predict(lab, args, builder):
    if not lab.questions:
        raise LabError(f'lab {lab.number} has no questions')
    mine = noted(lab.mine)
    if args.names:
        ids = [q['id'] for q in lab.questions]
        if args.names[0] not in ids or len(args.names) < 2:
            raise LabError(f'which, and what? ./lab predict {lab.number} ID ANSWER; there are: {", ".join(ids)}')
        if args.names[0] in mine:
            raise LabError(f'{args.names[0]} is predicted already: the first answer counts')
        mine[args.names[0]] = {'seed': args.seed, 'answer': words(' '.join(args.names[1:]))}
        write(os.path.join(lab.mine, 'predict.json'), json.dumps(mine, indent=1) + '\n')
        say(f'noted. {len(lab.questions) - len(mine)} to go' if len(mine) < len(lab.questions) else
            f'noted. See who is right: ./lab predict {lab.number}')
        return
    is_over = len(mine) == len(lab.questions)
    with Oracle(lab, builder) as oracle, \
            contextlib.nullcontext() if has_references(lab) or not is_over else OwnCode(lab, builder) as own_code:
        for q in lab.questions:
            p = mine.get(q['id'])
            seed = p['seed'] if p else args.seed
            say(f'{q["id"]}  {q["text"]}')
            for line in oracle.question(q, seed):
                say('        ' + line)
            if not p:
                say(f'    your prediction: ./lab predict {lab.number} {q["id"]} ANSWER' + (f' --seed {seed}' if seed != 1 else ''))
                continue
            say(f'    you predicted: {p["answer"]}' + (judged(q, p, oracle, own_code) if is_over else ''))
    if not is_over:
        say('The answers are shown when all are predicted. A wrong prediction costs nothing.')


# Own tests.

def own_of(lab):
    programs = [p for p in lab.programs.values() if p.get('own')]
    if not lab.own_tests or len(programs) != 1:
        raise LabError(f'lab {lab.number} asks for no tests of your own')
    return programs[0]


class OwnTests:
    """The tests of a student, compiled once, to be run around any files."""

    def __init__(self, lab, builder, path):
        program = own_of(lab)
        self.builder = builder
        self.out = tempfile.mkdtemp(prefix='own-', dir=builder.folder)
        source = os.path.join(self.out, lab.own_tests)
        if not os.path.isfile(path) or os.path.islink(path) or os.path.getsize(path) > grade.FILE_BYTES_MAX:
            raise LabError(f'there is no file {lab.own_tests}: ./lab start {lab.number}')
        shutil.copyfile(path, source)
        builder.declare(lab)
        allowed = copy.copy(lab)
        allowed.symbols, allowed.exports, allowed.statics, allowed.of_tests = lab.own_symbols, {'main'}, None, None
        try:
            made = builder.student_object(allowed, source, 'plain', os.path.join(self.out, 'own_tests'), *builder.over)
        except LabError as e:
            raise LabError(grade.without_paths(str(e), self.out)) from None
        found = objects.findings(made, allowed)
        if found:
            raise LabError(f'{lab.own_tests} is refused: ' + '; '.join(dict.fromkeys(found)))
        self.lab = copy.copy(lab)
        self.lab.programs = {'own': {**program, 'name': 'own', 'objects': [made]}}
        self.lab.tests = [{'id': 'own', 'program': 'own', 'task': '-', 'points': 0, 'why': '', 'look': '', 'limit_s': OWN_LIMIT_S}]

    def close(self):
        shutil.rmtree(self.out, ignore_errors=True)

    def run(self, files):
        """(state, message) around these files."""
        with put(files) as folder:
            g = grade.Grading(self.lab, self.builder, folder, 1, {'own'})
            try:
                return g.run(self.lab.tests[0])[:2]
            finally:
                g.close()


def planted(lab):
    """The bugs that tests without a sanitizer can find."""
    quick = {t['id'] for t in lab.tests if lab.programs[t['program']].get('quick')}
    files = lab.files_of(own_of(lab))
    return {name: bug for name, bug in lab.bugs.items() if bug['file'] in files and quick & set(bug['kills'])}


def changed(base, change, name):
    """The files of `base` with one change made: {name: text}."""
    files = dict(base)
    text = change.get('whole', files[change['file']])
    for old, new in (('old', 'new'), ('append_old', 'append_new')):
        if old in change:
            if text.count(change[old]) != 1:
                raise GraderError(f'{name}: `{old}` occurs {text.count(change[old])} times in {change["file"]}')
            text = text.replace(change[old], change[new])
    files[change['file']] = text
    return files


def judge(lab, builder, path, each=None):
    """(names of the bugs found, how many there are, what is wrong or '') of a file of own tests."""
    tests, n_passed, all_bugs = OwnTests(lab, builder, path), 0, planted(lab)

    def wrong_on_reference(times):
        nonlocal n_passed
        for _ in range(times):
            state, message = tests.run(references(lab))
            if state != grade.PASS:
                return f'your tests must pass on the reference each time; {f"they passed {n_passed} times, and then" if n_passed else "but"}: {state}: {message}'
            n_passed += 1
        return ''
    try:
        wrong, found = wrong_on_reference(OWN_RUNS_BEFORE), []
        for n, (name, bug) in enumerate(all_bugs.items(), 1):
            if wrong:
                break
            state, _ = tests.run(changed(references(lab), bug, name))
            if state in (grade.FAIL, grade.CRASHED, grade.HUNG):
                found.append(name)
            if each:
                each(name, state)
            if n % OWN_BUGS_BETWEEN == 0 or n == len(all_bugs):
                wrong = wrong_on_reference(1)
        return ([] if wrong else found), len(all_bugs), wrong
    finally:
        tests.close()


def own_points(n_found, n_all):
    return round(OWN_POINTS * n_found / n_all) if n_all else 0


def bugs(lab, builder):
    """Names of bugs stay unsaid: they would give the answer away."""
    path = os.path.join(lab.mine, lab.own_tests or '')
    own_of(lab)
    if not has_references(lab) or not lab.bugs:
        missing = [name for name in lab.files if not os.path.isfile(os.path.join(lab.mine, name))]
        if missing:
            raise LabError(f'there is no file {missing[0]}: ./lab start {lab.number}')
        tests = OwnTests(lab, builder, path)
        try:
            state, message = tests.run({name: read_any(os.path.join(lab.mine, name)) for name in lab.files})
        finally:
            tests.close()
        say(f'your tests on your own files: {state}{": " + message if message else ""}')
        say('The reference and the planted bugs are your teacher\'s, and no pack has them: there your tests must pass on the reference, and each bug'
            ' that they find counts.')
        return state == grade.PASS
    found, n_all, wrong = judge(lab, builder, path)
    if wrong:
        say(wrong)
        return False
    say(f'your tests find {len(found)} of {n_all} planted bugs: {own_points(len(found), n_all)} of {OWN_POINTS} points')
    return True


# The sheet.

def hours_of(folder):
    """The sum of what ./lab hours noted in a folder; 0: nothing, or nothing that it could have written."""
    path = os.path.join(folder, 'hours.txt')
    try:
        spent = [float(line) for line in read(path).split()] if os.path.getsize(path) <= grade.FILE_BYTES_MAX else []
    except (OSError, ValueError):
        return 0
    return sum(spent) if all(0 < hours <= HOURS_MAX for hours in spent) else 0


def extras(lab, builder, folder):
    """[(name, points, of, what)] of a submission, for what is judged here."""
    rows = []
    if lab.questions:
        made = len(set(noted(folder)) & {q['id'] for q in lab.questions})
        rows.append(('predictions', PREDICTION_POINTS * made // len(lab.questions), PREDICTION_POINTS,
                     f'{made} of {len(lab.questions)} made'))
        spent = hours_of(folder)
        rows.append(('hours', HOURS_POINTS if spent else 0, HOURS_POINTS, f'{spent:g} noted' if spent else f'none noted: ./lab hours {lab.number} H'))
    if lab.own_tests and has_references(lab) and lab.bugs:  # not in a pack
        try:
            found, n_all, wrong = judge(lab, builder, os.path.join(folder, lab.own_tests))
        except LabError as e:
            found, n_all, wrong = [], 0, str(e)
        rows.append(('own tests', own_points(len(found), n_all), OWN_POINTS, wrong or f'{len(found)} of {n_all} planted bugs found'))
    return rows
