# SPDX-License-Identifier: MIT
"""What the sections of all experiments share: the frame, tables, sentences, pitfalls, command lines, runs that do not count."""
from lib import compare, page_published, page_words as words, program, rules, stats
from lib.page_html import bullets, chip, definitions, details, esc, paragraph, section, table
from lib.page_number import fill

VERDICT_KIND = {stats.MORE: 'said', stats.LESS: 'said', stats.SAME: 'said', stats.NOT_DECIDED: 'open'}


def evidence_chip(kind):
    return chip(words.KIND_WORDS[kind], kind)


def table_of_ratios(show, evidence, comparisons):
    """One row a comparison."""
    rows = []
    for c in comparisons:
        twins = evidence.twins(c)
        known = c.values[0] is not None
        verdict = c.verdict.word if c.verdict.word != stats.NOT_DECIDED else f'{c.verdict.word}: {c.verdict.why}'
        about = ', '.join(filter(None, (f'{c.cell} / {c.base}', compare.on_purpose(c)[:-2], compare.BRACKET if c.bracket else '')))
        rows.append([f'{esc(c.phase)}: {esc(c.metric.text)}', esc(about),
                     show(evidence.ratio(c)) if c.found else '–', show(twins), chip(verdict, VERDICT_KIND[c.verdict.word]),
                     show(evidence.mean(c, 0)) if known else '–', show(evidence.mean(c, 1)) if known else '–',
                     evidence_chip(c.metric.kind), show(evidence.rounds(c))])
    head = ['what', 'cells', 'ratio', 'A/A', 'verdict', 'first', 'second', 'evidence', 'rounds']
    return table('Ratios within a round: geometric mean and 95 % interval', head, rows)


def sentences(show, evidence, comparisons):
    """One a comparison; those of which nothing counts share one."""
    said = [c for c in comparisons if not compare.is_struck_out(c)]
    items = [f'{show.sentence(fill("{said}.", said=words.comparison(evidence, c)))} <span class="basis">'
             f'{evidence_chip(c.metric.kind)} {show(words.basis(evidence, c))}</span>' for c in said]
    if len(said) < len(comparisons):
        names = ', '.join(dict.fromkeys(c.metric.text for c in comparisons if compare.is_struck_out(c)))
        items.append(f'Not decided, because the machine was not quiet: <span class="name">{esc(names)}</span>.')
    return bullets(items, 'sentences')


def limits(evidence, plan):
    """Rule R11, straw men, and R3 of what writes: in red above the result."""
    found = evidence.limits(plan.id)
    return bullets([f'<strong class="red">{esc(one.text)}</strong>' if one.is_red else esc(one.text) for one in found], 'limits')


def command_lines(evidence, plan, cells):
    """What to type for the same again, and what each cell was told."""
    head = evidence.head
    line = f'experiments/run {plan.id} --size={head["mode"]} --rounds={head["rounds"]} --seed={head["seed"]}'
    items = [f'<code>{esc(line)}</code>']
    for name in cells:
        line = ' '.join(program.words(plan.options(name)))
        items.append(f'<span class="name">{esc(name)}</span> <code>{esc(line)}</code>')
    return details('Command lines', bullets(items, 'code'))


def axis(unit, top):
    """(divisor, text) of an axis for values of a unit up to `top`."""
    if unit == 'ns':
        return next(((size, f', {name}') for size, name in ((1e9, 's'), (1e6, 'ms'), (1e3, 'µs')) if top >= 2 * size), (1, ', ns'))
    if unit == 'bytes':
        return next(((size, f', {name}') for size, name in ((1 << 20, 'MiB'), (1 << 10, 'KiB')) if top >= 2 * size), (1, ', bytes'))
    return next(((size, f', {name}') for size, name in ((1e6, 'millions'), (1e3, 'thousands')) if top >= 2 * size), (1, ''))


def quiet_text(line):
    if line.get('quiet'):
        return 'yes'
    return esc('; '.join(f for f in line.get('flags', []) if f.startswith('R10')) or '–')


def run_table(evidence, lines):
    """All that was measured; the short names are those of the page's figures."""
    rows = []
    for line in lines:
        an_id = evidence.line_id(line)
        name = evidence.index_of(an_id)
        rows.append([f'<span id="run-{esc(name)}">{esc(name)}</span>', esc(line.get('cell') or line.get('subject') or '–'),
                     esc(line.get('round', '–')), esc('; '.join(line.get('invalid', [])) or 'yes'),
                     quiet_text(line) if line['kind'] == 'run' else '–', f'<code>{esc(an_id)}</code>'])
    head = ['run', 'cell', 'round', 'valid', 'quiet', 'id']
    return details(f'All {len(lines)} runs', table('Runs and their names on this page', head, rows))


def invalid_runs(evidence, plan_id, lines):
    """Which runs do not count, and why."""
    bad = [(evidence.index_of(evidence.line_id(line)), line) for line in lines if line.get('invalid')]
    noisy = [line for line in lines if line['kind'] == 'run' and not line['quiet'] and not line['invalid']]
    items = [f'{esc(name)} ({esc(line.get("cell", ""))}): {esc("; ".join(line["invalid"]))}' for name, line in bad]
    if noisy:
        why = sorted({flag for line in noisy for flag in line['flags'] if flag.startswith('R10')})
        items.append(f'{len(noisy)} more ran while the machine was not quiet, so their rates and latencies do not count: '
                     f'{esc("; ".join(why[:3]))}{" …" if len(why) > 3 else ""}')
    runs = [line for line in lines if line['kind'] == 'run']
    items += [esc(text) for number in sorted({r['round'] for r in runs})
              for text in rules.same_round([r for r in runs if r['round'] == number], evidence.plans[plan_id])]
    return bullets(items) if items else paragraph('Every run is valid.')


def flags(lines):
    """What the rules found that does not make a run invalid, each once. Of cells R10 stands in the table of runs."""
    found = sorted({f for line in lines for f in line.get('flags', []) if line['kind'] != 'run' or not f.startswith('R10')})
    return bullets([esc(f) for f in found])


def missing_cells(evidence, experiment):
    reasons = {}
    for line in evidence.skips(experiment):
        if line['cell']:
            reasons.setdefault(line['reason'], []).append(line['cell'])
    return bullets([f'{esc(", ".join(cells))} {"was" if len(cells) == 1 else "were"} left out: {esc(reason)}' for reason, cells in reasons.items()])


def published(experiment):
    """Figures of others, in grey."""
    return ''.join(f'<aside class="published"><p>{esc(text)}</p>'
                   f'<p class="source">Published: {esc(source)}. Not measured here.</p></aside>'
                   for text, source in page_published.PUBLISHED.get(experiment, ()))


def frame(evidence, experiment, about, body, lines, commands=''):
    """A section. about: dict of title, asks, switch, pitfalls. body: HTML between the head and the end."""
    known = bullets([esc(text) for text in about['pitfalls']]) + flags(lines)
    pitfalls = details('Pitfalls, and how they were met', known) if known else ''
    end = pitfalls + commands + details('Runs that do not count, and why', invalid_runs(evidence, experiment, lines)) \
        + run_table(evidence, lines)
    title = f'<span class="id">{esc(experiment)}</span> {esc(about["title"])}'
    switch = definitions([('Switch', esc(about['switch']))])
    return section(experiment, title, paragraph(esc(about['asks']), 'asks') + switch + body + missing_cells(evidence, experiment)
                   + published(experiment) + f'<div class="behind">{end}</div>')
