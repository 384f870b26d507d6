# SPDX-License-Identifier: MIT
"""The report: sentences know their runs, figures are those of the lines, and the page stands alone."""
import html.parser
import json
import os
import re
import shutil
import sys
import tempfile
import types
import unittest
from unittest import mock

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)

import recompute  # noqa: E402
from golden import lines as golden  # noqa: E402
from lib import answers, answers_tally, compare, hazards, manual, page, page_experiment, page_grid, page_matrix, page_number, page_predictions, page_price, page_readme, page_words, plan as plans, plot, plot_points, plot_time, replay, report, results, shootdown  # noqa: E402
from lib.page_evidence import Evidence, digits, quantity  # noqa: E402
from lib.page_number import Name, NoSource, Number, Sentence, fill  # noqa: E402

folder = tempfile.mkdtemp(prefix='report-')
unittest.addModuleCleanup(shutil.rmtree, folder, True)
SKIP_PLOTS = plot.program() is None


def write(lines, name='golden.jsonl'):
    path = os.path.join(folder, name)
    with open(path, 'w', encoding='utf-8') as f:
        f.writelines(json.dumps(line) + '\n' for line in lines)
    return results.Session(path)


def without_plots(session):
    """The page as it is built where gnuplot is missing: quick."""
    with mock.patch.object(plot, 'program', lambda: None):
        return page.build(session)


