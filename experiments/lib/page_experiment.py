# SPDX-License-Identifier: MIT
"""What stands in the middle of an experiment's section, by its kind: cells, a replay of a trace, or a hazard."""
from lib import answers, answers_h1, answers_tally as tally, code, ladder, metrics, page_matrix, page_predictions, page_price, page_section as part, page_words as words, \
    plot_ladder, plot_lines, plot_ratio, plot_time, shootdown
from lib.page_evidence import quantity
from lib.page_html import bullets, esc, figure, table


def about_plan(plan):
    return {'title': plan.title, 'asks': plan.asks, 'switch': plan.switch, 'pitfalls': plan.pitfalls + plan.left_out()}


def section(show, evidence, experiment):
    """The whole section, or '' when nothing was measured."""
    if not evidence.is_measured(experiment):
        return ''
    lines = evidence.lines(experiment)
    plan = evidence.plans.get(experiment)
    if evidence.hazards(experiment):
        about = about_plan(plan) if plan else tally.TEXTS[experiment]
        return part.frame(evidence, experiment, about, hazard(show, evidence, experiment), lines)
    if plan.kind == 'code':
        return part.frame(evidence, experiment, about_plan(plan), of_code(show, evidence, plan), lines)
    names = [c['name'] for c in plan.cells]
    body = of_replay(show, evidence, plan) if plan.kind == 'replay' else of_cells(show, evidence, plan)
    return part.frame(evidence, experiment, about_plan(plan), body, lines, part.command_lines(evidence, plan, names))


# --- sources --------------------------------------------------------------------------------------

def of_code(show, evidence, plan):
    rows, kinds = [], code.kinds_of(evidence.codes(plan.id))
    for cell in plan.cells:
        if evidence.counted(plan.id, cell['name'], 'lines'):
            title = f'{esc(cell.get("title", cell["name"]))} <code>{esc(" ".join(cell["files"]))}</code>'
            rows.append([title] + [show(evidence.counted(plan.id, cell['name'], name)) for name in kinds])
    return page_predictions.block(show, evidence, plan) + '<h3>Counted</h3>' \
        + table('What stands in the sources', ['part', *(code.COUNTS[name] for name in kinds)], rows)


# --- cells ----------------------------------------------------------------------------------------

def depth_lines(evidence, plan, metric, phase):
    """{name of the cells without their depth: [(reads in flight, mean, lowest, highest)]} where at least three depths were run."""
    found = {}
    for cell in plan.cells:
        options = plan.options(cell['name'])
        depth = max(options.get('threads', 1) * options.get('processes', 1), options.get('batch', 1))
        values = [metrics.read(run, phase, metric) for run in evidence.runs(plan.id)
                  if run['cell'] == cell['name'] and run['copy'] == 1 and not run['invalid']]
        values = [v for v in values if v is not None]
        words = [w for w in cell['name'].split('-') if w != str(depth)]
        if values:
            found.setdefault('-'.join(words), []).append((depth, sum(values) / len(values), min(values), max(values)))
    return {name: points for name, points in found.items() if len({p[0] for p in points}) >= 3}


def _depth_figures(show, evidence, plan):
    html = ''
    for name in dict.fromkeys(c.metric.name for c in evidence.comparisons(plan.id)):
        phase, metric = plan.phases[-1]['name'], metrics.METRICS[name]
        lines = depth_lines(evidence, plan, name, phase)
        if not lines:
            continue
        scale, unit = part.axis(metric.unit, max(p[1] for points in lines.values() for p in points))
        drawn = {key: [(p[0], *(v / scale for v in p[1:])) for p in points] for key, points in lines.items()}
        picture = plot_lines.draw(f'{plan.id} depth {name}', drawn, 'reads in flight', f'{metric.text}{unit}',
                                  lambda key: words.engine(plan, next(c['name'] for c in plan.cells if c['name'].startswith(key))))
        rows = [[esc(key), str(depth), *(quantity(v, metric.unit) for v in values)] for key, points in lines.items()
                for depth, *values in sorted(points)]
        behind = table(f'{metric.text}, by reads in flight', ['cells', 'in flight', 'mean', 'lowest', 'highest'], rows)
        html += figure(picture, plot_lines.alt(lines, metric.text, 'reads in flight'),
                       f'{esc(metric.text[:1].upper() + metric.text[1:])} {part.evidence_chip(metric.kind)} by reads in flight: the '
                       'mean over rounds, lowest and highest.', behind)
    return html


