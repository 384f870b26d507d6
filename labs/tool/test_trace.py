#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Traces: what the recorder's lines become, files that are no whole trace, and the page in headless Chromium.

usage: test_trace.py [--build FOLDER] [TEST ...]
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.path += [os.path.join(ROOT, 'experiments', 'tests'), os.path.join(ROOT, 'tests')]

import browser  # noqa: E402
import grade  # noqa: E402
import main  # noqa: E402
import trace2html  # noqa: E402
import traces  # noqa: E402
import unit_main  # noqa: E402
from common import Lab, LabError, read, write  # noqa: E402

HEAD = {'trace': 1, 'lab': '2', 'test': 'L4', 'name': 'a_test', 'seed': 1, 'run': 1, 'runs': 1, 'reference': True}
WIDTHS_PX = (390, 1280)
CONTRAST_MIN = 4.5
TEXT_MIN_PX = 10.5


# Lines as the recorder writes them: a pool of two frames at 4096 * 100, the writer's frames elsewhere.

def at(frame):
    return 4096 * (100 + frame)


def opened(pager=1, frames=2, policy='fifo', name='bufpool'):
    return {'op': 'open', 'thread': 1, 'pager': pager, 'name': name, 'page_bytes': 4096, 'frames': frames, 'policy': policy}


def of(op, pgno, gen=1, thread=1, pager=1, **more):
    return {'op': op, 'thread': thread, 'pager': pager, 'pgno': pgno, 'gen': gen, **more}


def read_in(pgno, frame, gen=1, thread=1, kind=7, level=0):
    """A miss: the read, and the get."""
    head = {'type': kind, 'level': level, 'at': at(frame)}
    return [of('miss', pgno, gen, thread, at=at(frame)), of('load', pgno, gen, thread, **head),
            {'op': 'insert', 'thread': thread, 'pager': 1, 'frame': frame, 'at': at(frame)}, of('get', pgno, gen, thread, **head)]


def hit(pgno, frame, gen=1, thread=1, kind=7, level=0):
    return of('get', pgno, gen, thread, type=kind, level=level, at=at(frame))


def put(frame, thread=1, address=None):
    return {'op': 'put', 'thread': thread, 'pager': 1, 'at': address or at(frame)}


def victim(frame, offered, before='00', after='00', policy='fifo'):
    return {'op': 'victim', 'thread': 1, 'pager': 1, 'frame': frame, 'policy': policy, 'offered': offered, 'marks': [before, after]}


ENDED = {'op': 'ended'}
# Two frames under FIFO: 1 and 2 come in, 1 stays pinned, 3 takes the place of 2.
SMALL = [opened(), *read_in(1, 0), *read_in(2, 1), put(1), victim(1, [[0, False], [1, True]]), of('evict', 2), *read_in(3, 1), put(1),
         hit(3, 1), put(1), put(0), {'op': 'close', 'thread': 1, 'pager': 1}, ENDED]


def raw(lines):
    return traces.Raw(''.join(json.dumps(line) + '\n' for line in lines))


def cooked(lines, state=grade.PASS, message=''):
    return traces.trace_lines(HEAD, raw(lines), state, message)


def trace_file(folder, lines, name='t.jsonl'):
    path = os.path.join(folder, name)
    write(path, ''.join(json.dumps(line) + '\n' for line in lines))
    return path


def states(lines):
    """The cells after each event."""
    model, found = trace2html.Model(), []
    for e in cooked(lines)[1:-1]:
        model.step(e)
        found.append((e, {key: dict(cell) for key, cell in model.cells.items()}))
    return found


