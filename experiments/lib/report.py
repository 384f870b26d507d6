# SPDX-License-Identifier: MIT
"""The summary on a terminal, from a session's lines alone."""
from lib import answers, code, compare, hazards, ladder, page_words as words, plan as plans, replay, rules
from lib.page_evidence import Evidence

RED, PLAIN = '\033[31m', '\033[0m'


def plan_of(session, experiment):
    """The plan as it was when the session was measured."""
    about = session.head['plans'][experiment]
    return plans.parse(about['text'], f'{experiment}.toml', is_old=True)


def rounds_text(session):
    """How many rounds each plan got that has not got all."""
    got = {}
    for experiment, n in session.unfinished().items():
        got.setdefault(n, []).append(experiment)
    return ', '.join(f'{n} of {session.head["rounds"]} rounds of {" ".join(of)}' for n, of in sorted(got.items()))


def _head(session):
    head, card = session.head, session.head['machine']
    lines = [f'{head["session"]}: {head["mode"]}, {head["rounds"]} rounds, file {head["file_bytes"] >> 20} MiB, '
             f'memory {head["memory_bytes"] >> 20} MiB by {head["budget"]}',
             f'{card["cpu"]}, {card["cpus"]} CPUs, Linux {card["kernel"]}, {card["file_system"]} on {card["disk"]}; '
             f'verso {head["version"]["verso"]} ({head["commit"] or head["version"]["cell"]})']
    lines += [f'  {text}' for text in rules.host_known(card)]
    if not session.is_evidence():
        lines.append('A look, not evidence: few rounds.')
    if session.unfinished():
        lines.append(f'Not finished: {rounds_text(session)}; the same command goes on.')
    if not head['budget_by_kernel']:
        lines.append('Substitute: no memory limit of the kernel; a thread of the cell evicts.')
    return lines


def _invalid(runs):
    lines = []
    for run in runs:
        for text in run['invalid']:
            lines.append(f'  invalid: {run["cell"]}, round {run["round"]}: {text}')
    return lines


def _cells(session, plan, red):
    runs = session.runs(plan.id)
    lines = [f'  {red(text) if is_red else text}' for is_red, text in compare.limits(runs, plan)]
    lines += [f'  {text}' for number in sorted({r['round'] for r in runs})
              for text in rules.same_round([r for r in runs if r['round'] == number], plan)]
    found = compare.comparisons(runs, plan)
    struck_out = [c for c in found if compare.is_struck_out(c)]
    lines += ['  ' + compare.sentence(c) for c in found if c not in struck_out]
    if struck_out:
        names = ', '.join(dict.fromkeys(c.metric.name for c in struck_out))
        lines.append(f'  not decided, as the machine was not quiet in enough rounds: {len(struck_out)} comparisons ({names})')
    lines += [f'  {text}' for text in ladder.sentences(runs, plan)]
    for p in plan.predictions:
        result, text = compare.prediction_result(runs, plan, p)
        lines.append(f'  predicted: {p["says"]} ({p["low"]} to {p["high"]}): {result}, {text}')
    quiet = sum(run['quiet'] for run in runs)
    lines.append(f'  {len(runs)} runs, {sum(bool(r["invalid"]) for r in runs)} invalid, {quiet} while the machine was quiet')
    return lines + _invalid(runs)


def _replay(session, plan):
    lines_of = replay.last_lines(session, plan.id)
    lines = ['  regret, 0 is the optimum and 1 is random (misses in 100 reads), by frames as a part of the pages:']
    table = replay.table(lines_of)
    names = list(dict.fromkeys(name for row in table.values() for name in row))
    lines.append(f'  {"":18}' + ''.join(f'{part:>16g}' for part in table))
    for name in names:
        cells = []
        for row in table.values():
            misses, regret = row.get(name, (None, None))
            cells.append('-' if misses is None else f'{"-" if regret is None else f"{regret:.2f}"} ({misses:.1f})')
        lines.append(f'  {name:18}' + ''.join(f'{cell:>16}' for cell in cells))
    for p in plan.predictions:
        result, text = replay.prediction_result(lines_of, p)
        lines.append(f'  predicted: {p["says"]} ({p["low"]} to {p["high"]}): {result}, {text}')
    return lines + _invalid(lines_of)


def _prediction_result(session, plan, p):
    if plan.kind == 'hazard':
        return hazards.prediction_result(hazards.lines_by_key(session, plan), p)
    if plan.kind == 'replay':
        return replay.prediction_result(replay.last_lines(session, plan.id), p)
    if plan.kind == 'code':
        return code.prediction_result(session.of_kind('code', plan.id), p)
    return compare.prediction_result(session.runs(plan.id), plan, p)


def prediction_words(session):
    """[(id, word)] of all predictions of what was measured."""
    found = []
    for experiment in session.experiments():
        if experiment not in session.head['plans'] or any(line['cell'] is None for line in session.of_kind('skip', experiment)):
            continue
        plan = plan_of(session, experiment)
        found += [(p['id'], _prediction_result(session, plan, p)[0]) for p in plan.predictions]
    return found


def _predictions(session):
    """One line: how many came true, and which failed."""
    found = prediction_words(session)
    if not found:
        return []
    failed = [name for name, word in found if word == compare.FALSE]
    counts = {word: sum(w == word for _, w in found) for word in (compare.TRUE, compare.FALSE, compare.OPEN)}
    return ['', f'Of {len(found)} predictions {counts[compare.TRUE]} came true, {len(failed)} failed{" (" + ", ".join(failed) + ")" if failed else ""}, '
                f'{counts[compare.OPEN]} are not decided.']


def ten_answers(session):
    """The ten questions, as on the page; last, because that is what a terminal shows when a command has ended. Those of which nothing
    was measured share a line: what was skipped says why above."""
    lines, missing = ['', 'The ten questions'], []
    for a in answers.answers(Evidence(session)):
        if a.basis is None:
            missing.append(a.question.id)
            continue
        lines += [f'  {a.question.id} {a.question.asks}',
                  f'     {a.sentence.text()} ({words.KIND_WORDS[a.kind]}; {a.basis.text()}; {a.experiment})']
    if missing:
        lines.append(f'  {", ".join(missing)}: not measured here')
    return lines


def summary(session, colour=False):
    """The lines of a session's summary."""
    def red(text):
        return f'{RED}{text}{PLAIN}' if colour else text
    lines = _head(session)
    for experiment in session.experiments():
        skipped = session.of_kind('skip', experiment)
        if experiment not in session.head['plans']:
            continue
        plan = plan_of(session, experiment)
        lines += ['', f'{plan.id} {plan.title}: {plan.asks}']
        lines += [f'  {text}' for text in plan.left_out()]
        reasons = {}
        for line in skipped:
            reasons.setdefault(line['reason'], []).append(line['cell'])
        lines += [f'  skipped: {", ".join(cells) + ": " if all(cells) else ""}{reason}' for reason, cells in reasons.items()]
        if any(line['cell'] is None for line in skipped):
            continue
        if plan.kind == 'hazard':
            lines += hazards.summary(session, plan, red)
        elif plan.kind == 'code':
            lines += code.summary(session, plan)
        else:
            lines += _replay(session, plan) if plan.kind == 'replay' else _cells(session, plan, red)
    return lines + _predictions(session) + ten_answers(session)