def _ladder_figures(evidence, plan):
    """The rungs as bars, a picture for each phase that is measured."""
    html, metric = '', metrics.METRICS[ladder.METRIC]
    if not plan.ladder.get('rungs'):
        return html
    suffixes = {'get': '', **{v.get('work', 'get'): f'-{v["suffix"]}' for v in plan.variants}}
    for phase in (p for p in plan.phases if 'seconds' in p):
        rungs = [rung + suffixes.get(phase.get('work', 'get'), '') for rung in plan.ladder['rungs']]
        rows = plot_ladder.bars(evidence.runs(plan.id), rungs, phase['name'], metric.name)
        if len(rows) < 2:
            continue
        scale, unit = part.axis(metric.unit, max(found.high or found.ratio for _, found in rows))
        picture = plot_ladder.draw(f'{plan.id} ladder {phase["name"]}', rows, scale, f'{metric.text}{unit}',
                                   lambda name: plan.cell(name).get('title', name), lambda name: words.engine(plan, name))
        behind = table(f'{phase["name"]}: {metric.text}, geometric mean over rounds and its 95 % interval', ['rung', 'mean', 'lowest', 'highest'],
                       [[esc(name), *(quantity(v, metric.unit) if v is not None else '–' for v in (found.ratio, found.low, found.high))]
                        for name, found in rows])
        caption = f'{esc(phase["name"].capitalize())}: {metric.text} {part.evidence_chip(metric.kind)}, one bar a rung, from the map as it ' \
                  'comes to the pool as it comes. Each rung stands on the one above it.' + (' The axis is logarithmic.' if plot_ladder.is_log(rows) else '')
        html += figure(picture, plot_ladder.alt(rows, f'{phase["name"]}: {metric.text}'), caption, behind)
    return html


def timed_runs(evidence, plan):
    """Runs for the picture of a rate over time, in the order of the plan's cells: of closed loops, for the rate of an open one is
    given. Where there are too many cells to tell apart, those that answer the question."""
    runs = [run for run in evidence.runs(plan.id) if 'rate' not in run['options']]
    names = [c['name'] for c in plan.cells if c['name'] in {run['cell'] for run in runs}]
    if len(names) > plot_time.CELLS_MAX:
        chosen = {name for c in answers.headline(evidence, plan.id) for name in (c.cell, c.base)}
        names = [name for name in names if name in chosen]
    return sorted((run for run in runs if run['cell'] in names), key=lambda run: (names.index(run['cell']), run['round'], run['copy']))


def _time_figure(evidence, plan):
    runs = timed_runs(evidence, plan)
    shown = plot_time.drawn(runs)
    if len(plan.phases) < 2 or not shown:
        return ''
    rows = []
    for run in shown:
        for phase in run['phases']:
            rate = phase['ops'] * 1e9 / phase['ns'] if phase.get('ns') else None
            rows.append([esc(evidence.index_of(run['id'])), esc(run['cell']), str(run['round']), esc(phase['name']),
                         quantity(rate, '1/s'), quantity(phase.get('max_ns'), 'ns'), 'yes' if run['quiet'] else 'no'])
    behind = table('Rates of each run by phase', ['run', 'cell', 'round', 'phase', 'rate', 'longest operation', 'quiet'], rows)
    caption = f'The rate over time {part.evidence_chip(metrics.WALL)}, one line a run; a ring where the last phase begins. ' \
              'Dotted: the machine was not quiet, and the shape may be somebody else’s.'
    picture = plot_time.draw(f'{plan.id} time', runs, lambda name: words.engine(plan, name))
    return figure(picture, plot_time.alt(runs), caption, behind)


def of_cells(show, evidence, plan):
    comparisons = evidence.comparisons(plan.id)
    picture = plot_ratio.draw(f'{plan.id} ratios', comparisons, lambda name: words.engine(plan, name))
    caption = 'Left of one: the first cell has less. Large points: means with 95 % intervals, in the colour of the better one, ' \
              'grey where nothing is decided; rings: rounds; shaded: two runs of the same cell (A/A). *: wall clock.'
    ratios = figure(picture, plot_ratio.alt(comparisons), caption, part.table_of_ratios(show, evidence, comparisons))
    return page_predictions.block(show, evidence, plan) + '<h3>Found</h3>' + part.limits(evidence, plan) \
        + _ladder_figures(evidence, plan) + part.sentences(show, evidence, comparisons) \
        + bullets([esc(text) for text in ladder.sentences(evidence.runs(plan.id), plan)]) \
        + (page_price.block(show, evidence, plan) if plan.id == 'E12' else '') + ratios \
        + _depth_figures(show, evidence, plan) + _time_figure(evidence, plan)