class Cooked(unittest.TestCase):
    def test_pins_hits_and_frames(self):
        events = cooked(SMALL)[1:-1]
        gets = [(e['pgno'], e['frame'], e['pins'], e['hit']) for e in events if e['op'] == 'get']
        self.assertEqual(gets, [(1, 0, 1, False), (2, 1, 1, False), (3, 1, 1, False), (3, 1, 1, True)])
        self.assertEqual([(e['pgno'], e['pins']) for e in events if e['op'] == 'put'], [(2, 0), (3, 0), (3, 0), (1, 0)])
        self.assertEqual([e['n'] for e in events], list(range(1, len(events) + 1)))
        self.assertTrue(all(e['type'] == 'toy' for e in events if e['op'] in ('get', 'load', 'put')))
        self.assertNotIn('insert', [e['op'] for e in events])

    def test_two_pins_are_two(self):
        events = cooked([opened(), *read_in(1, 0), hit(1, 0, thread=2), put(0), put(0, 2), ENDED])[1:-1]
        self.assertEqual([e['pins'] for e in events if 'pins' in e], [1, 2, 1, 0])

    def test_a_hit_is_one_beside_the_miss_of_another_thread(self):
        lines = [opened(), *read_in(1, 0), put(0), *read_in(2, 1, thread=2)[:2], hit(1, 0), hit(2, 1, thread=2), ENDED]
        self.assertEqual([(e['thread'], e['hit']) for e in cooked(lines)[1:-1] if e['op'] == 'get'], [(1, False), (1, True), (2, False)])

    def test_why_of_a_victim(self):
        why = [e['why'] for e in cooked(SMALL)[1:-1] if e['op'] == 'victim']
        self.assertEqual(why, ['FIFO takes the page that came first: frame 0 (page 1) is pinned and may not leave; frame 1 (page 2) is the victim.'])
        lines = [opened(policy='clock'), *read_in(1, 0), put(0), hit(1, 0), put(0), *read_in(2, 1), put(1), victim(1, [[1, True]], '10', '00', 'clock')]
        self.assertEqual(cooked(lines)[-2]['why'],
                         'CLOCK goes round the frames: frame 0 (page 1) was used again and is spared once; frame 1 (page 2) is the victim.')
        lines = [opened(), *read_in(1, 0), *read_in(2, 1), victim(-1, [[0, False], [1, False]])]
        self.assertIn('no page may leave', cooked(lines)[-2]['why'])
        self.assertNotIn('frame', cooked(lines)[-2])

    def test_frame_numbers_are_the_pools(self):
        """The pool gives frame 1 away first: the order in which addresses are seen is not that of frames."""
        events = cooked([opened(), *read_in(1, 1), *read_in(2, 0), ENDED])[1:-1]
        self.assertEqual([e['frame'] for e in events if e['op'] == 'get'], [1, 0])

    def test_what_frames_hold(self):
        seen = states(SMALL)
        after = {e['n']: cells for e, cells in seen}
        by_op = {op: [e['n'] for e, _ in seen if e['op'] == op] for op in ('miss', 'victim', 'evict', 'get', 'close')}
        self.assertEqual([after[1][1, 'frame', n]['state'] for n in (0, 1)], ['empty', 'empty'])
        self.assertEqual(after[by_op['miss'][0]][1, 'frame', 0]['state'], 'loading')
        self.assertEqual(after[by_op['victim'][0]][1, 'frame', 1]['state'], 'victim')
        self.assertEqual(after[by_op['victim'][0]][1, 'frame', 0]['pins'], 1)
        self.assertEqual(after[by_op['evict'][0]][1, 'frame', 1]['state'], 'empty')
        self.assertEqual(after[by_op['get'][2]][1, 'frame', 1]['pgno'], 3)
        self.assertFalse(after[by_op['get'][2]][1, 'frame', 1]['used'])
        self.assertTrue(after[by_op['get'][3]][1, 'frame', 1]['used'])
        self.assertEqual(after[by_op['close'][0]], {})

    def test_failed_read_leaves_an_empty_frame(self):
        fail = {'gen': 1, 'rc': -5, 'text': 'no "such" sector'}
        lines = [opened(), of('miss', 1, at=at(0)), of('failed', 1, of='load', **fail), of('failed', 1, of='get', **fail)]
        events = cooked(lines, grade.FAIL, 'x')
        self.assertEqual([cells[1, 'frame', 0]['state'] for _, cells in states(lines)][1:], ['loading', 'empty', 'empty'])
        self.assertIn('no "such" sector', trace2html.sentence(events[-2]))
        self.assertEqual(events[-1]['end'], grade.FAIL)

    def test_forgotten_page_keeps_its_frame_until_the_last_put(self):
        lines = [opened(), *read_in(1, 0), of('drop', 1, pages=1), put(0)]
        self.assertEqual([cells[1, 'frame', 0]['state'] for _, cells in states(lines)][-3:], ['page', 'forgotten', 'empty'])

    def test_another_generation_takes_the_place_of_the_old_one(self):
        lines = [opened(), *read_in(1, 0), put(0), *read_in(1, 1, gen=2)]
        last = states(lines)[-1][1]
        self.assertEqual([(last[1, 'frame', n]['state'], last[1, 'frame', n]['gen']) for n in (0, 1)], [('empty', None), ('page', 2)])

    def test_writers_pages_and_the_tree(self):
        own = 4096 * 900
        lines = [opened(), of('fresh', 9, 5, type=0, level=0, at=own), of('get', 9, 5, type=5, level=1, at=own), put(0, address=own),
                 *read_in(8, 0, kind=5), {'op': 'write', 'thread': 1, 'pager': 1, 'pgno': 9, 'pages': 1}, of('evict', 8),
                 of('drop', 9, pages=1)]
        seen = states(lines)
        self.assertEqual(seen[1][1][1, 'writer', 9]['state'], 'made')
        self.assertEqual((seen[2][0]['writers'], seen[2][0]['type']), (True, 'node'))
        self.assertEqual((seen[2][1][1, 'tree', 9]['level'], seen[2][1][1, 'tree', 9]['where']), (1, 'writer'))
        self.assertNotIn((1, 'writer', 9), seen[-3][1])
        self.assertEqual(seen[-3][1][1, 'tree', 9]['where'], '')
        self.assertEqual(seen[-3][1][1, 'tree', 8]['where'], 'frame 0')
        self.assertEqual(seen[-2][1][1, 'tree', 8]['where'], '')
        self.assertNotIn((1, 'tree', 9), seen[-1][1])

    def test_a_map_has_pages_and_no_frames(self):
        lines = [opened(frames=0, policy='', name='mmap'), of('miss', 7, at=7 * 4096), of('load', 7, type=7, level=0, at=7 * 4096),
                 hit(7, 0) | {'at': 7 * 4096}, put(0, address=7 * 4096), of('drop', 7, pages=2)]
        seen = states(lines)
        self.assertEqual([cells[1, 'map', 7]['state'] for _, cells in seen[1:]], ['loading', 'page', 'page', 'page', 'unknown'])
        self.assertEqual([cells[1, 'map', 7]['pins'] for _, cells in seen[3:]], [1, 0, 0])
        self.assertFalse(any('frame' in e for e, _ in seen))

    def test_round_that_failed_is_shown(self):
        good, bad = raw(SMALL), raw(SMALL[:-1])
        self.assertEqual(traces.pick([good, bad, bad], grade.FAIL), 1)
        self.assertEqual(traces.pick([good, good], grade.PASS), 0)
        self.assertEqual(traces.pick([good], grade.FAIL), 0)

    def test_how_it_ended(self):
        for lines, state, end in ((SMALL, grade.PASS, grade.PASS), (SMALL[:-1], grade.CRASHED, grade.CRASHED),
                                  ([*SMALL[:5], {'op': 'limit', 'thread': 1}, ENDED], grade.PASS, 'LIMIT')):
            self.assertEqual(cooked(lines, state, 'm')[-1]['end'], end)
        with tempfile.TemporaryDirectory() as folder:
            made = trace2html.read(trace_file(folder, cooked(SMALL[:-1], grade.CRASHED, 'signal 11')))
        self.assertIn('CRASHED after event', trace2html.ending(made))
        self.assertIn('signal 11', trace2html.page(made))

    def test_line_that_the_recorder_did_not_finish(self):
        text = ''.join(json.dumps(line) + '\n' for line in SMALL)
        found = traces.Raw(text[:-30])
        self.assertEqual((found.cut, found.ended), (True, False))
        self.assertLess(len(found.lines), len(SMALL))
        self.assertFalse(raw(SMALL).cut)

    def test_every_event_has_a_sentence(self):
        lines = [*SMALL[:5], of('prefetch', 4), of('read_ahead', 5), of('peek', 1, type=7, level=0, at=at(0)),
                 {'op': 'flush', 'thread': 1, 'pager': 1}, of('failed', 0, of='flush', rc=-5, text='t'), of('drop', 1, pages=1 << 31),
                 of('fresh', 9, 5, type=0, level=0, at=1), *SMALL[5:]]
        lines.insert(-2, {'op': 'write', 'thread': 1, 'pager': 1, 'pgno': 9, 'pages': 2})
        ops = set()
        for e in cooked(lines)[1:-1]:
            ops.add(e['op'])
            self.assertRegex(trace2html.sentence(e), r'^[A-Z].{10,}')
        self.assertEqual(ops, set(trace2html.OPS))


