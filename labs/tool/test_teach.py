#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What teachers get: Gradescope, GitHub, the guide and the exam bank. The results here are made by hand; those
of real submissions are looked at in selfcheck.py."""
import copy
import glob
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import classroom  # noqa: E402
import grade  # noqa: E402
import gradescope  # noqa: E402
import gradescope.__main__ as run  # noqa: E402
import main  # noqa: E402
import screenshots  # noqa: E402
import teach  # noqa: E402
import traces  # noqa: E402
from common import GraderError, Lab, LabError, LABS, read, toml, write  # noqa: E402

LABS_THERE = [lab for lab in teach.there() if not lab.is_report]  # a report is marked by people


def report(lab, states):
    """A sheet in which each test has the next of these states."""
    tests = [(t, False) for t in lab.tests] + [(t, True) for t in grade.seeded(lab)]
    rs = []
    for n, (t, is_private) in enumerate(tests):
        state = states[n % len(states)]
        rs.append({'id': t['id'], 'name': t.get('check', t['program']), 'task': t['task'], 'state': state,
                   'points': t['points'] if state == grade.PASS else 0, 'max_points': t['points'], 'message': '' if state == grade.PASS else 'm',
                   'context': '', 'seed': 4711 if is_private else 1, 'seconds': 0.1, **({'is_private': True} if is_private else {})})
    return grade.sheet(lab, rs, 1)


class Gradescope(unittest.TestCase):
    def test_every_state(self):
        for lab in LABS_THERE:
            all_states = [grade.PASS, grade.FAIL, grade.TODO, grade.CRASHED, grade.HUNG, grade.SKIPPED]
            for states in [[s] for s in all_states if s != grade.SKIPPED] + [all_states, all_states + [grade.ERROR]]:
                made = gradescope.results(lab, report(lab, states), 3.2)
                self.assertEqual(gradescope.faults(made), [], states)
                self.assertEqual(made['stdout_visibility'], 'hidden')
                self.assertAlmostEqual(sum(t['max_score'] for t in made['tests']), gradescope.max_points(lab))
            self.assertEqual(gradescope.results(lab, report(lab, [grade.PASS]))['score'], gradescope.max_points(lab))
            self.assertEqual(gradescope.results(lab, report(lab, [grade.TODO]))['score'], 0)

    def test_what_was_not_judged_costs_nobody_points_and_gives_none(self):
        lab = LABS_THERE[0]
        for state in grade.NOT_JUDGED:
            for other, whole in ((grade.PASS, gradescope.max_points(lab)), (grade.FAIL, 0)):
                made = gradescope.results(lab, report(lab, [other, state]))
                self.assertAlmostEqual(made['score'], whole, delta=0.01 * len(made['tests']))
                lost = [t for t in made['tests'] if t['extra_data']['state'] == state]
                self.assertTrue(lost and all('status' not in t for t in lost))
                self.assertTrue(state != grade.ERROR or all('not your fault' in t['output'] for t in lost))
            with self.assertRaisesRegex(GraderError, 'no test could be judged'):
                gradescope.results(lab, report(lab, [state]))

    def test_private_tests_come_late_and_keep_their_seed(self):
        for lab in LABS_THERE:
            made = gradescope.results(lab, report(lab, [grade.FAIL]))
            late = [t for t in made['tests'] if t['visibility'] == 'after_published']
            self.assertEqual(len(late), len(grade.seeded(lab)))
            self.assertFalse(any('4711' in t['output'] for t in made['tests']))
            self.assertTrue(all('--seed 1' in t['output'] for t in made['tests'] if t not in late))

    def test_validator_finds_faults(self):
        good = gradescope.results(LABS_THERE[0], report(LABS_THERE[0], [grade.PASS, grade.FAIL]))
        for change in (lambda m: m.update(score='3'), lambda m: m.update(score=True), lambda m: m.update(stdout_visibility='no'),
                       lambda m: m.update(points=3), lambda m: m.update(tests={}), lambda m: m['tests'][0].update(status='PASS'),
                       lambda m: m['tests'][0].update(score=-1), lambda m: m['tests'][0].update(score=99), lambda m: m['tests'][0].update(visibility=None),
                       lambda m: m['tests'][0].update(output=3), lambda m: m['tests'][0].update(tags='a'), lambda m: m['tests'].append(3),
                       lambda m: m['tests'][0].update(result='ok'), lambda m: m['tests'][0].update(visibility='hidden'),
                       lambda m: m['tests'].append(m['tests'][0]), lambda m: m.update(leaderboard=[{'name': 'a', 'value': [], 'order': 'asc'}]),
                       lambda m: (m.pop('score'), m['tests'][0].pop('score')), lambda m: (m.pop('score'), m.pop('tests'))):
            made = copy.deepcopy(good)
            change(made)
            self.assertTrue(gradescope.faults(made))
        self.assertTrue(gradescope.faults([]))
        made = copy.deepcopy(good)
        made.pop('score')
        made['leaderboard'] = [{'name': 'a', 'value': 0.5}, {'name': 'b', 'value': '*', 'order': 'desc'}]
        self.assertEqual(gradescope.faults(made), [])
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaises(GraderError):
                gradescope.write_checked(os.path.join(folder, 'r'), {'tests': 3})
            self.assertEqual(os.listdir(folder), [])

    def test_command_line(self):
        tool = os.path.join(LABS, 'tool', 'gradescope')
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'r.json')
            for text, status in (('{"score": 1.5}', 0), ('{"score": "x"}', 1), ('{', 1)):
                write(path, text)
                done = subprocess.run([sys.executable, tool, '--check', path], capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, status, done.stdout + done.stderr)
            done = subprocess.run([sys.executable, tool, '9', folder, path, path], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 3)
            self.assertIn('there is no lab 9', done.stderr)
        self.assertEqual(main.main(['gradescope', LABS_THERE[0].number, 'x.zip']), main.USAGE)
        self.assertEqual(main.main(['gradescope', LABS_THERE[0].number]), main.USAGE)
        with self.assertRaises(GraderError):
            gradescope.make(LABS_THERE[0], '/dev/null', 0)

    def test_private_seed_is_gone_before_the_first_test(self):
        asked = []

        def graded_now(lab, builder, folder, private_seed):
            asked.append((private_seed, os.path.exists(path)))
            raise GraderError('far enough')
        whole, grade.grade_folder = grade.grade_folder, graded_now
        try:
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, 'private_seed')
                write(path, '4711\n')
                with self.assertRaisesRegex(GraderError, 'far enough'):
                    run.graded(LABS_THERE[0].number, folder, os.path.join(folder, 'r.json'), path)
                self.assertEqual(asked, [(4711, False)])
                with self.assertRaisesRegex(GraderError, 'No such file.*new copy'):
                    run.graded(LABS_THERE[0].number, folder, os.path.join(folder, 'r.json'), path)
                write(path, 'x')
                with self.assertRaisesRegex(GraderError, 'expected the private seed'):
                    run.taken(path)
        finally:
            grade.grade_folder = whole

    def test_submission_may_be_what_submit_made(self):
        class One:
            number, files = '1', ['a.c']

        def names(put):
            with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as scratch:
                tar = os.path.join(folder, 'lab1.tar')
                put(folder, tar)
                return sorted(os.listdir(run.unpacked(One, folder, scratch))), sorted(os.listdir(scratch))

        def packed(folder, tar, mode='w', link=None, size=3):
            with tarfile.open(tar, mode) as t:
                for name in ('a.c', '../b.c', 'points.toml'):
                    info = tarfile.TarInfo(name)
                    if link:
                        info.type, info.linkname = tarfile.SYMTYPE, link
                        t.addfile(info)
                    else:
                        info.size = size
                        t.addfile(info, io.BytesIO(b'x' * size))
        self.assertEqual(names(lambda f, t: write(os.path.join(f, 'a.c'), 'x')), (['a.c'], []))
        self.assertEqual(names(packed), (['a.c'], ['a.c']))
        self.assertEqual(names(lambda f, t: packed(f, t, link='/etc/passwd')), ([], []))
        self.assertEqual(names(lambda f, t: packed(f, t, size=grade.FILE_BYTES_MAX + 1)), ([], []))
        self.assertEqual(names(lambda f, t: packed(f, t, 'w:gz')), (['lab1.tar'], []))
        self.assertEqual(names(lambda f, t: write(t, 'no tar')), (['lab1.tar'], []))
        self.assertEqual(names(lambda f, t: (packed(f, t), write(os.path.join(f, 'a.c'), 'x'))), (['a.c', 'lab1.tar'], []))


class Classroom(unittest.TestCase):
    def test_points_are_those_of_the_lab(self):
        for lab in LABS_THERE:
            of_lab = {}
            for t in lab.tests:
                of_lab[t['task']] = of_lab.get(t['task'], 0) + t['points']
            of_lab = {task: n for task, n in of_lab.items() if n}
            plain, graders = classroom.workflow(lab), classroom.workflow(lab, True)
            for text in (plain, graders):
                self.assertEqual(sorted(re.findall(rf'\./lab test {lab.number} --task (\d+\.\d+)$', text, re.M)), sorted(of_lab))
                self.assertNotIn('\t', text)
            self.assertEqual([int(n) for n in re.findall(r'max-score: (\d+)', graders)], list(classroom.points_of(lab).values()))
            self.assertEqual(classroom.points_of(lab), of_lab)

    def test_the_sum(self):
        for lab in LABS_THERE:
            script = '\n'.join(line[10:] for line in classroom.workflow(lab).split('        run: |\n')[1].split('\n'))
            total = sum(classroom.points_of(lab).values())
            first, of = next(iter(classroom.points_of(lab).items()))
            for failed, points in (([], total), ([first], total - of), (list(classroom.points_of(lab)), 0)):
                def outcome(match, failed=failed):
                    return 'failure' if match.group(1) in [classroom.step_id(t) for t in failed] else 'success'
                with tempfile.TemporaryDirectory() as folder:
                    run = subprocess.run(['bash', '-e', '-c', re.sub(r'\$\{\{ steps\.([\w-]+)\.outcome \}\}', outcome, script)], check=False,
                                         capture_output=True, text=True, env={**os.environ, 'GITHUB_STEP_SUMMARY': os.path.join(folder, 's')})
                self.assertIn(f'{points} of {total} points\n', run.stdout)
                self.assertEqual(run.returncode == 0, points == total)

    def test_a_task_brings_what_it_counts_by(self):
        for lab in LABS_THERE:
            for task in lab.tasks():
                ids = [t['id'] for t in lab.with_parents(lab.of_task(task))]
                for t in lab.tests:
                    if t['id'] in ids and t.get('parent'):
                        self.assertLess(ids.index(t['parent']), ids.index(t['id']))
            with self.assertRaisesRegex(LabError, 'no test of lab'):
                lab.of_task('9.9')


class Teaching(unittest.TestCase):
    def test_all_that_is_there(self):
        self.assertEqual(teach.faults(), [])

    def test_commands_of_all_texts_name_what_there_is(self):
        n, labs = 0, {lab.number: lab for lab in teach.there()}
        for path in [p for at in ('*.md', 'lab*/*.md', 'lab*/*.toml', 'teach/*') for p in glob.glob(os.path.join(LABS, at)) if os.path.isfile(p)]:
            for command, number, rest in re.findall(r'\./lab (test|hint|trace|run) (\d)([^\n`#|]*)', read(path)):
                lab = labs[number]
                tools = [name for name, p in lab.programs.items() if p.get('tool') and not p.get('own')]
                there = {'run': tools, 'trace': traces.traced(lab)}.get(command, [t['id'] for t in lab.tests])
                words = [word.strip('.,:;)"') for word in rest.split()]
                for word in words[:1] if command == 'run' else [word for word in words if re.fullmatch(r'[A-Z]+\d+', word)]:
                    n += 1
                    self.assertIn(word, there, f'{os.path.relpath(path, LABS)}: ./lab {command} {number}{rest}')
        self.assertGreater(n, 200)

    def test_exam_faults(self):
        q = {'id': 'E2.1', 'lab': '2', 'level': 1, 'question': 'What does a pin promise?', 'answer': 'x' * 60}
        many = [{**q, 'id': f'E2.{n}', 'level': 1 + n % 3, 'question': f'What is question {n}?'} for n in range(9)]
        self.assertEqual(teach.exam_faults({'question': many}, ['2']), [])
        for change in ({'id': 'E2.2'}, {'id': 'Q1'}, {'id': 'E3.1'}, {'level': 4}, {'level': '1'}, {'answer': 'no'}, {'question': 'What is question 2?'},
                       {'extra': 1}):
            self.assertTrue(teach.exam_faults({'question': [{**many[1], **change}] + many[2:] + many[:1]}, ['2']), change)
        self.assertTrue(teach.exam_faults({'question': many}, ['2', '6']))
        self.assertTrue(teach.exam_faults({'question': many[:5]}, ['2']))
        self.assertTrue(teach.exam_faults({'question': [{**x, 'level': 1} for x in many]}, ['2']))
        self.assertTrue(teach.exam_faults({}, ['2']))

    def test_answers_faults(self):
        text = read(os.path.join(LABS, 'teach', 'answers.md'))
        self.assertEqual(teach.answers_faults(text, [Lab('2')]), [])
        self.assertTrue(teach.answers_faults(text.replace('## Lab 2\n\n1. ', '## Lab 2\n\n'), [Lab('2')]))
        self.assertTrue(teach.answers_faults(text.replace('## Lab 2\n', '## Two\n'), [Lab('2')]))

    def test_terms_faults(self):
        lab = type('L', (), {'number': '2', 'terms': ['pin', 'free list']})
        text = '# Pins\n\n    a pin\n\nA `pin` [x](pin.h), a **pin** (a promise), and pins in the *free\nlist*.\n'
        self.assertEqual(teach.terms_faults(text, lab), [])
        for old, new in (('A `pin`', 'A pin'), ('*free\nlist*', 'free\nlist'), ('free', 'other'), ('**pin**', 'pin')):
            self.assertEqual(len(teach.terms_faults(text.replace(old, new), lab)), 1, new)
        self.assertTrue(all(here.terms for here in LABS_THERE))

    def test_levels_of_a_tree_are_computed(self):
        """A separator takes a slot of 8 bytes, which has 4 of its own, and a child of 12."""
        page_bytes, n_leaves, said = 4096 - 64, 1000000 // 40, []
        for len_bytes in (8, 80):
            n_separators, pages = page_bytes // (8 + 12 + len_bytes - 4), [n_leaves]
            while pages[-1] > 1:
                pages.append(-(-pages[-1] // (n_separators + 1)))
            said.append((n_separators, pages))
        self.assertEqual(said, [(168, [25000, 148, 1]), (42, [25000, 582, 14, 1])])
        answer = re.search(r'^## Lab 5\n\n1\. (.*?)^2\. ', read(os.path.join(LABS, 'teach', 'answers.md')), re.M | re.S).group(1)
        exam = next(q['answer'] for q in toml(os.path.join(LABS, 'teach', 'exam.toml'))['question'] if q['id'] == 'E5.4')
        self.assertRegex(answer, r'168 separators.*169 children: 25,000 leaves, 148 pages above them, one root: three levels.*42 separators(.|\n)*'
                         r'43\s+children: 25,000 leaves, 582, 14, 1: four levels')
        self.assertRegex(exam, '168 separators, so 169 children. 25,000 leaves need 148 pages of level 1, .* under one root: three levels')

    def test_guide_faults(self):
        text = read(os.path.join(LABS, 'teach', 'guide.md'))
        lab = Lab('2')
        head = re.search(rf'^## Lab {lab.number}\b.*$', text, re.M).group(0)
        for old, new in ((head, '## Laboratory'), ('### Dials', '### Knobs'), (f'./lab test {lab.number} L', f'./lab test {lab.number} Z'),
                         ('| 6 | crash recovery | 12 to 16 |', '| 9 | crash recovery | 12 to 16 |'), (f'| {lab.number} | buffer', '| two | buffer')):
            self.assertIn(old, text)
            self.assertTrue(teach.guide_faults(text.replace(old, new), [lab]), new)
        shown = re.search(r'!\[[^]]*\]\([^)]*/(trace-\w+)\.png\)\n\n`\./lab trace (.*?) --reference --out FOLDER` makes the page of this picture.*?`#step=(\d+)`', text, re.S)
        self.assertEqual([(name, words, str(step)) for name, words, step, *_ in screenshots.PICTURES if name == shown.group(1)],
                         [(shown.group(1), shown.group(2).split(), shown.group(3))])
        rubric = read(lab.path('rubric.md'))
        self.assertTrue(teach.rubric_faults(rubric.replace('## Five', '## Some'), lab))
        self.assertTrue(teach.rubric_faults(rubric.replace('L9', 'L99'), lab))


if __name__ == '__main__':
    unittest.main()
