// The executor: tasks in slots, the ready queue, the parked flag, and which waker woke
// which task.

const TASKS_SHOWN = 8;

function tasksPanel({ state, before, event, changes }) {
  const tasks = state.tasks || {};
  const was = before.tasks || {};
  const parkedMoved = changes.differ(Boolean(tasks.parked), Boolean(was.parked));
  const slots = tasks.slots || {};
  const keys = Object.keys(slots).sort(byNumber);
  const { shown, left } = someOf(keys, TASKS_SHOWN, (key) => slots[key] !== was.slots?.[key]);
  const gone = Object.keys(was.slots || {}).filter((key) => !slots[key]);
  gone.forEach((key) => changes.differ(undefined, was.slots[key]));
  return [
    h(
      'div',
      { class: 'lists' },
      h(
        'div',
        { class: `list${parkedMoved ? ' changed' : ''}`, key: 'parked' },
        h('span', { class: 'list-name' }, 'parked flag'),
        wideLamp(
          tasks.parked ? 'set: a wake ends the wait' : 'not set: a wake only queues',
          Boolean(tasks.parked),
          parkedMoved,
        ),
      ),
      listRow('ready queue', tasks.ready, was.ready, changes, (id, place) =>
        chip(
          [h('b', {}, id), ` ${taskName(id, state, before)}`],
          `task ${place === 0 ? 'next' : ''}`,
          null,
          `task ${id}`,
        ),
      ),
      wakeRow(wakesOf(state, before, event)),
    ),
    h(
      'ul',
      { class: 'task-list' },
      shown.map((key) => taskRow(key, slots[key], was.slots?.[key], changes)),
      gone
        .slice(0, 3)
        .map((key) =>
          h(
            'li',
            { key: `task ${key}`, class: 'task-row changed gone' },
            h('b', {}, key),
            h('span', {}, was.slots[key].name),
            h('span', { class: 'task-state' }, 'ended'),
          ),
        ),
    ),
    more(left, 'tasks'),
    keys.length || gone.length ? null : h('p', { class: 'none' }, 'no task waits'),
  ];
}

const taskName = (id, ...states) => {
  for (const state of states) {
    const slot = state.tasks?.slots?.[id];
    if (slot) return slot.name;
  }
  return 'task';
};

function taskRow(key, slot, was, changes) {
  const changed = changes.differ(slot, was);
  return h(
    'li',
    { key: `task ${key}`, 'data-origin': `task ${key}`, class: `task-row${changed ? ' changed' : ''}` },
    h('b', {}, key),
    h('span', {}, slot.name),
    h(
      'span',
      { class: `task-state ${slot.state}` },
      slot.state,
      slot.state === 'waiting' && slot.waits_for ? ` for ${slot.waits_for}` : '',
    ),
  );
}

/** Which waker made which task ready in this event, or was the reason for its poll. */
function wakesOf(state, before, event) {
  if (event.kind === 'polled') {
    const { task, woken_by: waker } = event.about;
    return waker ? [{ waker, task, name: event.about.name, text: 'woke' }] : [];
  }
  const had = new Set(before.tasks?.ready || []);
  return (state.tasks?.ready || [])
    .filter((id) => !had.has(id))
    .slice(0, 3)
    .map((id) => ({
      waker: before.tasks?.slots?.[id]?.waits_for || (event.kind === 'fired' ? event.about.owner : 'a waker'),
      task: id,
      name: taskName(id, state, before),
      text: 'wakes',
    }));
}

const wakeRow = (wakes) =>
  h(
    'div',
    { class: `list${wakes.length ? ' changed' : ''}`, key: 'wakes' },
    h('span', { class: 'list-name' }, 'waker'),
    h(
      'span',
      { class: 'chips' },
      wakes.length
        ? wakes.map(({ waker, task, text, name }) =>
            h(
              'span',
              { class: 'wake', key: `wake ${task}` },
              chip(waker, 'waker'),
              h('span', { class: 'wake-arrow' }, h('i', {}, text)),
              chip(['task ', h('b', {}, task)], 'task', name, `task ${task}`),
            ),
          )
        : none(),
    ),
  );
