// The kernel's side: bytes in pipes and sockets, and edges that it has not yet told.

const SOCKETS_SHOWN = 9;
const STREAMS = ['stdin', 'stdout', 'stderr'];
/** The usual size of a pipe, for a scale where the recording names none. */
const PIPE_BYTES = 65536;

function kernelPanel({ state, before, changes }) {
  const kernel = state.kernel || {};
  const was = before.kernel || {};
  const names = Object.keys(kernel.pipes || {}).sort((a, b) => placeOf(a) - placeOf(b));
  const pipes = names.map((name) =>
    pipeRow(name, kernel.pipes[name], was.pipes?.[name], tokenOf(name, state), changes),
  );
  const sockets = kernel.sockets || {};
  const keys = Object.keys(sockets).sort(byNumber);
  const isFirst = (key) => sockets[key] !== was.sockets?.[key] || sockets[key].edge;
  const { shown, left } = someOf(keys, SOCKETS_SHOWN, isFirst);
  const wakes = kernel.threads || 0;
  return [
    pipes,
    shown.map((key) =>
      socketRow(key, sourceName(key, state, before), sockets[key], was.sockets?.[key], changes),
    ),
    more(left, 'sockets'),
    wakes > 0 || (was.threads || 0) > 0
      ? h('p', { class: `fact${changes.mark(wakes, was.threads || 0)}` }, `wakes pending: ${wakes}`)
      : null,
  ];
}

const edgeFlag = (edge) => (edge ? h('span', { class: 'edge' }, `edge: ${edge}, not yet told`) : null);
const endFlag = (ended) => (ended ? h('span', { class: 'flag' }, 'end') : null);

/** The first source of a pipe. stdout and stderr can share one. */
const firstOf = (name) => name.split(' ')[0];
const placeOf = (name) => STREAMS.indexOf(firstOf(name));

/** The slot of a standard stream. */
const tokenOf = (name, state) =>
  Object.entries(state.reactor?.slots || {}).find(([, slot]) => slot.name === firstOf(name))?.[0];

/** A pipe is told by the bytes in it, by its room, or by both. */
function pipeRow(name, pipe, was, token, changes) {
  const held = heldBytes(pipe);
  return bar({
    name: `${name} pipe`,
    origin: token && `source ${token}`,
    now: held,
    before: was && heldBytes(was),
    max: held + (pipe.room ?? Math.max(0, PIPE_BYTES - held)),
    of: pipe.room === undefined ? undefined : held + pipe.room,
    changed: changes.differ(pipe, was),
    full: pipe.room === 0,
    flags: [endFlag(pipe.ended), edgeFlag(pipe.edge)],
  });
}

const heldBytes = (pipe) => pipe.bytes ?? pipe.in ?? Math.max(0, PIPE_BYTES - (pipe.room || 0));

/** A socket is told by the bytes that came in, and by what went out or by the room for it. */
function socketRow(key, name, socket, was, changes) {
  const changed = changes.differ(socket, was);
  const way = (text, field, max) => {
    const [now, old] = [socket[field], was?.[field]];
    if (now === undefined) return null;
    const moved = old !== undefined && now !== old ? h('b', { class: 'moved' }, difference(now, old)) : null;
    const share = Math.min(100, (now / Math.max(max, 1)) * 100).toFixed(2);
    return h(
      'span',
      { class: 'way', key: field },
      h('span', { class: 'way-name' }, text),
      h('span', { class: 'bar thin', 'aria-hidden': 'true' }, h('i', { style: `width:${share}%` })),
      h('span', { class: 'bar-number' }, moved, bytes(now)),
    );
  };
  const { out, room } = socket;
  return h(
    'div',
    { class: `socket${changed ? ' changed' : ''}`, key: `socket ${key}`, 'data-origin': `source ${key}` },
    h(
      'span',
      { class: 'bar-name' },
      socket.peer || name,
      h('small', {}, ` slot ${key}`),
      endFlag(socket.ended),
      edgeFlag(socket.edge),
      socket.clients ? h('span', { class: 'flag' }, `${plural(socket.clients, 'client')} to accept`) : null,
    ),
    way('in', 'in', Math.max(PIPE_BYTES, socket.in || 0)),
    out !== undefined
      ? way('out', 'out', out + (room ?? PIPE_BYTES))
      : way('room', 'room', Math.max(PIPE_BYTES, room || 0)),
  );
}
