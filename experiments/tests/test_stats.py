# SPDX-License-Identifier: MIT
"""Statistics: known quantiles, and by simulation how often the verdict is wrong."""
import dataclasses
import math
import random
import unittest

from support import a_run, phase  # noqa: F401  (sets the path)
from lib import stats

SEEDS = 100
ROUNDS = 7
SPREAD = 0.03  # of one run, as a deviation of its logarithm


def simulate(seed, ratio, rounds=ROUNDS, spread=SPREAD):
    """The ratio of two cells whose true one is known, and the verdict on it."""
    found, twins = simulate_pair(seed, ratio, rounds, spread)
    return found, stats.verdict(found, twins)


def simulate_pair(seed, ratio, rounds, spread):
    """Estimates of the ratio of two cells whose true one is known, and of an A/A pair beside."""
    noise = random.Random(seed)
    def run(true):
        return true * noise.lognormvariate(0, spread)
    base = [run(1) for _ in range(rounds)]
    found = stats.estimate(run(ratio) / b for b in base)
    return found, stats.estimate(run(1) / b for b in base)


class Student(unittest.TestCase):
    def test_quantiles_are_those_of_the_tables(self):
        for p, freedom, expected in ((0.975, 1, 12.7062), (0.975, 2, 4.30265), (0.975, 6, 2.44691), (0.975, 14, 2.14479),
                                     (0.995, 10, 3.16927), (0.95, 30, 1.69726), (0.975, 1000, 1.96234), (0.6, 4, 0.270722)):
            self.assertAlmostEqual(stats.student_quantile(p, freedom), expected, places=4)
            self.assertAlmostEqual(stats.student_quantile(1 - p, freedom), -expected, places=4)

    def test_the_distribution_is_undone_by_its_quantile(self):
        for freedom in (1, 3, 8, 50):
            for t in (-3.0, -0.5, 0.0, 0.1, 2.5):
                self.assertAlmostEqual(stats.student_quantile(stats.student_cdf(t, freedom), freedom), t, places=7)

    def test_impossible_arguments_are_refused(self):
        for p, freedom in ((0, 3), (1, 3), (0.5, 0)):
            self.assertRaises(ValueError, stats.student_quantile, p, freedom)


