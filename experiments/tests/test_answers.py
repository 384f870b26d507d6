# SPDX-License-Identifier: MIT
"""What may be said of a comparison, with the plans of the tree: brackets, what is wrong on purpose, memory that differs, straw men, a
control that failed; and which comparisons have a square in "who wins where"."""
import dataclasses
import json
import os
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
from support import a_run, plan_text  # noqa: E402
from lib import answers, compare, page, page_grid, page_words, plan as plans, plot, report, results, stats  # noqa: E402
from lib.page_evidence import Evidence  # noqa: E402

PLANS = plans.load_all(os.path.join(os.path.dirname(HERE), 'plans'))
SIZES = {'file_bytes': 2 << 30, 'memory_bytes': 512 << 20}
PHASES = (('filling', 'full'), ('full', None))
folder = tempfile.mkdtemp(prefix='answers-')
unittest.addModuleCleanup(shutil.rmtree, folder, True)


def write(lines):
    path = os.path.join(folder, 'session.jsonl')
    with open(path, 'w', encoding='utf-8') as f:
        f.writelines(json.dumps(line) + '\n' for line in lines)
    return results.Session(path)


def measured(experiment, cells, phases=PHASES, text=None, rounds=5):
    """(Evidence, lines) of a session with runs of a plan of the tree. cells: {name: CPU time of an operation, rate}; the A/A cells among
    them run twice."""
    plan, made, head = PLANS[experiment], golden.Lines(), golden.head()
    head['plans'] = {experiment: {'hash': plan.hash, 'text': text or plan.text}}
    jobs = [(name, copy, *about) for name, about in cells.items() for copy in ((1, 2) if name in plan.aa else (1,))]
    with mock.patch.object(golden, 'head', lambda: head):
        lines = [head, *(line for n in range(1, rounds + 1) for line in made.simple(experiment, n, jobs, phases))]
    return Evidence(write(lines)), lines


def said(evidence, experiment, **wanted):
    """The sentence of the one comparison with these members."""
    c, = [c for c in evidence.comparisons(experiment) if c.metric.name == 'cpu_ns_per_op'
          and all(getattr(c, name) == value for name, value in wanted.items())]
    return page_words.comparison(evidence, c).text(), compare.sentence(c)


class Places(unittest.TestCase):
    """The squares of the plans of the tree."""

    def places(self):
        evidence = types.SimpleNamespace(plans=PLANS, head=SIZES)
        return {(plan.id, c['cell'], c['base'], c['phase']): page_grid._place(evidence, types.SimpleNamespace(experiment=plan.id, **c))
                for plan in PLANS.values() if plan.kind == 'cells' for c in plan.compares}

    def test_all_in_memory_is_what_comes_after_a_phase_that_settled_and_never_a_start_from_cold(self):
        found = self.places()
        fits = {key for key, place in found.items() if place and place[1] == 'fits'}
        self.assertIn(('E1', 'map', 'pool', 'hit'), fits)
        self.assertEqual({(key[0], key[3]) for key in fits}, {('E1', 'hit'), ('E11', 'hit'), ('E14', 'whole')})
        self.assertEqual({place for key, place in found.items() if key[0] == 'E13'}, {None})

    def test_memory_is_full_after_a_phase_that_filled_it_or_when_it_was_taken(self):
        found = self.places()
        for key, memory in ((('E2', 'map', 'pool', 'filling'), 'filling'), (('E2', 'map', 'pool', 'full'), 'full'),
                            (('E14', 'map', 'pool', 'half'), 'full'), (('E11', 'map-random', 'pool-uring', 'full'), 'full')):
            self.assertEqual(found[key][1], memory, key)
        for key in (('E17', 'map', 'pool', 'early'), ('E14', 'map', 'pool', 'whole again')):
            self.assertIsNone(found[key], key)

    def test_pairs_that_verify_or_hold_differently_and_wrong_ones_have_no_square(self):
        text = plan_text(cells='[[cell]]\nname = "one"\nchecksum = "none"\n[[cell]]\nname = "two"\npager = "mmap"\nchecksum = "none"\n',
                         phases='[[phase]]\nname = "filling"\nuntil = "full"\n[[phase]]\nname = "full"\nseconds = 1\n')
        plan = plans.parse(text, 'E0.toml')
        runs = [a_run(name, n, copy) for n in (1, 2) for name, copy in (('one', 1), ('one', 2), ('two', 1))]
        good = compare.compare(runs, plan, 'two', 'one', 'full', 'cpu_ns_per_op')
        uneven = compare.Limit(True, 'R3', ('two', 'one'), 'R3: two used 0.4')
        for c, limits, n in ((good, [], 1), (dataclasses.replace(good, bracket=True), [], 0), (dataclasses.replace(good, wrong=('R5',)), [], 0),
                             (good, [uneven], 0), (good, [dataclasses.replace(uneven, cells=('two', 'three'))], 1),
                             (good, [dataclasses.replace(uneven, is_red=False)], 1)):
            evidence = types.SimpleNamespace(order=['E0'], plans={'E0': plan}, head=SIZES, comparisons=lambda _, c=c: [c],
                                             limits=lambda _, limits=limits: limits)
            squares = page_grid.grid(evidence, ('cpu_ns_per_op',)).values()
            self.assertEqual(sum(square.state != page_grid.MISSING for square in squares), n, (c, limits))


