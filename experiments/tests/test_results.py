# SPDX-License-Identifier: MIT
"""Results: lines that were cut, the last attempt, and what is evidence."""
import json
import unittest

from support import Scratch, a_run
from lib import machine, results


def head(**changes):
    return {'kind': 'session', 'format': results.FORMAT, 'session': 's', 'machine_id': 'm', 'version': {'cell': 'v'},
            'budget': 'group1', 'file_bytes': 1, 'memory_bytes': 1, 'seconds': 1, 'plans': {'E0': {'hash': 'p'}}, **changes}


class Card(Scratch):
    def test_the_limits_of_dirty_pages_are_told_in_the_unit_in_which_they_are_set(self):
        self.assertIsNone(machine.dirty_limits(self.folder))
        for name, value in (('dirty_background_ratio', '10'), ('dirty_background_bytes', '0'), ('dirty_ratio', '0'), ('dirty_bytes', str(64 << 20))):
            self.write(name, value + '\n')
        self.assertEqual(machine.dirty_limits(self.folder), 'written from 10 % of memory, writers wait from 64 MiB')


class Lines(Scratch):
    def session(self, name, *lines):
        return results.Session(self.write(name, ''.join(json.dumps(line) + '\n' for line in lines)))

    def test_an_unfinished_line_is_left_out_and_cut_off(self):
        path = self.write('s.jsonl', json.dumps(head()) + '\n{"kind":"ru')
        self.assertEqual(len(results.Session(path).lines), 1)
        writer = results.Writer(path)
        writer.write(a_run())
        writer.close()
        self.assertEqual([line['kind'] for line in results.Session(path).lines], ['session', 'run'])

    def test_sessions_of_one_second_have_names_of_their_own_and_are_known_by_age(self):
        names = []
        for _ in range(11):
            writer, first = results.begin(self.path('m'), '20260101-120000-E0', head())
            writer.close()
            self.assertEqual((results.Session(writer.path).head, writer.path), (first, self.path(f'm/{first["session"]}.jsonl')))
            names.append(first['session'])
        self.assertEqual(names[:2], ['20260101-120000-E0', '20260101-120000-E0-2'])
        self.assertEqual([s.head['session'] for s in results.sessions_in(self.path('m'))], names)
        writer, _ = results.begin(self.path('m'), '20260101-120001-E0', head())
        writer.close()
        self.assertEqual(results.sessions_in(self.path('m'))[-1].head['session'], '20260101-120001-E0')

    def test_files_that_are_no_sessions_are_refused(self):
        for text in ('', '{"kind":"run"}\n', '[1]\n', 'x\n', json.dumps(head(format=99)) + '\n'):
            self.assertRaises(results.ResultsError, results.Session, self.write('bad.jsonl', text))
        self.assertEqual(results.sessions_in(self.folder), [])
        self.assertEqual(results.sessions_in(self.path('nowhere')), [])

    def test_the_last_attempt_counts(self):
        s = self.session('s.jsonl', head(), a_run(attempt=1, quiet=False, final=False), a_run(attempt=2), a_run(number=2))
        self.assertEqual([(r['round'], r['attempt']) for r in s.runs('E0')], [(1, 2), (2, 1)])

    def test_few_rounds_of_many_are_no_evidence_and_half_a_round_is_none(self):
        def session(rounds, other_rounds, *left_out):
            lines = [a_run(cell, n, experiment=e) for e, last in (('E0', rounds), ('E8', other_rounds)) for n in range(1, last + 1)
                     for cell in ('pool', 'map') if (e, n, cell) not in left_out]
            return self.session('s.jsonl', head(rounds=6, evidence=True), *lines)
        self.assertEqual((session(6, 6).is_evidence(), session(6, 6).unfinished()), (True, {}))
        self.assertEqual((session(6, 5).is_evidence(), session(6, 5).unfinished()), (True, {'E8': 5}))
        self.assertFalse(session(6, 4).is_evidence())
        self.assertEqual(session(5, 5, ('E0', 3, 'map')).rounds_got(), {'E0': 4, 'E8': 5})
        self.assertFalse(session(5, 5, ('E0', 3, 'map')).is_evidence())
        self.assertFalse(self.session('s.jsonl', head(rounds=6, evidence=False), a_run()).is_evidence())


if __name__ == '__main__':
    unittest.main()
