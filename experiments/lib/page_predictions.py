# SPDX-License-Identifier: MIT
"""What was predicted before the run, and whether it came true: of cells, of replays, and of hazards."""
from lib import answers_tally as tally, code, compare, hazards, replay, shootdown
from lib.page_html import bullets, chip
from lib.page_number import Name, Number, Sentence, fill

UNTESTED = 'not measured'
KIND = {compare.FALSE: 'bad', compare.OPEN: 'open', compare.TRUE: 'good', UNTESTED: 'open'}  # in the order of the list


def _in_range(p, value):
    return compare.TRUE if p['low'] <= value <= p['high'] else compare.FALSE


def _of_cells(evidence, plan, p):
    runs = evidence.runs(plan.id)
    result, _ = compare.prediction_result(runs, plan, p)
    if 'over_cell' in p:
        found, ids = compare.over(runs, plan, p)
        return result, evidence.over(plan.id, p, found, ids) if found else None
    if 'base' in p:
        c = compare.compare(runs, plan, p['cell'], p['base'], p['phase'], p['metric'])
        return result, evidence.ratio(c) if c.found else None
    found = compare.predicted_values(runs, p)
    if not found:
        return result, None
    ids, values = zip(*found)
    text = compare.value_text(values)
    low, _, high = text.partition(' to ')
    seen = Number(low if low == high else text, ids, f'predicted {plan.id} {p["phase"]} {p["metric"]} {p["cell"]}')
    return result, fill('{n}, in one round', n=seen) if len(ids) == 1 else seen


def _of_replay(evidence, plan, p):
    """Of the ratio of two cells' misses, or of a cell's regret, at every size."""
    found = replay.predicted_values(evidence.replay_table(plan.id), p)
    if not found:
        return compare.OPEN, None
    sizes, values = list(found), list(found.values())
    names = [p['cell']] + ([p['base']] if 'base' in p else [])
    ids = tuple(dict.fromkeys(i for size in sizes for name in names for i in evidence.replay_ids(plan.id, size, name)))
    what = f'misses {plan.id} {"/".join(names)}' if 'base' in p else f'regrets {plan.id} {p["cell"]}'
    low, high = f'{min(values):.3g}', f'{max(values):.3g}'
    return replay.prediction_word(values, p), Number(low if low == high else f'{low} to {high}', ids, what)


def _of_hazard(evidence, plan, p):
    """Of the share of an outcome in the trials of one hazard and subject."""
    found = tally.tallies(evidence, plan.id).get((p['phase'], p['cell']))
    if found is None or not found.trials:
        return compare.OPEN, None
    if shootdown.PROGRAM in plan.programs:
        value = shootdown.per_page({(p['phase'], p['cell']): found}, p['phase'], p['cell'], p['metric'])
        return hazards.word_of(p, value.value, found.repeats_ns if p['metric'] == shootdown.SENDER else None, found.trials), value
    count = tally.number([found], p['metric'], *[key for key, word in tally.WORDS.items() if word == p['metric']])
    return _in_range(p, count.value / found.trials), fill('{n} of {of}', n=count, of=tally.number([found]))


def _of_code(evidence, plan, p):
    """Of the ratio of two counts."""
    ids = tuple(evidence.line_id(line) for line in evidence.codes(plan.id) if line['cell'] in (p['cell'], p['base']))
    word, text = code.prediction_result(evidence.codes(plan.id), p)
    return word, Number(text, ids, f'code {plan.id} {p["metric"]} {p["cell"]}/{p["base"]}', float(text)) if word != compare.OPEN else None


def result(evidence, plan, p):
    """(compare.TRUE, FALSE or OPEN; what was found: a Number, a Sentence, or None)."""
    return {'replay': _of_replay, 'hazard': _of_hazard, 'code': _of_code}.get(plan.kind, _of_cells)(evidence, plan, p)


def _range(evidence, plan, p):
    low, high = (evidence.planned(plan.id, f'{p[end]:,g}') for end in ('low', 'high'))
    said = fill('{low}', low=low) if p['low'] == p['high'] else fill('{low} to {high}', low=low, high=high)
    if plan.kind != 'hazard':
        return said
    if shootdown.PROGRAM in plan.programs:
        return fill('{said} a page', said=said)
    whole = {(0, 0): 'none', (1, 1): 'all'}.get((p['low'], p['high']))
    return fill('{said} of the trials', said=whole or said)


def said(evidence, plan, p, seen):
    """What was predicted, its range, and what was found."""
    sentence = fill('{says}: predicted {range}', says=Name(p['says']), range=_range(evidence, plan, p))
    if plan.kind == 'cells' and 'base' in p and plan.verify_differently(p['cell'], p['base']):
        sentence = Sentence((*sentence.parts, f' ({compare.BRACKET})'))
    return fill('{sentence}, found {seen}', sentence=sentence, seen=seen) if seen else sentence


def block(show, evidence, plan):
    """The part of a section, as HTML; '' where nothing was predicted."""
    items = []
    for p in plan.predictions:
        word, seen = result(evidence, plan, p)
        items.append(f'{chip(word, KIND[word])} {show.sentence(said(evidence, plan, p, seen))}')
    return f'<h3>Predicted before the run</h3>{bullets(items, "predictions")}' if items else ''


def all_of(evidence):
    """[(experiment, prediction, word, Sentence)] of the whole session: what failed first, then what is open, what came true, and
    what belongs to an experiment that was not measured."""
    found = []
    for experiment, plan in evidence.plans.items():
        for p in plan.predictions:
            word, seen = result(evidence, plan, p) if evidence.is_measured(experiment) else (UNTESTED, None)
            found.append((experiment, p, word, said(evidence, plan, p, seen)))
    return sorted(found, key=lambda entry: list(KIND).index(entry[2]))


def counted(evidence, found):
    """How many came true, as a Sentence. found: of all_of."""
    sources = tuple(f'plan {experiment} {evidence.head["plans"][experiment]["hash"]}' for experiment in dict.fromkeys(e for e, *_ in found))
    numbers = {word: Number(str(sum(w == word for _, _, w, _ in found)), sources, 'plan predictions') for word in KIND}
    text = 'Of {n} predictions {true} came true, {false} failed, and {open} are not decided'
    if int(numbers[UNTESTED].text):
        text += '; {untested} belong to experiments that were not measured'
    values = {'n': Number(str(len(found)), sources, 'plan predictions'), 'true': numbers[compare.TRUE], 'false': numbers[compare.FALSE],
              'open': numbers[compare.OPEN], 'untested': numbers[UNTESTED]}
    return fill(text + '.', **{key: value for key, value in values.items() if f'{{{key}}}' in text})
