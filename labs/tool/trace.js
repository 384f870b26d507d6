// SPDX-License-Identifier: MIT
// Shows the state after one event: all changes from the first one on (trace2html.py has computed them).
(() => {
  'use strict';
  const at = id => document.getElementById(id);
  const step = at('step'), last = TRACE.steps.length;
  let now = -1;

  const cell = ([label, text, note, name]) => {
    const li = document.createElement('li'), main = document.createElement('b');
    const line = words => { const span = document.createElement('span'); span.textContent = words; return span; };
    li.className = name;
    main.textContent = text;
    li.append(line(label), main, line(note));
    return li;
  };

  const draw = () => {
    const state = new Map();
    for (const changes of TRACE.steps.slice(0, now))
      for (const [key, shown] of changes) shown ? state.set(key, shown) : state.delete(key);
    const groups = new Map([...document.querySelectorAll('.cells')].map(ul => [ul.id.slice(2), [ul, []]]));
    for (const key of TRACE.order)
      if (state.has(key)) groups.get(state.get(key)[4])[1].push(cell(state.get(key)));
    for (const [ul, cells] of groups.values()) {
      ul.replaceChildren(...cells);
      if (cells.length) continue;
      const none = document.createElement('li');
      none.className = 'none';
      none.textContent = 'none now';
      ul.append(none);
    }
  };

  const show = wanted => {
    const k = Math.max(0, Math.min(last, Number.isInteger(wanted) ? wanted : 0));
    if (k === now) return;
    document.querySelector('tr[aria-current]')?.removeAttribute('aria-current');
    now = k;
    step.value = k;
    at('at').textContent = k ? `After event ${k} of ${last}` : 'Before the first event';
    at('says').textContent = k ? TRACE.says[k - 1] : '\u00a0';
    step.setAttribute('aria-valuetext', k ? `event ${k}: ${TRACE.says[k - 1]}` : 'before the first event');
    const row = at(`e${k}`), box = at('events');
    if (row) {
      row.setAttribute('aria-current', 'step');
      box.scrollTop = row.offsetTop - box.clientHeight / 2;
    } else {
      box.scrollTop = 0;
    }
    draw();
    try { history.replaceState(null, '', `#step=${k}`); } catch { /* a page that may not: then the address stays as it is */ }
  };

  const asked = () => Number.parseInt(/^#step=(\d+)$/.exec(location.hash)?.[1] ?? '0', 10);
  const moves = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity};
  const move = by => show(by === Infinity ? last : by === -Infinity ? 0 : now + by);

  step.addEventListener('input', () => show(step.valueAsNumber));
  at('back').addEventListener('click', () => move(-1));
  at('next').addEventListener('click', () => move(1));
  addEventListener('hashchange', () => show(asked()));
  addEventListener('keydown', e => {
    // Up and down, and the pages, scroll where the reader is not at the slider.
    const always = ['ArrowLeft', 'ArrowRight'].includes(e.key);
    if (e.altKey || e.ctrlKey || e.metaKey || !(e.key in moves) || (!always && document.activeElement !== step)) return;
    e.preventDefault();
    move(moves[e.key]);
  });
  at('now').hidden = false;
  show(asked());
})();
