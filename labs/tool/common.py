# SPDX-License-Identifier: MIT
"""Where things lie, and what a lab says of itself."""
import os
import sys
import tomllib

TOOL = os.path.dirname(os.path.realpath(__file__))
LABS = os.path.dirname(TOOL)
ROOT = os.path.dirname(LABS)
MINE = os.path.join(LABS, 'my')  # what students write; not part of the project

# What a student's own tests may use in each lab: tests/check_main.h, and what it makes of Check's own.
OF_TESTS = {'check_main', 'check_begin', 'check_end', 'check_held', 'check_error_note', 'check_free', 'check_seed', 'check_random', 'check_alloc',
            'check_skip', 'suite_create', 'suite_add_tcase', 'tcase_create', 'tcase_set_timeout', 'tcase_add_checked_fixture',
            '_tcase_add_test', '_ck_assert_failed', 'strcmp', 'strlen', 'strstr', 'memset', 'memcpy', 'memmove', 'memcmp'}


def numbers():
    """Of the labs that there are."""
    return sorted(n[3:] for n in os.listdir(LABS) if os.path.isfile(os.path.join(LABS, n, 'lab.toml')))


class LabError(Exception):
    """What the user has to know, in words; not a bug of the tool."""


class GraderError(Exception):
    """Something that is no student's fault, and costs nobody points."""


def read(path, errors='strict'):
    with open(path, encoding='utf-8', errors=errors) as f:
        return f.read()


def read_any(path):
    """A student's file, whose comments may be in any encoding: write() makes the same bytes of it."""
    return read(path, 'surrogateescape')


def write(path, text):
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    with open(path, 'w', encoding='utf-8', errors='surrogateescape') as f:
        f.write(text)


def toml(path):
    with open(path, 'rb') as f:
        try:
            return tomllib.load(f)
        except tomllib.TOMLDecodeError as e:
            raise GraderError(f'{path}: {e}') from None


