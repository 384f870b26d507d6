# SPDX-License-Identifier: MIT
"""The material for teachers, held against the labs: labs/teach/exam.toml, answers.md, guide.md, and each lab's rubric.md."""
import os
import re

from common import GraderError, Lab, LABS, ROOT, read, toml

LEVELS = {1: 'knows the words', 2: 'follows a mechanism', 3: 'judges something new'}
QUESTIONS_MIN = 8       # of each lab that is there
ANSWER_CHARACTERS = 40  # shorter ones help nobody who has to mark
PARTS = ['Demonstration', 'Five usual mistakes', 'Oral questions', 'Dials', 'Without this lab']


def there():
    """The labs that are written."""
    return [Lab(n[3:]) for n in sorted(os.listdir(LABS)) if os.path.isfile(os.path.join(LABS, n, 'lab.toml'))]


def exam_faults(exam, labs):
    found, ids, texts = [], set(), set()
    questions = exam.get('question', [])
    for q in questions:
        name = q.get('id', 'a question without an id')
        if set(q) != {'id', 'lab', 'level', 'question', 'answer'}:
            found.append(f'{name} has the fields {", ".join(sorted(q))}; expected id, lab, level, question, answer')
            continue
        if not re.fullmatch(r'E[0-7]\.\d+', name) or name[1] != q['lab']:
            found.append(f'{name}: an id is E, the lab, a point and a number')
        if name in ids:
            found.append(f'{name} stands twice')
        if q['question'] in texts:
            found.append(f'{name} asks what another one asks')
        if q['level'] not in LEVELS:
            found.append(f'{name}: the level is {q["level"]!r}, expected one of {list(LEVELS)}')
        if len(q['question'].strip()) < 15 or len(q['answer'].strip()) < ANSWER_CHARACTERS:
            found.append(f'{name}: the question or the answer is too short to be of use')
        ids.add(name)
        texts.add(q['question'])
    for number in labs:
        mine = [q for q in questions if q.get('lab') == number]
        if len(mine) < QUESTIONS_MIN:
            found.append(f'lab {number} has {len(mine)} questions; expected at least {QUESTIONS_MIN}')
        missing = set(LEVELS) - {q.get('level') for q in mine}
        if missing:
            found.append(f'lab {number} has no question of level {sorted(missing)}')
    return found


def mistakes_of(text):
    """The tests in the second column of a table: a list of lists."""
    rows = re.findall(r'^\|[^|]+\|([^|]+)\|\s*$', text, re.M)
    return [re.findall(r'\b[A-Z]\d+\b', row) for row in rows[1:] if '---' not in row]


def mistakes_faults(where, text, lab):
    found, rows = [], mistakes_of(text)
    if len(rows) < 5:
        found.append(f'{where}: {len(rows)} usual mistakes; expected five')
    ids = {t['id'] for t in [*lab.tests, *lab.rules]}
    for row in rows:
        if not row or not set(row) <= ids:
            found.append(f'{where}: a mistake names {", ".join(row) or "no test"}; lab {lab.number} has no such test')
    return found


def guide_faults(text, labs):
    """Each lab that is there has its notes and a row of the first table, and no other lab has."""
    found = []
    sections = dict(re.findall(r'^## Lab (\d)\b[^\n]*\n(.*?)(?=^## |\Z)', text, re.M | re.S))
    rows = re.findall(r'^\| (\d) \| .* \| \d+ to \d+[^|]* \|$', text, re.M)
    for number in rows:
        if not os.path.isfile(os.path.join(LABS, f'lab{number}', 'lab.toml')):
            found.append(f'guide.md has a row for lab {number}, and there is none')
    for lab in labs:
        if lab.number not in rows:
            found.append(f'guide.md has no row for lab {lab.number}')
        if lab.number not in sections:
            found.append(f'guide.md has no notes on lab {lab.number}')
            continue
        parts = dict(re.findall(r'^### ([^\n]*)\n(.*?)(?=^### |\Z)', sections[lab.number], re.M | re.S))
        if list(parts) != PARTS:
            found.append(f'guide.md, lab {lab.number}: the parts are {list(parts)}, expected {PARTS}')
            continue
        found += mistakes_faults(f'guide.md, lab {lab.number}', parts['Five usual mistakes'], lab)
        found += command_faults(f'guide.md, lab {lab.number}', parts['Demonstration'], lab)
    return found


