# SPDX-License-Identifier: MIT
"""Each rule R1 to R13 broken on purpose: the run is refused, invalid or flagged. Rules that a process can break for real are broken
so in test_cell.py (R1, R3, R5, R8, R9, R12) and test_plan.py (R4)."""
import unittest

from support import a_run, phase, plan_text
from lib import compare, guard, metrics, plan, readings, rules, runner, session, stats


PLAN = plan.parse(plan_text(), 'E0.toml')


def judged(**changes):
    return rules.judge(a_run(**changes))


class Rules(unittest.TestCase):
    def expect(self, run, place, rule):
        self.assertTrue(any(text.startswith(f'{rule}:') for text in run[place]), (rule, run['invalid'], run['flags']))

    def test_a_run_that_keeps_the_rules_is_valid(self):
        run = judged()
        self.assertEqual((run['invalid'], run['flags']), ([], []))

    def test_r1_wrong_unchecked_or_other_work(self):
        self.expect(judged(phases=[phase(wrong=1)]), 'invalid', 'R1')
        self.expect(judged(phases=[phase(checked=999)]), 'invalid', 'R1')
        self.expect(judged(phases=[phase(until='end', reached=False)]), 'invalid', 'R1')
        self.expect(judged(phases=[phase(scan={'ops': 5, 'checked': 5, 'wrong': 2})]), 'invalid', 'R1')
        self.expect(judged(phases=[phase(scan={'ops': 5, 'checked': 4, 'wrong': 0})]), 'invalid', 'R1')
        for work in ('update', 'update-gets'):
            for found, word in ((None, 'no update was read back'), ({'checked': 0, 'wrong': 0}, 'no update'), ({'checked': 9, 'wrong': 1}, '1 of 9'),
                                ({'checked': 9, 'wrong': 0}, None)):
                run = judged(options={'work': work}, read_back=found, phases=[phase(checked=0 if work == 'update' else 1000)])
                self.assertEqual(bool(run['invalid']), bool(word))
                self.assertTrue(all(text.startswith('R1: ') and word in text for text in run['invalid']), run['invalid'])
        self.assertEqual(judged(options={'engine': 'device'}, phases=[phase(checked=0)])['invalid'], [])
        self.assertEqual(rules.same_round([a_run('one'), a_run('two')], PLAN), [])
        self.assertIn('R1', rules.same_round([a_run('one'), a_run('two', seed=8)], PLAN)[0])

    def test_r2_other_bytes(self):
        self.expect(judged(file={'engine': 'verso', 'sha256': None}), 'invalid', 'R2')
        self.expect(judged(writes=True, end_flush_ns=5), 'invalid', 'R2')
        other = a_run('two', file={**a_run()['file'], 'sha256': 'bb'})
        self.assertIn('R2', rules.same_round([a_run('one'), other], PLAN)[0])
        smaller = a_run('two', file={**other['file'], 'records': 5})
        refused = a_run('two', file={'engine': 'verso'}, invalid=['no space'])
        self.assertEqual(rules.same_round([a_run('one'), smaller, refused], PLAN), [])
        shuffled = plan.parse(plan_text(rest='[[cell]]\nname = "three"\nin_order = false\n'), 'E0.toml')
        self.assertEqual(rules.same_round([a_run('one'), a_run('three', file=other['file'])], shuffled), [])
        self.assertIn('R2', rules.same_round([a_run('two'), other, a_run('three')], shuffled)[0])
        for digest, valid in ((None, False), ('bb', False), ('aa', True)):
            run = judged(writes=True, end_flush_ns=5, file={**a_run()['file'], 'copied': True, 'copy_sha256': digest})
            self.assertEqual(run['invalid'], [] if valid else [f'R2: the hash of the copy is {digest}, that of the file aa'])

    def test_r3_memory_unused_passed_or_killed(self):
        full = [phase(until='full')]
        for peak, kills, valid in ((980, 0, True), (949, 0, False), (640, 0, False), (1002, 0, False), (980, 1, False)):
            budget = {**a_run()['budget'], 'peak_bytes': peak, 'kills': kills}
            run = judged(phases=full, budget=budget)
            self.assertEqual(not run['invalid'], valid, (peak, kills))
        self.expect(judged(budget={**a_run()['budget'], 'by_kernel': False}), 'flags', 'R3')
        self.expect(judged(budget={**a_run()['budget'], 'peak_bytes': None}), 'flags', 'R3')

    def test_r5_warm_when_it_began(self):
        self.expect(judged(file_before={'cached_bytes': 4096, 'dirty_bytes': 0}), 'invalid', 'R5')

    def test_r6_read_ahead_not_known(self):
        self.expect(judged(read_ahead_kb=None), 'flags', 'R6')
        self.expect(judged(phases=[phase(device_read_bytes=None)]), 'flags', 'R6')

    def test_r7_dirty_before_or_not_flushed_after(self):
        self.expect(judged(file_before={'cached_bytes': 0, 'dirty_bytes': 1}), 'invalid', 'R7')
        self.expect(judged(file_before={'cached_bytes': 0, 'dirty_bytes': None}), 'flags', 'R7')
        file = {**a_run()['file'], 'copied': True, 'copy_sha256': 'aa'}
        self.expect(judged(writes=True, file=file), 'invalid', 'R7')
        self.assertEqual(judged(writes=True, file=file, end_flush_ns=5)['invalid'], [])

    def test_r8_not_full_or_not_reached(self):
        self.expect(judged(phases=[phase(until='full', reached=False)]), 'invalid', 'R8')
        self.expect(judged(phases=[phase(until='settled', reached=False)]), 'invalid', 'R8')
        self.expect(judged(phases_planned=['filling', 'full']), 'invalid', 'R8')

    def test_r8_a_stall_of_the_disk_is_not_taken_for_warm(self):
        reading_much = [(t / 10, t * 40960, t * 100) for t in range(20)]
        self.assertFalse(runner.settled(reading_much))
        stall = reading_much + [(2 + t / 10, 19 * 40960, 1900) for t in range(10)]
        self.assertFalse(runner.settled(stall))
        warm = reading_much + [(2 + t / 10, 19 * 40960, 1900 + 500 * t) for t in range(10)]
        self.assertTrue(runner.settled(warm))
        self.assertFalse(runner.settled(warm[:23]))  # for less than half a second

    def test_r9_an_observer_inside(self):
        self.expect(judged(cell_pid=1), 'invalid', 'R9')
        self.expect(judged(threads_max=2), 'invalid', 'R9')
        self.expect(judged(idle_busy_share=None), 'flags', 'R9')

    def test_a_rule_that_is_broken_on_purpose_is_noticed_or_the_run_is_invalid(self):
        run = rules.break_on_purpose(judged(cell_pid=1), 'R9')
        self.assertEqual((run['invalid'], run['broken']), ([], ['R9: the cell sampled itself']))
        run = rules.break_on_purpose(judged(), 'R9')
        self.assertIn('not noticed', run['invalid'][0])
        run = rules.break_on_purpose(judged(cell_pid=1, phases=[phase(wrong=1)]), 'R9')
        self.assertTrue(run['invalid'][0].startswith('R1'))  # another rule still counts

    def test_a_dirty_file_is_in_the_page_cache_too_when_r7_is_broken(self):
        both = judged(file_before={'cached_bytes': 8192, 'dirty_bytes': 4096})
        self.assertEqual(len(both['invalid']), 2)
        run = rules.break_on_purpose(both, 'R7')
        self.assertEqual((run['invalid'], len(run['broken'])), ([], 2))
        run = rules.break_on_purpose(judged(file_before={'cached_bytes': 8192, 'dirty_bytes': 0}), 'R7')
        self.assertEqual(run['invalid'], ['R7: broken on purpose, and not noticed'])

    def test_r11_a_straw_man_is_red(self):
        p = plan.parse(plan_text(rest='[[cell]]\nname = "best"\nlimit_of = "two"\n'), 'E0.toml')
        def runs(ns, quiet=True):
            return [r for n in (1, 2, 3) for r in (a_run('two', n, phases=[phase(ns=ns)], quiet=quiet), a_run('best', n))]
        self.assertEqual(compare.limits(runs(10 ** 9), p), [])
        self.assertTrue(compare.limits(runs(2 * 10 ** 9), p)[0][0])
        self.assertEqual(compare.limits([a_run('two')], p), [])  # the reference was not run
        is_red, text = compare.limits(runs(2 * 10 ** 9, quiet=False), p)[0]
        self.assertEqual((is_red, 'not quiet' in text), (False, True))

    def test_r3_writers_that_use_their_memory_differently_are_named(self):
        p = plan.parse('writes = true\n' + plan_text(), 'E0.toml')
        def runs(one, two):
            return [a_run(cell, n, budget={**a_run()['budget'], 'peak_bytes': peak}) for n in (1, 2) for cell, peak in (('one', one), ('two', two))]
        for one, two, expected in ((990, 980, []), (990, 400, ['R3: two used 0.40 of its memory, one 0.99']),
                                   (410, 400, ['R8: two used 0.40 of its memory, one 0.41'])):
            found = compare.limits(runs(one, two), p)
            self.assertEqual([(is_red, text.rpartition(':')[0]) for is_red, text in found], [(True, text) for text in expected])
        self.assertEqual(compare.limits(runs(990, 400), plan.parse(plan_text(), 'E0.toml')), [])  # readers are held to R3 by their phases
        self.assertEqual(compare.limits([a_run('one'), a_run('two', invalid=['R1: x'])], p), [])

    def test_r12_latency_without_an_intended_start_or_enough_samples(self):
        many = [phase(histogram=[[1000, 99000], [5000, 1000]])]
        self.assertIsNone(metrics.read(a_run(phases=many), 'full', 'latency_p99_ns'))
        self.assertEqual(metrics.read(a_run(phases=many, options={'rate': 100}), 'full', 'latency_p99_ns'), 1000)
        few = [phase(histogram=[[1000, 9900], [5000, 100]])]
        self.assertIsNone(metrics.read(a_run(phases=few, options={'rate': 100}), 'full', 'latency_p999_ns'))

    def test_r13_the_host_is_named(self):
        self.assertIn('R13', rules.host_known({})[0])
        self.assertIn('host', rules.host_known({'device_probe': {'cold_ns': 100000, 'again_ns': 10000}})[0])
        self.assertEqual(rules.host_known({'device_probe': {'cold_ns': 100000, 'again_ns': 95000}}), [])