class Verdicts(unittest.TestCase):
    def test_the_same_is_hardly_ever_called_different(self):
        wrong = sum(simulate(seed, 1.0)[1].word in (stats.MORE, stats.LESS) for seed in range(SEEDS))
        self.assertLessEqual(wrong, 5)

    def test_a_difference_of_15_percent_is_found(self):
        for ratio, word in ((1.15, stats.MORE), (1 / 1.15, stats.LESS)):
            found = sum(simulate(seed, ratio)[1].word == word for seed in range(SEEDS))
            self.assertGreaterEqual(found, 95)

    def test_the_interval_covers_the_truth_as_often_as_it_says(self):
        for rounds in (3, 7):
            n = 2000
            covered = sum(e.low <= 1.3 <= e.high for e, _ in (simulate(f'{rounds}.{i}', 1.3, rounds) for i in range(n)))
            self.assertTrue(0.935 * n <= covered <= 0.965 * n, covered)

    def test_noise_gives_no_sentence(self):
        decided = sum(simulate(seed, 1.1, 3, 0.3)[1].word != stats.NOT_DECIDED for seed in range(SEEDS))
        self.assertLessEqual(decided, 5)

    def test_a_close_pair_is_the_same(self):
        verdict = stats.verdict(stats.estimate([1.01, 0.99, 1.0, 1.005]))
        self.assertEqual(verdict.word, stats.SAME)

    def test_twins_that_differ_as_much_forbid_the_sentence(self):
        found = stats.estimate([1.2, 1.21, 1.19, 1.2])
        self.assertEqual(stats.verdict(found).word, stats.MORE)
        for twins in ([1.3, 1.1, 0.9, 1.2], [1.25] * 4):
            verdict = stats.verdict(found, stats.estimate(twins))
            self.assertEqual(verdict.word, stats.NOT_DECIDED)
            self.assertIn('two runs of the same cell', verdict.why)

    def test_zeros_decide_when_the_others_are_far_away(self):
        for a, b, word in (([1.0, 1.1], [0, 0], stats.MORE), ([1.0, 1.1], [0, 0.09], stats.MORE), ([0, 0.09], [1.0, 1.1], stats.LESS),
                           ([1.0, 1.1], [0, 0.11], stats.NOT_DECIDED), ([0, 0], [0, 0], stats.SAME), ([1.0], [0], stats.NOT_DECIDED),
                           ([0, 5.0], [0.01, 0], stats.NOT_DECIDED)):
            self.assertEqual(stats.verdict_without_ratio(a, b, True).word, word, (a, b))
            self.assertEqual(stats.verdict_without_ratio(a, b, False).word, stats.NOT_DECIDED, (a, b))

    def test_few_rounds_decide_nothing_and_say_what_they_need(self):
        self.assertEqual(stats.verdict(None).word, stats.NOT_DECIDED)
        self.assertEqual(stats.verdict(stats.estimate([2.0])).word, stats.NOT_DECIDED)
        verdict = stats.verdict(stats.estimate([1.05, 1.30, 1.15]))
        self.assertEqual(verdict.word, stats.NOT_DECIDED)
        self.assertTrue(4 <= verdict.rounds_needed <= 30, verdict)
        self.assertIsNone(stats.verdict(stats.estimate([1.05, 1.05, 1.0500001, 1.2, 0.92])).rounds_needed)

    def test_the_rounds_that_it_takes_are_those_after_which_simulated_ones_decide(self):
        """More rounds make both intervals narrower, that of the A/A pair too."""
        found, twins = simulate_pair(51, 1.2, 7, 0.06)
        verdict = stats.verdict(found, twins)
        self.assertEqual((verdict.word, verdict.why), (stats.NOT_DECIDED, 'two runs of the same cell differ as much'))
        self.assertTrue(8 <= verdict.rounds_needed <= 20, verdict)
        many = [stats.verdict(*simulate_pair(seed, 1.2, 2 * verdict.rounds_needed, 0.06)).word for seed in range(SEEDS)]
        self.assertGreaterEqual(many.count(stats.MORE), 90)

    def test_the_rounds_that_it_takes_are_the_fewest_with_which_both_intervals_would_be_apart_where_they_lie(self):
        def with_rounds(found, n):
            half = stats.student_quantile(0.975, n - 1) * found.deviation / math.sqrt(n)
            return dataclasses.replace(found, low=found.ratio * math.exp(-half), high=found.ratio * math.exp(half))

        def inverse(points):
            return [1 / p for p in points]
        ratios, bias = [0.95, 1.45, 1.2, 1.3, 1.18], [1.02, 1.17, 1.05, 1.12, 1.09]
        needed = []
        for points, twins in ((ratios, bias), (inverse(ratios), inverse(bias)), (ratios, inverse(bias)), (ratios, [0.9, 1.1, 1.0, 1.12, 0.9])):
            found, aa = stats.estimate(points), stats.estimate(twins)
            n = stats.verdict(found, aa).rounds_needed
            needed.append(n)
            words = [stats.verdict(with_rounds(found, k), with_rounds(aa, k)).word for k in (n - 1, n)]
            self.assertEqual([word == stats.NOT_DECIDED for word in words], [True, False], (points, twins, n))
        self.assertEqual(needed[0], needed[1])
        self.assertGreater(needed[0], needed[2])
        self.assertIsNone(stats.verdict(stats.estimate(ratios), stats.estimate([1.25, 1.26, 1.24, 1.25, 1.3])).rounds_needed)

    def test_a_comparison_that_needs_twins_is_not_decided_without_them(self):
        found = stats.estimate([1.2, 1.21, 1.19, 1.2])
        for twins in (None, stats.estimate([1.0])):
            self.assertEqual(stats.verdict(found, twins, needs_twins=True).word, stats.NOT_DECIDED)
        self.assertEqual(stats.verdict(found, stats.estimate([1.0, 1.01, 0.99]), needs_twins=True).word, stats.MORE)

    def test_ratios_that_are_none_are_refused(self):
        for points in ([0.0, 1.0], [-1.0], [float('inf')], [float('nan')]):
            self.assertRaises(ValueError, stats.estimate, points)
        self.assertIsNone(stats.estimate([]))


class Histograms(unittest.TestCase):
    def test_a_quantile_needs_a_hundred_samples_beyond(self):
        h = [[10, 9000], [20, 900], [1000, 100]]
        self.assertEqual(stats.quantile(h, 0.5), 10)
        self.assertEqual(stats.quantile(h, 0.99), 20)
        self.assertIsNone(stats.quantile(h, 0.999))
        self.assertEqual(stats.quantile([[10, 99000], [20, 950], [1000, 50]], 0.999), 20)
        self.assertIsNone(stats.quantile([[10, 99]], 0.5))

    def test_two_peaks_have_a_median_in_one_of_them(self):
        h = [[100, 600], [10 ** 6, 400]]
        self.assertEqual(stats.quantile(h, 0.5), 100)
        self.assertEqual(stats.quantile(h, 0.7), 10 ** 6)

    def test_a_stall_is_the_longest_silence(self):
        times = [100 * i for i in range(60)]
        ops = [10 * i if i < 20 else 200 if i < 40 else 200 + 10 * (i - 39) for i in range(60)]
        self.assertEqual(stats.longest_silence(times, ops), 1900)
        self.assertEqual(stats.longest_silence([], []), 0)


if __name__ == '__main__':
    unittest.main()
