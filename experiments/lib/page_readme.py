# SPDX-License-Identifier: MIT
"""The README's part: the ten sentences of the reference run between two marks, with three pictures of it in docs/pictures/; and the
manual's figures (manual.py).

The reference run is the one file of lines in results/reference/, which is committed. A test holds all of them to its lines.
"""
import os

from lib import answers, manual, page_experiment, page_grid, page_words as words, plot, plot_time, results
from lib.page_evidence import Evidence

BEGIN, END = '<!-- ten answers: begin -->', '<!-- ten answers: end -->'
PICTURES = 'docs/pictures'
GRID = 'who-wins-where.svg'
PLOTS = ('E2', 'E7')


class ReadmeError(Exception):
    """No reference run, or a page without the marks; the text says what is missing."""


def reference(results_folder):
    """The path of the reference run, or None when there is none."""
    folder = os.path.join(results_folder, 'reference')
    names = sorted(n for n in (os.listdir(folder) if os.path.isdir(folder) else []) if n.endswith('.jsonl'))
    if len(names) > 1:
        raise ReadmeError(f'{folder}: expected one file of lines, found {", ".join(names)}')
    return os.path.join(folder, names[0]) if names else None


def plot_of(evidence, experiment):
    """(Picture, alt text) of the one plot that stands for an experiment, or None."""
    if not evidence.is_measured(experiment) or experiment not in evidence.plans:
        return None
    plan = evidence.plans[experiment]
    if plan.kind == 'code':
        return None
    if plan.kind == 'replay':
        lines, picture = page_experiment.regret_picture(evidence, experiment)
        return (picture, f'{experiment}: regret by memory, one line each for {", ".join(lines)}') if picture else None
    runs = page_experiment.timed_runs(evidence, plan)
    picture = plot_time.draw(f'{experiment} time', runs, lambda name: words.engine(plan, name))
    alt = plot_time.alt(runs).replace(' The figures are in the table behind it.', '')
    return (picture, f'{experiment}: {alt}') if picture else None


def pictures(evidence):
    """{file name: (SVG text, alt text)}; without gnuplot only the first."""
    alt = 'who wins where: the CPU time of an operation by workload, memory and reads in flight'
    found = {GRID: (page_grid.svg(evidence, *page_grid.MEASURES[0]), alt)}
    for experiment in PLOTS:
        drawn = plot_of(evidence, experiment) if plot.program() else None
        if drawn:
            found[f'experiment-{experiment}.svg'] = (plot.alone(drawn[0].wide), drawn[1])
    return found


def rounds_got(session):
    """How many there are of each experiment: one number, or the lowest and the highest."""
    found = sorted(set(session.rounds_got().values())) or [session.head['rounds']]
    return str(found[0]) if len(found) == 1 else f'{found[0]} to {found[-1]}'


def block(evidence, shown):
    """The Markdown between the marks. shown: {file name: alt text} of the pictures."""
    head, card = evidence.head, evidence.head['machine']
    lines = [f'From the reference run `{head["session"]}` ({card["cpu"]}, {card["cpus"]} CPUs, Linux {card["kernel"]}, '
             f'{rounds_got(evidence.session)} rounds, {head["file_bytes"] >> 20} MiB of file in {head["memory_bytes"] >> 20} MiB of memory). '
             '`experiments/run readme` writes this part, and `experiments/run report` the whole page.', '']
    if not evidence.session.is_evidence():
        lines += ['A look, not evidence: few rounds.', '']
    for a in answers.answers(evidence):
        basis = f' *({words.KIND_WORDS[a.kind]}; {a.basis.text()}; {a.experiment})*' if a.basis else ''
        lines.append(f'{answers.QUESTIONS.index(a.question) + 1}. **{a.question.asks}** {a.sentence.text()}{basis}')
    for name, alt in shown.items():
        lines += ['', f'![{alt}]({PICTURES}/{name})']
    return '\n'.join(lines)


def between(text, name='README.md', begin=BEGIN, end=END):
    """(before, inside, after) of the marks of a page."""
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ReadmeError(f'{name}: expected one line "{begin}" and after it one "{end}"; write both where the part shall stand')
    start, stop = text.index(begin) + len(begin), text.index(end)
    return text[:start], text[start:stop].strip('\n'), text[stop:]


def _parts(root, *marks):
    """(path, what stands before and behind the marks) of a page."""
    path = os.path.join(root, marks[0])
    with open(path, encoding='utf-8') as f:
        before, _, after = between(f.read(), *marks)
    return path, before, after


def write(root, results_folder):
    """Writes the part and the pictures from the reference run. Returns the paths that were written."""
    path = reference(results_folder)
    if path is None:
        raise ReadmeError(f'{results_folder}/reference: no reference run; copy a session of `experiments/run standard` there')
    evidence = Evidence(results.Session(path))
    readme, guide = _parts(root, 'README.md'), _parts(root, manual.PAGE, manual.BEGIN, manual.END)
    drawn = pictures(evidence)
    written = []
    for name, (svg, _) in drawn.items():
        written.append(os.path.join(root, PICTURES, name))
        with open(written[-1], 'w', encoding='utf-8') as f:
            f.write(svg)
    for (path, before, after), inside in ((readme, block(evidence, {name: alt for name, (_, alt) in drawn.items()})), (guide, manual.block(evidence))):
        written.append(path)
        with open(path, 'w', encoding='utf-8') as f:
            f.write(f'{before}\n{inside}\n{after}')
    return written