def reading(busy=1.0, steal=0.0, total=100.0, read=0, written=0, **settings):
    return {'cpu': {'busy': busy, 'steal': steal, 'total': total}, 'disk': {'read_bytes': read, 'write_bytes': written},
            'settings': {'huge_pages': 'madvise', **settings}}


class Quiet(unittest.TestCase):
    """Rule R10"""

    def noise(self, after, own_cpu_s=1.0, own_bytes=10 << 20):
        return guard.noise(reading(0.0, 0.0, 0.0), after, own_cpu_s, own_bytes)

    def test_a_quiet_machine_makes_no_noise(self):
        self.assertEqual(self.noise(reading(read=10 << 20)), [])
        self.assertEqual(self.noise(reading(busy=5.9, read=(10 << 20) + 5000, written=200000)), [])

    def test_others_are_seen(self):
        for after, word in ((reading(busy=6.2, read=10 << 20), 'others used'), (reading(steal=2.5, read=10 << 20), 'steal'),
                            (reading(read=12 << 20), 'bytes of the disk'), (reading(written=12 << 20), 'bytes of the disk'),
                            (reading(read=10 << 20, huge_pages='always'), 'huge_pages')):
            found = self.noise(after)
            self.assertEqual(len(found), 1, found)
            self.assertIn(word, found[0])

    def test_the_kernels_work_for_the_cell_is_no_others(self):
        busy = reading(busy=12.0, read=10 << 20)
        self.assertEqual(len(self.noise(busy)), 1)
        before = {**reading(0.0, 0.0, 0.0), 'servants': {(60, 1): 5.0}}
        served = {**busy, 'servants': {(60, 1): 12.0, (99, 7): 3.0}}  # kswapd, and a kworker that is new
        self.assertEqual(guard.noise(before, served, 1.0, 10 << 20), [])
        idle = {**busy, 'servants': {(60, 1): 5.0}}
        self.assertIn('others used', guard.noise(before, idle, 1.0, 10 << 20)[0])

    def test_only_threads_of_the_kernel_are_its_servants(self):
        def stat(pid, name, parent):
            return f'{pid} ({name}) S {parent} ' + ' '.join(str(i) for i in range(5, 60))
        texts = [stat(60, 'kswapd0', 2), stat(61, 'kworker/0:1H-kblockd', 2), stat(900, 'kswapd0', 1), stat(901, 'cell', 2), None]
        self.assertEqual({pid for pid, _ in readings.servants(texts)}, {60, 61})

    def test_what_cannot_be_read_is_not_taken_for_quiet(self):
        self.assertIn('cannot be seen', self.noise(reading(), own_bytes=None)[0])
        blind = reading()
        blind['cpu'] = blind['disk'] = None
        self.assertEqual(len(self.noise(blind)), 2)

    def test_a_noisy_run_gives_counts_but_no_rates(self):
        run = a_run(quiet=False)
        self.assertIsNone(metrics.read(run, 'full', 'rate'))
        self.assertIsNone(metrics.read(run, 'full', 'shootdowns_per_op'))  # the whole machine's
        self.assertEqual(metrics.read(a_run(), 'full', 'shootdowns_per_op'), 0.005)
        self.assertEqual(metrics.read(run, 'full', 'major_faults_per_op'), 0.5)
        self.assertEqual(metrics.read(run, 'full', 'cpu_ns_per_op'), 200000)