class Brackets(unittest.TestCase):
    def test_two_that_verify_differently_are_a_bracket_on_page_terminal_and_in_the_answer(self):
        evidence, _ = measured('E11', {'map-random': (16000, 900), 'pool-uring': (8000, 1000), 'vm-direct': (9000, 900), 'vm-buffered': (9900, 800)})
        for text in said(evidence, 'E11', cell='map-random', base='pool-uring', phase='full'):
            self.assertTrue(text.endswith(' (bracket: they verify differently)'), text)
        for text in said(evidence, 'E11', cell='vm-direct', base='vm-buffered', phase='full'):
            self.assertNotIn('bracket', text)
        first, second = answers.answers(evidence)[9].sentence.text().split('. Full')
        self.assertTrue(first.endswith('(bracket: they verify differently)'), first)
        self.assertNotIn('bracket', second)
        with mock.patch.object(plot, 'program', lambda: None):
            text = page.build(evidence.session)
        self.assertIn('map-random / pool-uring, bracket: they verify differently', text)

    def test_a_pool_that_verifies_once_does_so_at_each_load_and_a_map_does_not(self):
        p = PLANS['E11']
        for cell, base, expected in (('map-random', 'map-normal', False), ('map-once', 'map-random', True), ('pool-sieve', 'pool-clock', False),
                                     ('map-once', 'pool-uring', True), ('pool-plain', 'vm-direct', False)):
            self.assertEqual(p.verify_differently(cell, base), expected, (cell, base))
        self.assertFalse(PLANS['E12'].verify_differently('map-always', 'pool-always'))


class OnPurpose(unittest.TestCase):
    def test_a_pair_that_breaks_a_rule_says_so_in_front_and_the_honest_one_does_not(self):
        cells = dict.fromkeys(('pool', 'map', 'pool-half', 'pool-verify', 'map-free', 'map-normal', 'pool-straw', 'pool-dirty'), (8000, 1000))
        evidence, _ = measured('E17', cells, (('early', None), ('filling', 'full'), ('full', None)))
        for cell, base, phase, rules in (('map', 'pool-half', 'full', 'R3'), ('map', 'pool-verify', 'full', 'R4'), ('map-free', 'pool', 'full', 'R5'),
                                         ('map-normal', 'pool', 'full', 'R6'), ('map', 'pool-dirty', 'early', 'R7'), ('map', 'pool', 'early', 'R8'),
                                         ('map', 'pool-straw', 'full', 'R11')):
            on_page, on_terminal = said(evidence, 'E17', cell=cell, base=base, phase=phase)
            self.assertTrue(on_page.startswith(f'Wrong on purpose ({rules}): {phase}: '), on_page)
            self.assertTrue(on_terminal.startswith(f'wrong on purpose ({rules}): {phase}: '), on_terminal)
        for text in said(evidence, 'E17', cell='map', base='pool', phase='full'):
            self.assertNotIn('on purpose', text)
        with mock.patch.object(plot, 'program', lambda: None):
            text = page.build(evidence.session)
        self.assertIn('map-free / pool, wrong on purpose (R5)', text)
        squares = page_grid.grid(evidence, ('cpu_ns_per_op',)).values()
        self.assertEqual(sum(square.state != page_grid.MISSING for square in squares), 1)  # of the honest pair

    def test_no_plan_but_e17_is_wrong_on_purpose(self):
        wrong = {plan.id for plan in PLANS.values() if plan.kind == 'cells' for c in plan.compares if plan.rules_broken(c['cell'], c['base'], c['phase'])}
        self.assertEqual(wrong, {'E17'})