class Files(unittest.TestCase):
    """Files that are no whole traces: each has its error."""

    def fault(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 't.jsonl')
            write(path, text)
            with self.assertRaises(trace2html.TraceError) as caught:
                trace2html.read(path)
            done = subprocess.run([sys.executable, os.path.join(HERE, 'trace2html.py'), path, path + '.html'], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 3)
            self.assertIn(str(caught.exception), done.stderr)
            self.assertFalse(os.path.exists(path + '.html'))
        return str(caught.exception)

    def test_cut_short(self):
        lines = [json.dumps(line) + '\n' for line in cooked(SMALL)]
        text = ''.join(lines)
        self.assertIn(f'line {len(lines)} is not whole: the trace was cut short', self.fault(text[:-9]))
        self.assertIn('line 5 is not whole', self.fault(''.join(lines[:5])[:-20]))
        self.assertIn(f'it ends after event {len(lines) - 2} without a last line: the trace was cut short', self.fault(''.join(lines[:-1])))
        self.assertIn('line 4 is not event 3', self.fault(''.join(lines[:3] + lines[4:])))
        self.assertIn('its last line says', self.fault(''.join(lines[:-2] + lines[-1:])))

    def test_no_trace(self):
        for text, word in (('', 'is it a trace'), ('{"trace": 9}\n', 'is it a trace'), ('{"kind": "session"}\n', 'is it a trace'), ('3\n', 'no event'),
                           ('hello\n', 'line 1 is not whole'), (json.dumps(HEAD) + '\n', 'after event 0')):
            self.assertIn(word, self.fault(text))
        with self.assertRaisesRegex(trace2html.TraceError, 'No such file'):
            trace2html.read('/nonexistent')

    def test_what_is_whole_is_read(self):
        with tempfile.TemporaryDirectory() as folder:
            path = trace_file(folder, cooked(SMALL))
            self.assertEqual(len(trace2html.read(path).events), len(cooked(SMALL)) - 2)
            self.assertEqual(trace2html.main([path, path + '.html']), 0)
            page = read(path + '.html')
        self.assertEqual(page.count('<script'), 1)
        self.assertNotRegex(page, r'https?:|src=|@import|url\(')
        self.assertEqual(trace2html.main([]), 2)

    def test_text_of_an_error_is_no_markup(self):
        lines = [opened(), of('failed', 1, of='get', rc=-5, text='</script><b>x</b>')]
        with tempfile.TemporaryDirectory() as folder:
            page = trace2html.page(trace2html.read(trace_file(folder, cooked(lines, grade.FAIL, '<i>'))))
        self.assertEqual((page.count('</script>'), page.count('<b>x'), page.count('<i>')), (1, 0, 0))