# --- replays --------------------------------------------------------------------------------------

def regret_lines(evidence, experiment):
    """{policy: [(memory in % of the pages, mean regret, lowest, highest)]}: what was really run first."""
    by_part = evidence.replay_table(experiment)
    names = list(dict.fromkeys(name for row in by_part.values() for name in row))
    real = [n for n in names if not n.startswith('replay ')]
    lines = {}
    for name in real + [n for n in names if n not in real]:
        for size in by_part:
            found = evidence.regret_estimate(experiment, size, name)
            if found:
                lines.setdefault(name, []).append((100 * size, *found))
    return lines


def _engine(evidence, experiment, name):
    """Of what was really run; None of what was replayed."""
    plan = evidence.plans[experiment]
    return words.engine(plan, name) if name in [c['name'] for c in plan.cells] else None


def regret_picture(evidence, experiment):
    """Without the optimum and random choice, which are 0 and 1."""
    lines = {name.removeprefix('replay '): points for name, points in regret_lines(evidence, experiment).items()
             if name not in ('replay optimum', 'replay random')}
    top = max((p[3] for points in lines.values() for p in points), default=1)
    return lines, plot_lines.draw(f'{experiment} regret', lines, 'memory, in % of the pages',
                                  'regret: 0 the optimum, 1 random choice', lambda name: _engine(evidence, experiment, name),
                                  (0, max(1, 1.05 * top)), '%.2g')


def of_replay(show, evidence, plan):
    by_part = evidence.replay_table(plan.id)
    names = list(regret_lines(evidence, plan.id))
    texts = {name: esc(name.removeprefix('replay ')) + (' (replayed)' if name.startswith('replay ') else '') for name in names}
    rows = [[texts[name], *(show(evidence.regret(plan.id, size, name)) if evidence.regret_estimate(plan.id, size, name) else '–'
                            for size in by_part)] for name in names]
    misses = [[texts[name], *(quantity(row[name][0]) if name in row else '–' for row in by_part.values())] for name in names]
    head = ['policy'] + [f'{100 * size:g} %' for size in by_part]
    behind = table('Regret by memory as a part of the pages: the mean over rounds, lowest and highest', head, rows) \
        + table('Misses in 100 reads, the mean over rounds', head, misses)
    lines, picture = regret_picture(evidence, plan.id)
    found = answers.regret_sentence(evidence, plan.id)
    said = bullets([f'{show.sentence(found[0])} <span class="basis">{part.evidence_chip(metrics.COUNTS)} {show(found[1])}</span>'],
                   'sentences') if found else ''
    return page_predictions.block(show, evidence, plan) + '<h3>Found</h3>' + said \
        + figure(picture, plot_lines.alt(lines, 'Regret', 'memory'),
                 f'Regret {part.evidence_chip(metrics.COUNTS)}: what is missed beyond the optimum, as a part of what random choice '
                 'misses beyond it. Solid: really run; dashed: replayed from the trace.', behind)


# --- hazards --------------------------------------------------------------------------------------

def _table_of(show, found, caption, hazards):
    """Hazards down, subjects across."""
    subjects = list(dict.fromkeys(subject for name, subject in found if name in hazards))
    rows = []
    for name in hazards:
        row = [esc(tally.HAZARDS.get(name, name))]
        for subject in subjects:
            text, kind = tally.outcome(found[(name, subject)]) if (name, subject) in found else ('–', 'none')
            row.append(f'<span class="outcome {kind}">{show(text)}</span>')
        rows.append(row)
    return table(caption, ['hazard'] + [tally.SUBJECTS.get(s, s) for s in subjects], rows, 'rot')


