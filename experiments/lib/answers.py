# SPDX-License-Identifier: MIT
"""The ten questions that people quarrel about, and one sentence of answer to each, made from a session's lines.

Which comparison answers a question does not depend on what came out (HEADLINES, for the first experiment of the question that was
measured). What comes first and is not decided is said to be so, and is never replaced in silence.
"""
from dataclasses import dataclass

from lib import answers_h1, answers_h2, answers_h3, answers_tally, compare, metrics, page_predictions, page_words as words, shootdown, stats
from lib.page_evidence import NOT_PART
from lib.page_number import Name, Sentence, fill, join

DECIDED, OPEN, MISSING = 'decided', 'not decided', 'not measured'


@dataclass(frozen=True)
class Question:
    id: str
    asks: str
    paper: str
    defenders: str
    experiments: tuple


QUESTIONS = (
    Question('Q1', 'Is a hit cheaper through a map?', '', 'no lookup, no copy, no call', ('E1', 'E12')),
    Question('Q2', 'What happens when memory fills up?', 'the rate halves, and stalls for seconds',
             'the kernel evicts well enough', ('E2', 'E4')),
    Question('Q3', 'Can a map keep a device busy?', 'no, nothing is asynchronous', 'advice and threads', ('E5',)),
    Question('Q4', "Is the kernel's replacement good enough?", 'there is no control', 'the kernel takes care of it', ('E7', 'E6')),
    Question('Q5', 'Does it matter with few threads and one writer?', 'contention, and shootdowns', 'a red herring',
             ('E8', 'E9')),
    Question('Q6', 'Does a map break transactions?', 'the kernel may write any dirty page', 'not with copy-on-write',
             ('H1', 'E10')),
    Question('Q7', 'Which faults of a disk get through?', 'no checksum on load, and SIGBUS', 'the same for everybody',
             ('H2', 'H3', 'E12')),
    Question('Q8', 'Maps for random sparse reads, read() for scans: is that true?', '', 'maps for scans', ('E3',)),
    Question('Q9', 'What does a pool cost that a map does not?', '', 'restart, sharing, memory, code', ('E13', 'E14', 'E15')),
    Question('Q10', 'Where does the difference come from?', '', '', ('E11',)),
)


@dataclass(frozen=True)
class Answer:
    """basis: what stands behind the sentence; None where nothing was measured. experiment: the one that answers, or None."""
    question: Question
    state: str
    sentence: Sentence
    basis: Sentence | None
    kind: str | None
    experiment: str | None


# What answers for an experiment: parts of the sentence, each (cell, base, phase, metrics by rank). The metrics of a part speak in
# their order, up to the first that is decided. An experiment that is not named here answers with the first comparison of its plan.
# All of it was written before the reference run, but the ranks of E5: they were changed twice on 30 November 2026, after that run.
# Before it they were device_reads_per_s, cpu_ns_per_read; CPU time does not say whether a device is busy.
HEADLINES = {
    'E4': (('map-1000', 'pool-1000', 'full', ('faults_held_per_look',)),),
    'E13': (('map-again', 'pool-again', 'start', ('device_read_bytes_per_op',)),),
    'E14': (('map', 'pool', 'half', ('device_read_bytes_per_op',)),),
    'E2': (('map', 'pool', 'full', ('cpu_ns_per_op',)),),
    'E3': (('random-sparse', 'pool-sparse', 'whole', ('cpu_ns_per_op',)),
           ('normal-scan', 'pool-scan', 'whole', ('cpu_ns_per_op',))),
    'E8': (('map-2', 'pool-2', 'full', ('cpu_ns_per_op',)), ('map-8', 'pool-8', 'full', ('cpu_ns_per_op',))),
    'E5': (('map-32', 'pool-32', 'full', ('requests_in_flight', 'major_faults_per_op', 'device_reads_per_s')),),
    'E11': (('map-random', 'pool-uring', 'full', ('cpu_ns_per_op',)), ('vm-direct', 'vm-buffered', 'full', ('cpu_ns_per_op',))),
    'E6': (('map-random', 'pool-clock', 'during', ('service_p99_ns', 'cpu_ns_per_op')),),
}


def _is_decided(evidence, c):
    return c.verdict.word != stats.NOT_DECIDED and not compare.has_unequal_memory(c, evidence.limits(c.experiment))


def headline(evidence, experiment):
    """The Comparisons that answer: of each part the first that is decided, after those before it; [] when there is none."""
    plan = evidence.plans[experiment]
    known = {(c.cell, c.base, c.phase, c.metric.name): c for c in evidence.comparisons(experiment)}
    found = []
    for cell, base, phase, names in HEADLINES.get(experiment, ()):
        here = [known[(cell, base, phase, name)] for name in names if (cell, base, phase, name) in known]
        last = next((i for i, c in enumerate(here) if _is_decided(evidence, c)), len(here))
        found += here[:last + 1]
    return found or evidence.comparisons(plan.id)[:1]


def _of_cells(evidence, question, experiment):
    found = headline(evidence, experiment)
    if not found:
        return None
    decided = [c for c in found if _is_decided(evidence, c)]
    sentence = join([words.limited(evidence, c) for c in found], '. ')
    basis = join(list({b.text(): b for b in (words.basis(evidence, c) for c in found)}.values()), '; ')
    return Answer(question, DECIDED if decided else OPEN, fill('{said}.', said=sentence), basis, (decided or found)[0].metric.kind, experiment)


