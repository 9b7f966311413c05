// TCP connections: one diagram of the states, with each connection in its state, and a
// bar for what a connection holds.

const STATES = {
  Open: { x: 8, y: 8, text: 'holds nothing' },
  Draining: { x: 202, y: 8, text: 'holds a rest' },
  HalfClosed: { x: 105, y: 84, text: 'the peer has ended' },
  Closed: { x: 105, y: 160, text: 'is over' },
};
const BOX = { width: 150, height: 50 };
const ARROWS = [
  ['Open', 'Draining', 'M158 24 H200'],
  ['Draining', 'Open', 'M202 44 H160'],
  ['Open', 'HalfClosed', 'M120 58 L148 82'],
  ['Draining', 'HalfClosed', 'M240 58 L212 82'],
  ['HalfClosed', 'Closed', 'M180 134 V158'],
  ['Open', 'Closed', 'M40 58 V185 H103'],
  ['Draining', 'Closed', 'M320 58 V185 H257'],
];
const HOLDERS_SHOWN = 6;

/** A state may be told with spaces or with what it holds: `Half closed`, `HalfClosed with a rest`. */
function stateName(text = '') {
  const plain = text
    .replace(/\(.*$/, '')
    .replace(/[^A-Za-z]/g, '')
    .toLowerCase();
  if (plain === 'echoing') return 'Open';
  return Object.keys(STATES).find((name) => plain.startsWith(name.toLowerCase()));
}

function connectionsPanel({ state, before, changes }) {
  const now = state.connections || {};
  const was = before.connections || {};
  const keys = Object.keys(now).sort(byNumber);
  const moves = keys
    .filter((key) => was[key] && was[key].state !== now[key].state)
    .map((key) => [stateName(was[key].state), stateName(now[key].state)]);
  const isMove = (from, to) => moves.some((move) => move[0] === from && move[1] === to);
  const holders = keys.filter((key) => now[key].holds > 0 || (was[key] && was[key].holds > 0));
  changes.differ(now, was);
  return [
    h(
      'svg',
      { class: 'states', viewBox: '0 0 360 218', role: 'img', 'aria-label': describe(now, keys) },
      h(
        'defs',
        {},
        ['head', 'head-lit'].map((id) =>
          h(
            'marker',
            {
              id: `arrow-${id}`,
              class: id,
              viewBox: '0 0 8 8',
              refX: 7,
              refY: 4,
              markerWidth: 7,
              markerHeight: 7,
              orient: 'auto',
            },
            h('path', { d: 'M0 0 L8 4 L0 8 z' }),
          ),
        ),
      ),
      ARROWS.map(([from, to, path]) =>
        h('path', {
          key: `${from} ${to}`,
          d: path,
          class: `way${isMove(from, to) ? ' lit' : ''}`,
          'marker-end': `url(#arrow-head${isMove(from, to) ? '-lit' : ''})`,
        }),
      ),
      Object.entries(STATES).map(([name, box]) =>
        stateBox(
          name,
          box,
          keys.filter((key) => stateName(now[key].state) === name),
          was,
          now,
        ),
      ),
    ),
    keys
      .filter((key) => !stateName(now[key].state))
      .map((key) => h('p', { class: 'fact', key }, `${now[key].name}: ${now[key].state}`)),
    holders.slice(0, HOLDERS_SHOWN).map((key) =>
      bar({
        name: `${now[key].name} holds`,
        now: now[key].holds,
        before: was[key]?.holds,
        max: now[key].limit || 65536,
        of: now[key].limit,
        changed: now[key].holds !== was[key]?.holds,
      }),
    ),
    more(holders.length - HOLDERS_SHOWN, 'connections hold bytes'),
  ];
}

function stateBox(name, { x, y, text }, keys, was, now) {
  const changed = keys.some((key) => !was[key] || was[key].state !== now[key].state);
  const slots =
    keys.length > 6 ? plural(keys.length, 'connection') : keys.length ? `slot ${keys.join(', ')}` : '';
  return h(
    'g',
    {
      key: name,
      class: `state${keys.length ? ' lit' : ''}${changed ? ' changed' : ''}`,
      transform: `translate(${x} ${y})`,
    },
    h('rect', { width: BOX.width, height: BOX.height, rx: 7 }),
    h('text', { x: 10, y: 20, class: 'state-name' }, name),
    h('text', { x: 10, y: 38, class: 'state-text' }, slots || text),
  );
}

const describe = (now, keys) =>
  keys.length ? keys.map((key) => `${now[key].name} is ${now[key].state}`).join(', ') : 'no connection';
