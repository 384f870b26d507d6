# SPDX-License-Identifier: MIT
"""The report: one HTML file from the lines of one session alone. No network, no script; on a phone, in print, light and dark.

The order is that in which a reader asks: the ten answers, who wins where, the machine; then a section an experiment; then what was
not measured, and how to read it all. Figures know their runs (page_number.py), so a sentence without them does not build.
"""
import os

from lib import answers, metrics, page_experiment, page_grid, page_predictions, page_words as words, plot, report, results, rules
from lib.page_evidence import Evidence, quantity
from lib.page_html import Shown, bullets, chip, definitions, details, esc, paragraph, section
from lib.page_number import fill

HERE = os.path.dirname(os.path.realpath(__file__))
TITLE = 'Pool against map under one tree'
STATE_KIND = {answers.DECIDED: '', answers.OPEN: 'open', answers.MISSING: 'missing'}


def style():
    """The style sheet with the colours of plots and squares, light and dark."""
    with open(os.path.join(HERE, 'page.css'), encoding='utf-8') as f:
        text = f.read()
    light, dark = (f':root {{ {plot.css(d)} {page_grid.css(d)} }}' for d in (0, 1))
    return f'{light}\n@media screen and (prefers-color-scheme: dark) {{ {dark} }}\n{text}'


def _said(question):
    sides = (('The paper', question.paper), ('The defenders', question.defenders))
    return ' '.join(f'{who}: {what}.' for who, what in sides if what)


def _answer(show, a):
    said = paragraph(esc(_said(a.question)), 'said') if _said(a.question) else ''
    ask = f'<span class="id">{a.question.id}</span> <h3>{esc(a.question.asks)}</h3>{said}'
    reply = paragraph(show.sentence(a.sentence))
    if a.basis:
        link = f'<a href="#{esc(a.experiment)}">{esc(a.experiment)}</a>'
        reply += paragraph(f'{chip(words.KIND_WORDS[a.kind], a.kind)} {show(a.basis)} · {link}', 'basis')
    return f'<li id="{a.question.id}" class="answer {STATE_KIND[a.state]}"><div class="ask">{ask}</div>' \
           f'<div class="reply">{reply}</div></li>\n'


def ten_answers(show, evidence):
    items = ''.join(_answer(show, a) for a in answers.answers(evidence))
    return section('answers', 'Ten questions', f'<ol class="answers">{items}</ol>')


def who_wins(evidence):
    grids = ''.join(page_grid.table(evidence, names, title) for names, title in page_grid.MEASURES)
    note = 'A figure says how many times better the winner is. Map and pool verify as much and have the same memory: pairs of which ' \
           'that is not so are left out. Each square is the first comparison of its kind, in the order of the experiments.'
    return section('wins', 'Who wins where', f'{page_grid.LEGEND}<div class="grids">{grids}</div>{paragraph(note, "note")}')


def _known(text):
    return esc('not known' if text is None else text)


def machine_card(show, evidence):
    """What the session was measured on, and how."""
    head, card = evidence.head, evidence.head['machine']

    def number(name, unit=''):
        return 'not known' if card.get(name) is None else show(evidence.card(name, quantity(float(card[name]), unit)))

    def setting(name):
        return show(evidence.setting(name))
    probe = card.get('device_probe')
    cold, again = (show(evidence.card('device_probe', quantity(probe[key], 'ns'))) if probe else ''
                   for key in ('cold_ns', 'again_ns'))
    ram = card.get('ram_probe')
    on_ram = [('RAM disk, one read', show(evidence.card('ram_probe', quantity(ram['cold_ns'], 'ns'))))] if ram else []
    seed = show(evidence.setting('seed', str(head['seed'])))
    pairs = [
        ('Processor', f'{esc(card["cpu"])}, {number("cpus")} CPUs{", virtual" if card["virtual"] else ""}'),
        ('Memory', number('memory_bytes', 'bytes')),
        ('System', f'Linux {esc(card["kernel"])}, {_known(card["file_system"])} on {_known(card["disk"])}'),
        ('Readahead', f'{number("read_ahead_kb")} KiB; huge pages {_known(card.get("huge_pages"))}'),
        ('Dirty pages', _known(card.get('dirty_limits'))),
        ('Disk, one read', f'{cold} cold, {again} again' if probe else 'not measured'),
        *on_ram,
        ('File, memory', f'{setting("file_bytes")} of file, {setting("memory_bytes")} of memory, limited by {esc(head["budget"])}'),
        ('Rounds', f'{setting("rounds")}, phases of {setting("seconds")} s, seed {seed}'),
        ('Version', f'verso {esc(head["version"]["verso"])}, {esc(head["commit"] or head["version"]["cell"])}'),
        ('Session', f'<code>{esc(head["session"])}</code>, {esc(head["started"])}'),
        ('Machine', f'<code>{esc(head["machine_id"])}</code>'),
        ('Not readable', esc(', '.join(head['missing']) or 'nothing')),
    ]
    warnings = bullets([f'<strong class="red">{esc(text)}</strong>' for text in rules.host_known(card)])
    return section('machine', 'The machine', definitions(pairs) + warnings)


