# SPDX-License-Identifier: MIT
"""Plans: one TOML file an experiment. Everything that is unknown or missing in one is an error that names it."""
import hashlib
import json
import os
import re
import tomllib
from dataclasses import dataclass, field

from lib import metrics


def resolve(options, records):
    """Options for the program: `ops-part`, a part of the records, becomes `ops`; what is the harness's own stays here."""
    options = {k: v for k, v in options.items() if k not in HARNESS_OPTIONS}
    if 'ops-part' in options:
        options['ops'] = max(1, int(options.pop('ops-part') * records))
    return options


class PlanError(Exception):
    """A plan that cannot be used: which file, what was expected, what was found."""


MIB = 1 << 20
BATCH_MAX = 1024  # of cell/cell.h
THREADS_MAX = 63  # of cell/live.h, one of them beside
SECONDS_MAX = 86400.0  # a day
RATE_MAX, OPS_PART_MAX = 1e9, 1000.0  # operations a second; operations as a part of the records


@dataclass(frozen=True)
class Mode:
    """How large and how often. seconds: of a phase whose plan says 1."""
    name: str
    file_bytes: int
    memory_bytes: int
    rounds: int
    seconds: float
    evidence: bool


MODES = {m.name: m for m in (
    Mode('tiny', 24 * MIB, 12 * MIB, 2, 0.3, False),
    Mode('quick', 512 * MIB, 128 * MIB, 3, 2, False),
    Mode('standard', 2048 * MIB, 512 * MIB, 7, 2, True),
    Mode('full', 8192 * MIB, 2048 * MIB, 15, 20, True),
)}
QUICK = ('E2', 'E3', 'E5', 'E6', 'E7', 'H1', 'H2')

# Options that the cell passes to the library or to a workload, with the types of their values.
CELL_OPTIONS = {
    'engine': str, 'pager': str, 'checksum': str, 'madvise': str, 'policy': str, 'io': str,
    'map-writing': str, 'readahead': str, 'commit': str, 'buffered': bool, 'small-pages': bool, 'pin-inner': bool,
    'work': str, 'keys': str, 'part': (int, float), 'stride': int, 'processes': int, 'threads': int, 'batch': int,
    'commit-records': int, 'hold': int, 'passes': int, 'scan-phase': int, 'ops': int, 'ops-part': (int, float), 'rate': (int, float),
    'plant-observer': bool, 'plant-sleep-us': int, 'plant-read-twice': bool, 'plant-cache-share': (int, float), 'plant-die-at': int, 'plant-wrong-at': int,
}
HARNESS_OPTIONS = {'fill-batch': int}  # gets at once in phases that fill memory; each phase may have its own `batch`
CELL_OPTIONS.update(HARNESS_OPTIONS)
TOP = {'id': str, 'title': str, 'questions': list, 'asks': str, 'switch': str, 'kind': str, 'pitfalls': list,
       'workload': dict, 'cell': list, 'phase': list, 'compare': list, 'prediction': list, 'aa': (str, list),
       'needs': list, 'ladder': dict, 'quick': list, 'full': list, 'records_in_order': bool, 'writes': bool, 'frames': list, 'programs': list,
       'memory_part': (int, float), 'variant': list, 'modes': list, 'frames_quick': list, 'frames_full': list}
CELL = {'name': str, 'title': str, 'limit_of': str, 'before': str, 'wrong': str, 'disk': str, 'skip': str,
        'memory_part': (int, float), 'size_part': (int, float), 'in_order': bool, 'read_ahead_kb': int, 'slow_ms': (int, float),
        'files': list, 'tests': list, 'planted': list, 'rate_of': list, 'rate_share': (int, float), **CELL_OPTIONS}
PHASE = {'name': str, 'until': str, 'seconds': (int, float), 'limit_seconds': (int, float), 'batch': int,
         'memory_share': (int, float), 'part': (int, float), 'work': str}
COMPARE = {'cell': str, 'base': str, 'phase': str, 'metrics': list, 'bracket': bool}
PREDICTION = {'id': str, 'cell': str, 'base': str, 'phase': str, 'metric': str, 'low': (int, float),
              'high': (int, float), 'says': str, 'over_cell': str, 'over_base': str}
