// Calls to other nodes: each waits for its reply or its timer.

const CALLS_SHOWN = 8;

function callsPanel({ state, before, changes }) {
  const now = state.calls || {};
  const was = before.calls || {};
  const keys = Object.keys(now).sort(byNumber);
  const gone = Object.keys(was).filter((key) => !now[key]);
  const isFirst = (key) => now[key].state === 'waiting' || now[key] !== was[key];
  const { shown, left } = someOf(keys, CALLS_SHOWN, isFirst);
  gone.forEach(() => changes.differ(1, 0));
  return [
    h(
      'ul',
      { class: 'call-list' },
      shown.map((key) =>
        h(
          'li',
          { key: `call ${key}`, class: `task-row${changes.mark(now[key], was[key])}` },
          h('b', {}, `call ${key}`),
          h('span', {}, `to ${now[key].to}`),
          h('span', { class: `task-state ${now[key].state}` }, now[key].state),
        ),
      ),
      gone
        .slice(0, 3)
        .map((key) =>
          h(
            'li',
            { key: `call ${key}`, class: 'task-row changed gone' },
            h('b', {}, `call ${key}`),
            h('span', {}, `to ${was[key].to}`),
            h('span', { class: 'task-state' }, 'ended'),
          ),
        ),
    ),
    more(left, 'calls'),
    keys.length || gone.length ? null : h('p', { class: 'none' }, 'no call waits'),
    h(
      'p',
      { class: 'totals' },
      h(
        'span',
        { class: changes.mark(state.calls_ended || 0, before.calls_ended || 0) },
        `ended: ${count(state.calls_ended || 0)}`,
      ),
      h(
        'span',
        { class: changes.mark(state.ignored_replies || 0, before.ignored_replies || 0) },
        `replies ignored: ${count(state.ignored_replies || 0)}`,
      ),
    ),
  ];
}
