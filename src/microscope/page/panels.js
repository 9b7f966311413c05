// The panels in their columns. A panel that the recording does not use is not there. The
// wheel leads if the recording asks about cascades.

//
// A panel is drawn again only if the parts of the state that it shows have changed, or if it
// shows an event of this kind.

const PANELS = [
  {
    id: 'kernel',
    parts: ['kernel'],
    column: 'first',
    title: 'Kernel',
    about: 'bytes, and edges not yet told',
    view: kernelPanel,
  },
  {
    id: 'buffers',
    parts: ['buffers'],
    column: 'first',
    title: 'Buffers',
    about: 'with watermarks',
    view: buffersPanel,
  },
  {
    id: 'reactor',
    parts: ['reactor'],
    kinds: ['served'],
    column: 'second',
    title: 'Reactor',
    about: 'slots, sticky flags, three lists',
    view: reactorPanel,
  },
  {
    id: 'tasks',
    parts: ['tasks'],
    kinds: ['polled', 'fired'],
    column: 'third',
    title: 'Tasks',
    about: 'the executor',
    view: tasksPanel,
  },
  {
    id: 'calls',
    parts: ['calls', 'calls_ended', 'ignored_replies'],
    column: 'third',
    title: 'Calls',
    about: 'to other nodes',
    view: callsPanel,
  },
  {
    id: 'connections',
    parts: ['connections'],
    column: 'third',
    title: 'Connections',
    about: 'the state of each',
    view: connectionsPanel,
  },
  {
    id: 'line',
    parts: [],
    kinds: ['line'],
    column: 'third',
    title: 'Messages',
    about: 'in → and out ←',
    view: messagesPanel,
  },
  {
    id: 'wheel',
    parts: ['wheel'],
    kinds: ['cascade', 'fired'],
    column: 'wide',
    title: 'Timer wheel',
    about: 'a level for each digit of the time in base 64',
    view: wheelPanel,
  },
];

function panels(context) {
  const { recording } = context;
  const shown = PANELS.filter(({ id }) => recording.uses.has(id));
  const leads = recording.questions.includes('cascade');
  const inColumn = (name) => shown.filter((panel) => columnOf(panel, shown, leads) === name);
  const columns = ['first', 'second', 'third'].filter((name) => inColumn(name).length).length;
  return ['first', 'second', 'third', 'wide'].map((name) => {
    const inside = inColumn(name);
    return inside.length
      ? h(
          'div',
          { class: `column ${name} of-${columns}${name === 'wide' && leads ? ' leads' : ''}`, key: name },
          inside.map((panel) => panelBox(panel, context)),
        )
      : null;
  });
}

/** The messages stand where room is: below the reactor, or in the third column. */
function columnOf({ id, column }, shown, leads) {
  if (id !== 'line') return column;
  const isWheelBelow = shown.some((panel) => panel.id === 'wheel') && !leads;
  const hasThird = shown.some((panel) => panel.id !== 'line' && panel.column === 'third');
  return hasThird && !isWheelBelow ? 'second' : 'third';
}

const drawn = new Map();

function panelBox(panel, context) {
  const { recording, index, event, state, before, prefix = '' } = context;
  const { id, parts, kinds = [] } = panel;
  const needs = [recording, kinds.includes(event.kind) ? index : -1];
  for (const part of parts) needs.push(state[part], before[part]);
  if (id === 'line') needs.push(lastLine(recording, index));
  const known = drawn.get(prefix + id);
  if (
    known &&
    known.needs.length === needs.length &&
    known.needs.every((need, place) => need === needs[place])
  )
    return known.box;
  const box = drawPanel(panel, context);
  drawn.set(prefix + id, { needs, box });
  return box;
}

function drawPanel({ id, title, about, view }, context) {
  const { prefix = '' } = context;
  const changes = new Changes();
  const body = view({ ...context, changes });
  return h(
    'section',
    {
      class: `panel${changes.found ? ' touched' : ''}`,
      id: `${prefix}panel-${id}`,
      key: id,
      'aria-labelledby': `${prefix}title-${id}`,
    },
    h(
      'header',
      {},
      h('h2', { id: `${prefix}title-${id}` }, title),
      h('small', {}, about),
      changes.found ? h('span', { class: 'touch' }, 'changed') : null,
    ),
    h('div', { class: 'panel-body' }, body),
  );
}
