# SPDX-License-Identifier: MIT
"""Gradescope: the archive of a lab's autograder, and results.json.

The archive is the pack of the lab, in the folder `verso`, with three files in front: setup.sh makes the image,
run_autograder grades one submission in it, and private_seed is the teacher's. The reference is not in it: tests judge
a submission without it, so nothing that runs beside a student's code can give it away.

Format: https://gradescope-autograders.readthedocs.io/en/latest/specs/
"""
import os
import zipfile

import grade
import mklab
from common import GraderError

HERE = os.path.dirname(os.path.realpath(__file__))
VISIBILITIES = ('hidden', 'after_due_date', 'after_published', 'visible')
FORMATS = ('text', 'html', 'simple_format', 'md', 'ansi')
STATUSES = ('passed', 'failed')
OUTPUT_CHARACTERS = 20000
DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip file can hold: the same commit makes the same bytes


def make(lab, path, private_seed, change=None):
    """Writes the archive; returns how many files it has. change: as of mklab.pack_files()."""
    if not isinstance(private_seed, int) or private_seed <= 0:
        raise GraderError(f'the private seed is {private_seed}; it must be a number above 0')
    files = {f'verso/{name}': data for name, data in mklab.pack_files(lab, change).items()}
    for name in ('setup.sh', 'run_autograder'):
        with open(os.path.join(HERE, name), 'rb') as f:
            files[name] = f.read().replace(b'LAB_NUMBER', lab.number.encode())
    files['private_seed'] = f'{private_seed}\n'.encode()
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as z:
        for name, data in sorted(files.items()):
            info = zipfile.ZipInfo(name, DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            runs = name in ('setup.sh', 'run_autograder', 'verso/lab')
            info.external_attr = (0o100755 if runs else 0o100644) << 16
            z.writestr(info, data)
    return len(files)


def max_points(lab):
    return round(sum(t['points'] for t in lab.tests) * share_of_public(lab), 2) + sum(t['points'] for t in grade.seeded(lab))


def share_of_public(lab):
    """What a point of a public test counts (points.toml, public_points)."""
    return lab.public_points / sum(t['points'] for t in lab.tests) if lab.public_points else 1


def results(lab, report, seconds=None):
    """results.json of a report (grade.sheet()).

    The total of an assignment is fixed at Gradescope, so a test that was not judged (GRADER ERROR, SKIPPED) cannot be left out. It has
    the share of points that the student has of all others: then it changes the share of the whole by nothing.
    """
    by_id = {t['id']: t for t in [*lab.tests, *grade.seeded(lab)]}
    lost = [r for r in report['tests'] if r['state'] in grade.NOT_JUDGED]
    judged = [r for r in report['tests'] if r['state'] not in grade.NOT_JUDGED]
    of = sum(r['max_points'] for r in judged)
    if lost and not of:
        raise GraderError('no test could be judged: ' + lost[0]['message'])
    share = sum(r['points'] for r in judged) / of if of else 0
    tests = []
    for r in report['tests']:
        test = by_id[r['id']]
        counts = 1 if r.get('is_private') else share_of_public(lab)
        one = {'name': f'{r["id"]} {r["name"]}', 'score': round(counts * r['points'], 2), 'max_score': round(counts * r['max_points'], 2),
               'output': output(test, r, lab), 'output_format': 'text', 'tags': [f'task {r["task"]}'],
               'visibility': 'after_published' if r.get('is_private') else test.get('visibility', 'visible'),
               'extra_data': {'state': r['state']}}
        if r['state'] in grade.NOT_JUDGED:
            one['score'] = round(share * one['max_score'], 2)
        else:
            one['status'] = 'passed' if r['state'] == grade.PASS and r['points'] == r['max_points'] else 'failed'
        tests.append(one)
    text = f'Lab {lab.number}: {lab.title}. Points come from counts, never from seconds.\n'
    if lost:
        text += (f'{len(lost)} tests could not be judged, and that is no fault of yours: each has the share of points that you have of the '
                 'others.\n')
    made = {'score': round(sum(t['score'] for t in tests), 2), 'output': text, 'output_format': 'text', 'visibility': 'visible',
            'stdout_visibility': 'hidden', 'tests': tests,
            'extra_data': {'contained_by': report['contained_by'], 'host': report['host'], 'not_judged': {r['id']: r['state'] for r in lost}}}
    if seconds is not None:
        made['execution_time'] = round(seconds)
    return made


def output(test, r, lab):
    if r['state'] == grade.ERROR:
        return f'GRADER ERROR, not your fault: {r["message"]}'[:OUTPUT_CHARACTERS]
    return '\n'.join(line.removeprefix('       ') for line in grade.lines_of(test, r, lab)[1:])[:OUTPUT_CHARACTERS] or r['message'] or 'passed'


def _number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


FIELDS = {
    'whole': {
        'score': _number, 'execution_time': _number, 'output': lambda v: isinstance(v, str), 'output_format': lambda v: v in FORMATS,
        'test_output_format': lambda v: v in FORMATS, 'test_name_format': lambda v: v in FORMATS,
        'visibility': lambda v: v in VISIBILITIES, 'stdout_visibility': lambda v: v in VISIBILITIES,
        'extra_data': lambda v: isinstance(v, dict), 'tests': lambda v: isinstance(v, list), 'leaderboard': lambda v: isinstance(v, list),
    },
    'test': {
        'score': _number, 'max_score': _number, 'status': lambda v: v in STATUSES, 'name': lambda v: isinstance(v, str),
        'name_format': lambda v: v in FORMATS, 'number': lambda v: isinstance(v, str), 'output': lambda v: isinstance(v, str),
        'output_format': lambda v: v in FORMATS, 'tags': lambda v: isinstance(v, list) and all(isinstance(t, str) for t in v),
        'visibility': lambda v: v in VISIBILITIES, 'extra_data': lambda v: isinstance(v, dict),
    },
    'row of the leaderboard': {
        'name': lambda v: isinstance(v, str), 'value': lambda v: _number(v) or isinstance(v, str), 'order': lambda v: v in ('asc', 'desc'),
    },
}


def faults(made):
    """What in results.json is not as documented; an empty list: all is."""
    if not isinstance(made, dict):
        return ['it is not an object']
    found = []

    def look(kind, where, value):
        if not isinstance(value, dict):
            found.append(f'{where} is not an object')
            return
        for key, one in value.items():
            if key not in FIELDS[kind]:
                found.append(f'{where} has the field {key}, which is not documented')
            elif not FIELDS[kind][key](one):
                found.append(f'{where}: {key} is {one!r}')

    look('whole', 'results.json', made)
    tests = made.get('tests') if isinstance(made.get('tests'), list) else []
    for n, test in enumerate(tests):
        look('test', f'test {n}', test)
    for n, row in enumerate(made['leaderboard'] if isinstance(made.get('leaderboard'), list) else []):
        look('row of the leaderboard', f'row {n} of the leaderboard', row)
    objects = [t for t in tests if isinstance(t, dict)]
    if 'score' not in made and (not tests or any('score' not in t for t in objects)):
        found.append('there is no score, neither of the whole nor of each test')
    # What the format allows, and no result of ours should have.
    for t in objects:
        if _number(t.get('score')) and _number(t.get('max_score')) and not 0 <= t['score'] <= t['max_score']:
            found.append(f'{t.get("name")}: {t["score"]} of {t["max_score"]} points')
        if t.get('visibility') == 'hidden' and t.get('max_score'):
            found.append(f'{t.get("name")} is hidden and has points: students would never see their total')
    names = [t.get('name') for t in objects]
    found += [f'two tests have the name {name}' for name in sorted({str(n) for n in names if names.count(n) > 1})]
    return found


def write_checked(path, made):
    found = faults(made)
    if found:
        raise GraderError('results.json would not be as documented: ' + '; '.join(found[:5]))
    grade.save(path, made)