class Limits(unittest.TestCase):
    """What stands in red above a result stands in its answer too."""

    def q3(self, device):
        cells = {'pool-32': (9000, 10000), 'map-32': (20000, 2000), 'device-32': (100, device)}
        evidence, lines = measured('E5', cells)
        for line in lines[1:]:
            for phase in line['phases']:
                phase['requests_in_flight'] = {'pool': 30.0, 'map': 2.0}.get(line['cell'].partition('-')[0], 32.0)
        return Evidence(write(lines)), lines

    def test_a_straw_man_is_named_behind_the_sentence_of_the_answer(self):
        red = r'; but the pool \(32 at once\) reaches only 0\.[45]\d \[.*\] of the bare device \(32 threads\) \(R11, pages a second from the device\)\.$'
        for device, is_red in ((5000, False), (20000, True)):
            evidence, lines = self.q3(device)
            found = answers.answers(evidence)[2]
            self.assertEqual(found.state, answers.DECIDED)
            (self.assertRegex if is_red else self.assertNotRegex)(found.sentence.text(), red)
            self.assertEqual(sum('requests_in_flight' not in n.what for n in found.sentence.numbers()), is_red)
            for n in found.sentence.numbers():
                self.assertIsNone(recompute.Again(lines).wrong(n.what, n.text, n.ids), n)

    def q6(self, peak):
        evidence, lines = measured('E10', {'pool-1': (9000, 1000), 'map-heap-1': (30000, 500), 'pool-100': (900, 9000)}, (('first', None), ('later', None)))
        for line in lines[1:]:
            line['phases'][1]['device_write_bytes'] = line['phases'][1]['ops'] * (9000 if line['cell'] == 'map-heap-1' else 3000)
            if line['cell'] == 'map-heap-1':
                line['budget']['peak_bytes'] = peak
        return answers.answers(Evidence(write(lines)))[5]

    def test_two_that_used_their_memory_differently_leave_the_answer_open(self):
        even, uneven = self.q6(511 << 20), self.q6(256 << 20)
        self.assertEqual((even.state, 'Not decided' in even.sentence.text()), (answers.DECIDED, False), even.sentence.text())
        self.assertEqual(uneven.state, answers.OPEN)
        self.assertTrue(uneven.sentence.text().startswith('Not decided, as the two did not use as much memory (R3): Later: '), uneven.sentence.text())

    def test_memory_that_was_not_full_is_said_behind_the_sentence(self):
        c = types.SimpleNamespace(cell='a', base='b')
        for cells, n in ((('a', 'b'), 1), (('a', 'c'), 0), (('b',), 1), (('c',), 0)):
            self.assertEqual(len(compare.red_of(c, [compare.Limit(True, 'R8', cells, '')])), n, cells)
        self.assertEqual(compare.red_of(c, [compare.Limit(False, 'R11', ('a',), '')]), [])
        self.assertFalse(compare.has_unequal_memory(c, [compare.Limit(True, 'R8', ('a', 'b'), '')]))


class Control(unittest.TestCase):
    def q4(self, factor):
        lines = [{**line, 'misses': round(line['misses'] * factor)} if line.get('experiment') == 'E7' and line['cell'] == 'pool' else line
                 for line in golden.lines()]
        return answers.answers(Evidence(write(lines)))[3]

    def test_a_replay_whose_control_failed_answers_nothing(self):
        good, bad = self.q4(1), self.q4(1.1)
        self.assertEqual((good.state, bad.state), (answers.DECIDED, answers.OPEN))
        self.assertRegex(bad.sentence.text(), r'^Not decided, as a control failed \(control: replayed CLOCK .*: predicted 0\.98 to 1\.02, found 1\.\d+.*\)\. '
                         r'With memory for ')
        self.assertTrue(good.sentence.text().startswith('With memory for 20 % of the pages, in 3 rounds, the kernel'), good.sentence.text())


