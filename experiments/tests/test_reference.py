# SPDX-License-Identifier: MIT
"""The reference run: what is committed of it (its page, the answers in the README, the figures in the manual, pictures) is what its lines
give; and what computes figures again notices every one that is not so."""
import html
import os
import re
import sys
import unittest
from unittest import mock

from support import HERE, a_run, phase

sys.path.insert(0, HERE)

import recompute  # noqa: E402
import screenshots  # noqa: E402
from lib import manual, metrics, page, page_grid, page_readme, plot, results  # noqa: E402
from lib.page_evidence import Evidence  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(HERE))
AGAIN = 'is not what its lines give: experiments/run report SESSION.jsonl, and experiments/run readme'


def read(name):
    with open(os.path.join(ROOT, name), encoding='utf-8') as f:
        return f.read()


class Checker(unittest.TestCase):
    """recompute.py, by lines that were measured."""

    @classmethod
    def setUpClass(cls):
        session = results.Session(os.path.join(HERE, 'golden', 'E2.jsonl'))
        with mock.patch.object(plot, 'program', lambda: None):
            cls.page = page.build(session)
        cls.lines = session.lines

    def test_no_figure_can_be_another_unnoticed(self):
        self.assertEqual(recompute.check(self.lines, self.page), [])
        pattern = re.compile(r'(<data [^>]*>)(\D*)(\d)')
        found = list(pattern.finditer(self.page))
        self.assertGreater(len(found), 70)
        for match in found:
            digit = str((int(match.group(3)) + 5) % 10)
            changed = self.page[:match.start(3)] + digit + self.page[match.end(3):]
            self.assertTrue(recompute.check(self.lines, changed), match.group())

    def test_no_figure_can_have_fewer_runs_unnoticed(self):
        pattern = re.compile(r'(?<=data-runs=")([^" ]+) ([^"]+)" data-what="(?!plan)')
        found = list(pattern.finditer(self.page))
        self.assertGreater(len(found), 40)
        for match in found:
            changed = self.page[:match.start(1)] + self.page[match.start(2):]
            self.assertTrue(recompute.check(self.lines, changed), match.group())

    def test_no_prediction_can_have_another_word_or_be_left_out_unnoticed(self):
        start = self.page.index('<section id="predictions"')
        items = list(re.finditer(r'<li><span class="chip \w+">(.*?)</span>.*?</li>', self.page[start:self.page.index('</section>', start)]))
        self.assertEqual(len(items), 2)
        for item in items:
            whole = item.group()
            for changed in (whole.replace(item.group(1), recompute.TRUE), ''):
                self.assertTrue(recompute.check(self.lines, self.page.replace(whole, changed, 1)), changed)

    def test_every_metric_of_the_harness_is_known_and_gives_the_same(self):
        self.assertEqual(set(recompute.METRICS), set(metrics.METRICS))
        named = ('faults_call', 'faults_caller', 'faults_held', 'held', 'scanned_pages', 'reclaimed_pages', 'throttled_us', 'dtlb_misses', 'given_ns')
        full = phase(phase=2, **{name: 3 + i for i, name in enumerate(named)}, pager={'misses': 7, 'evictions': 5}, device_write_bytes=12345,
                     scan={'ops': 77}, histogram=[[1000 * i, 3000 * i] for i in range(1, 60)], reclaim_of='machine')
        series = {'t_ms': [0, 100, 250, 400, 550, 800], 'phase': [1, 2, 2, 2, 2, 2], 'ops': [0, 10, 10, 10, 40, 700]}
        for quiet in (True, False):
            a = a_run(quiet=quiet, phases=[phase('before', phase=1), full], series=series, options={'rate': 5}, large_folio_share=0.4)
            for name, metric in metrics.METRICS.items():
                unit, needs_quiet, function = recompute.METRICS[name]
                self.assertEqual((unit, needs_quiet), (metric.unit, metric.needs_quiet), name)
                value = None if needs_quiet and not quiet else function(a, full)
                self.assertEqual(value is None, not quiet and (needs_quiet or name.startswith(('scanned', 'reclaimed'))), name)
                if value is None:
                    self.assertIsNone(metrics.read(a, 'full', name), name)
                else:
                    self.assertAlmostEqual(value, metrics.read(a, 'full', name), delta=1e-9 * abs(value), msg=name)
        self.assertEqual([recompute.METRICS[name][2](a_run(), full) for name in ('latency_p50_ns', 'latency_max_ns')], [None, None])

    def test_student_s_quantiles_beyond_the_table_go_on_from_it(self):
        expansion = [recompute.student(n) for n in (15, 30, 60, 120)]
        self.assertEqual([round(t, 3) for t in expansion], [2.131, 2.042, 2.000, 1.980])  # of printed tables