def _table_of_cuts(show, found):
    """Power cuts: a row a configuration."""
    cuts = [t for t in found.values() if t.hazard == answers_h1.CUT]
    keys = list(dict.fromkeys(key for t in cuts for key in t.outcomes))
    rows = [[esc(tally.SUBJECTS.get(t.subject, t.subject)), *(_count_of_cuts(show, t, key) for key in keys),
             show(tally.number([t])) if t.trials else '–'] for t in cuts]
    head = ['configuration', *(tally.WORDS.get(k, k) for k in keys), 'simulated power cuts']
    return table('What simulated power cuts left', head, rows) if rows else ''


def _count_of_cuts(show, t, key):
    kind = 'bad' if key in tally.BAD and t.count(key) else 'good'
    return f'<span class="outcome {kind}">{show(tally.number([t], key))}</span>' if t.trials else '–'


def of_shootdown(show, evidence, plan, found):
    """E9: two pictures, each with its table."""
    said = bullets([show.sentence(s) for s in shootdown.sentences(found)], 'sentences')
    html = ''
    for name, unit in shootdown.UNITS.items():
        lines = shootdown.lines(found, name)
        rows = [[esc(str(shootdown.pages_a_call(h)))] + [show(shootdown.per_page(found, h, cell, name)) for cell in lines]
                for h in shootdown.sizes(found)]
        behind = table(f'{unit}, for each page', ['pages a call', *lines], rows)
        picture = plot_lines.draw(f'{plan.id} {name}', lines, 'pages dropped by one call', f'{unit} a page',
                                  lambda cell: 'pool' if cell == 'none' else 'map')
        html += figure(picture, plot_lines.alt(lines, f'{unit} a page', 'pages dropped by one call'),
                       f'{esc(unit)} a page {part.evidence_chip(shootdown.KINDS[name])}, by pages that one call drops.'
                       + (' They are those of the whole machine: what others cause is in them.' if name == shootdown.INTERRUPTS else ''), behind)
    lines = shootdown.by_threads(found)
    if lines:
        rows = [[esc(key), str(threads), f'{value:.3g}'] for key, points in lines.items() for threads, value in points]
        picture = plot_lines.draw(f'{plan.id} threads', lines, 'threads of the process', 'interrupts a page',
                                  lambda key: 'map' if key == 'measured' else None)
        html += figure(picture, plot_lines.alt(lines, 'Interrupts a page', 'threads of the process, measured and by the model'),
                       'Interrupts a page, one page to a call, by threads of the process. Solid: measured. Dashed: a <strong>model</strong>, not '
                       'measured: <var>c</var> for each other thread, where <var>c</var> is what this machine showed with two threads.',
                       table('Interrupts a page by threads', ['kind', 'threads', 'interrupts a page'], rows))
    return said + html


def _pictures(show, experiment, found, hazards):
    """A matrix each, with its table."""
    cuts = _table_of_cuts(show, found)
    return (page_matrix.of_hazards(experiment, found, hazards, _table_of(show, found, 'What came of each', hazards)) if hazards else '') \
        + (page_matrix.of_cuts(experiment, found, answers_h1.CUT, cuts) if cuts else '')


def hazard(show, evidence, experiment):
    found = tally.tallies(evidence, experiment)
    if experiment == 'E9':
        plan = evidence.plans[experiment]
        none = tally.not_produced(found)
        return page_predictions.block(show, evidence, plan) + '<h3>Found</h3>' + of_shootdown(show, evidence, plan, found) \
            + (f'<h3>Not produced here</h3>{bullets([show(s) for s in none])}' if none else '')
    hazards = [name for name in dict.fromkeys(name for name, _ in found) if name != answers_h1.CUT]
    said = answers.HAZARD_SENTENCES[experiment].sentences(found) if experiment in answers.HAZARD_SENTENCES else []
    red = bullets([f'<strong class="red">{esc(tally.SUBJECTS.get(t.subject, t.subject))} broke what it promises: '
                   f'{esc(tally.HAZARDS.get(t.hazard, t.hazard))}</strong>' for t in found.values() if t.kept is False])
    none = tally.not_produced(found)
    why = f'<h3>Not produced here</h3>{bullets([show(s) for s in none])}' if none else ''
    plan = evidence.plans.get(experiment)
    before = page_predictions.block(show, evidence, plan) if plan else ''
    return f'{before}<h3>Found {part.evidence_chip(metrics.COUNTS)}</h3>{red}' \
        + bullets([show.sentence(s) for s in said], 'sentences') + _pictures(show, experiment, found, hazards) + why