class Command(unittest.TestCase):
    def refused(self, *words):
        lab = Lab(words[0])
        with self.assertRaises(LabError) as caught:
            traces.trace(lab, main.arguments(['trace', *words]))
        return str(caught.exception)

    def test_wrong_names(self):
        self.assertIn('there is no test L99 in lab 2', self.refused('2', 'L99'))
        self.assertIn('which test?', self.refused('2'))
        self.assertIn('tests with traces: L1, ', self.refused('2'))
        self.assertIn('A1 has no trace: its program, policies, has no cache of yours', self.refused('2', 'A1'))
        self.assertIn('lab 6 has no traces', self.refused('6', 'A1'))
        self.assertIn('Labs with traces: 2, ', self.refused('1', 'N1'))
        self.assertIn('a second name is for a whole program', self.refused('2', 'L4', 'x'))
        self.assertIn('--events', self.refused('2', 'L4', '--events', '0'))
        self.assertEqual(main.main(['trace', '2', 'L99']), main.USAGE)

    def test_labs_with_caches_have_traces(self):
        self.assertTrue({'L4', 'C7', 'M3', 'W1'} <= set(traces.traced(Lab('2'))))
        self.assertTrue({'A1', 'E1', 'K1'} <= set(traces.traced(Lab('4'))))
        self.assertEqual(traces.traced(Lab('6')), [])

    def test_recorder_is_in_every_pack(self):
        import mklab  # pylint: disable=import-outside-toplevel
        files = mklab.pack_files(Lab('2'))
        self.assertEqual([n for n in (traces.RECORDER, 'labs/tool/trace2html.py', 'labs/tool/trace.js', 'labs/tool/trace.css') if n not in files], [])