LADDER = {'base': str, 'top': str, 'alone': list, 'rungs': list, 'metrics': list}
VARIANT = {'suffix': str, 'of': list, 'standard': list, **CELL_OPTIONS}
NEEDED = {
    'plan': ('id', 'title', 'asks', 'switch', 'questions', 'cell'),
    'cell': ('name',), 'phase': ('name',), 'compare': ('cell', 'base', 'phase', 'metrics'),
    'prediction': ('id', 'cell', 'phase', 'metric', 'low', 'high', 'says'),
}
PART_KEYS = ('hot', 'loop', 'chain')  # orders of keys that ask for a part of the records
WORKS = ('get', 'scan', 'scan-gets', 'update', 'update-gets')  # work_names of cell/main.c
UNTIL = ('full', 'settled', 'end')
NEEDS = ('kernel-limit', 'own-group')
BEFORE, WRONG, DISKS = ('run', 'run-drop', 'run-load'), ('R3', 'R5', 'R7', 'R9'), ('ram',)
TITLE_RULE = re.compile(r'(R\d{1,2}): ')  # in front of the title of a cell that breaks that rule on purpose (E17)
KINDS = ('cells', 'replay', 'hazard', 'code')
PROGRAMS = ('hazard_rot', 'hazard_flush', 'hazard_powercut', 'hazard_stray', 'hazard_shootdown')


@dataclass
class Plan:
    """One experiment. Members are named as in the file."""
    id: str
    title: str
    asks: str
    switch: str
    questions: list
    cells: list
    kind: str = 'cells'
    pitfalls: list = field(default_factory=list)
    workload: dict = field(default_factory=dict)
    phases: list = field(default_factory=list)
    compares: list = field(default_factory=list)
    predictions: list = field(default_factory=list)
    aa: list = field(default_factory=list)  # cells that run twice a round; in the file also the name of one
    needs: list = field(default_factory=list)
    quick: list = field(default_factory=list)  # cells of `run quick`; none: all
    full: list = field(default_factory=list)  # cells of `run full` alone
    records_in_order: bool = True
    writes: bool = False
    frames: list = field(default_factory=list)
    frames_quick: list = field(default_factory=list)  # in their place, of `run quick`; none: the same
    frames_full: list = field(default_factory=list)  # beside them, of `run full` alone
    modes: list = field(default_factory=list)  # that have it; none: all. A command that names it has it in any
    ladder: dict = field(default_factory=dict)  # base, top, and cells with one switch each (ladder.py)
    programs: list = field(default_factory=list)
    memory_part: float = 1  # of the session's budget, for cells without one of their own
    variants: list = field(default_factory=list)
    hash: str = ''
    text: str = ''  # of the file
    gone: list = field(default_factory=list)  # what this version does not know of the plan of an older session

    def cell(self, name):
        return next(c for c in self.cells if c['name'] == name)

    def options(self, name):
        """What the cell of that name passes to the program: the workload's options, and its own."""
        merged = dict(self.workload)
        merged.update({k: v for k, v in self.cell(name).items() if k in CELL_OPTIONS})
        return merged

    def phase_options(self, name):
        """What decides of the phases of a cell: its options, and the rule that it breaks."""
        return {**self.options(name), **{k: v for k, v in self.cell(name).items() if k == 'wrong'}}

    def rules_broken(self, cell, base, phase):
        """The rules that a comparison breaks on purpose (E17): those of its cells; R8 for honest ones before memory was full. Rules by
        which no run is judged stand in front of a title alone."""
        found = [about.get('wrong') or (match.group(1) if (match := TITLE_RULE.match(about.get('title', ''))) else None)
                 for about in (self.cell(cell), self.cell(base))]
        if not any(found) and any('wrong' in about for about in self.cells):
            names, full = [p['name'] for p in self.phases], [p['name'] for p in self.phases if p.get('until') == 'full']
            found = ['R8'] if full and phase in names and names.index(phase) < names.index(full[0]) else []
        return tuple(dict.fromkeys(rule for rule in found if rule))

    def left_out(self):
        """[a sentence on what the plan of an older session had and this version does not know], or []."""
        return [f'Left out of its plan, as this version does not know it: {", ".join(self.gone)}.'] if self.gone else []

    def verify_differently(self, cell, base):
        """Whether a comparison is a bracket (rule R4): a pool that verifies "once" does so at each load, a map at the first touch alone."""
        found = [self.options(name) for name in (cell, base)]
        ways = [(verification(o), o.get('pager', 'bufpool') if verification(o) == 'once' else None) for o in found]
        return ways[0] != ways[1]