def middle_part(table, names):
    """The size at which regret is told: that next to a quarter of the pages at which all of the names were run."""
    parts = [part for part, row in table.items() if all(name in row and row[name][1] is not None for name in names)]
    return min(parts, key=lambda part: abs(part - 0.25)) if parts else None


def regret_sentence(evidence, experiment):
    """(sentence, basis) of a replay: how far the kernel and the pool are from the optimum, or None."""
    plan = evidence.plans[experiment]
    cells = [c['name'] for c in plan.cells]
    pairs = [next((name for name in cells if words.engine(plan, name) == engine), None) for engine in ('map', 'pool')]
    part = middle_part(evidence.replay_table(experiment), [name for name in pairs if name])
    if None in pairs or part is None:
        return None
    the_map, the_pool = (evidence.regret(experiment, part, name) for name in pairs)
    policy = plan.options(pairs[1]).get('policy', 'clock')
    rounds = evidence.how_many([line for line in evidence.replays(experiment)
                                if line['cell'] == 'replay' and line['part'] == part and not line['invalid']])
    some = fill('{n} round{s}', n=rounds, s='' if rounds.text == '1' else 's')
    sentence = fill("With memory for {part} of the pages, in {some}, the kernel's evictions lie {map} of the way from the optimum to "
                    "random choice, and the pool's ({policy}) lie {pool}.",
                    part=evidence.planned(experiment, f'{100 * part:g} %', 'frames'), some=some, map=the_map, pool=the_pool,
                    policy=Name(policy.upper()))
    brackets = ', lowest and highest in brackets' if '[' in sentence.text() else ''
    failed = control_that_failed(evidence, experiment)
    if failed:
        sentence = fill('Not decided, as a control failed ({failed}). {sentence}', failed=failed, sentence=sentence)
    return sentence, fill('{some}' + brackets, some=some)


def control_that_failed(evidence, experiment):
    """The prediction of an experiment that is its control, as a Sentence with what was found, where it did not come true; else None."""
    plan = evidence.plans[experiment]
    for p in plan.predictions:
        if p['id'] == f'{experiment}.control':
            word, seen = page_predictions.result(evidence, plan, p)
            return None if word == compare.TRUE else page_predictions.said(evidence, plan, p, seen)
    return None


def code_sentence(evidence, experiment):
    """(sentence, basis) of counted sources, or None."""
    counts = [[evidence.counted(experiment, cell, name) for name in ('lines', 'tests')] for cell in ('pool', 'map')]
    if None in counts[0] + counts[1]:
        return None
    (pool, pool_tests), (a_map, map_tests) = counts
    return fill('The pool takes {pool} lines of code and has {pool_tests} tests of its own; the map takes {map} lines and has {map_tests}.',
                pool=pool, pool_tests=pool_tests, map=a_map, map_tests=map_tests), fill('counted in the sources')


HAZARD_SENTENCES = {'H1': answers_h1, 'H2': answers_h2, 'H3': answers_h3, 'E9': shootdown}


def hazard_sentence(evidence, experiment):
    """(sentence, basis) of a hazard, or None."""
    if experiment not in HAZARD_SENTENCES:
        return None
    return HAZARD_SENTENCES[experiment].sentence(answers_tally.tallies(evidence, experiment))


def _of_counts(question, experiment, found, kind=metrics.COUNTS, state=DECIDED):
    """found: (sentence, basis) or None."""
    return Answer(question, state, *found, kind, experiment) if found else None


def _list(names):
    return ' and '.join([', '.join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _missing(evidence, question):
    """Says why: what the machine does not allow counts more than what was not asked for."""
    reasons = {}
    for experiment in question.experiments:
        reasons.setdefault(evidence.why_not(experiment) or 'no run of it is valid', []).append(experiment)
    parts = []
    for why, names in reasons.items():
        if why == NOT_PART:
            verb = 'is' if len(names) == 1 else 'are'
            parts.append(fill('{names} {verb} not part of this session', names=_list(names), verb=verb))
        else:
            parts.append(fill('{names}: {why}', names=', '.join(names), why=Sentence((Name(why),))))
    return Answer(question, MISSING, fill('Not measured here: {why}.', why=join(parts, '; ')), None, None, None)


def answer(evidence, question):
    for experiment in question.experiments:
        if not evidence.is_measured(experiment):
            continue
        plan = evidence.plans.get(experiment)
        if evidence.hazards(experiment):
            kind = metrics.CPU if experiment == 'E9' else metrics.COUNTS
            found = _of_counts(question, experiment, hazard_sentence(evidence, experiment), kind)
        elif plan is None:
            found = None  # lines without their plan say nothing
        elif plan.kind == 'code':
            found = _of_counts(question, experiment, code_sentence(evidence, experiment))
        elif plan.kind == 'replay':
            state = OPEN if control_that_failed(evidence, experiment) else DECIDED
            found = _of_counts(question, experiment, regret_sentence(evidence, experiment), state=state)
        else:
            found = _of_cells(evidence, question, experiment)
        if found:
            return found
    return _missing(evidence, question)


def answers(evidence):
    """Ten Answers."""
    return [answer(evidence, question) for question in QUESTIONS]