class OverTime(unittest.TestCase):
    """What is read out of the samples of a run: three phases, ten samples a second, and a stall in the third."""

    def run_with(self, after):
        """after: operations in each tenth of a second of the third phase."""
        steps = [(1, 100)] * 10 + [(2, 20)] * 10 + [(3, n) for n in after]
        series, ops = {'t_ms': [], 'phase': [], 'ops': []}, 0
        for i, (number, n) in enumerate(steps):
            ops += n
            for name, value in (('t_ms', 100 * i), ('phase', number), ('ops', ops)):
                series[name].append(value)
        phases = [phase(name, phase=i, ops=sum(n for k, n in steps if k == i), ns=10 ** 9) for i, name in enumerate(('before', 'during', 'after'), 1)]
        return a_run(phases=phases, series=series)

    def test_the_longest_silence_is_that_of_its_phase(self):
        run = self.run_with([5, 0, 0, 0, 7, 0, 3])
        self.assertEqual([metrics.read(run, name, 'longest_silence_ms') for name in ('during', 'after')], [100, 300])
        self.assertIsNone(metrics.read(a_run(), 'full', 'longest_silence_ms'))  # no samples

    def test_recovery_ends_with_nine_tenths_of_the_rate_before(self):
        for after, expected in (([20, 20, 50, 89, 90, 10], 400), ([100, 100, 100], 100), ([1, 2, 3, 4], 300)):
            self.assertEqual(metrics.read(self.run_with(after), 'after', 'recovery_ms'), expected, after)
        without = self.run_with([100, 100])
        without['phases'][0]['name'] = 'first'
        self.assertIsNone(metrics.read(without, 'after', 'recovery_ms'))

    def test_counts_by_what_was_needed(self):
        run = a_run(phases=[phase(ops=1000, device_read_bytes=4096 * 500, tlb_shootdowns=1000)])
        self.assertEqual(metrics.read(run, 'full', 'shootdowns_per_read'), 2)
        self.assertAlmostEqual(metrics.read(run, 'full', 'read_bytes_per_needed'), 2048 / 108)
        self.assertIsNone(metrics.read(a_run(phases=[phase(device_read_bytes=0)]), 'full', 'shootdowns_per_read'))
        self.assertIsNone(metrics.read(a_run(quiet=False), 'full', 'shootdowns_per_read'))  # the whole machine's

    def test_what_the_machine_reclaims_is_the_cells_only_while_it_is_quiet(self):
        for of, quiet, expected in (('group', True, 2), ('group', False, 2), ('machine', True, 2), ('machine', False, None)):
            run = a_run(quiet=quiet, phases=[phase(scanned_pages=2000, reclaimed_pages=2000, reclaim_of=of)])
            for name in ('scanned_pages_per_op', 'reclaimed_pages_per_op'):
                self.assertEqual(metrics.read(run, 'full', name), expected, (of, quiet))
        self.assertIsNone(metrics.read(a_run(), 'full', 'scanned_pages_per_op'))  # a line of before
        self.assertIsNone(metrics.read(a_run(phases=[phase(throttled_us=None)]), 'full', 'throttled_us_per_op'))
        self.assertEqual(metrics.read(a_run(phases=[phase(throttled_us=5000)]), 'full', 'throttled_us_per_op'), 5)

    def test_a_kernel_that_counts_no_shootdowns_is_not_one_that_makes_none(self):
        for row, expected in (('TLB: 3 4 TLB shootdowns', 7), ('TLB: 0 4 TLB shootdowns', 4), ('TLB: 0 TLB shootdowns', 0),
                              ('TLB: 0 0 TLB shootdowns', None), ('RES: 1 1', None)):
            self.assertEqual(readings.tlb_shootdowns(f'  CPU0 CPU1\nNMI: 1 1\n{row}\n'), expected, row)


