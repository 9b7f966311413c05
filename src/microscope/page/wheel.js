// The timer wheel: a row of 64 slots, drawn as cells, for each digit of the time, the lowest level at the
// bottom. A cascade is drawn as arrows that fall from a cell to lower ones.

const TIMERS_SHOWN = 8;

function wheelPanel({ state, before, event, recording, changes }) {
  const wheel = state.wheel || {};
  const was = before.wheel || {};
  const height = Math.max(
    2,
    recording.uses.levels,
    ...Object.keys(wheel.levels || {}).map((level) => Number(level) + 1),
  );
  const now = wheel.now_tick || 0;
  const time = digits(now, height);
  const cascade = event.kind === 'cascade' ? event.about : null;
  changes.differ(wheel, was);
  const rows = [];
  for (let level = height - 1; level >= 0; level -= 1) {
    rows.push(levelRow(level, time[height - 1 - level], wheel, was, cascade, event));
  }
  return [
    h(
      'div',
      { class: 'wheel' },
      h(
        'p',
        { class: `wheel-time${now !== was.now_tick && was.now_tick !== undefined ? ' changed' : ''}` },
        h('span', {}, `time ${count(now)} ms, in base 64: `),
        h('b', { class: 'number' }, time.join(' · ')),
        now !== was.now_tick && was.now_tick !== undefined
          ? h('small', {}, ` ${difference(now, was.now_tick)} ms`)
          : null,
      ),
      h('div', { class: 'levels' }, rows, axis(), h('svg', { class: 'moves', 'aria-hidden': 'true' })),
    ),
    timerList(wheel, was, height, time, event),
  ];
}

function levelRow(level, digit, wheel, was, cascade, event) {
  const cells = wheel.levels?.[level]?.cells || wheel.levels?.[level] || {};
  const old = was.levels?.[level]?.cells || was.levels?.[level] || {};
  const span = 64 ** level;
  const held = Object.entries(cells).map(
    ([cell, ids]) => `slot ${cell} holds ${plural(ids.length, 'timer')}`,
  );
  const boxes = [];
  for (let cell = 0; cell < 64; cell += 1)
    boxes.push(cellBox(level, cell, cells[cell], old[cell], digit, cascade));
  return h(
    'div',
    { class: 'level', key: `level ${level}` },
    h(
      'span',
      { class: 'level-name' },
      h('b', {}, `level ${level}`),
      h('small', {}, `${spanText(span)} a slot`),
    ),
    h('span', { class: 'digit', title: `the digit of level ${level}` }, digit),
    h(
      'span',
      {
        class: 'cells',
        role: 'img',
        'aria-label': `level ${level}, the time stands at slot ${digit}; ${held.join(', ') || 'no timer'}`,
      },
      boxes,
    ),
  );
}

const spanText = (span) =>
  span < 1000
    ? `${span} ms`
    : span < 120000
      ? `${(span / 1000).toFixed(1)} s`
      : span < 7200000
        ? `${(span / 60000).toFixed(1)} min`
        : `${count(span / 3600000)} h`;

function cellBox(level, cell, ids = [], old = [], digit, cascade) {
  const classes = ['cell'];
  if (ids.length) classes.push('held');
  if (cell === digit) classes.push('here');
  if (ids.length !== old.length || ids.some((id, place) => id !== old[place])) classes.push('changed');
  if (cascade && cascade.from[0] === level && cascade.from[1] === cell) classes.push('from');
  if (cascade && targetsOf(cascade).some(([l, c]) => l === level && c === cell)) classes.push('to');
  return h(
    'i',
    {
      class: classes.join(' '),
      'data-cell': `${level}.${cell}`,
      title: ids.length ? `level ${level}, slot ${cell}: ${plural(ids.length, 'timer')}` : null,
    },
    ids.length > 1 ? String(ids.length) : '',
  );
}

/** The numbers of some slots, below the lowest level. */
const axis = () =>
  h(
    'div',
    { class: 'level axis', key: 'axis', 'aria-hidden': 'true' },
    h('span', {}),
    h('span', {}),
    h(
      'span',
      { class: 'cells' },
      [0, 8, 16, 24, 32, 40, 48, 56, 63].map((cell) =>
        h('i', { style: `grid-column: ${cell + 1}` }, String(cell)),
      ),
    ),
  );