class Page(html.parser.HTMLParser):
    """What the tests ask of a page: its figures, its ids and links, and the text of sentences beside their figures."""

    QUIET = ('data', 'code')  # elements whose digits are no text of a sentence

    def __init__(self, text):
        super().__init__()
        self.figures, self.ids, self.links, self.tags, self.beside = [], [], [], [], []
        self.open, self.figure = [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if 'id' in attributes:
            self.ids.append(attributes['id'])
        if tag == 'a':
            self.links.append(attributes['href'])
        if tag == 'data':
            self.figure = [attributes, '']
        if tag not in ('meta', 'br', 'path', 'rect', 'use', 'circle', 'polygon'):
            self.open.append((tag, attributes.get('class', '')))

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass
        if tag == 'data':
            self.figures.append(tuple(self.figure))
            self.figure = None

    def handle_data(self, data):
        if self.figure is not None:
            self.figure[1] += data
        kinds = [kind.split() for _, kind in self.open]
        inside = any('sentence' in k or 'basis' in k for k in kinds)
        quiet = any(tag in self.QUIET or tag == 'a' for tag, _ in self.open) or any('name' in k for k in kinds)
        if inside and not quiet:
            self.beside.append(data)


class Sentences(unittest.TestCase):
    def test_a_number_without_runs_does_not_build(self):
        for ids in ((), ('',), (None,)):
            with self.assertRaises(NoSource):
                Number('2.5', ids)

    def test_a_figure_in_the_text_of_a_sentence_does_not_build(self):
        with self.assertRaises(NoSource):
            fill('a get costs 2.5 times as much')
        with self.assertRaises(NoSource):
            fill('a get costs {r} times as much', r='2.5')
        self.assertEqual(fill('{r} of E2, by rule R11', r=Number('2', ('run',))).text(), '2 of E2, by rule R11')

    def test_a_template_and_its_values_must_fit(self):
        with self.assertRaises(KeyError):
            fill('{a} and {b}', a='x')
        with self.assertRaises(KeyError):
            fill('{a}', a='x', b='y')

    def test_texts_are_escaped(self):
        self.assertEqual(Sentence(('<', Name('<b>'), Number('1', ('"><i>',), '"'))).html(str),
                         '&lt;<span class="name">&lt;b&gt;</span><data value="" data-runs="&quot;&gt;&lt;i&gt;" data-what="&quot;">1</data>')

    def test_values_for_people(self):
        for value, unit, text in ((1234, 'ns', '1.23 µs'), (3, 'ns', '3 ns'), (4096, 'bytes', '4 KiB'), (12345.6, '1/s', '12,346/s'),
                                  (None, 'ns', 'not known'), (0, '', '0'), (0.00001, '', '1.0 × 10⁻⁵')):
            self.assertEqual(quantity(value, unit), text)
        self.assertEqual(digits(99.95), '100')


class Golden(unittest.TestCase):
    """Lines whose answers are known."""

    @classmethod
    def setUpClass(cls):
        cls.lines = golden.lines()
        cls.session = write(cls.lines)
        cls.evidence = Evidence(cls.session)
        cls.text = without_plots(cls.session)
        cls.page = Page(cls.text)
        cls.answers = {a.question.id: a for a in answers.answers(cls.evidence)}

    def test_each_question_is_answered_or_says_why_not(self):
        states = {key: a.state for key, a in self.answers.items()}
        self.assertEqual(states, {'Q1': answers.MISSING, 'Q2': answers.DECIDED, 'Q3': answers.DECIDED, 'Q4': answers.DECIDED,
                                  'Q5': answers.MISSING, 'Q6': answers.DECIDED, 'Q7': answers.DECIDED, 'Q8': answers.DECIDED,
                                  'Q9': answers.MISSING, 'Q10': answers.MISSING})
        self.assertRegex(self.answers['Q2'].sentence.text(),
                         r'^full: a get through the map costs 2\.[45]\d \[2\.\d\d, 2\.\d\d\] times the CPU time of one through the pool\.$'
                         .replace('full', 'Full'))
        self.assertEqual(self.answers['Q9'].sentence.text(), 'Not measured here: E13, E14 and E15 are not part of this session.')

    def test_the_reason_of_a_skip_is_given(self):
        found = answers.answers(Evidence(write([l for l in self.lines if l.get('experiment') != 'E2'], 'no-e2.jsonl')))[1]
        self.assertIn('E4: it asks what the kernel evicts', found.sentence.text())

    def test_a_noisy_experiment_is_not_decided_and_never_a_wrong_sentence(self):
        lines = [l for l in self.lines if l.get('experiment') != 'E7']
        found = answers.answers(Evidence(write(lines, 'no-e7.jsonl')))[3]
        self.assertEqual(found.state, answers.OPEN)
        self.assertRegex(found.sentence.text(), '^During: not decided: ')

    def test_runs_that_do_not_count_are_in_no_figure(self):
        invalid = {l['id'] for l in self.lines if l.get('invalid')}
        noisy = {l['id'] for l in self.lines if l['kind'] == 'run' and not l['quiet']}
        names = {self.evidence.index_of(i): i for i in invalid | noisy}
        self.assertTrue(invalid and noisy)
        for attributes, text in self.page.figures:
            used = {names.get(n) for n in attributes['data-runs'].split()}
            self.assertFalse(used & invalid, (text, attributes))
            if ' rate ' in attributes['data-what']:
                self.assertFalse(used & noisy, (text, attributes))
        self.assertTrue('R5: 4096 bytes of the file were in the page cache when it began' in self.text)
        self.assertTrue('others used 22% of the CPU time' in self.text)

    def test_every_figure_and_every_word_of_a_prediction_is_found_in_the_lines(self):
        self.assertEqual(recompute.check(self.lines, self.text), [])
        self.assertEqual(len(recompute.figures(self.text)), len(self.page.figures))
        kinds = {what.split(' ')[0] for what, _, _ in recompute.figures(self.text)}
        self.assertLessEqual({'ratio', 'aa', 'mean', 'rounds', 'times', 'sum', 'regret', 'regrets', 'misses', 'needed', 'over', 'predicted', 'tallies',
                              'runs', 'head', 'card', 'plan'}, kinds)

    def test_sentences_have_no_digits_beside_their_figures(self):
        self.assertTrue(self.page.beside)
        for text in self.page.beside:
            self.assertNotRegex(page_number.IDENTIFIER.sub('', text), r'\d', text)

    def test_the_page_stands_alone(self):
        self.assertIsNone(re.search(r'<script|<link|<img|@import|https?://(?!www\.w3\.org/2000/svg)|src=|url\((?!#)', self.text))
        names = [i for i in self.page.ids]
        self.assertEqual(len(names), len(set(names)))
        for link in self.page.links:
            self.assertIn(link[1:], names)

    def test_every_figure_leads_to_its_runs(self):
        for attributes, text in self.page.figures:
            for name in attributes['data-runs'].split():
                if not attributes['data-what'].startswith('plan'):
                    self.assertTrue(name == 'session' or f'run-{name}' in self.page.ids, (text, name))

    def test_predictions_say_whether_they_came_true(self):
        said = '<span class="chip good">came true</span> <span class="sentence"><span class="name">while memory fills'
        self.assertTrue(said in self.text)

    def test_the_list_of_predictions_is_whole_and_begins_with_what_failed(self):
        found = page_predictions.all_of(self.evidence)
        self.assertEqual(sorted(p['id'] for _, p, _, _ in found), sorted(p['id'] for plan in self.evidence.plans.values() for p in plan.predictions))
        words = [word for _, _, word, _ in found]
        self.assertEqual(words, sorted(words, key=list(page_predictions.KIND).index))
        self.assertEqual(words.count(page_predictions.UNTESTED), 1)  # of E4, which was skipped
        said = page_predictions.counted(self.evidence, found)
        self.assertEqual([int(n.text) for n in said.numbers()], [len(found), *(words.count(w) for w in (compare.TRUE, compare.FALSE, compare.OPEN)), 1])
        part = self.text[self.text.index('id="predictions"'):]
        part = part[:part.index('</section>')]
        self.assertEqual(part.count('<li>'), len(found))
        self.assertIn('found <data', part)
        on_terminal = dict(report.prediction_words(self.session))
        self.assertEqual(on_terminal, {p['id']: word for _, p, word, _ in found if word != page_predictions.UNTESTED})

    def test_the_terminal_has_the_ten_answers_of_the_page(self):
        text = '\n'.join(report.summary(self.session))
        for a in self.answers.values():
            said = f'  {a.question.id} {a.question.asks}\n     {a.sentence.text()} ('
            self.assertEqual(said in text, a.basis is not None, a)
            if a.basis:
                self.assertIn(f'{page_words.KIND_WORDS[a.kind]}; {a.basis.text()}; {a.experiment})', text)
        self.assertTrue(text.endswith('\n  Q1, Q5, Q9, Q10: not measured here'), text[-200:])

    def test_what_was_not_measured_is_listed_from_the_lines_with_cells(self):
        part = self.text[self.text.index('id="missing"'):]
        part = part[:part.index('</section>')]
        self.assertIn('it asks what the kernel evicts', part)
        self.assertRegex(part, 'Cells of the others that were left out.*this build has no lmdb.*<span class="id">E2</span> lmdb')

    def test_a_prediction_for_every_size_fails_at_one_of_them_on_page_and_terminal(self):
        plan, lines = self.evidence.plans['E7'], self.session.of_kind('replay', 'E7')
        for p in plan.predictions:
            values = sorted(replay.predicted_values(replay.table(lines), p).values())
            for low, high, expected in ((p['low'], p['high'], None), (values[0], values[-1], compare.TRUE), (values[1], 9, compare.FALSE),
                                        (9, 10, compare.FALSE)):
                words = {replay.prediction_result(lines, {**p, 'low': low, 'high': high})[0],
                         page_predictions.result(self.evidence, plan, {**p, 'low': low, 'high': high})[0]}
                self.assertEqual(len(words), 1, (p['id'], low, high, words))
                self.assertIn(expected, words | {None})

    def test_who_wins_where(self):
        squares = page_grid.grid(self.evidence, page_grid.MEASURES[0][0])
        states = [[squares[(i, j)].kind for j in range(3)] for i in range(len(page_grid.ROWS))]
        self.assertEqual(states, [['missing'] * 3, ['same', 'missing', 'missing'], ['pool-3', 'pool-2', 'pool-2'],
                                  ['pool-2', 'missing', 'missing'], ['map-3', 'missing', 'missing'], ['open', 'missing', 'missing'],
                                  ['missing'] * 3])
        self.assertRegex(page_grid.svg(self.evidence, *page_grid.MEASURES[0]), r'aria-label="Gets, all in memory: 1: not measured, ')

    def test_a_phase_that_gets_many_at_once_has_as_many_reads_in_flight(self):
        text = golden.E2.replace('name = "full"\nseconds = 1', 'name = "full"\nseconds = 1\nbatch = 32')
        evidence = types.SimpleNamespace(plans={'E2': plans.parse(text, 'E2.toml')}, head=self.evidence.head)
        by_phase = {c.phase: page_grid._place(evidence, c) for c in self.evidence.comparisons('E2')}
        self.assertEqual(by_phase, {'full': ('get', 'full', 32), 'filling': ('get', 'filling', 1)})

    def q3(self, quiet=True, **readings):
        """The answer of E5 with other readings, each by (whether it is the map's, the round)."""
        text = golden.E5.replace('"device_reads_per_s", "cpu_ns_per_read"', '"device_reads_per_s", "requests_in_flight", "major_faults_per_op"')
        lines = [{**self.lines[0], 'plans': {**self.lines[0]['plans'], 'E5': {'hash': 'x', 'text': text}}}]
        for line in self.lines[1:]:
            if line.get('experiment') == 'E5':
                found = {name: reading(line['cell'].startswith('map'), line['round']) for name, reading in readings.items()}
                phases = [{**p, **{name: value * (1 if name == 'requests_in_flight' else p['ops']) for name, value in found.items()}}
                          for p in line['phases']]
                line = {**line, 'phases': phases, 'quiet': quiet}
            lines.append(line)
        return answers.answers(Evidence(write(lines, 'other.jsonl')))[2]

    def test_of_several_that_may_answer_each_speaks_up_to_the_first_that_is_decided(self):
        def steady(is_map, _number):
            return 1 if is_map else 3

        def noisy(is_map, number):
            return 10 if (number % 2 == 1) == is_map else 1
        in_flight, faults, rate = 'times as many requests in flight', 'major faults an operation', 'pages a second from the device'
        for quiet, readings, kind, state, n_open, words in (
                (True, (steady, steady, steady), 'wall', answers.DECIDED, 0, (in_flight,)),
                (True, (noisy, steady, steady), 'counts', answers.DECIDED, 1, ('requests in flight', faults)),
                (True, (noisy, noisy, noisy), 'wall', answers.OPEN, 3, ('requests in flight', faults, rate)),
                (False, (steady, steady, steady), 'counts', answers.DECIDED, 1, ('the machine was not quiet', faults))):
            found = self.q3(quiet, **dict(zip(('requests_in_flight', 'major_faults', 'device_read_bytes'), readings)))
            text = found.sentence.text()
            self.assertEqual((found.kind, found.state, text.count('not decided: ')), (kind, state, n_open), text)
            self.assertEqual([word for word in words if word not in text], [], text)
            self.assertEqual(rate in text, rate in words, text)

    def test_an_answer_in_parts_has_both(self):
        self.assertRegex(self.answers['Q8'].sentence.text(), r'^A sparse get through the map \(random\) costs 1\.\d\d .* A record of a scan '
                         r'through the pool costs 2\.\d\d .* of one through the map \(normal\)\.$')

    def test_a_look_says_so(self):
        head = {**self.lines[0], 'evidence': False, 'budget_by_kernel': False}
        text = without_plots(write([head] + self.lines[1:], 'look.jsonl'))
        self.assertTrue('A look, not evidence' in text)
        self.assertTrue('Substitute:' in text)
        self.assertFalse('A look, not evidence' in self.text)

    def test_a_session_that_was_interrupted_has_a_page_too(self):
        for n in (1, 2, 5, 30):
            found = Page(without_plots(write(self.lines[:n], 'short.jsonl')))
            self.assertIn('answers', found.ids)

    def test_a_run_that_was_refused_is_listed_with_its_reason(self):
        refused = {'kind': 'run', 'experiment': 'E2', 'plan': 'x', 'round': 6, 'cell': 'pool', 'copy': 1, 'attempt': 1, 'final': True,
                   'id': 'refused', 'started': None, 'options': {}, 'seed': 1, 'phases': [], 'invalid': ['R5: 1 byte stays'], 'flags': [],
                   'quiet': False, 'missing': [], 'file': {'engine': 'verso', 'sha256': 'ab'}}
        self.assertTrue('R5: 1 byte stays' in without_plots(write(self.lines + [refused], 'refused.jsonl')))

    def test_texts_of_a_plan_cannot_break_the_page(self):
        head = json.loads(json.dumps(self.lines[0]))
        head['plans']['E2']['text'] = head['plans']['E2']['text'].replace('Memory fills up', "<script>'\\\\\\\"&")
        self.assertTrue('&lt;script&gt;' in without_plots(write([head] + self.lines[1:], 'plan.jsonl')))

    def test_without_gnuplot_the_page_has_its_tables_and_a_note(self):
        self.assertTrue('apt-get install gnuplot-nox' in self.text)
        self.assertFalse('<svg' in self.text)
        self.assertGreater(self.text.count('The table behind it'), 5)

    def test_hazards_are_summed_over_rounds_and_invalid_lines_left_out(self):
        again = [{**l, 'round': 2, 'invalid': ['by the test'] if l['cell'] == 'lmdb' else []} for l in self.lines if l['kind'] == 'hazard']
        found = {a.question.id: a.sentence.text() for a in answers.answers(Evidence(write(self.lines + again, 'twice.jsonl')))}
        self.assertIn('through the pool for 0 of 2,400, the map that verifies at each get for 0 of 2,000', found['Q7'])
        self.assertIn('LMDB for 800 of 1,200', found['Q7'])
        self.assertEqual(self.answers['Q6'].sentence.text(),
                         'Written in place through a shared map, pages that were not committed reached the device after 4 of 6 triggers, and '
                         '2,440 of 7,870 simulated power cuts left neither the state before nor the one after, even with a log; with shadow paging '
                         'over the same map, 0 of 9,494 did.')

    def test_a_broken_promise_is_red(self):
        lines = json.loads(json.dumps(self.lines))
        next(l for l in lines if l['kind'] == 'hazard' and l['cell'] == 'map_once')['details']['promise_kept'] = False
        self.assertTrue('<strong class="red">the map that verifies once broke what it promises' in without_plots(write(lines, 'red.jsonl')))
        self.assertFalse('broke what it promises' in self.text)

    @unittest.skipIf(SKIP_PLOTS, plot.NEEDED)
    def test_plots_take_their_colours_from_the_page_and_have_texts_and_tables(self):
        found = Page(text := page.build(self.session))
        svgs = re.findall(r'<svg.*?</svg>', text, re.DOTALL)
        self.assertGreaterEqual(len(svgs), 12)
        names = re.findall(r"id='([\w-]+)'", text)
        self.assertEqual(len(names), len(set(names)))
        for svg in svgs:
            self.assertNotRegex(svg, r'rgb\(|<title|#[0-9a-f]{6}|color=.white./>')
            for used in re.findall(r"href='#([\w-]+)'", svg):
                self.assertIn(f"id='{used}'", svg)
        plots = [a for tag, a in found.tags if a.get('class') == 'plot']
        self.assertTrue(plots and all(len(a['aria-label']) > 40 and a['role'] == 'img' for a in plots))
        self.assertEqual(text.count('<figure>'), text.count('The table behind it'))

    @unittest.skipIf(SKIP_PLOTS, plot.NEEDED)
    def test_a_picture_that_gnuplot_refuses_is_an_error_that_says_why(self):
        with self.assertRaisesRegex(plot.PlotError, 'gnuplot failed on bad: .*nonsense'):
            plot.draw('bad', lambda width: (100, 'plot nonsense\n'))


class Later(unittest.TestCase):
    """H3 and E9, whose lines are not in the golden session."""

    @classmethod
    def setUpClass(cls):
        lines = golden.lines()
        cls.head = json.loads(json.dumps(lines[0]))
        cls.plans = plans.load_all(os.path.join(os.path.dirname(HERE), 'plans'))
        for name in ('H3', 'E9'):
            cls.head['plans'][name] = {'hash': cls.plans[name].hash, 'text': cls.plans[name].text}
        cls.lines = [cls.head, *golden.h3(), *golden.e9()]
        cls.session = write(cls.lines, 'later.jsonl')
        cls.evidence = Evidence(cls.session)
        cls.text = without_plots(cls.session)
        cls.answers = {a.question.id: a for a in answers.answers(cls.evidence)}

    def test_they_answer_where_the_first_experiment_of_their_question_was_not_run(self):
        self.assertEqual(self.answers['Q7'].sentence.text(),
                         'Of stray stores into a page that is read, the pool stopped 0 of 1,000 and let 0 onto the disk (1,000 of 1,000 where a '
                         'transaction updated a neighbour next), the map, pages written from the heap stopped 1,000 of 1,000 and let 0 onto the '
                         'disk (0 of 1,000 where a transaction updated a neighbour next), LMDB with a writable map stopped 0 of 1,000 and let '
                         '1,000 onto the disk (1,000 of 1,000 where a transaction updated a neighbour next).')
        self.assertEqual(self.answers['Q5'].sentence.text(),
                         'A page that is dropped by a call of its own costs the sender 500 [450, 550] ns alone and 2,500 [2,250, 2,750] ns while '
                         'another thread runs, with '
                         '1.000 interrupts; the other thread loses 700 ns. Of 512 pages to a call, each costs 0.002 interrupts.')
        self.assertEqual(self.answers['Q5'].kind, 'cpu')
        self.assertIn('one round, lowest and highest of its repetitions in brackets', self.answers['Q5'].basis.text())

    def test_interrupts_of_others_are_said(self):
        lines = [{**line, 'flags': ['R10: others used 30% of the CPU time, whose interrupts are counted too']} if line.get('experiment') == 'E9' else line
                 for line in self.lines]
        evidence = Evidence(write(lines, 'noisy.jsonl'))
        found = answers.answers(evidence)[4]
        self.assertIn('; others were at work; ', found.basis.text())
        self.assertNotIn('at work', self.answers['Q5'].basis.text())
        self.assertIn('whose interrupts are counted too', without_plots(evidence.session))
        self.assertIn('They are those of the whole machine: what others cause is in them.', self.text)

    def test_every_figure_is_what_the_lines_give(self):
        checked = [what for what, _, _ in recompute.figures(self.text) if what.startswith(('per_page', 'pages', 'sum', 'repetitions'))]
        self.assertGreater(len(checked), 60)
        self.assertEqual(recompute.check(self.lines, self.text), [])

    def test_the_model_is_called_a_model_and_starts_from_what_this_machine_showed(self):
        lines = shootdown.by_threads(answers_tally.tallies(self.evidence, 'E9'))
        self.assertEqual(lines['measured'], [(1, 0.0), (2, 1.0)])
        self.assertEqual(lines['model'][-1], (64, 63.0))
        self.assertIn('<strong>model</strong>, not measured', self.text)
        self.assertIn('needs 4 CPUs', self.text)

    def test_without_what_it_starts_from_there_is_no_model_and_no_answer(self):
        some = [line for line in self.lines if line.get('cell') != 'spins']
        evidence = Evidence(write(some, 'no-model.jsonl'))
        self.assertEqual(shootdown.by_threads(answers_tally.tallies(evidence, 'E9')), {})
        self.assertEqual({a.question.id: a.state for a in answers.answers(evidence)}['Q5'], answers.MISSING)

    def test_the_terminal_gives_figures_for_each_page(self):
        text = '\n'.join(hazards.summary(self.session, self.plans['E9'], str))
        self.assertRegex(text, r'(?m)^  1 +0\.000     500       0 +1\.000    2500     700$')
        self.assertIn('needs 4 CPUs', text)
        self.assertIn('(0.8 to 1.2 a page): came true, 1 interrupts a page', text)

    @unittest.skipIf(SKIP_PLOTS, plot.NEEDED)
    def test_the_pictures_are_drawn(self):
        section = page.build(self.session).partition('id="E9"')[2]
        self.assertGreaterEqual(section.count('class="plot"'), 4)


class Matrix(unittest.TestCase):
    def tally(self, **counts):
        return answers_tally.Tally('h', 's', ('id',), sum(counts.values()), {key.replace('_', ' '): n for key, n in counts.items()})

    def test_the_worst_outcome_colours_a_square_and_stands_in_it_in_words(self):
        for counts, square in (({'error': 3}, ('fine', 'error')), ({'error': 2, 'wrong_data': 1}, ('bad', 'wrong data, at times')),
                               ({'unseen': 1, 'wrong_on_disk': 9}, ('bad', 'wrong on disk, mostly')),
                               ({'stopped_at_once': 3}, ('fine', 'stopped')), ({'signal': 2}, ('warn', 'signal')),
                               ({'reached_the_device': 64}, ('warn', 'written')), ({}, ('missing', 'not produced'))):
            self.assertEqual(page_matrix.square(self.tally(**counts)), square)
        self.assertEqual(page_matrix.square(None), ('missing', 'not produced'))

    def test_every_outcome_of_the_programs_has_its_place(self):
        known = {key for key, _, _ in page_matrix.OUTCOMES}
        for make in (golden.h1, golden.h2, golden.h3):
            for line in make():
                self.assertLessEqual(set(line['counts'] or {}), known)

    def test_a_hazard_has_a_picture_with_a_text_a_legend_and_a_table(self):
        head = golden.lines()[0]
        text = without_plots(write([head, *golden.h1(), *golden.h2(), *golden.h3()], 'hazards.jsonl'))
        found = Page(text)
        pictures = [a['aria-label'] for tag, a in found.tags if tag == 'table' and 'matrix' in a.get('class', '')]
        self.assertEqual(len(pictures), 4)  # H1 has two
        self.assertIn('bit flips, page evicted: pool error, map, unverified wrong data, map, once wrong data, map, always error, LMDB wrong data.',
                      pictures[2])
        self.assertIn('in place, with a log: pool whole, shared map neither state, at times.', pictures[1])
        self.assertIn('stray store into a page that is read: pool wrong in memory, map, heap stopped, LMDB writemap wrong on disk.', pictures[3])
        self.assertEqual(text.count('<figure>'), text.count('The table behind it'))
        self.assertNotIn('nothing (control)', ''.join(pictures))


class Pictures(unittest.TestCase):
    def test_a_label_that_is_too_long_loses_its_end(self):
        self.assertEqual(plot.fit('map / pool', plot.NARROW), 'map / pool')
        cut = plot.fit('map-private-100 / map-heap-100, later, longest operation *', plot.NARROW)
        self.assertTrue(cut.endswith('…') and len(cut) * 0.6 * plot.FONT_PX <= plot.NARROW, cut)

    def test_cells_of_one_engine_have_colours_of_their_own(self):
        colours = plot.palette(['pool-a', 'pool-b', 'map', 'lmdb', 'pool-c'], lambda name: name.split('-')[0])
        self.assertEqual((colours['pool-a'], colours['map'], colours['lmdb']), ('pool', 'map', 'lmdb'))
        self.assertEqual(len(set(colours.values())), 5)

    def test_an_axis_of_ratios_has_one_on_it(self):
        for ends in ((0.9, 1.1), (0.4, 3), (1.8, 2.2), (0.001, 50), (0.2, 0.3)):
            low, high, tics = plot.log_tics(*ends)
            self.assertTrue(low < 1 < high and "'1' 1" in tics and tics.count(',') < 9, (ends, tics))


    def test_a_rate_over_time_is_drawn_of_closed_loops(self):
        evidence = Evidence(write(golden.lines(), 'timed.jsonl'))
        cells = [list(dict.fromkeys(run['cell'] for run in page_experiment.timed_runs(evidence, evidence.plans[e]))) for e in ('E2', 'E5')]
        self.assertEqual(cells, [['pool', 'map', 'device'], [f'{who}-{d}' for who in ('pool', 'map') for d in golden.DEPTHS]])
        with mock.patch.object(plot_time, 'CELLS_MAX', 5):
            cells = {run['cell'] for run in page_experiment.timed_runs(evidence, evidence.plans['E5'])}
        self.assertEqual(cells, {'map-32', 'pool-32'})


class RealLines(unittest.TestCase):
    def test_a_session_that_was_measured_gives_a_page(self):
        session = results.Session(os.path.join(HERE, 'golden', 'E2.jsonl'))
        text = without_plots(session)
        self.assertGreater(len(recompute.figures(text)), 70)
        self.assertEqual(recompute.check(session.lines, text), [])


class Readme(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(dir=folder)
        self.results = os.path.join(self.root, 'results')
        os.makedirs(os.path.join(self.results, 'reference'))
        os.makedirs(os.path.join(self.root, page_readme.PICTURES))
        with open(os.path.join(self.root, 'README.md'), 'w', encoding='utf-8') as f:
            f.write(f'# Title\n\n{page_readme.BEGIN}\nold\n{page_readme.END}\n\nend\n')
        os.makedirs(os.path.join(self.root, os.path.dirname(manual.PAGE)))
        with open(os.path.join(self.root, manual.PAGE), 'w', encoding='utf-8') as f:
            f.write(f'# Page\n{manual.BEGIN}\nold\n{manual.END}\nend\n')

    def add(self, name):
        shutil.copy(write(golden.lines()).path, os.path.join(self.results, 'reference', name))

    def read(self, name='README.md'):
        with open(os.path.join(self.root, name), encoding='utf-8') as f:
            return f.read()

    def test_the_ten_answers_stand_between_the_marks(self):
        self.add('a.jsonl')
        with mock.patch.object(plot, 'program', lambda: None):
            written = page_readme.write(self.root, self.results)
            first = self.read()
            page_readme.write(self.root, self.results)
        self.assertEqual(self.read(), first)
        self.assertRegex(first, r'(?s)^# Title\n.*10\. \*\*Where does the difference come from.*\n\nend\n$')
        evidence = Evidence(results.Session(page_readme.reference(self.results)))
        shown = {page_readme.GRID: page_readme.pictures(evidence)[page_readme.GRID][1]}
        self.assertEqual(page_readme.between(first)[1], page_readme.block(evidence, shown))
        for name in re.findall(r'\]\((.*?)\)', first):
            self.assertIn(os.path.join(self.root, name), written)
            self.assertTrue(os.path.exists(os.path.join(self.root, name)))

    def test_the_figures_stand_in_the_manual_with_what_was_not_measured(self):
        self.add('a.jsonl')
        with mock.patch.object(plot, 'program', lambda: None):
            self.assertIn(os.path.join(self.root, manual.PAGE), page_readme.write(self.root, self.results))
        text = self.read(manual.PAGE)
        self.assertRegex(text, f'(?s)^# Page\n{manual.BEGIN}\nFrom the reference run `{golden.SESSION}` .*\n{manual.END}\nend\n$')
        for row in (r'a get, all in memory: CPU time \| not measured \| E1', r'a file of 2,048 MiB in 512 MiB of memory: CPU time \| 2\.\d\d \[2\.\d\d, 2\.\d\d\] \| E2',
                    r'memory for 20 % of the pages \| 0\.79 \[0\.79, 0\.80\], the pool 0\.55 \[0\.55, 0\.56\] \| E7',
                    r'200 of 1,000; with `VERSO_CHECKSUM_ALWAYS` 0 of 1,000; the pool 0 of 1,200 \| H2'):
            self.assertRegex(text, rf'(?m)^\| .*{row} \|$')
        os.remove(os.path.join(self.results, 'reference', 'a.jsonl'))
        shutil.copy(write([line for line in golden.lines() if line.get('experiment') not in ('E2', 'E7', 'H2')], 'none.jsonl').path,
                    os.path.join(self.results, 'reference', 'a.jsonl'))
        with mock.patch.object(plot, 'program', lambda: None):
            page_readme.write(self.root, self.results)
        self.assertEqual(self.read(manual.PAGE).count(f'| {manual.MISSING}'), 5)

    def test_what_is_missing_is_named(self):
        with self.assertRaisesRegex(page_readme.ReadmeError, 'no reference run'):
            page_readme.write(self.root, self.results)
        self.add('a.jsonl')
        self.add('b.jsonl')
        with self.assertRaisesRegex(page_readme.ReadmeError, 'expected one file of lines, found a.jsonl, b.jsonl'):
            page_readme.write(self.root, self.results)
        with open(os.path.join(self.root, manual.PAGE), 'w', encoding='utf-8') as f:
            f.write(manual.BEGIN)
        os.remove(os.path.join(self.results, 'reference', 'b.jsonl'))
        before = self.read()
        with self.assertRaisesRegex(page_readme.ReadmeError, f'{manual.PAGE}: expected one line'):
            page_readme.write(self.root, self.results)
        self.assertEqual(self.read(), before)
        for text in ('', page_readme.BEGIN, page_readme.END + page_readme.BEGIN, page_readme.BEGIN * 2 + page_readme.END):
            with self.assertRaises(page_readme.ReadmeError):
                page_readme.between(text)

    def test_golden_lines_use_the_words_of_the_program(self):
        with open(os.path.join(os.path.dirname(HERE), 'hazards', 'case.c'), encoding='utf-8') as f:
            names = re.search(r'outcome_names\[OUTCOMES\] = \{(.*?)\}', f.read(), re.S).group(1)
        made = next(line for line in golden.lines() if line.get('experiment') == 'H2' and line.get('counts'))
        self.assertEqual(sorted(made['counts']), sorted(re.findall(r'"(.*?)"', names)))


class Price(unittest.TestCase):
    """E12 beside H2."""

    def test_cells_of_e12_meet_their_subjects_of_h2_and_no_others(self):
        with open(os.path.join(os.path.dirname(HERE), 'plans', 'E12.toml'), encoding='utf-8') as f:
            text = f.read()
        made, cpu = golden.Lines(), {'pool-none': 8000, 'pool-load': 8400, 'pool-always': 9000, 'map-none': 20000, 'map-once': 20100, 'map-always': 24000}
        head = golden.head()
        head['plans'] = {**head['plans'], 'E12': {'hash': 'e12', 'text': text}}
        with mock.patch.object(golden, 'head', lambda: head):
            runs = [line for n in (1, 2, 3) for line in
                    made.simple('E12', n, [(cell, 1, ns, 1000) for cell, ns in cpu.items()], (('filling', 'full'), ('full', None)))]
        session = write([head, *runs, *golden.h2()], 'price.jsonl')
        evidence = Evidence(session)
        found = page_price.pairs(evidence, evidence.plans['E12'])
        self.assertEqual(sorted(found), ['map-always', 'map-once', 'pool-load'])  # what pool-always does, H2 has not
        self.assertEqual({cell: faults[0].subject for cell, (_, faults) in found.items()},
                         {'map-always': 'map_always', 'map-once': 'map_once', 'pool-load': 'pool'})
        self.assertEqual(page_price.share(found['pool-load'][1]), 0)
        self.assertEqual(page_price.share(found['map-once'][1]), 100 * 200 / 1000)
        text = without_plots(session)
        self.assertIn('faults that came through', text)
        self.assertEqual(recompute.check(session.lines, text), [])
        self.assertEqual(page_price.block(None, Evidence(write([head, *runs], 'alone.jsonl')), evidence.plans['E12']), '')

    @unittest.skipIf(SKIP_PLOTS, plot.NEEDED)
    def test_its_picture_is_drawn(self):
        picture = plot_points.draw('E12 price', {'pool-load': (0, 1.05, 1.02, 1.08), 'map-once': (20, 1.0, None, None)}, 'x', 'y', lambda cell: cell[:4].strip('-'))
        self.assertIn('pool-load', picture.wide)


class Words(unittest.TestCase):
    def test_cells_are_called_by_their_engine(self):
        plan = plans.parse(golden.E5.replace('"pool-1"', '"uring-get"').replace('"map-1"', '"map"'), 'E5.toml')
        for name, text in (('map', 'the map'), ('uring-get', 'the pool (uring)'), ('pool-8', 'the pool (8 at once)')):
            self.assertEqual(page_words.noun(plan, name).text(), text)


if __name__ == '__main__':
    unittest.main()