class Sentences(unittest.TestCase):
    def setUp(self):
        self.plan = plan.parse(plan_text(), 'E0.toml')

    def runs(self, two_ns, quiet=True, rounds=4, **changes):
        found = []
        for n in range(1, rounds + 1):
            wobble = 1 + 0.005 * (n % 3)
            found += [a_run('one', n, quiet=quiet), a_run('one', n, 2, quiet=quiet),
                      a_run('two', n, phases=[phase(user_ns=two_ns * wobble, ns=two_ns * 5)], quiet=quiet, **changes)]
        return found

    def test_a_difference_is_said_with_its_evidence(self):
        cpu, rate = compare.comparisons(self.runs(4 * 10 ** 8), self.plan)
        self.assertEqual((cpu.verdict.word, rate.verdict.word), (stats.MORE, stats.LESS))
        for word in ('two has 2.5', '4 rounds', 'A/A 1.00 to 1.00', 'cpu'):
            self.assertIn(word, compare.sentence(cpu))
        self.assertEqual(len(cpu.run_ids), 8)

    def test_a_ratio_far_below_one_has_digits_that_count(self):
        text = compare.sentence(compare.comparisons(self.runs(4 * 10 ** 8), self.plan)[1])  # the rate
        self.assertRegex(text, r'two has 0\.50 \[0\.\d\d, 0\.\d\d\] times')
        self.assertEqual(compare.interval(stats.estimate([0.00072, 0.00073])), '0.00072 [0.00066, 0.00079]')

    def test_a_noisy_machine_says_not_decided(self):
        cpu, rate = compare.comparisons(self.runs(1.15 * 10 ** 8, quiet=False), self.plan)
        self.assertEqual(rate.verdict.word, stats.NOT_DECIDED)
        self.assertIn('not quiet', compare.sentence(rate))
        self.assertNotIn(cpu.verdict.word, (stats.MORE, stats.LESS))  # within a tenth

    def test_the_same_is_said_with_the_margin_that_was_used(self):
        for quiet, text in ((True, 'the same within 5 %'), (False, 'the same within 10 %')):
            cpu = compare.comparisons(self.runs(10 ** 8, quiet=quiet), self.plan)[0]
            self.assertEqual(cpu.verdict.word, stats.SAME)
            self.assertIn(text, compare.sentence(cpu))

    def test_invalid_runs_are_used_for_nothing(self):
        cpu = compare.comparisons(self.runs(4 * 10 ** 8, invalid=['R1: x']), self.plan)[0]
        self.assertEqual((cpu.verdict.word, cpu.run_ids), (stats.NOT_DECIDED, ()))

    def test_a_count_that_is_zero_has_no_ratio_but_a_word(self):
        runs = [a_run('one', n, phases=[phase(major_faults=0)]) for n in (1, 2)] + [a_run('two', n) for n in (1, 2)]
        c = compare.compare(runs, self.plan, 'two', 'one', 'full', 'major_faults_per_op')
        self.assertEqual((c.found, c.verdict.word), (None, stats.MORE))
        self.assertIn('more than one', compare.sentence(c))

    def test_predictions_come_true_fail_or_stay_open(self):
        p = {'id': 'x', 'cell': 'two', 'base': 'one', 'phase': 'full', 'metric': 'cpu_ns_per_op', 'says': ''}
        runs = self.runs(4 * 10 ** 8)
        for low, high, expected in ((2, 3, compare.TRUE), (0.9, 1.1, compare.FALSE), (2.51, 3, compare.OPEN)):
            self.assertEqual(compare.prediction_result(runs, self.plan, {**p, 'low': low, 'high': high})[0], expected)

    def test_one_round_decides_no_prediction(self):
        p = {'id': 'x', 'cell': 'two', 'phase': 'full', 'metric': 'major_faults_per_op', 'says': ''}
        for rounds, words in ((1, [compare.OPEN] * 3), (2, [compare.TRUE, compare.FALSE, compare.OPEN])):
            runs = [a_run('two', n, phases=[phase(major_faults=500 + n)]) for n in range(1, rounds + 1)]
            runs += [a_run('two', 9, invalid=['R1: x']), a_run('two', 1, 2)]  # neither counts
            found = [compare.prediction_result(runs, self.plan, {**p, 'low': low, 'high': high}) for low, high in ((0.4, 0.6), (0, 0.1), (0.5015, 0.6))]
            self.assertEqual([word for word, _ in found], words)
            self.assertEqual({'one round' in text for _, text in found}, {rounds == 1})
        self.assertEqual(compare.prediction_result([], self.plan, {**p, 'low': 0, 'high': 1}), (compare.OPEN, 'no valid run'))

    def test_a_ratio_of_ratios_is_taken_within_a_round(self):
        p = {'id': 'x', 'cell': 'two', 'base': 'one', 'over_cell': 'small-two', 'over_base': 'small-one', 'phase': 'full',
             'metric': 'cpu_ns_per_op', 'says': ''}
        runs = self.runs(4 * 10 ** 8) + [a_run(f'small-{r["cell"]}', r['round'], phases=r['phases']) for r in self.runs(3 * 10 ** 8) if r['copy'] == 1]
        found, ids = compare.over(runs, self.plan, p)
        self.assertAlmostEqual(found.ratio, 2.5 / 2, places=2)  # CPU times of 5 and 4, each to 2
        self.assertEqual((found.rounds, len(set(ids))), (4, 16))
        for low, high, expected in ((1.2, 1.3, compare.TRUE), (0.9, 1.1, compare.FALSE), (1.2501, 2, compare.OPEN)):
            self.assertEqual(compare.prediction_result(runs, self.plan, {**p, 'low': low, 'high': high})[0], expected, (low, high))
        self.assertEqual(compare.over(runs[:-1], self.plan, p)[0].rounds, 3)  # a round without all four is left out
        self.assertEqual(compare.prediction_result(self.runs(4 * 10 ** 8), self.plan, {**p, 'low': 0, 'high': 9})[0], compare.OPEN)

    def test_without_two_runs_of_the_same_cell_rates_and_cpu_times_are_not_decided_and_counts_are(self):
        runs = [r for r in self.runs(4 * 10 ** 8) if r['copy'] == 1]
        for r in runs:
            r['phases'][0]['major_faults'] = {'one': 100, 'two': 200 + r['round']}[r['cell']]
        for c in compare.comparisons(runs, self.plan):
            self.assertEqual((c.verdict.word, c.verdict.why), (stats.NOT_DECIDED, 'no two runs of the same cell'))
            self.assertIn('not decided, no two runs of the same cell', compare.sentence(c))
        self.assertEqual(compare.compare(runs, self.plan, 'two', 'one', 'full', 'major_faults_per_op').verdict.word, stats.MORE)
        p = {'id': 'x', 'cell': 'two', 'base': 'one', 'phase': 'full', 'metric': 'cpu_ns_per_op', 'says': '', 'low': 2, 'high': 3}
        self.assertEqual(compare.prediction_result(runs, self.plan, p)[0], compare.OPEN)

    def test_the_twins_of_a_comparison_do_the_same_work_on_the_same_disk(self):
        cells = ''.join(f'[[cell]]\nname = "{name}"\npager = "mmap"\nchecksum = "none"\n{more}\n' for name, more in
                        (('scan', 'work = "scan"'), ('scan-2', 'work = "scan"'), ('ram', 'disk = "ram"'), ('three', '')))
        p = plan.parse(plan_text(rest=cells).replace('aa = "one"', 'aa = ["one", "scan-2", "two"]'), 'E0.toml')
        runs = [a_run(name, n, copy) for n in (1, 2, 3) for name, copies in (('one', 2), ('two', 2), ('three', 1), ('scan', 1), ('scan-2', 2), ('ram', 1))
                for copy in range(1, copies + 1)]
        for cell, base, expected in (('three', 'one', 'one'), ('three', 'two', 'two'), ('scan', 'scan-2', 'scan-2'), ('ram', 'ram', None)):
            self.assertEqual(compare.compare(runs, p, cell, base, 'full', 'cpu_ns_per_op').twin, expected, (cell, base))
        self.assertEqual(sorted(job[1] for job in session.schedule(p, 1, 1, ['verso']) if job[2] == 2), ['one', 'scan-2', 'two'])

    def test_twins_that_differ_leave_a_prediction_open(self):
        p = {'id': 'x', 'cell': 'two', 'base': 'one', 'phase': 'full', 'metric': 'cpu_ns_per_op', 'says': '', 'low': 0.9, 'high': 1.1}
        runs = self.runs(1.5 * 10 ** 8)
        self.assertEqual(compare.prediction_result(runs, self.plan, p)[0], compare.FALSE)
        for r in runs:
            if r['copy'] == 2:
                r['phases'][0]['user_ns'] *= 1 + r['round'] % 2
        self.assertEqual(compare.prediction_result(runs, self.plan, p)[0], compare.OPEN)


if __name__ == '__main__':
    unittest.main()