/** The places that a cascade moves timers to, each one once. */
function targetsOf(cascade) {
  const places = new Map((cascade.to || []).map((place) => [place.join('.'), place]));
  return [...places.values()];
}

function timerList(wheel, was, height, time, event) {
  const timers = Object.entries(wheel.timers || {}).sort(
    (a, b) => a[1].deadline_ms - b[1].deadline_ms || byNumber(a[0], b[0]),
  );
  const gone = Object.entries(was.timers || {}).filter(([id]) => !wheel.timers?.[id]);
  const row = (id, timer, isGone) => {
    const tick = Math.ceil(timer.deadline_ms);
    const own = digits(tick, height);
    const differs = own.findIndex((digit, place) => digit !== time[place]);
    const isNew = !isGone && !was.timers?.[id];
    const moved = event.kind === 'cascade' && (event.about.timers || []).includes(id);
    return h(
      'tr',
      { key: `timer ${id}`, class: `${isNew || moved || isGone ? 'changed' : ''}${isGone ? ' gone' : ''}` },
      h('td', {}, timer.owner),
      h('td', { class: 'number' }, ms(timer.deadline_ms)),
      h(
        'td',
        { class: 'number' },
        own.map((digit, place) => [place ? ' · ' : '', place === differs ? h('u', {}, digit) : digit]),
      ),
      h(
        'td',
        {},
        isGone
          ? event.kind === 'fired' && String(event.about.timer) === id
            ? 'fired'
            : 'gone'
          : place(height, differs, own),
      ),
    );
  };
  if (!timers.length && !gone.length) return h('p', { class: 'timers none' }, 'no timer is armed');
  return h(
    'div',
    { class: 'timers' },
    h(
      'p',
      { class: 'legend' },
      'Armed timers. The underlined digit is the first that differs from the time: its place is the level, its value is the slot.',
    ),
    h(
      'table',
      { 'aria-label': 'Armed timers' },
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          ['owner', 'deadline', 'in base 64', 'place'].map((name) => h('th', { scope: 'col' }, name)),
        ),
      ),
      h(
        'tbody',
        {},
        gone.slice(0, 3).map(([id, timer]) => row(id, timer, true)),
        timers.slice(0, TIMERS_SHOWN).map(([id, timer]) => row(id, timer, false)),
      ),
    ),
    more(timers.length - TIMERS_SHOWN, 'timers'),
  );
}

const place = (height, differs, own) =>
  differs < 0 ? 'due' : `level ${height - 1 - differs}, slot ${own[differs]}`;

/** Draws the arrows of a cascade over the cells, which must stand in the document. */
function drawMoves(event) {
  const svg = document.querySelector('.moves');
  if (!svg) return;
  // New elements, so that the drawing starts again.
  svg.replaceChildren();
  if (event.kind !== 'cascade') return;
  const cascade = event.about;
  const frame = svg.getBoundingClientRect();
  const middle = ([level, cell]) => {
    const box = document.querySelector(`[data-cell="${level}.${cell}"]`)?.getBoundingClientRect();
    return (
      box && {
        x: box.left + box.width / 2 - frame.left,
        top: box.top - frame.top,
        bottom: box.bottom - frame.top,
      }
    );
  };
  const from = middle(cascade.from);
  const arrows = !from ? [] : targetsOf(cascade).map((target) => arrowTo(from, middle(target)));
  update(svg, { ...svg.viewAttrs, viewBox: `0 0 ${frame.width || 1} ${frame.height || 1}` });
  fill(svg, arrows);
}

function arrowTo(from, to) {
  if (!to) return null;
  const bend = Math.max(14, (to.top - from.bottom) / 2);
  const curve = `M${from.x} ${from.bottom} C${from.x} ${from.bottom + bend} ${to.x} ${to.top - bend} ${to.x} ${to.top - 2}`;
  return h(
    'g',
    {},
    h('path', { d: curve, class: 'move', pathLength: 1 }),
    h('path', {
      d: `M${to.x - 4} ${to.top - 8} L${to.x} ${to.top - 1} L${to.x + 4} ${to.top - 8}`,
      class: 'move-tip',
    }),
  );
}
