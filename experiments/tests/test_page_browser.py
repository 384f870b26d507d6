# SPDX-License-Identifier: MIT
"""The report in headless Chromium, on a phone and on a desk, light and dark, and in print: nothing runs over, no labels overlap, all
text can be read."""
import json
import os
import shutil
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)

import browser  # noqa: E402
from golden import lines as golden  # noqa: E402
from lib import page, plot  # noqa: E402

WIDTHS_PX = (390, 1280)
CONTRAST_MIN = 4.5
TEXT_MIN_PX = {390: 10.5, 1280: 11}

# Returns {over, labels, contrast, small, texts}: what is wrong, and how many texts were looked at.
PROBE = r'''
(() => {
  const found = {over: [], labels: [], contrast: [], small: [], texts: 0, svgs: 0};
  const short = e => (e.textContent || '').trim().slice(0, 60) + ' <' + e.tagName + ' ' + (e.getAttribute('class') || '') + '>';
  document.querySelectorAll('details').forEach(d => d.open = true);
  if (document.documentElement.scrollWidth > innerWidth) found.over.push('the page: ' + document.documentElement.scrollWidth);
  for (const e of document.querySelectorAll('body *')) {
    const r = e.getBoundingClientRect();
    const scrolls = e.closest('.scroll');
    if (!scrolls && !e.closest('svg') && r.width && (r.right > innerWidth + 1 || r.left < -1)) found.over.push(short(e));
    if (!e.closest('svg') && e.scrollWidth > e.clientWidth + 1 && e.clientWidth && getComputedStyle(e).display !== 'inline'
        && !e.matches('.scroll') && !(scrolls && e.matches('table, thead, tbody, tr'))) found.over.push('inside: ' + short(e));
  }
  for (const svg of document.querySelectorAll('.plot svg')) {
    const box = svg.getBoundingClientRect();
    if (!box.width) continue;
    found.svgs++;
    const texts = [...svg.querySelectorAll('text')].filter(t => t.textContent.trim()).map(t => [t, t.getBoundingClientRect()]);
    texts.forEach(([t, a], i) => {
      if (a.left < box.left - 1 || a.right > box.right + 1 || a.top < box.top - 1 || a.bottom > box.bottom + 1)
        found.labels.push('outside: ' + t.textContent);
      for (const [u, b] of texts.slice(i + 1)) {
        const w = Math.min(a.right, b.right) - Math.max(a.left, b.left), h = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (w > 1 && h > 3) found.labels.push(t.textContent + ' / ' + u.textContent);
      }
    });
  }
  const numbers = s => (s.match(/[\d.]+/g) || []).map(Number);
  const colours = s => (s.match(/rgba?\([^)]*\)/g) || []).map(numbers);
  const light = c => { const [r, g, b] = c.map(v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const solid = c => c.length === 3 || c[3] > 0.99;
  const behind = e => { for (; e; e = e.parentElement) { const s = getComputedStyle(e), c = numbers(s.backgroundColor);
      const drawn = colours(s.backgroundImage).filter(solid);
      if (solid(c) && s.backgroundColor.startsWith('rgb')) return [c.slice(0, 3), ...drawn];
      if (drawn.length) return [...drawn, ...behind(e.parentElement)]; }
    return [[255, 255, 255]]; };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n; n = walk.nextNode();) {
    if (!n.data.trim()) continue;
    const e = n.parentElement, range = document.createRange();
    range.selectNode(n);
    const box = range.getBoundingClientRect();
    if (!box.width) continue;
    found.texts++;
    const s = getComputedStyle(e), inside = e.closest('svg');
    const c = numbers(inside ? s.fill : s.color).slice(0, 3);
    const worst = Math.min(...behind(e).map(b => contrast(c, b.slice(0, 3))));
    if (!(worst >= CONTRAST)) found.contrast.push(worst.toFixed(2) + ' ' + n.data.trim().slice(0, 40) + ' ' + short(e));
    const scale = inside ? inside.getBoundingClientRect().width / inside.viewBox.baseVal.width : 1;
    const px = parseFloat(s.fontSize) * scale;
    if (px < SMALLEST && !['SUP', 'SUB'].includes(e.tagName)) found.small.push(px.toFixed(1) + ' ' + n.data.trim().slice(0, 40));
  }
  return JSON.stringify(found);
})()
'''


@unittest.skipIf(browser.program() is None, browser.NEEDED)
class InTheBrowser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix='report-')
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        lines = os.path.join(cls.folder, 'golden.jsonl')
        with open(lines, 'w', encoding='utf-8') as f:
            f.writelines(json.dumps(line) + '\n' for line in golden.lines())
        cls.path = page.write_of_file(lines)
        cls.browser = cls.enterClassContext(browser.Browser())

    def probe(self, path, width, dark, media='screen'):
        self.browser.open(path, width, dark, media)
        return json.loads(self.browser.run(PROBE.replace('CONTRAST', str(CONTRAST_MIN)).replace('SMALLEST', str(TEXT_MIN_PX[width]))))

    def test_everything_fits_and_can_be_read(self):
        for width in WIDTHS_PX:
            for dark in (False, True):
                with self.subTest(width=width, dark=dark):
                    found = self.probe(self.path, width, dark)
                    self.assertGreater(found['texts'], 500)
                    if plot.program():
                        self.assertGreaterEqual(found['svgs'], 6)
                    for kind in ('over', 'labels', 'contrast', 'small'):
                        self.assertEqual(found[kind][:10], [], f'{kind}: {len(found[kind])}')

    def test_print_is_on_white(self):
        self.browser.open(self.path, 1280, True, 'print')
        self.assertEqual(self.browser.run('getComputedStyle(document.body).backgroundColor'), 'rgb(255, 255, 255)')

    def test_light_and_dark_differ(self):
        seen = []
        for dark in (False, True):
            self.browser.open(self.path, 390, dark)
            seen.append(self.browser.run('getComputedStyle(document.body).backgroundColor'))
        self.assertEqual(len(set(seen)), 2)

    def test_the_probe_sees_what_is_wrong(self):
        """A page with one fault of each kind: the probe must name each, or it proves nothing."""
        path = os.path.join(self.folder, 'bad.html')
        with open(path, 'w', encoding='utf-8') as f:
            f.write('<!doctype html><meta name="viewport" content="width=device-width"><body style="background:#fff">'
                    '<p style="width:2000px">too wide</p><p style="color:#aaa">too pale</p><p style="font-size:6px">too small</p>'
                    '<div class="plot"><svg viewBox="0 0 100 50" width="100"><text x="5" y="20" font-size="12">one</text>'
                    '<text x="8" y="20" font-size="12">two</text></svg></div></body>')
        found = self.probe(path, 390, False)
        self.assertTrue(all(found[kind] for kind in ('over', 'labels', 'contrast', 'small')), found)


if __name__ == '__main__':
    if browser.program() is None:
        print(f'skipped: {browser.NEEDED}')
        sys.exit(77)
    unittest.main()