def texts_of(svg):
    return [html.unescape(re.sub(r'<[^>]*>', '', text)) for text in re.findall(r'<text[^>]*>(.*?)</text>', svg, re.S)]


class Reference(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        path = page_readme.reference(os.path.join(ROOT, 'experiments', 'results'))
        if path is None:
            raise unittest.SkipTest('no reference run is committed')
        cls.session = results.Session(path)
        cls.evidence = Evidence(cls.session)
        cls.page = read(os.path.splitext(path)[0] + '.html')
        cls.answers = page_readme.between(read('README.md'))[1]
        cls.shown = dict((os.path.basename(name), alt) for alt, name in re.findall(r'!\[(.*?)\]\((.*?)\)', cls.answers))

    def assert_same_picture(self, name, here, made):
        """To the letter where the same gnuplot drew both; else all that is written in them."""
        self.assertEqual(texts_of(here), texts_of(made), f'{name} {AGAIN}')
        self.assertIsNotNone(plot.drawn_by(here), f'{name} {AGAIN}')
        if plot.drawn_by(here) == plot.version():
            self.assertTrue(here == made, f'{name} {AGAIN}')

    def test_the_readme_has_its_answers(self):
        self.assertEqual(self.answers, page_readme.block(self.evidence, self.shown), f'README.md {AGAIN}')

    def test_the_manual_has_its_figures(self):
        _, inside, _ = page_readme.between(read(manual.PAGE), manual.PAGE, manual.BEGIN, manual.END)
        self.assertEqual(inside, manual.block(self.evidence), f'{manual.PAGE} {AGAIN}')

    def test_the_pictures_of_the_readme_are_drawn_from_it(self):
        self.assertEqual(sorted(self.shown), sorted([page_readme.GRID, *(f'experiment-{e}.svg' for e in page_readme.PLOTS)]))
        here = {name: read(os.path.join(page_readme.PICTURES, name)) for name in self.shown}
        self.assertEqual(here[page_readme.GRID], page_grid.svg(self.evidence, *page_grid.MEASURES[0]), f'{page_readme.GRID} {AGAIN}')
        if plot.program() is None:
            self.skipTest(f'{plot.NEEDED.partition(",")[0]}: the grid alone was compared')
        for name, (made, _) in page_readme.pictures(self.evidence).items():
            if name != page_readme.GRID:
                self.assert_same_picture(name, here[name], made)

    def test_its_page_is_made_of_it(self):
        with mock.patch.object(plot, 'program', lambda: 'gnuplot'), mock.patch.object(plot, '_draw', lambda *_: '<svg></svg>'):
            made = page.build(self.session)
        without = re.sub(r'<svg.*?</svg>', '<svg></svg>', self.page, flags=re.S)
        first = next((i for i, pair in enumerate(zip(without, made)) if pair[0] != pair[1]), min(len(without), len(made)))
        self.assertTrue(without == made, f'the page {AGAIN}: it has ...{without[first - 80:first + 80]}..., expected ...{made[first - 80:first + 80]}...')

    @unittest.skipIf(plot.program() is None, plot.NEEDED)
    def test_the_pictures_of_its_page_are_drawn_from_it(self):
        here, made = (re.findall(r'<svg.*?</svg>', text, re.S) for text in (self.page, page.build(self.session)))
        self.assertEqual(len(here), len(made))
        self.assertGreater(len(here), 40)
        for i, pair in enumerate(zip(here, made), 1):
            self.assert_same_picture(f'picture {i} of the page', *pair)

    def test_every_figure_of_its_page_is_computed_again_from_its_lines(self):
        self.assertGreater(len(recompute.figures(self.page)), 1000)
        self.assertEqual(recompute.check(self.session.lines, self.page), [])

    def test_the_screenshots_are_of_it(self):
        for name, *_ in screenshots.PICTURES:
            path = os.path.join(ROOT, page_readme.PICTURES, f'{name}.png')
            self.assertEqual(screenshots.session_of(path), self.session.head['session'],
                             f'{name}.png: tests/screenshots.py SESSION.jsonl docs/pictures')


if __name__ == '__main__':
    unittest.main()
