# SPDX-License-Identifier: MIT
"""The ladder: effects whose product is known, and the plan that asks for it."""
import os
import unittest

from support import HERE, a_run, phase
from lib import compare, ladder, plan as plans, plot, plot_ladder, stats


def effects(*rounds):
    return stats.estimate(rounds)


class Ladder(unittest.TestCase):
    def test_effects_that_multiply_meet_the_whole(self):
        alone = [effects(0.79, 0.80, 0.81), effects(0.49, 0.50, 0.51), effects(1.09, 1.10, 1.11)]
        self.assertEqual(ladder.verdict(alone, effects(0.43, 0.44, 0.45)), ladder.MEETS)

    def test_switches_that_need_each_other_are_said_to_interact(self):
        alone = [effects(0.99, 1.00, 1.01), effects(0.99, 1.00, 1.01)]
        self.assertEqual(ladder.verdict(alone, effects(0.49, 0.50, 0.51)), ladder.INTERACT)

    def test_one_round_or_a_missing_switch_decides_nothing(self):
        self.assertEqual(ladder.verdict([effects(0.5)], effects(0.5)), compare.OPEN)
        self.assertEqual(ladder.verdict([None, effects(0.5, 0.51)], effects(0.5, 0.51)), compare.OPEN)
        self.assertEqual(ladder.verdict([], effects(0.5, 0.51)), compare.OPEN)

    def test_wide_intervals_decide_nothing(self):
        self.assertEqual(ladder.verdict([effects(0.3, 0.9, 0.5)], effects(0.4, 0.6, 0.5)), compare.OPEN)

    def test_each_rung_of_e11_turns_one_switch(self):
        plan = plans.load(os.path.join(os.path.dirname(HERE), 'plans', 'E11.toml'))
        names = plan.ladder['rungs']
        pairs = {(c['cell'], c['base']) for c in plan.compares}
        for below, above in zip(names, names[1:]):
            self.assertIn((above, below), pairs)
            a, b = plan.options(above), plan.options(below)
            differ = {key for key in a.keys() | b.keys() if a.get(key) != b.get(key)}
            if a['pager'] == b['pager']:
                self.assertEqual(len(differ), 1, (below, above, differ))

    def test_each_workload_has_its_rungs_as_bars_in_their_order(self):
        plan = plans.load(os.path.join(os.path.dirname(HERE), 'plans', 'E11.toml'))
        runs = [a_run(name, number, phases=[phase('full', user_ns=10 ** 8 * (i + 1), system_ns=0)])
                for i, name in enumerate(plan.ladder['rungs'][:4]) for number in (1, 2)]
        runs[0]['invalid'] = ['R3: used 0.5 of the budget']
        rows = plot_ladder.bars(runs, plan.ladder['rungs'], 'full', 'cpu_ns_per_op')
        self.assertEqual([name for name, _ in rows], plan.ladder['rungs'][:4])
        self.assertEqual([round(found.ratio / 1e5, 6) for _, found in rows], [1, 2, 3, 4])
        self.assertIsNone(rows[0][1].low)  # one valid round has no interval
        self.assertEqual(plot_ladder.bars(runs, plan.ladder['rungs'], 'many', 'cpu_ns_per_op'), [])
        picture = plot_ladder.draw('E11 full', rows, 1e3, 'CPU time, us', lambda name: plan.cell(name)['title'], lambda name: 'map')
        far = [*rows, ('pool-uring', stats.estimate([1e8, 1.1e8]))]  # then the axis is logarithmic, and the short ones are seen
        self.assertIsNotNone(plot_ladder.draw('E11 far', far, 1e3, 'CPU time, us', str, lambda name: 'pool') or not plot.program())
        self.assertIsNone(plot_ladder.draw('E11 full', rows[:1], 1, '', str, str))
        if plot.program():
            for title in (plan.cell(name)['title'] for name, _ in rows):
                self.assertIn(title, picture.wide)

    def test_each_switch_alone_differs_from_the_base_in_itself_only(self):
        plan = plans.load(os.path.join(os.path.dirname(HERE), 'plans', 'E11.toml'))
        base = plan.options(plan.ladder['base'])
        turned = set()
        for name in plan.ladder['alone']:
            options = plan.options(name)
            differ = {key for key in options.keys() | base.keys() if options.get(key) != base.get(key)}
            self.assertEqual(len(differ), 1, (name, differ))
            turned |= differ
        top = plan.options(plan.ladder['top'])
        self.assertEqual(turned, {key for key in top.keys() | base.keys() if top.get(key) != base.get(key)})

    def test_a_ladder_of_unknown_cells_is_refused(self):
        with open(os.path.join(os.path.dirname(HERE), 'plans', 'E11.toml'), encoding='utf-8') as f:
            text = f.read()
        for old, new in (('top = "pool-uring"', 'top = "pool-rocket"'), ('alone = ["pool-verify"', 'alone = ["pool-rocket"'),
                         ('base = "pool-plain"\ntop', 'top')):
            self.assertIn(old, text)
            with self.assertRaises(plans.PlanError):
                plans.parse(text.replace(old, new), 'E11.toml')


if __name__ == '__main__':
    unittest.main()