def standing(evidence):
    """What kind of session it is, above everything."""
    notes = []
    if not evidence.session.is_evidence():
        notes.append('A look, not evidence: few rounds.')
    if evidence.session.unfinished():
        notes.append(f'Not finished: {report.rounds_text(evidence.session)}.')
    if not evidence.head['budget_by_kernel']:
        notes.append('Substitute: no memory limit of the kernel could be had, so a thread of the cell evicts.')
    if not plot.program():
        notes.append(plot.NEEDED + '.')
    return ''.join(paragraph(esc(n), 'banner') for n in notes)


def contents(evidence):
    items = [f'<a href="#{esc(e)}">{esc(e)}</a>' for e in evidence.order if evidence.is_measured(e)]
    return f'<nav aria-label="Experiments">{" ".join(items)}</nav>\n' if items else ''


def predictions(show, evidence):
    """What was predicted, and what came true: the list that an expert looks for first."""
    found = page_predictions.all_of(evidence)
    if not found:
        return ''
    items = []
    for experiment, _, word, sentence in found:
        name = f'<a href="#{esc(experiment)}">{esc(experiment)}</a>' if evidence.is_measured(experiment) else f'<span class="id">{esc(experiment)}</span>'
        items.append(f'{chip(word, page_predictions.KIND[word])} {name} {show.sentence(sentence)}')
    note = paragraph(f'{show.sentence(page_predictions.counted(evidence, found))} Written down before the run.', 'note')
    return section('predictions', 'Predictions', note + bullets(items, 'predictions'))


def not_measured(evidence):
    """Reasons, each with the experiments that it keeps away; then with the cells that it keeps away from those that were measured."""
    names = list(dict.fromkeys([e for question in answers.QUESTIONS for e in question.experiments] + list(evidence.plans)))
    reasons, cells = {}, {}
    for name in names:
        why = evidence.why_not(name)
        if why:
            reasons.setdefault(why, []).append(name)
            continue
        for line in evidence.skips(name):
            if line['cell']:
                of = cells.setdefault(line['reason'], {}).setdefault(name, [])
                of += [line['cell']] if line['cell'] not in of else []
    items = [f'<span class="id">{esc(", ".join(of))}</span>: {esc(why)}' for why, of in reasons.items()]
    parts = [f'{esc(why)}: ' + '; '.join(f'<span class="id">{esc(name)}</span> {esc(", ".join(of))}' for name, of in left_out.items())
             for why, left_out in cells.items()]
    body = bullets(items) + (details('Cells of the others that were left out', bullets(parts)) if parts else '')
    return section('missing', 'Not measured here', body) if body else ''


def how_to_read():
    kinds = (metrics.COUNTS, metrics.CPU, metrics.WALL)
    return section('reading', 'How to read this page', bullets(
        [f'{chip(words.KIND_WORDS[k], k)} {esc(words.KIND_MEANS[k])}' for k in kinds]) + paragraph(
        'A ratio is taken within a round, in which every cell runs once, in an order that the seed shuffles. Shown are the geometric '
        'mean over the rounds and its 95 % interval. A sentence says more or less only when the interval lies beyond 5 % (10 % for CPU '
        'time on a busy machine) and beyond A/A, two runs of the same cell. It says the same when the interval lies inside. Else it '
        'says not decided. A page has many comparisons, and one interval in twenty misses; what protects a sentence is that the interval '
        'must also lie beyond the margin and beyond A/A.') + paragraph(
        'Every figure carries the names of the runs from which it was computed; the table of runs ends each section. Figures of '
        'others stand in grey and are mixed with nothing.'))


def heading(show, evidence):
    head = evidence.head
    about = fill('{mode}, {rounds} round{s}, {file} of file in {memory} of memory', mode=head['mode'],
                 rounds=evidence.setting('rounds'), s='' if head['rounds'] == 1 else 's',
                 file=evidence.setting('file_bytes'), memory=evidence.setting('memory_bytes'))
    lead = 'Is a mapped file a good enough buffer pool? One B-tree, one file, one memory budget, two pagers.'
    about = f'{show(about)} · <code>{esc(head["machine_id"])}</code> · {esc(head["started"][:10])}'
    return f'<header><h1>{esc(TITLE)}</h1>{paragraph(lead, "lead")}{paragraph(about, "about")}{standing(evidence)}</header>\n'


def build(session):
    """The page as text."""
    evidence = Evidence(session)
    show = Shown(evidence)
    parts = [ten_answers(show, evidence), who_wins(evidence), machine_card(show, evidence), predictions(show, evidence),
             contents(evidence), *(page_experiment.section(show, evidence, e) for e in evidence.order), not_measured(evidence), how_to_read()]
    return f'''<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{esc(TITLE)}: {esc(evidence.id)}</title>
<style>
{style()}</style>
</head>
<body>
{heading(show, evidence)}<main>
{"".join(parts)}</main>
</body>
</html>
'''


def write(session, path=None):
    """Writes the page beside the session's file, or to `path`. Returns where it stands."""
    path = path or os.path.splitext(session.path)[0] + '.html'
    with open(path + '.new', 'w', encoding='utf-8') as f:
        f.write(build(session))
    os.replace(path + '.new', path)
    return path


def write_of_file(path, to=None):
    return write(results.Session(path), to)

