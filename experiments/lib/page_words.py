# SPDX-License-Identifier: MIT
"""Words for what was measured: names of cells and workloads, and the sentence of a comparison by its metric."""
from lib import compare, metrics, stats
from lib.page_number import Name, Sentence, capital, fill

KIND_WORDS = {metrics.COUNTS: 'counts', metrics.CPU: 'CPU time', metrics.WALL: 'wall clock'}
KIND_MEANS = {
    metrics.COUNTS: 'exact on any machine under any load; where the kernel counts for the machine alone, only while it was quiet',
    metrics.CPU: 'holds within a tenth on a busy machine',
    metrics.WALL: 'counts only while the machine was quiet',
}
ENGINES = {'pool': 'the pool', 'map': 'the map', 'lmdb': 'LMDB', 'device': 'the bare device', 'sqlite': 'SQLite',
           'third': 'the third pager'}
PAGERS = {'bufpool': 'pool', 'mmap': 'map'}
AFTER_A_START = {'again': 'started again', 'drop': 'started again, with nothing in memory'}  # in names of cells of E13
WORKS = ('get', 'gets', 'scan', 'sparse', 'update', 'readers')  # in names of cells; the sentence says them otherwise


def engine(plan, name):
    """What a cell runs through: a key of ENGINES."""
    options = plan.options(name)
    found = options.get('engine', 'verso')
    return PAGERS.get(options.get('pager', 'bufpool'), 'third') if found == 'verso' else found


def noun(plan, name):
    """How a cell is called in a sentence: map-willneed is "the map (willneed)", pool-32 "the pool (32 at once)"."""
    found = engine(plan, name)
    rest = ' '.join(word for word in name.split('-') if word not in (found, *WORKS))
    if rest.isdigit():
        rest += ' threads' if plan.options(name).get('threads', 1) > 1 else ' at once'
    rest = ' '.join(AFTER_A_START.get(word, word) for word in rest.split(' '))
    known = ENGINES.get(found, found)
    return Sentence((known + ' (', Name(rest), ')')) if rest else Sentence((known,))


def operation(plan, cell):
    """(one, many): what an operation of a cell is."""
    options = plan.options(cell)
    work = options.get('work', 'get')
    if work == 'scan':
        return 'a record of a scan', 'records'
    if work == 'update':
        return 'an update', 'updates'
    if work == 'scan-gets':
        return 'a get beside a scan', 'gets'
    if work == 'update-gets':
        return 'a get beside a writer', 'gets'
    if options.get('batch', 1) > 1:
        return 'a get of a batch', 'gets'
    if options.get('keys') == 'sparse':
        return 'a sparse get', 'sparse gets'
    return 'a get', 'gets'


# By metric: the sentence where the ratio is known. {a}: the cell, {b}: its base, {r}: the ratio, {one} and {many}: the operation.
RATIO = {
    'cpu_ns_per_op': '{one} through {a} costs {r} times the CPU time of one through {b}',
    'machine_cpu_ns_per_op': '{one} through {a} costs the whole machine {r} times the CPU time of one through {b}',
    'cpu_ns_per_read': 'a page read by {a} costs {r} times the CPU time of one read by {b}',
    'rate': '{a} completes {r} times as many {many} a second as {b}',
    'scan_rate': 'a scan beside gets is {r} times as fast through {a} as through {b}',
    'device_reads_per_s': '{a} reads {r} times as many pages a second from the device as {b}',
    'device_read_bytes_per_op': 'for {one}, {a} reads {r} times as many bytes from the device as {b}',
    'device_write_bytes_per_op': 'for {one}, {a} writes {r} times as many bytes to the device as {b}',
    'shootdowns_per_read': 'for each page that it reads, {a} makes {r} times as many TLB shootdowns as {b}',
    'longest_silence_ms': 'the longest time in which no operation ends is {r} times as long through {a} as through {b}',
    'recovery_ms': 'until the rate is back, {a} takes {r} times as long as {b}',
    'requests_in_flight': '{a} keeps {r} times as many requests in flight as {b}',
    'longest_operation_ns': 'the longest wait for {one} is {r} times as long through {a} as through {b}',
}
OTHER_RATIO = '{metric}: {r} times as much through {a} as through {b}'
SAME = {
    'cpu_ns_per_op': '{one} costs the same CPU time through {a} and {b}, {r}',
    'rate': '{a} and {b} complete the same number of {many} a second, {r}',
}
OTHER_SAME = '{metric}: the same through {a} and {b}, {r}'
NO_RATIO = {stats.MORE: '{metric}: {va} through {a}, none through {b}', stats.LESS: '{metric}: none through {a}, {vb} through {b}',
            stats.SAME: '{metric}: none through {a}, none through {b}'}