def _check(where, table, known, needed=()):
    for key, value in table.items():
        if key not in known:
            raise PlanError(f'{where}: unknown key "{key}"; expected one of {", ".join(sorted(known))}')
        kinds = known[key] if isinstance(known[key], tuple) else (known[key],)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise PlanError(f'{where}: "{key}": expected {" or ".join(k.__name__ for k in kinds)}, '
                            f'found {value!r}')
    for key in needed:
        if key not in table:
            raise PlanError(f'{where}: the key "{key}" is missing')


def verification(options):
    """How a cell verifies pages, as far as two cells must agree in it (rule R4)."""
    if options.get('engine', 'verso') != 'verso':
        return 'none'
    return options.get('checksum', 'once')


def _check_compare(where, plan, compare):
    names = [c['name'] for c in plan.cells]
    for key in ('cell', 'base'):
        if compare[key] not in names:
            raise PlanError(f'{where}: "{key}": no cell "{compare[key]}"; expected one of {", ".join(names)}')
    if compare['phase'] not in [p['name'] for p in plan.phases]:
        raise PlanError(f'{where}: no phase "{compare["phase"]}"')
    for name in compare['metrics']:
        if name not in metrics.METRICS:
            raise PlanError(f'{where}: no metric "{name}"; expected one of {", ".join(sorted(metrics.METRICS))}')
    found = [verification(plan.options(compare[key])) for key in ('cell', 'base')]
    if not compare.get('bracket') and (found[0] != found[1] or found[0] == 'once'):
        raise PlanError(f'{where}: {compare["cell"]} verifies "{found[0]}" and {compare["base"]} "{found[1]}": expected '
                        f'the same, "none" or "always" (rule R4); a comparison that is a bracket says bracket = true')


def _without_unknown(table):
    """The same table without keys and metrics that this version does not know; and their names."""
    gone = []

    def known(entry, keys, where):
        gone.extend(f'{where}"{key}"' for key in entry if key not in keys)
        return {key: value for key, value in entry.items() if key in keys}
    table = known(table, TOP, '')
    for name, keys in (('cell', CELL), ('phase', PHASE), ('compare', COMPARE), ('prediction', PREDICTION), ('variant', VARIANT)):
        if name in table:
            table[name] = [known(entry, keys, f'{name} ') for entry in table[name]]
    for name, keys in (('workload', CELL_OPTIONS), ('ladder', LADDER)):
        if name in table:
            table[name] = known(table[name], keys, f'{name} ')
    for entry in [*table.get('compare', []), *([table['ladder']] if 'metrics' in table.get('ladder', {}) else [])]:
        gone.extend(f'metric "{name}"' for name in entry['metrics'] if name not in metrics.METRICS)
        entry['metrics'] = [name for name in entry['metrics'] if name in metrics.METRICS]
    if table.get('kind', 'cells') == 'cells' and 'prediction' in table:
        gone.extend(f'metric "{p["metric"]}"' for p in table['prediction'] if p['metric'] not in metrics.METRICS)
        table['prediction'] = [p for p in table['prediction'] if p['metric'] in metrics.METRICS]
    return table, list(dict.fromkeys(gone))