def command_faults(where, text, lab):
    """The commands of a demonstration name what is there."""
    found, names = [], {t['id'] for t in lab.tests}
    commands = re.findall(r'^ {4}\./lab (test|hint|run|lint|predict|measure) (\d) ?([^#\n]*)', text, re.M)
    if not commands:
        found.append(f'{where}: no command is shown')
    for command, number, rest in commands:
        word = rest.split()[0] if rest.split() else ''
        tools = {n for n, p in lab.programs.items() if p.get('tool')}
        if command in ('lint', 'predict', 'measure'):
            if number != lab.number or (command == 'lint' and word and not word.startswith(('-', '/')) and not os.path.exists(os.path.join(ROOT, word))):
                found.append(f'{where}: ./lab {command} {number} {rest.strip()}: there is no {word}')
            continue
        if number != lab.number or (word and not word.startswith('-') and word not in (tools if command == 'run' else names)):
            found.append(f'{where}: ./lab {command} {number} {rest.strip()}: there is no {word}')
    return found


def rubric_faults(text, lab):
    """What is judged by hand has its points, and the mistakes their tests."""
    found = []
    mistakes = re.search(r'^## Five usual mistakes[^\n]*\n(.*?)(?=^## |\Z)', text, re.M | re.S)
    if not mistakes:
        found.append(f'lab {lab.number}: rubric.md has no usual mistakes')
    else:
        found += mistakes_faults(f'lab {lab.number}, rubric.md', mistakes.group(1), lab)
    if not re.search(r'^\| question \| listen for \|$', text, re.M):
        found.append(f'lab {lab.number}: rubric.md has no questions for ten minutes with the student')
    return found


def prose(text):
    """A handout without headings, code, tables of results, pictures and targets of links."""
    for what in (r'(?ms)^```.*?^```', r'(?m)^ {4}.*$', r'(?m)^#.*$', r'`[^`\n]*`', r'!\[[^]]*\]\([^)]*\)', r'(?<=\])\([^)]*\)'):
        text = re.sub(what, '', text)
    return ' '.join(text.split())


def terms_faults(text, lab):
    """Each new word is explained where a reader first meets it: there it stands in bold or italic letters."""
    found, text = [], prose(text)
    marked = [m.span() for m in re.finditer(r'\*\*[^*]+\*\*|(?<!\*)\*[^*]+\*(?!\*)', text)]
    for term in lab.terms:
        first = re.search(rf'\b{re.escape(term)}(e?s)?\b', text, re.I)
        if not first:
            found.append(f'lab {lab.number}: the handout does not have the word {term}')
        elif not any(begin <= first.start() < end for begin, end in marked):
            found.append(f'lab {lab.number}: {term} stands first in "{text[max(0, first.start() - 40):first.end() + 20]}", and is not explained there')
    return found


def answers_faults(text, labs):
    """Each question of a handout has an answer in answers.md."""
    found = []
    sections = dict(re.findall(r'^## Lab (\d)\n(.*?)(?=^## |\Z)', text, re.M | re.S))
    for lab in labs:
        questions = re.search(r'^## Questions\n(.*?)(?=^## )', read(lab.path('handout.md')), re.M | re.S).group(1)
        asked, answered = (re.findall(r'^(\d+)\. ', part, re.M) for part in (questions, sections.get(lab.number, '')))
        if asked != answered:
            found.append(f'answers.md, lab {lab.number}: answers {", ".join(answered) or "none"}; questions {", ".join(asked)}')
    return found


def faults():
    labs = there()
    found = exam_faults(toml(os.path.join(LABS, 'teach', 'exam.toml')), [lab.number for lab in labs])
    found += guide_faults(read(os.path.join(LABS, 'teach', 'guide.md')), labs)
    found += answers_faults(read(os.path.join(LABS, 'teach', 'answers.md')), labs)
    for lab in labs:
        if not os.path.exists(lab.path('rubric.md')):
            raise GraderError(f'lab {lab.number} has no rubric.md')
        found += rubric_faults(read(lab.path('rubric.md')), lab)
        found += terms_faults(read(lab.path('handout.md')), lab)
    return found
