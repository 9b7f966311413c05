// The panels in their columns. A panel that the recording does not use is not there. The
// wheel leads if the recording asks about cascades.

const PANELS = [
  { id: 'kernel', column: 'first', title: 'Kernel', about: 'bytes in pipes and sockets, edges not yet told', view: kernelPanel },
  { id: 'buffers', column: 'first', title: 'Buffers', about: 'with watermarks', view: buffersPanel },
  { id: 'reactor', column: 'second', title: 'Reactor', about: 'slots, sticky flags, three lists', view: reactorPanel },
  { id: 'tasks', column: 'third', title: 'Tasks', about: 'the executor', view: tasksPanel },
  { id: 'calls', column: 'third', title: 'Calls', about: 'to other nodes', view: callsPanel },
  { id: 'connections', column: 'third', title: 'Connections', about: 'the state of each', view: connectionsPanel },
  { id: 'line', column: 'third', title: 'Messages', about: 'in → and out ←', view: messagesPanel },
  { id: 'wheel', column: 'wide', title: 'Timer wheel', about: 'a level for each digit of the time in base 64', view: wheelPanel },
];

function panels(context) {
  const { recording } = context;
  const shown = PANELS.filter(({ id }) => recording.uses.has(id));
  const leads = recording.questions?.includes('cascade');
  const inColumn = (name) => shown.filter((panel) => columnOf(panel, shown, leads) === name);
  const columns = ['first', 'second', 'third'].filter((name) => inColumn(name).length).length;
  return ['first', 'second', 'third', 'wide'].map((name) => {
    const inside = inColumn(name);
    return inside.length ? h('div', { class: `column ${name} of-${columns}${name === 'wide' && leads ? ' leads' : ''}`, key: name }, inside.map((panel) => panelBox(panel, context))) : null;
  });
}

/** The messages stand where room is: below the reactor, or in the third column. */
function columnOf({ id, column }, shown, leads) {
  if (id !== 'line') return column;
  const isWheelBelow = shown.some((panel) => panel.id === 'wheel') && !leads;
  const hasThird = shown.some((panel) => panel.id !== 'line' && panel.column === 'third');
  return hasThird && !isWheelBelow ? 'second' : 'third';
}

function panelBox({ id, title, about, view }, context) {
  const changes = new Changes();
  const body = view({ ...context, changes });
  return h(
    'section',
    { class: `panel${changes.found ? ' touched' : ''}`, id: `panel-${id}`, key: id, 'aria-labelledby': `title-${id}` },
    h('header', {}, h('h2', { id: `title-${id}` }, title), h('small', {}, about), changes.found ? h('span', { class: 'touch' }, 'changed') : null),
    h('div', { class: 'panel-body' }, body),
  );
}