# Returns {over, contrast, small, texts}: what is wrong, and how many texts were looked at.
PROBE = r'''
(() => {
  const found = {over: [], contrast: [], small: [], texts: 0};
  const short = e => (e.textContent || '').trim().slice(0, 50) + ' <' + e.tagName + ' ' + e.className + '>';
  if (document.documentElement.scrollWidth > innerWidth) found.over.push('the page: ' + document.documentElement.scrollWidth);
  for (const e of document.querySelectorAll('body *')) {
    const r = e.getBoundingClientRect(), scrolls = e.closest('.scroll');
    if (!scrolls && r.width && (r.right > innerWidth + 1 || r.left < -1)) found.over.push(short(e));
    if (!scrolls && e.clientWidth && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline') found.over.push('inside: ' + short(e));
  }
  const numbers = s => (s.match(/[\d.]+/g) || []).map(Number);
  const light = c => { const [r, g, b] = c.map(v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const behind = e => { for (; e; e = e.parentElement) { const c = numbers(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0.99) return c.slice(0, 3); }
    return [255, 255, 255]; };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n; n = walk.nextNode();) {
    const e = n.parentElement, range = document.createRange();
    range.selectNode(n);
    if (!n.data.trim() || ['SCRIPT', 'NOSCRIPT', 'STYLE'].includes(e.tagName) || !range.getBoundingClientRect().width) continue;
    found.texts++;
    const s = getComputedStyle(e), c = contrast(numbers(s.color).slice(0, 3), behind(e));
    if (!(c >= CONTRAST)) found.contrast.push(c.toFixed(2) + ' ' + n.data.trim().slice(0, 40) + ' ' + short(e));
    if (parseFloat(s.fontSize) < SMALLEST) found.small.push(s.fontSize + ' ' + n.data.trim().slice(0, 40));
  }
  return JSON.stringify(found);
})()
'''
# What is shown now: [value of the slider, heading, sentence, {label of a frame: [text, note, class]}, the marked row].
SHOWN = r'''
JSON.stringify([document.getElementById('step').value, document.getElementById('at').textContent, document.getElementById('says').textContent,
  Object.fromEntries([...document.querySelectorAll('#g-1-frame li:not(.none)')].map(li => [li.children[0].textContent,
    [li.children[1].textContent, li.children[2].textContent, li.className]])),
  [...document.querySelectorAll('tr[aria-current]')].map(tr => tr.id)])
'''


