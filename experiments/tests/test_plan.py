# SPDX-License-Identifier: MIT
"""Plans: those of the tree are good; bad ones are refused, with the place and what was expected."""
import os
import types
import unittest
from unittest import mock

from support import HERE, RUN, Scratch, plan_text
from lib import plan, ramdisk, runner, session
from lib.dataset import records_for


class Plans(Scratch):
    def refused(self, text, *words):
        with self.assertRaises(plan.PlanError) as caught:
            plan.parse(text, 'E0.toml')
        for word in ('E0.toml',) + words:
            self.assertIn(word, str(caught.exception))

    def test_the_plans_of_the_tree_are_good(self):
        found = plan.load_all(os.path.join(os.path.dirname(HERE), 'plans'))
        self.assertIn('E2', found)
        for p in found.values():
            self.assertTrue(p.predictions, f'{p.id} predicts nothing')
            self.assertEqual(len({q['id'] for q in p.predictions}), len(p.predictions))

    def test_the_readme_names_what_stands_beside_a_pager(self):
        found = {}  # (engine, whether `run standard` has it): ids
        for p in plan.load_all(os.path.join(os.path.dirname(HERE), 'plans')).values():
            for cell in p.cells:
                if 'limit_of' in cell and p.options(cell['name']).get('engine', 'verso') != 'verso':
                    found.setdefault((cell['engine'], cell['name'] not in p.full), set()).add(p.id)

        def ids(*sets):
            some = sorted(set().union(*sets), key=lambda pid: int(pid[1:]))
            return ' and '.join([', '.join(some[:-1]), some[-1]])
        lmdb, full, device = found[('lmdb', True)], found[('lmdb', False)], found[('device', True)]
        with open(os.path.join(os.path.dirname(HERE), 'README.md'), encoding='utf-8') as f:
            self.assertIn(f'for R11: LMDB in {ids(lmdb, full)}; the bare device in {ids(device, found.get(("device", False), ()))}. '
                          f'Of these `run full` alone has LMDB in {ids(full - lmdb)}.', f.read())

    def test_a_good_plan_is_read(self):
        p = plan.parse(plan_text(), 'E0.toml')
        self.assertEqual(p.options('two'), {'work': 'get', 'pager': 'mmap', 'checksum': 'none'})
        self.assertNotEqual(p.hash, plan.parse(plan_text(workload='[workload]\nwork = "scan"\n'), 'E0.toml').hash)

    def test_a_plan_needs_only_what_a_session_looks_for(self):
        for need, kind in (('kernel-limit', 'cooperative'), ('own-group', 'scope')):
            p = plan.parse(f'needs = ["{need}"]\n' + plan_text(), 'E0.toml')
            self.assertIsNotNone(session.skip_reason(p, kind, ['verso']), need)
            self.assertIsNone(session.skip_reason(p, 'group1', ['verso']), need)
        self.assertEqual(plan.NEEDS, ('kernel-limit', 'own-group'))
        self.refused('needs = ["lmdb"]\n' + plan_text(), '"needs"', 'found "lmdb"')

    def test_what_fills_memory_fast_is_an_option_of_the_harness_alone(self):
        p = plan.parse(plan_text(workload='[workload]\nfill-batch = 64\n',
                                 phases='[[phase]]\nname = "filling"\nuntil = "full"\n[[phase]]\nname = "full"\nseconds = 1\n'), 'E0.toml')
        self.assertNotIn('fill-batch', plan.resolve(p.options('one'), 10))
        self.assertEqual([f.get('batch') for f in runner.phases_for(p.phases, p.options('one'))], [64, None])
        self.assertEqual([f['name'] for f in runner.phases_for(p.phases, {'engine': 'device'})], ['full'])

    def test_a_further_round_of_standard_takes_twelve_minutes_at_most(self):
        found, mode = plan.load_all(os.path.join(os.path.dirname(HERE), 'plans')), plan.MODES['standard']
        head = {'mode': mode.name, 'file_bytes': mode.file_bytes, 'memory_bytes': mode.memory_bytes, 'rounds': mode.rounds, 'replay_rounds': 1,
                'seconds': mode.seconds, 'seed': 1, 'budget': 'group1', 'records': records_for(mode.file_bytes)}
        with mock.patch.object(ramdisk, 'why_not', lambda *_: None):
            m = session.Measure(types.SimpleNamespace(engines=['verso', 'lmdb', 'device']), types.SimpleNamespace(records=head['records']),
                                None, head, list(found.values()))
            seconds = {pid: m.round_guess_s(p, 2) for pid, p in found.items()}
            self.assertLessEqual(sum(seconds.values()), 12 * 60, seconds)
            self.assertLessEqual(seconds['E11'], 150)
            self.assertLessEqual(seconds['E10'], 75)
            self.assertEqual([seconds[pid] for pid in ('E7', 'H1', 'H2', 'E15')], [0, 0, 0, 0])  # once

    def test_what_run_says_of_its_modes_is_what_it_estimates(self):
        found = plan.load_all(os.path.join(os.path.dirname(HERE), 'plans'))
        with open(RUN, encoding='utf-8') as f:
            text = f.read()
        for name, says, minutes in (('quick', 'about ten minutes', 10), ('standard', 'seven rounds, about a hundred minutes', 100),
                                    ('full', 'fifteen rounds, four times the size, about a day', 24 * 60)):
            mode = plan.MODES[name]
            head = {'mode': name, 'file_bytes': mode.file_bytes, 'memory_bytes': mode.memory_bytes, 'rounds': mode.rounds,
                    'replay_rounds': mode.rounds if name == 'full' else 1, 'seconds': mode.seconds, 'seed': 1, 'budget': 'group1',
                    'records': records_for(mode.file_bytes)}
            chosen = [p for p in found.values() if name != 'quick' or p.id in plan.QUICK]
            with mock.patch.object(ramdisk, 'why_not', lambda *_: None):
                m = session.Measure(types.SimpleNamespace(engines=['verso', 'lmdb', 'device']), types.SimpleNamespace(records=head['records']),
                                    None, head, chosen)
            self.assertRegex(text, f'run {name} +{says}')
            self.assertTrue(0.8 * minutes <= m.expected_s() / 60 <= 1.2 * minutes, (name, m.expected_s() / 60))

    VARIANT = '[[variant]]\nsuffix = "scan"\nwork = "scan"\nof = ["one", "two"]\nstandard = ["one"]\n'
    PHASES = '[[phase]]\nname = "full"\nseconds = 1\nwork = "get"\n[[phase]]\nname = "scan"\nseconds = 1\nwork = "scan"\n'

    def test_a_variant_is_the_same_cells_at_another_workload(self):
        p = plan.parse(plan_text(phases=self.PHASES, rest=self.VARIANT), 'E0.toml')
        self.assertEqual([c['name'] for c in p.cells], ['one', 'two', 'one-scan', 'two-scan'])
        self.assertEqual(p.options('two-scan'), {**p.options('two'), 'work': 'scan'})
        self.assertEqual(p.full, ['two-scan'])
        self.assertEqual([[f['name'] for f in runner.phases_for(p.phases, p.options(name))] for name in ('one', 'one-scan')],
                         [['full'], ['scan']])

    def test_each_rung_of_a_ladder_is_compared_with_the_one_below_it_at_each_workload(self):
        ladder = '[ladder]\nbase = "one"\ntop = "two"\nalone = []\nrungs = ["one", "two"]\n'
        p = plan.parse(plan_text(phases=self.PHASES, compares='', rest=self.VARIANT + ladder), 'E0.toml')
        self.assertEqual([(c['cell'], c['base'], c['phase']) for c in p.compares], [('two', 'one', 'full'), ('two-scan', 'one-scan', 'scan')])
        self.refused(plan_text(rest=ladder.replace('rungs = ["one"', 'rungs = ["x"')), 'ladder: "rungs"', 'no cell "x"')

    def test_variants_parts_and_works_that_make_no_sense_are_refused(self):
        self.refused(plan_text(rest=self.VARIANT.replace('of = ["one"', 'of = ["x"')), 'variant 1: "of"', 'no cell "x"')
        self.refused(plan_text(rest=self.VARIANT.replace('standard = ["one"', 'standard = ["x"')), 'variant 1: "standard"', 'no cell "x"')
        self.refused(plan_text(rest=self.VARIANT.replace('suffix', 'sufix')), 'variant 1', 'unknown key "sufix"')
        self.refused(plan_text(phases=self.PHASES.replace('work = "scan"', 'work = "scna"')), 'phase 2: "work"', 'found "scna"')
        for part in (0, 1.5):
            self.refused(plan_text(phases=f'[[phase]]\nname = "full"\nseconds = 1\npart = {part}\n'), 'phase 1: "part"')
            self.refused(f'memory_part = {part}\n' + plan_text(), '"memory_part"', 'at most 1')

    def test_unknown_keys_are_refused_by_name(self):
        self.refused('colour = "red"\n' + plan_text(), 'unknown key "colour"', 'expected one of')
        self.refused(plan_text(workload='[workload]\nwrok = "get"\n'), 'workload', 'unknown key "wrok"')
        self.refused(plan_text(rest='[[cell]]\nname = "three"\npagr = "mmap"\n'), 'cell 3', 'unknown key "pagr"')
        self.refused(plan_text(rest='[[phase]]\nname = "x"\nsecs = 1\n'), 'phase 2', '"secs"')

    def test_wrong_types_and_missing_keys_are_refused(self):
        self.refused(plan_text(workload='[workload]\nbatch = "x"\n'), '"batch"', 'expected int')
        self.refused(plan_text(workload='[workload]\nbatch = true\n'), '"batch"', 'expected int')
        self.refused('id = "E0"', 'missing')
        self.refused('id = ', 'E0.toml')

    def test_names_that_do_not_exist_are_refused(self):
        self.refused(plan_text(compares='[[compare]]\ncell = "two"\nbase = "none"\nphase = "full"\nmetrics = []\n'), 'no cell "none"')
        self.refused(plan_text(compares='[[compare]]\ncell = "two"\nbase = "one"\nphase = "x"\nmetrics = []\n'), 'no phase "x"')
        self.refused(plan_text(compares='[[compare]]\ncell = "two"\nbase = "one"\nphase = "full"\nmetrics = ["speed"]\n'),
                     'no metric "speed"')
        self.refused(plan_text(rest='[[cell]]\nname = "one"\n'), 'same name')
        self.refused(plan_text(phases='[[phase]]\nname = "full"\nuntil = "dawn"\n'), 'phase 1')
        self.refused(plan_text(rest='[[cell]]\nname = "x"\nlimit_of = "y"\n'), 'no cell "y"')
        self.refused(plan_text(rest='[[cell]]\nname = "x"\nrate_of = ["y"]\nrate_share = 1\n'), 'no closed loop "y"')
        self.refused(plan_text(rest='[[cell]]\nname = "x"\nrate_share = 1\n'), 'belong together')
        self.refused('full = ["y"]\n' + plan_text(), '"full": no cell "y"')
        self.refused('full = ["one"]\n' + plan_text(), 'A/A')
        for batch in (0, 1025):
            self.refused(plan_text(phases=f'[[phase]]\nname = "full"\nseconds = 1\nbatch = {batch}\n'), 'expected 1 to 1024')
            self.refused(plan_text(workload=f'[workload]\nfill-batch = {batch}\n'), 'expected 1 to 1024')
        self.refused('quick = ["y"]\n' + plan_text(), '"quick": no cell "y"')

    def test_numbers_that_the_program_would_take_for_another_workload_are_refused(self):
        for share in (0, -0.5, 1.5, 'nan', 'inf'):
            self.refused(plan_text(rest=f'[[cell]]\nname = "x"\nrate_of = ["one"]\nrate_share = {share}\n'), 'cell "x": "rate_share"',
                         'expected more than 0 and at most 1')
        for key, value in (('seconds', 0), ('seconds', -1), ('seconds', 'nan'), ('seconds', 1e9), ('limit_seconds', 0), ('limit_seconds', 'inf')):
            until = 'until = "end"\n' if key == 'limit_seconds' else ''
            self.refused(plan_text(phases=f'[[phase]]\nname = "full"\n{until}{key} = {value}\n'), f'phase 1: "{key}"', 'expected more than 0')
        self.refused(plan_text(phases='[[phase]]\nname = "full"\nseconds = 1\nlimit_seconds = 5\n'), 'phase 1: "limit_seconds"', 'expected "until"')
        for key, value in (('rate', 0), ('rate', -1), ('part', 0), ('part', 2), ('ops-part', 0), ('plant-cache-share', 0)):
            self.refused(plan_text(workload=f'[workload]\n{key} = {value}\n'), f'cell "one": "{key}"', 'expected more than 0')
            self.refused(plan_text(rest=f'[[cell]]\nname = "x"\n{key} = {value}\n'), f'cell "x": "{key}"')
        for frames in ('"0"', '"1.5"', '"x"', '0.5'):
            self.refused(f'kind = "replay"\nframes = [{frames}]\n' + plan_text(), '"frames"', 'expected parts of the pages')

    def test_memory_that_is_taken_and_lives_before_need_a_group_of_their_own(self):
        share = plan_text(phases='[[phase]]\nname = "full"\nseconds = 1\nmemory_share = {}\n')
        before = plan_text(rest='[[cell]]\nname = "three"\nbefore = "{}"\n')
        for text in (share.format(0.5), before.format('run')):
            self.refused(text, 'own-group')
            plan.parse('needs = ["own-group"]\n' + text, 'E0.toml')
        for part in (0, 1.5):
            self.refused('needs = ["own-group"]\n' + share.format(part), 'memory_share')
            self.refused(plan_text(rest=f'[[cell]]\nname = "three"\nmemory_part = {part}\n'), 'memory_part')
        self.refused('needs = ["own-group"]\n' + before.format('nap'), '"before": expected one of run, run-drop')
        self.refused(plan_text(rest='[[cell]]\nname = "three"\nwrong = "R99"\n'), '"wrong"')

    def test_what_the_harness_does_for_one_cell_makes_sense_or_is_refused(self):
        def cell(more):
            return plan_text(rest=f'[[cell]]\nname = "three"\n{more}\n')
        for more in ('skip = "why"', 'size_part = 0.25', 'in_order = false', 'disk = "ram"\nread_ahead_kb = 0', 'slow_ms = 1.5', 'wrong = "R7"'):
            plan.parse(cell(more), 'E0.toml')
        for more, text in (('size_part = 0', '"size_part"'), ('size_part = 4', '"size_part"'), ('read_ahead_kb = 0', 'disk = "ram"'),
                           ('disk = "ram"\nread_ahead_kb = -1', '"read_ahead_kb"'), ('slow_ms = 0', '"slow_ms"'), ('disk = "ram"\nslow_ms = 1', '"slow_ms"'),
                           ('disk = "ram"\nsize_part = 0.5', 'RAM disk'), ('disk = "ram"\nin_order = false', 'RAM disk')):
            self.refused(cell(more), 'cell "three"', text)

    def test_several_processes_get_in_a_group_of_memory(self):
        text = plan_text(rest='[[cell]]\nname = "three"\nprocesses = 2\n')
        self.refused(text, 'cell "three": "processes"', 'kernel-limit')
        for need in ('kernel-limit', 'own-group'):
            plan.parse(f'needs = ["{need}"]\n' + text, 'E0.toml')
        for changes in (('processes = 2', 'processes = 0'), ('processes = 2', 'processes = 8\nthreads = 8')):
            self.refused('needs = ["own-group"]\n' + text.replace(*changes), '"processes"', 'at most 63 threads')
        for changes in (('processes = 2', 'processes = 2\nwork = "scan"'), ('processes = 2', 'processes = 2\nslow_ms = 1'),
                        ('seconds = 1', 'seconds = 1\nmemory_share = 0.5')):
            self.refused('needs = ["own-group"]\n' + text.replace(*changes), '"processes"', 'get, on a disk that is not slowed')

    def test_modes_and_sizes_of_run_full_alone(self):
        plan.parse('modes = ["full"]\n' + plan_text(), 'E0.toml')
        self.refused('modes = ["fulll"]\n' + plan_text(), '"modes"', 'some of tiny')
        for key in ('frames_quick', 'frames_full'):
            self.refused(f'{key} = ["0.9"]\n' + plan_text(), f'"{key}"', 'kind = replay')

    OVER = '[[prediction]]\nid = "x"\ncell = "two"\nbase = "one"\nphase = "full"\nmetric = "rate"\nlow = 1\nhigh = 2\nsays = ""\n'

    def test_a_ratio_of_ratios_has_four_cells(self):
        plan.parse(plan_text(rest=self.OVER + 'over_cell = "two"\nover_base = "one"\n'), 'E0.toml')
        self.refused(plan_text(rest=self.OVER + 'over_cell = "two"\n'), 'prediction 1', 'belong together')
        self.refused(plan_text(rest=self.OVER.replace('base = "one"\n', '') + 'over_cell = "two"\nover_base = "one"\n'), 'belong together')
        self.refused(plan_text(rest=self.OVER + 'over_cell = "two"\nover_base = "x"\n'), 'no cell "x"')

    def test_r4_pairs_that_verify_differently_are_refused(self):
        unequal = plan_text(cells='[[cell]]\nname = "one"\nchecksum = "none"\n[[cell]]\nname = "two"\npager = "mmap"\n')
        self.refused(unequal, 'R4', 'bracket')
        once = plan_text(cells='[[cell]]\nname = "one"\n[[cell]]\nname = "two"\npager = "mmap"\n')
        self.refused(once, 'R4')
        bracket = unequal.replace('metrics = ["cpu', 'bracket = true\nmetrics = ["cpu')
        self.assertTrue(plan.parse(bracket, 'E0.toml').compares[0]['bracket'])

    def test_a_file_is_called_like_its_plan(self):
        self.write('E1.toml', plan_text())
        self.assertRaises(plan.PlanError, plan.load_all, self.folder)


if __name__ == '__main__':
    unittest.main()
