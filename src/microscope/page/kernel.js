// The kernel's side: bytes in pipes and sockets, and edges that it has not yet told.

const SOCKETS_SHOWN = 9;

function kernelPanel({ state, before, changes }) {
  const kernel = state.kernel || {};
  const was = before.kernel || {};
  const pipes = Object.entries(kernel.pipes || {}).map(([name, pipe]) =>
    pipeRow(name, pipe, was.pipes?.[name], tokenOf(name, state), changes),
  );
  const sockets = kernel.sockets || {};
  const keys = Object.keys(sockets).sort(byNumber);
  const isFirst = (key) => sockets[key] !== was.sockets?.[key] || sockets[key].edge;
  const { shown, left } = someOf(keys, SOCKETS_SHOWN, isFirst);
  const wakes = kernel.threads || 0;
  return [
    pipes,
    shown.map((key) => socketRow(key, sockets[key], was.sockets?.[key], changes)),
    more(left, 'sockets'),
    wakes > 0 || (was.threads || 0) > 0
      ? h('p', { class: `fact${changes.mark(wakes, was.threads || 0)}` }, `wakes pending: ${wakes}`)
      : null,
  ];
}

const edgeFlag = (edge) => (edge ? h('span', { class: 'edge' }, `edge: ${edge}, not yet told`) : null);
const endFlag = (ended) => (ended ? h('span', { class: 'flag' }, 'end') : null);

/** The slot of a standard stream. */
const tokenOf = (name, state) =>
  Object.entries(state.reactor?.slots || {}).find(([, slot]) => slot.name === name)?.[0];

function pipeRow(name, pipe, was, token, changes) {
  const max = pipe.bytes + (pipe.room || 0);
  const changed = changes.differ(pipe, was);
  const row = bar({
    name: `${name} pipe`,
    origin: token && `source ${token}`,
    now: pipe.bytes,
    before: was?.bytes,
    max,
    of: max,
    changed,
    full: pipe.room === 0,
    flags: [endFlag(pipe.ended), edgeFlag(pipe.edge)],
  });
  return row;
}

function socketRow(key, socket, was, changes) {
  const changed = changes.differ(socket, was);
  const way = (text, now, old, max) =>
    h(
      'span',
      { class: 'way' },
      h('span', { class: 'way-name' }, text),
      h(
        'span',
        { class: 'bar thin', 'aria-hidden': 'true' },
        h('i', { style: `width:${Math.min(100, (now / Math.max(max, 1)) * 100).toFixed(2)}%` }),
      ),
      h(
        'span',
        { class: 'bar-number' },
        old !== undefined && now !== old ? h('b', { class: 'moved' }, difference(now, old)) : null,
        bytes(now),
      ),
    );
  const room = 65536;
  return h(
    'div',
    { class: `socket${changed ? ' changed' : ''}`, key: `socket ${key}`, 'data-origin': `source ${key}` },
    h(
      'span',
      { class: 'bar-name' },
      socket.peer || 'socket',
      h('small', {}, ` slot ${key}`),
      endFlag(socket.ended),
      edgeFlag(socket.edge),
    ),
    way('in', socket.in || 0, was?.in, Math.max(room, socket.in || 0)),
    way('out', socket.out || 0, was?.out, (socket.out || 0) + (socket.room ?? room)),
  );
}