class Lab:
    """A folder labs/labN: its files in TOML, checked when they are read."""

    def __init__(self, number, folder=None):
        self.number = str(number)
        self.folder = folder or os.path.join(LABS, 'lab' + self.number)
        if not os.path.isfile(os.path.join(self.folder, 'lab.toml')):
            have = ', '.join(numbers())
            raise LabError(f'there is no lab {number}; there are: {have}')
        self.elsewhere = {}
        about = toml(self.path('lab.toml'))
        self.title = about['title']
        # What the student writes; the same names in a submission. A reference with a folder in its name is a
        # file of the project, others stand in the lab's folder.
        self.files = [os.path.basename(f) for f in about['files']]
        self.elsewhere = {os.path.basename(f): os.path.join(ROOT, f) for f in about['files'] if '/' in f}
        self.given = about['given']          # sources of the project that stand before the engine's
        # Inline functions of the student's headers: the engine calls them in an object of their own, which `glue`
        # makes. So no other object is made of what a student wrote.
        self.out_of_line = about.get('out_of_line', [])
        self.glue = about.get('glue', [])
        self.exports = set(about['exports'])  # the only names that these files may define for others
        self.symbols = set(about['symbols'])  # what they may use
        self.of_tests = about.get('of_tests', [])  # headers of tests that they may include; None: any
        self.statics = about.get('statics')   # the static memory that may change; None: any
        # A lab without code asks for a report, which has rules instead of tests (reports.py).
        self.is_report = about.get('report', False)
        self.also = about.get('also', [])          # files of the project that the handout shows, and that no pack has otherwise
        self.terms = about.get('terms', [])        # words that the handout explains
        self.measures = about.get('measures', [])  # numbers of the labs whose files it measures
        points = {'program': [], 'test': []} if self.is_report else toml(self.path('points.toml'))
        self.rules = toml(self.path('rules.toml'))['rule'] if self.is_report else []
        self.hypotheses = toml(self.path('predict.toml'))['hypothesis'] if self.is_report else []
        versos = toml(os.path.join(TOOL, 'programs.toml'))
        self.programs = {p['name']: p if 'sources' in p else {**versos.get(p['name'], {}), **p} for p in points['program']}
        self.tests = points['test']
        self.public_points = points.get('public_points')  # what all public tests together are worth; default: their sum
        self.figures = about.get('figure', [])            # what the handout shows of the output of its programs
        self.by_hand = points.get('by_hand', 0)           # points that a person gives (rubric.md)
        self.own_tests = about.get('own_tests')           # a file of tests that the student writes
        self.own_model = about.get('own_model')           # a file of the lab that shows what such tests can find
        self.own_symbols = self.symbols | OF_TESTS | set(about.get('own_symbols', []))
        self.questions = toml(self.path('predict.toml'))['question'] if os.path.exists(self.path('predict.toml')) and not self.is_report else []
        self.bugs = toml(self.path('bugs.toml')) if os.path.exists(self.path('bugs.toml')) else {}
        self.check()

    def path(self, *names):
        """A file of the lab; the reference too, by its short name."""
        return self.elsewhere.get(names[0]) or os.path.join(self.folder, *names)

    @property
    def mine(self):
        return os.path.join(MINE, 'lab' + self.number)

    def files_of(self, program):
        """Those of the student's files that are linked into a program."""
        return program.get('files', self.files)

    def parts_of(self, program):
        """All that is linked into a program and may be wrong: the student's files, headers, and the glue to these."""
        return [*self.headers(), *(n for n in self.files_of(program) if n not in self.headers()), *map(os.path.basename, self.glue)]

    def headers(self):
        """{short name: name in the project} of the headers that a student writes."""
        return {n: os.path.relpath(p, ROOT) for n, p in self.elsewhere.items() if n.endswith('.h')}

    def name_of(self, test):
        """A sentence: what the test holds. That of a whole program stands with the program."""
        return test.get('check') or self.programs[test['program']]['sentence']

    def test(self, name):
        for t in self.tests:
            if name in (t['id'], self.name_of(t)):
                return t
        raise LabError(f'there is no test {name} in lab {self.number}: ./lab test {self.number} lists them')

    def of_task(self, task):
        tests = [t for t in self.tests if t['task'] == task and t['points']]
        if not tests:
            raise LabError(f'no test of lab {self.number} has points for task {task}; tasks with points: {", ".join(self.tasks())}')
        return tests

    def tasks(self):
        """Those that have points, in their order."""
        return sorted({t['task'] for t in self.tests if t['points']}, key=lambda task: [int(n) for n in task.split('.')])

    def with_parents(self, tests):
        """The tests, with those without which they do not count, in the lab's order."""
        wanted = {t['id'] for t in tests}
        for t in reversed(self.tests):
            if t['id'] in wanted and t.get('parent'):
                wanted.add(t['parent'])
        return [t for t in self.tests if t['id'] in wanted]

    def check(self):
        """A mistake in these files is found here and not in the middle of a grading."""
        ids = [t['id'] for t in self.tests]
        for test in self.tests:
            for key in ('id', 'program', 'task', 'points', 'why', 'look'):
                if key not in test:
                    raise GraderError(f'points.toml: the test {test.get("id")} has no {key}')
            if ids.count(test['id']) > 1:
                raise GraderError(f'points.toml: {test["id"]} stands twice')
            if test['program'] not in self.programs:
                raise GraderError(f'points.toml: {test["id"]}: no program {test["program"]}')
            if test.get('parent') and test['parent'] not in ids[:ids.index(test['id'])]:
                raise GraderError(f'points.toml: {test["id"]}: its parent {test["parent"]} does not stand before it')
            if not test.get('check') and 'sentence' not in self.programs[test['program']]:
                raise GraderError(f'points.toml: {test["id"]} is a whole program, {test["program"]}, which has no sentence')
            if test.get('given') and test['points']:
                raise GraderError(f'points.toml: {test["id"]} is given and has points')
        for program in self.programs.values():
            if 'sources' not in program:
                raise GraderError(f'points.toml: {program["name"]} has no sources, and is not in tool/programs.toml')
            for name in self.files_of(program):
                if name not in self.files:
                    raise GraderError(f'points.toml: {program["name"]}: {name} is no file of the student\'s')
        for figure in self.figures:
            if figure.get('program') not in self.programs or ('script' in figure) != ('file' in figure):
                raise GraderError(f'lab.toml: the figure {figure} has no program, or one of script and file')
        for question in self.questions:
            for key in ('id', 'text', 'program'):
                if key not in question:
                    raise GraderError(f'predict.toml: the question {question.get("id")} has no {key}')
            unknown = set(question) - {'id', 'text', 'program', 'args', 'images', 'section', 'choices', 'tasks'}
            if unknown:
                raise GraderError(f'predict.toml: {question["id"]}: what is {", ".join(sorted(unknown))}?')
            if question['program'] not in self.programs:
                raise GraderError(f'predict.toml: {question["id"]}: no program {question["program"]}')
            for task in question.get('tasks', []):
                if not any(t['task'] == task and t['points'] and self.programs[t['program']].get('quick') for t in self.tests):
                    raise GraderError(f'predict.toml: {question["id"]}: task {task} has no quick test with points, so nothing says that it is green')
        for name, bug in self.bugs.items():
            for key in ('file', 'old', 'new', 'kills'):
                if key not in bug:
                    raise GraderError(f'bugs.toml: {name} has no {key}')
            for test in [*bug['kills'], *bug.get('shown', [])]:
                if test not in ids:
                    raise GraderError(f'bugs.toml: {name} names {test}, which is no test')


def say(text=''):
    print(text, flush=True)


def warn(text):
    print(text, file=sys.stderr, flush=True)