def parse(text, where, is_old=False):
    """A Plan from the text of its file. is_old: of a session that was measured: what this version does not know of it is left out, and
    what it would refuse to measure is no error any more."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f'{where}: {error}') from error
    digest = hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()[:12]
    table, gone = _without_unknown(table) if is_old else (table, [])
    _check(where, table, TOP, NEEDED['plan'])
    _check(f'{where}: workload', table.get('workload', {}), CELL_OPTIONS)
    for name, known in (('cell', CELL), ('phase', PHASE), ('compare', COMPARE), ('prediction', PREDICTION)):
        for i, entry in enumerate(table.get(name, []), 1):
            _check(f'{where}: {name} {i}', entry, known, NEEDED[name])
    for i, entry in enumerate(table.get('variant', []), 1):
        _check(f'{where}: variant {i}', entry, VARIANT, ('suffix', 'of'))
    renamed = {'variant': 'variants', 'cell': 'cells', 'phase': 'phases', 'compare': 'compares', 'prediction': 'predictions'}
    plan = Plan(**{renamed.get(key, key): value for key, value in table.items()})
    plan.aa = [plan.aa] if isinstance(plan.aa, str) else plan.aa
    _add_variants(where, plan)
    _add_rungs(where, plan)
    plan.text, plan.hash, plan.gone = text, digest, gone
    if not is_old:
        _check_whole(where, plan)
    return plan


def _named(where, plan, names):
    """Cells by their names, or an error."""
    for name in names:
        if name not in [c['name'] for c in plan.cells]:
            raise PlanError(f'{where}: no cell "{name}"')
    return [plan.cell(name) for name in names]


def _add_variants(where, plan):
    """The same cells once more, at another workload: `suffix` behind their names. Those that `standard` does not name are for
    `run full` alone."""
    for i, variant in enumerate(plan.variants, 1):
        options = {k: v for k, v in variant.items() if k in CELL_OPTIONS}
        chosen = variant.get('standard', variant['of'])
        _named(f'{where}: variant {i}: "standard"', plan, chosen)
        for cell in _named(f'{where}: variant {i}: "of"', plan, variant['of']):
            name = f'{cell["name"]}-{variant["suffix"]}'
            plan.cells.append({**cell, 'name': name, **options})
            if cell['name'] not in chosen:
                plan.full.append(name)


def _add_rungs(where, plan):
    """Each rung of a ladder beside the one below it, in each phase that is measured, at each workload. It is a bracket: what differs
    may be the verification."""
    rungs = plan.ladder.get('rungs', [])
    _named(f'{where}: ladder: "rungs"', plan, rungs)
    for suffix in ['', *(f'-{v["suffix"]}' for v in plan.variants)]:
        for below, above in zip(rungs, rungs[1:]):
            cell, base = f'{above}{suffix}', f'{below}{suffix}'
            if not {cell, base} <= {c['name'] for c in plan.cells}:
                continue
            work = plan.options(cell).get('work', 'get')
            plan.compares += [{'cell': cell, 'base': base, 'phase': p['name'], 'bracket': True, 'metrics': plan.ladder.get('metrics', ['cpu_ns_per_op'])}
                              for p in plan.phases if 'seconds' in p and p.get('work', work) == work]


def _check_above_zero(where, table, key, most):
    if not 0 < table.get(key, most) <= most:
        raise PlanError(f'{where}: "{key}": expected more than 0 and at most {most:g}, found {table[key]}')


def _check_share(where, table, key):
    _check_above_zero(where, table, key, 1)


def _check_options(where, options):
    """Numbers that the program would take for another workload: at a rate of 0 it has a closed loop."""
    for key in ('part', 'plant-cache-share'):
        _check_share(where, options, key)
    for key, most in (('rate', RATE_MAX), ('ops-part', OPS_PART_MAX)):
        _check_above_zero(where, options, key, most)


def _check_cell(where, plan, cell):
    """What the harness does for one cell alone."""
    for key in ('memory_part', 'size_part', 'rate_share'):
        _check_share(where, cell, key)
    _check_options(where, plan.options(cell['name']))
    for key, known in (('before', BEFORE), ('wrong', WRONG), ('disk', DISKS)):
        if key in cell and cell[key] not in known:
            raise PlanError(f'{where}: "{key}": expected one of {", ".join(known)}, found "{cell[key]}"')
    if cell.get('disk') == 'ram' and ('size_part' in cell or not cell.get('in_order', plan.records_in_order)):
        raise PlanError(f'{where}: "disk": the RAM disk has the file of the session\'s size, in order, and no other')
    if cell.get('read_ahead_kb', 0) < 0 or ('read_ahead_kb' in cell and cell.get('disk') != 'ram'):
        raise PlanError(f'{where}: "read_ahead_kb": expected 0 or more, and disk = "ram", which is the harness\'s own: a disk\'s setting is the machine\'s')
    if cell.get('slow_ms', 1) <= 0 or ('slow_ms' in cell and 'disk' in cell):
        raise PlanError(f'{where}: "slow_ms": expected more than 0, and the disk of the files')
    _check_processes(f'{where}: "processes"', plan, cell)
    _check_batch(f'{where}: "fill-batch"', plan.options(cell['name']).get('fill-batch', 1))
    if (plan.kind == 'code') != bool(cell.get('files')):
        raise PlanError(f'{where}: "files": cells of a plan of kind "code" have some, others have none')
    if 'planted' in cell and plan.kind != 'code':
        raise PlanError(f'{where}: "planted": only cells of a plan of kind "code" have faults to count')


def _check_processes(where, plan, cell):
    """Several processes: what the program cannot do for them is refused here, before anything runs."""
    options = plan.options(cell['name'])
    n = options.get('processes', 1)
    if n < 1 or n * options.get('threads', 1) > THREADS_MAX:
        raise PlanError(f'{where}: expected at least 1, and at most {THREADS_MAX} threads in all, found {n}')
    if n == 1:
        return
    if options.get('work', 'get') != 'get' or plan.kind != 'cells' or 'slow_ms' in cell or any('memory_share' in p for p in plan.phases):
        raise PlanError(f'{where}: several processes get, on a disk that is not slowed, in memory that stays the same')
    if not {'kernel-limit', 'own-group'} & set(plan.needs):
        raise PlanError(f'{where}: "needs": expected "kernel-limit" or "own-group": a thread cannot evict what other processes have mapped')


def _check_over(where, plan, p):
    """A prediction of how one ratio is to another."""
    if ('over_cell' in p) != ('over_base' in p) or ('over_cell' in p and ('base' not in p or plan.kind != 'cells')):
        raise PlanError(f'{where}: "over_cell" and "over_base" belong together, and to a "base", in a plan of cells')
    if 'over_cell' in p:
        _check_compare(where, plan, {'cell': p['over_cell'], 'base': p['over_base'], 'phase': p['phase'], 'bracket': True, 'metrics': []})


def _check_frames(where, plan):
    for key in ('frames', 'frames_quick', 'frames_full'):
        for part in getattr(plan, key):
            if not isinstance(part, str) or not re.fullmatch(r'0\.\d+|1', part) or float(part) == 0:
                raise PlanError(f'{where}: "{key}": expected parts of the pages, such as "0.25", found {part!r}')


def _check_batch(where, batch):
    if not 1 <= batch <= BATCH_MAX:
        raise PlanError(f'{where}: expected 1 to {BATCH_MAX}, found {batch}')


def _check_whole(where, plan):
    names = [c['name'] for c in plan.cells]
    if len(set(names)) != len(names):
        raise PlanError(f'{where}: two cells have the same name')
    if plan.kind not in KINDS:
        raise PlanError(f'{where}: "kind": expected one of {", ".join(KINDS)}, found "{plan.kind}"')
    if (plan.kind == 'hazard') != bool(plan.programs) or not set(plan.programs) <= set(PROGRAMS):
        raise PlanError(f'{where}: "programs": a plan of kind "hazard" has some of {", ".join(PROGRAMS)}, others have none; '
                        f'found {plan.programs}')
    _named(f'{where}: "aa"', plan, plan.aa)
    for i, phase in enumerate(plan.phases, 1):
        if phase.get('until', 'full') not in UNTIL or ('until' in phase) == ('seconds' in phase):
            raise PlanError(f'{where}: phase {i}: expected either seconds, or until = "full", "settled" or "end"')
        _check_batch(f'{where}: phase {i}: "batch"', phase.get('batch', 1))
        if phase.get('work', 'get') not in WORKS:
            raise PlanError(f'{where}: phase {i}: "work": expected one of {", ".join(WORKS)}, found "{phase["work"]}"')
        for key in ('part', 'memory_share'):
            _check_share(f'{where}: phase {i}', phase, key)
        for key in ('seconds', 'limit_seconds'):
            _check_above_zero(f'{where}: phase {i}', phase, key, SECONDS_MAX)
        if 'limit_seconds' in phase and 'until' not in phase:
            raise PlanError(f'{where}: phase {i}: "limit_seconds": expected "until" beside it: a phase of some seconds ends by the clock')
    asks_group = any('memory_share' in p for p in plan.phases) or any('before' in c for c in plan.cells)
    if asks_group and 'own-group' not in plan.needs:
        raise PlanError(f'{where}: "needs": expected "own-group", as memory is taken while it runs, or a process follows another')
    if not 0 < plan.memory_part <= 1:
        raise PlanError(f'{where}: "memory_part": expected more than 0 and at most 1, found {plan.memory_part}')
    for cell in plan.cells:
        _check_cell(f'{where}: cell "{cell["name"]}"', plan, cell)
    for key, some in (('modes', plan.modes), ('frames_quick', plan.frames_quick), ('frames_full', plan.frames_full)):
        if (key == 'modes' and not set(some) <= set(MODES)) or (key != 'modes' and some and plan.kind != 'replay'):
            raise PlanError(f'{where}: "{key}": expected {"some of " + ", ".join(MODES) if key == "modes" else "kind = replay"}, found {some}')
    _check_frames(where, plan)
    for need in plan.needs:
        if need not in NEEDS:
            raise PlanError(f'{where}: "needs": expected {" or ".join(NEEDS)}, found "{need}"')
    for cell in plan.cells:
        if ('rate_of' in cell) != ('rate_share' in cell):
            raise PlanError(f'{where}: cell "{cell["name"]}": rate_of and rate_share belong together')
        for other in cell.get('rate_of', []):
            if other not in names or 'rate_of' in plan.cell(other):
                raise PlanError(f'{where}: cell "{cell["name"]}": "rate_of": no closed loop "{other}"')
        if 'limit_of' in cell and cell['limit_of'] not in names:
            raise PlanError(f'{where}: cell "{cell["name"]}": "limit_of": no cell "{cell["limit_of"]}"')
    if plan.ladder:
        _check(f'{where}: ladder', plan.ladder, LADDER, ('base', 'top', 'alone'))
        for name in (plan.ladder['base'], plan.ladder['top'], *plan.ladder['alone']):
            if name not in names:
                raise PlanError(f'{where}: ladder: no cell "{name}"')
    for key, chosen in (('quick', plan.quick), ('full', plan.full)):
        for name in chosen:
            if name not in names:
                raise PlanError(f'{where}: "{key}": no cell "{name}"')
    if plan.aa and plan.aa[0] in plan.full:
        raise PlanError(f'{where}: "full": "{plan.aa[0]}" is the first A/A cell, which runs in every mode')
    for i, compare in enumerate(plan.compares, 1):
        _check_compare(f'{where}: compare {i}', plan, compare)
    for i, p in enumerate(plan.predictions, 1):
        if plan.kind == 'cells':
            _check_compare(f'{where}: prediction {i}', plan,
                           {'base': p.get('base', p['cell']), 'bracket': True, **p, 'metrics': [p['metric']]})
        if plan.kind == 'code' and not {p['cell'], p.get('base')} <= set(names):
            raise PlanError(f'{where}: prediction {i}: expected "cell" and "base" out of {", ".join(names)}')
        if plan.kind == 'hazard' and p['cell'] not in names:
            raise PlanError(f'{where}: prediction {i}: "cell": no cell "{p["cell"]}"; expected one of {", ".join(names)}')
        _check_over(f'{where}: prediction {i}', plan, p)
        if p['low'] > p['high']:
            raise PlanError(f'{where}: prediction {i}: low is above high')


def load(path):
    with open(path, encoding='utf-8') as f:
        plan = parse(f.read(), os.path.basename(path))
    if f'{plan.id}.toml' != os.path.basename(path):
        raise PlanError(f'{path}: expected the file of "{plan.id}" to be called {plan.id}.toml')
    return plan


def load_all(folder):
    """The plans of a folder by id, in the order of their numbers."""
    names = [n for n in os.listdir(folder) if n.endswith('.toml')]
    plans = [load(os.path.join(folder, n)) for n in names]
    plans.sort(key=lambda p: (p.id[0], int(p.id[1:]) if p.id[1:].isdigit() else 0, p.id))
    return {p.id: p for p in plans}