@unittest.skipIf(browser.program() is None, browser.NEEDED)
class InTheBrowser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix='trace-')
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        own = 4096 * 900
        tree = [opened(policy='clock'), of('fresh', 9, 5, type=0, level=0, at=own), of('get', 9, 5, type=5, level=1, at=own), put(0, address=own),
                *read_in(8, 0, kind=5), of('drop', 8, pages=1), put(0), *read_in(1, 1, kind=1), hit(1, 1, kind=1), victim(-1, [[1, False]], '01', '01', 'clock')]
        cls.pages = {name: cls.page(name, lines, state) for name, lines, state in
                     (('small', SMALL, grade.PASS), ('tree', tree, grade.CRASHED))}
        cls.browser = cls.enterClassContext(browser.Browser())

    @classmethod
    def page(cls, name, lines, state):
        path = trace_file(cls.folder, cooked(lines, state, 'it was ended by signal 11'), f'{name}.jsonl')
        assert trace2html.main([path, os.path.join(cls.folder, f'{name}.html')]) == 0
        return os.path.join(cls.folder, f'{name}.html')

    def show(self, name, width=1280, step=None, **how):
        self.browser.open('/dev/null', width)  # a step alone would load nothing
        self.browser.open(self.pages[name] + (f'#step={step}' if step is not None else ''), width, **how)

    def shown(self):
        return json.loads(self.browser.run(SHOWN))

    def key(self, name):
        for kind in ('rawKeyDown', 'keyUp'):
            self.browser.call('Input.dispatchKeyEvent', type=kind, key=name, code=name,
                              windowsVirtualKeyCode={'ArrowLeft': 37, 'ArrowRight': 39, 'Home': 36, 'End': 35, 'PageDown': 34, 'PageUp': 33}[name])

    def test_everything_fits_and_can_be_read(self):
        probe = PROBE.replace('CONTRAST', str(CONTRAST_MIN)).replace('SMALLEST', str(TEXT_MIN_PX))
        for name, n_events in (('small', len(cooked(SMALL)) - 2), ('tree', 14)):
            for width in WIDTHS_PX:
                for dark in (False, True):
                    for step in range(n_events + 1):
                        if step % 4 if (width, dark) == (390, True) else step not in (3, 9, n_events):
                            continue
                        with self.subTest(page=name, width=width, dark=dark, step=step):
                            self.show(name, width, step, dark=dark)
                            found = json.loads(self.browser.run(probe))
                            self.assertGreater(found['texts'], 60)
                            for kind in ('over', 'contrast', 'small'):
                                self.assertEqual(found[kind][:5], [], kind)

    def test_slider_moves_the_state(self):
        self.show('small')
        self.assertEqual(self.shown(), ['0', 'Before the first event', '\u00a0', {}, []])
        last = len(cooked(SMALL)) - 2
        for step, frames in ((1, {'frame 0': ['empty', '', 'empty'], 'frame 1': ['empty', '', 'empty']}),
                             (4, {'frame 0': ['page 1', 'gen 1, 1 pin', 'pinned'], 'frame 1': ['empty', '', 'empty']}),
                             (9, {'frame 0': ['page 1', 'gen 1, 1 pin', 'pinned'], 'frame 1': ['page 2', 'the victim', 'victim']}),
                             (10, {'frame 0': ['page 1', 'gen 1, 1 pin', 'pinned'], 'frame 1': ['empty', '', 'empty']}),
                             (4, {'frame 0': ['page 1', 'gen 1, 1 pin', 'pinned'], 'frame 1': ['empty', '', 'empty']}), (last, {})):
            with self.subTest(step=step):
                self.browser.run(f'(() => {{ const s = document.getElementById("step"); s.value = {step}; s.dispatchEvent(new Event("input")); }})()')
                value, title, says, found, rows = self.shown()
                self.assertEqual((value, title, rows), (str(step), f'After event {step} of {last}', [f'e{step}']))
                self.assertEqual(found, frames)
                self.assertEqual(says, trace2html.sentence(cooked(SMALL)[step]))

    def test_address_chooses_the_step(self):
        self.show('small', step=9)
        self.assertEqual(self.shown()[0], '9')
        self.assertEqual(self.shown()[3]['frame 1'][2], 'victim')
        self.browser.run('new Promise(done => { addEventListener("hashchange", () => setTimeout(done, 0)); location.hash = "#step=4"; })')
        self.assertEqual((self.shown()[0], self.browser.run('location.hash')), ('4', '#step=4'))
        for step, expected in ((999, str(len(cooked(SMALL)) - 2)), ('x', '0')):
            self.show('small', step=step)
            self.assertEqual(self.shown()[0], expected)

    def test_keys(self):
        self.show('small')
        last = str(len(cooked(SMALL)) - 2)
        for name, at_slider, expected in (('ArrowRight', False, '1'), ('ArrowRight', False, '2'), ('ArrowLeft', False, '1'), ('End', True, last),
                                          ('ArrowLeft', True, str(int(last) - 1)), ('Home', True, '0'), ('ArrowLeft', True, '0'),
                                          ('PageDown', True, '10'), ('ArrowRight', True, '11')):
            self.browser.run('document.getElementById("step").focus()' if at_slider else 'document.activeElement.blur()')
            self.key(name)
            self.assertEqual(self.shown()[0], expected, name)

    def test_buttons_and_links(self):
        self.show('small')
        for what, expected in (('#next', '1'), ('#next', '2'), ('#back', '1')):
            self.browser.run(f'document.querySelector("{what}").click()')
            self.assertEqual(self.shown()[0], expected)
        self.browser.run('new Promise(done => { addEventListener("hashchange", () => setTimeout(done, 0)); document.querySelector("#e7 a").click(); })')
        self.assertEqual(self.shown()[4], ['e7'])

    def test_marked_row_is_seen(self):
        self.show('small', 390, step=len(cooked(SMALL)) - 2)
        self.assertTrue(self.browser.run('(() => { const r = document.querySelector("tr[aria-current]").getBoundingClientRect(), b = '
                                         'document.getElementById("events").getBoundingClientRect(); return r.top >= b.top && r.bottom <= b.bottom; })()'))

    def test_tree_and_ending_are_shown(self):
        self.show('tree', step=3)
        self.assertIn('CRASHED after event 14', self.browser.run('document.querySelector(".banner:not(noscript *)").textContent'))
        self.assertEqual(self.browser.run('document.getElementById("g-1-tree-node-1").textContent'), 'page 9writergen 5')
        self.assertIn('The tree: leaves', self.browser.run('document.getElementById("now").textContent'))
        self.show('tree', step=7)
        self.assertEqual(self.browser.run('document.getElementById("g-1-tree-node-0").textContent'), 'page 8frame 0gen 1')

    def test_without_script_the_table_is_there(self):
        self.browser.call('Emulation.setScriptExecutionDisabled', value=True)
        try:
            self.show('small')
            tree = self.browser.call('DOM.getDocument', depth=-1)
            text = json.dumps(tree)
            self.assertIn('Without scripts the slider', text)
            self.assertIn('page 2) is the victim', text)
            now = self.browser.call('DOM.querySelector', nodeId=tree['root']['nodeId'], selector='#now[hidden]')
            self.assertNotEqual(now['nodeId'], 0)
        finally:
            self.browser.call('Emulation.setScriptExecutionDisabled', value=False)

    def test_print_is_on_white_and_has_all(self):
        self.show('small', 1280, 9, dark=True, media='print')
        self.assertEqual(self.browser.run('getComputedStyle(document.body).backgroundColor'), 'rgb(255, 255, 255)')
        self.assertEqual(self.browser.run('getComputedStyle(document.querySelector(".moves")).display'), 'none')
        self.assertTrue(self.browser.run('(() => { const b = document.getElementById("events"); return b.scrollHeight <= b.clientHeight + 2; })()'))

    def test_the_probe_sees_what_is_wrong(self):
        path = os.path.join(self.folder, 'bad.html')
        write(path, '<!doctype html><meta name="viewport" content="width=device-width"><body style="background:#fff"><p style="width:2000px">too wide</p>'
                    '<p style="color:#aaa">too pale</p><p style="font-size:6px">too small</p></body>')
        self.browser.open(path, 390)
        found = json.loads(self.browser.run(PROBE.replace('CONTRAST', str(CONTRAST_MIN)).replace('SMALLEST', str(TEXT_MIN_PX))))
        self.assertTrue(all(found[kind] for kind in ('over', 'contrast', 'small')), found)