NONE_AT_TIMES = '{metric}: {va} through {a}, {vb} through {b}'
AT_TIMES = {'device_read_bytes_per_op': 'for {one}, {a} reads {va} from the device, and {b} reads {vb}'}


def _phase(plan, c):
    return c.phase if len(plan.phases) > 1 else ''


def _mean(evidence, c, side):
    """A mean without a ratio: with the lowest and the highest of its rounds, where they differ."""
    low, high = evidence.range(c, side)
    if low.text == high.text:
        return Sentence((evidence.mean(c, side),))
    return fill('{mean} ({low} to {high})', mean=evidence.mean(c, side), low=low, high=high)


def comparison(evidence, c):
    """The sentence of a Comparison, without its full stop."""
    plan = evidence.plans[c.experiment]
    one, many = operation(plan, c.cell)
    known = {'a': noun(plan, c.cell), 'b': noun(plan, c.base), 'one': one, 'many': many, 'metric': Sentence((Name(c.metric.text),))}

    def say(template, **more):
        values = {**known, **more}
        return fill(template, **{k: v for k, v in values.items() if f'{{{k}}}' in template})
    name = c.metric.name
    if c.verdict.word == stats.NOT_DECIDED:
        sentence = _not_decided(evidence, c, say)
    elif c.found is None:
        known.update({key: _mean(evidence, c, side) for key, side in (('va', 0), ('vb', 1)) if c.values[side] is not None})
        sentence = say(AT_TIMES.get(name, NONE_AT_TIMES) if min(c.values) > 0 else NO_RATIO[c.verdict.word])
    elif c.verdict.word == stats.SAME:
        sentence = say(SAME.get(name, OTHER_SAME), r=evidence.ratio(c))
    else:  # with the larger one first
        swap = c.verdict.word == stats.LESS
        if swap:
            known.update(a=known['b'], b=known['a'], one=operation(plan, c.base)[0])
        sentence = say(RATIO.get(name, OTHER_RATIO), r=evidence.ratio(c, swap))
    if c.bracket:
        sentence = Sentence((*sentence.parts, f' ({compare.BRACKET})'))
    phase = _phase(plan, c)
    if phase:
        sentence = Sentence((Name(phase), ': ', *sentence.parts))
    return capital(Sentence((compare.on_purpose(c), *sentence.parts)) if c.wrong else sentence)


def limited(evidence, c):
    """The same with what stands in red above the result: R3 leaves it open, R8 and R11 follow it."""
    plan, said = evidence.plans[c.experiment], comparison(evidence, c)
    if compare.has_unequal_memory(c, evidence.limits(c.experiment)):
        return fill('Not decided, as the two did not use as much memory (R3): {said}', said=said)
    for limit in compare.red_of(c, evidence.limits(c.experiment)):
        if limit.rule == 'R8':
            said = fill('{said}; but memory was not full (R8)', said=said)
        else:
            said = fill('{said}; but {who} reaches only {r} of {best} (R11, {what})', said=said, who=noun(plan, limit.ratio.cell),
                        r=evidence.ratio(limit.ratio), best=noun(plan, limit.ratio.base), what=Name(limit.ratio.metric.text))
    return said


def _not_decided(evidence, c, say):
    sentence = say('not decided: for {one}, {metric} through {a} is {r} times that through {b}', r=evidence.ratio(c)) if c.found \
        else say('not decided: for {one}, {metric} through {a} beside {b}')
    why = Sentence((Name(c.verdict.why),))
    if c.verdict.rounds_needed and c.run_ids:
        return fill('{said} ({why}; about {n} rounds would decide)', said=sentence, why=why, n=evidence.rounds_needed(c))
    return fill('{said} ({why})', said=sentence, why=why)


def basis(evidence, c):
    """What stands behind a comparison, beside its kind of evidence: rounds and A/A."""
    twins = evidence.twins(c)
    parts = {'n': evidence.rounds(c), 's': '' if len(c.run_ids) == 2 else 's'}
    if twins:
        return fill('{n} round{s}, A/A {aa}', aa=twins, **parts)
    return fill('{n} round{s}, no A/A', **parts)