class Nothing(unittest.TestCase):
    """Why no round has a value: only what a quiet machine would have known is struck out."""

    def setUp(self):
        self.plan = plans.parse(plan_text(compares='[[compare]]\ncell = "two"\nbase = "one"\nphase = "full"\n'
                                          'metrics = ["service_p50_ns", "shootdowns_per_op", "rate"]\n'), 'E0.toml')

    def found(self, few=False, null=False, **changes):
        runs = [a_run(name, n, **(changes if name == 'two' else {})) for n in (1, 2) for name in ('one', 'two')]
        for run in runs:
            run['phases'][0].update({'histogram': [[1000, 150]]} if few else {}, **({'tlb_shootdowns': None} if null else {}))
        return {c.metric.name: c for c in compare.comparisons(runs, self.plan)}

    def test_too_few_samples_a_missing_reading_and_no_valid_run_are_not_noise(self):
        for changes, metric, why, is_struck in (
                ({'few': True}, 'service_p50_ns', 'too few samples', False), ({'null': True}, 'shootdowns_per_op', 'a reading that is not there', False),
                ({'null': True, 'quiet': False}, 'shootdowns_per_op', 'a reading that is not there', False),
                ({'few': True, 'quiet': False}, 'service_p50_ns', 'too few samples', False),
                ({'quiet': False}, 'shootdowns_per_op', 'the machine was not quiet', True), ({'quiet': False}, 'rate', 'the machine was not quiet', True),
                ({'invalid': ['R1: x']}, 'rate', 'no valid run of two', False), ({'invalid': ['R1: x'], 'quiet': False}, 'rate', 'no valid run of two', False)):
            c = self.found(**changes)[metric]
            self.assertEqual((c.verdict.word, why in c.verdict.why, compare.is_struck_out(c)), (stats.NOT_DECIDED, True, is_struck), (changes, c.verdict))

    def test_what_the_kernel_reclaims_for_the_machine_needs_a_quiet_one(self):
        phase = {'scanned_pages': 5, 'reclaimed_pages': 5, 'reclaim_of': 'machine'}
        runs = [a_run(name, 1, quiet=False) for name in ('one', 'two')]
        for run in runs:
            run['phases'][0].update(phase)
        c = compare.compare(runs, self.plan, 'two', 'one', 'full', 'reclaimed_pages_per_op')
        self.assertTrue(compare.is_struck_out(c), c.verdict)

    def test_runs_that_never_meet_in_a_round_are_said_to_be_none(self):
        runs = [a_run('one', 1), a_run('two', 2)]
        self.assertEqual(compare.compare(runs, self.plan, 'two', 'one', 'full', 'rate').verdict.why, 'no round in which both are valid')


class OlderPlans(unittest.TestCase):
    def test_a_session_whose_plan_has_what_this_version_does_not_know_is_reported_and_says_so(self):
        lines = golden.lines()
        head = json.loads(json.dumps(lines[0]))
        text = 'colour = "red"\n' + head['plans']['E2']['text'].replace('work = "get"', 'work = "get"\nwarmth = 3', 1)
        text = text.replace('name = "lmdb"', 'name = "lmdb"\nshade = 1').replace('metrics = ["cpu_ns_per_op", "rate"]', 'metrics = ["cpu_ns_per_op", "speed"]')
        head['plans']['E2']['text'] = text + '[[prediction]]\nid = "E2.speed"\ncell = "map"\nphase = "full"\nmetric = "speed"\nlow = 1\nhigh = 2\nsays = ""\n'
        session = write([head] + lines[1:])
        left_out = 'Left out of its plan, as this version does not know it: "colour", cell "shade", workload "warmth", metric "speed".'
        with mock.patch.object(plot, 'program', lambda: None):
            self.assertIn(left_out.replace('"', '&quot;'), page.build(session))
        self.assertIn(left_out, '\n'.join(report.summary(session)))
        evidence = Evidence(session)
        before = Evidence(write(lines))
        self.assertEqual(evidence.comparisons('E2')[0], before.comparisons('E2')[0])
        with self.assertRaises(plans.PlanError):
            plans.parse(head['plans']['E2']['text'], 'E2.toml')

    def test_what_would_not_be_measured_any_more_is_reported(self):
        text = plan_text(rest='[[cell]]\nname = "open"\nrate_of = ["one"]\nrate_share = 0\n')
        self.assertEqual(plans.parse(text, 'E0.toml', is_old=True).cell('open')['rate_share'], 0)
        self.assertRaises(plans.PlanError, plans.parse, text, 'E0.toml')


if __name__ == '__main__':
    unittest.main()