class Recorded(unittest.TestCase):
    """The whole way, with the references: build, run, record."""
    build = None

    def trace(self, *words, status=0):
        with tempfile.TemporaryDirectory() as folder:
            argv = ['trace', *words, '--reference', '--out', folder, *(['--build', self.build] if self.build else [])]
            self.assertEqual(main.main(argv), status)
            path = os.path.join(folder, f'trace-{words[1]}')
            self.assertIn('<!doctype html>', read(path + '.html'))
            return trace2html.read(path + '.jsonl')

    def ops(self, made, *wanted):
        return [(e['op'], e['pgno']) for e in made.events if e['op'] in wanted]

    def test_beladys_anomaly(self):
        """The ledger of test L4, as the trace has it."""
        made = self.trace('2', 'L4')
        self.assertEqual(made.end['end'], grade.PASS)
        text = ' '.join({'miss': 'r', 'evict': 'e'}[op] + str(pgno) for op, pgno in self.ops(made, 'miss', 'evict'))
        self.assertEqual(text, 'r1 r2 r3 e1 r4 e2 r1 e3 r2 e4 r5 e1 r3 e2 r4')
        self.assertEqual(self.ops(made, 'victim'), [('victim', n) for n in (1, 2, 3, 4, 1, 2)])
        self.assertEqual(sum(e['hit'] for e in made.events if e['op'] == 'get'), 3)
        self.assertEqual({e['frame'] for e in made.events if 'frame' in e}, {0, 1, 2})
        self.assertEqual([e['pins'] for e in made.events if e['op'] in ('get', 'put')], [1, 0] * 12)

    def test_pins_and_the_second_chance(self):
        made = self.trace('2', 'L7')
        self.assertTrue(any('(page 1) is pinned and may not leave' in e['why'] for e in made.events if e['op'] == 'victim'))
        made = self.trace('2', 'L6')
        self.assertIn('(page 1) was used again and is spared once', next(e['why'] for e in made.events if e['op'] == 'victim'))

    def test_errors_and_threads(self):
        made = self.trace('2', 'L8')
        self.assertTrue(any(e['op'] == 'failed' and 'all 3 frames are pinned' in e['text'] for e in made.events))
        self.assertTrue(any(e['op'] == 'victim' and 'no page may leave' in e['why'] for e in made.events))
        made = self.trace('2', 'M3')
        self.assertGreater(len({e['thread'] for e in made.events}), 1)

    def test_a_map(self):
        made = self.trace('4', 'A4')
        self.assertFalse(any('frame' in e for e in made.events))
        self.assertEqual([p for _, p in self.ops(made, 'miss')], [5, 6, 7, 8, 6, 7, 8])

    def test_limit(self):
        made = self.trace('2', 'L13', '--events', '50')
        self.assertEqual((made.end['end'], len(made.events)), ('LIMIT', 50))
        self.assertIn('--events', trace2html.ending(made))

    def test_tree_above(self):
        made = self.trace('2', 'W1', '--events', '600')
        self.assertIn('node', {e.get('type') for e in made.events})
        self.assertGreater(max(e.get('level', 0) for e in made.events), 0)


if __name__ == '__main__':
    if '--build' in sys.argv:
        at_word = sys.argv.index('--build')
        Recorded.build = sys.argv[at_word + 1]
        del sys.argv[at_word:at_word + 2]
    unit_main.main(sys.argv)
