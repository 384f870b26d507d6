# SPDX-License-Identifier: MIT
"""The figures of the manual's page on choosing a pager: a table from the reference run between two marks. `run readme` writes it
(page_readme.py), and a test holds it to the lines."""
from lib import answers, answers_tally as tally, page_words as words, stats

PAGE = 'docs/manual/choosing-a-pager.md'
BEGIN, END = '<!-- figures: begin -->', '<!-- figures: end -->'
MISSING = 'not measured'
VERDICTS = {stats.NOT_DECIDED: ': not decided', stats.SAME: ': the same'}


def _cpu(evidence, experiment, cell, base, phase):
    """The CPU time of a get through one cell to that through another."""
    c = next((c for c in evidence.comparisons(experiment)
              if (c.cell, c.base, c.phase, c.metric.name) == (cell, base, phase, 'cpu_ns_per_op')), None)
    return evidence.ratio(c).text + VERDICTS.get(c.verdict.word, '') if c and c.found else MISSING


def _regrets(evidence, experiment):
    """(the part of the pages that memory holds, how far the map and the pool are from the optimum)."""
    if not evidence.replays(experiment):
        return '', MISSING
    plan = evidence.plans[experiment]
    names = [next((c['name'] for c in plan.cells if words.engine(plan, c['name']) == engine), None) for engine in ('map', 'pool')]
    part = answers.middle_part(evidence.replay_table(experiment), names)
    if part is None:
        return '', MISSING
    the_map, the_pool = (evidence.regret(experiment, part, name).text for name in names)
    return f', memory for {100 * part:g} % of the pages', f'{the_map}, the pool {the_pool}'


def _wrong_data(evidence, experiment):
    found = tally.tallies(evidence, experiment)

    def said(subject):
        some = [t for t in found.values() if t.subject == subject and t.trials and t.hazard != 'none']
        return f'{tally.number(some, "wrong data").text} of {tally.number(some).text}' if some else MISSING
    return f'{said("map_once")}; with `VERSO_CHECKSUM_ALWAYS` {said("map_always")}; the pool {said("pool")}'


def block(evidence):
    """The Markdown between the marks."""
    head, card = evidence.head, evidence.head['machine']
    part, regrets = _regrets(evidence, 'E7')
    rows = (('a get, all in memory: CPU time', _cpu(evidence, 'E1', 'map', 'pool', 'hit'), 'E1'),
            (f'a get, a file of {head["file_bytes"] >> 20:,} MiB in {head["memory_bytes"] >> 20:,} MiB of memory: CPU time',
             _cpu(evidence, 'E2', 'map', 'pool', 'full'), 'E2'),
            ('the same with 8 threads', _cpu(evidence, 'E8', 'map-8', 'pool-8', 'full'), 'E8'),
            (f'how far the evictions lie from the optimum (0) to random choice (1){part}', regrets, 'E7'),
            ('wrong data passed on, of the faults of a disk', _wrong_data(evidence, 'H2'), 'H2'))
    return '\n'.join([f'From the reference run `{head["session"]}` on a machine of {card["cpus"]} cores: they say which way, not how much on yours.', '',
                      '| | map beside pool | from |', '|---|---|---|', *(f'| {" | ".join(row)} |' for row in rows)])
