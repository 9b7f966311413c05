// The reactor: three lists of tokens, and a slot for each source.

const SLOTS_SHOWN = 12;
const CHIPS_SHOWN = 14;

function reactorPanel({ state, before, event, changes }) {
  const reactor = state.reactor || {};
  const was = before.reactor || {};
  const served = event.kind === 'served' ? event.about : null;
  return [
    h(
      'div',
      { class: 'lists' },
      listRow('queue', reactor.queue, was.queue, changes, (token, place) =>
        sourceChip(token, state, before, place === 0 ? 'next' : ''),
      ),
      h(
        'div',
        { class: `list${served ? ' changed' : ''}`, key: 'served' },
        h('span', { class: 'list-name' }, 'served'),
        h('span', { class: 'chips' }, served ? servedChips(served, state, before) : none()),
      ),
      listRow('carry-over list', reactor.carried, was.carried, changes, ([token, reason]) =>
        h(
          'span',
          { class: 'with-reason', key: token },
          sourceChip(token, state, before),
          h('small', {}, reason),
        ),
      ),
      listRow('finished list', reactor.finished, was.finished, changes, (token) =>
        sourceChip(token, state, before),
      ),
    ),
    slotTable(reactor, was, changes),
    h(
      'p',
      { class: 'legend' },
      'R readable, W writable, C read-closed. A sticky flag stays until the source has used it up.',
      reactor.stale || was.stale
        ? h(
            'span',
            { class: `stale${changes.mark(reactor.stale, was.stale)}` },
            ` stale events: ${reactor.stale}`,
          )
        : null,
    ),
  ];
}

function listRow(name, list = [], was = [], changes, draw) {
  const shown = list.slice(0, CHIPS_SHOWN);
  return h(
    'div',
    { class: `list${changes.mark(list, was)}`, key: name },
    h('span', { class: 'list-name' }, name),
    h(
      'span',
      { class: 'chips' },
      shown.length ? shown.map(draw) : none(),
      list.length > shown.length ? h('span', { class: 'none' }, `+${list.length - shown.length}`) : null,
    ),
  );
}

function sourceChip(token, state, before, classes = '') {
  const name = sourceName(token, state, before);
  return chip([h('b', {}, token), ` ${name}`], `source ${classes}`, null, `source ${token}`);
}

function servedChips(about, state, before) {
  const answer = about.next || about.answer || '';
  return [
    sourceChip(about.source, state, before, 'now'),
    answer
      ? h(
          'span',
          { class: 'answer' },
          h('span', { 'aria-hidden': 'true' }, '→ '),
          answer,
          about.reason ? h('small', {}, ` ${about.reason}`) : null,
        )
      : null,
  ];
}

function slotTable(reactor, was, changes) {
  const slots = reactor.slots || {};
  const keys = Object.keys(slots).sort(byNumber);
  const { shown, left } = someOf(keys, SLOTS_SHOWN, (key) => slots[key] !== was.slots?.[key]);
  return [
    h(
      'table',
      { class: 'slots' },
      h('caption', { class: 'unseen' }, 'Slots of the reactor'),
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          ['slot', 'source', 'gen.', 'flags', 'marks'].map((name) => h('th', { scope: 'col' }, name)),
        ),
      ),
      h(
        'tbody',
        {},
        shown.map((key) => slotRow(key, slots[key], was.slots?.[key], changes)),
      ),
    ),
    more(left, 'slots'),
  ];
}

function slotRow(key, slot, was, changes) {
  const changed = changes.differ(slot, was);
  const ready = slot.ready || [];
  const had = was?.ready || [];
  const flag = (letter, name) =>
    lamp(letter, name, ready.includes(name), changed && ready.includes(name) !== had.includes(name));
  return h(
    'tr',
    { key: `slot ${key}`, class: changed ? 'changed' : '' },
    h('td', {}, h('b', {}, key)),
    h('td', { class: 'slot-name' }, slot.name),
    h('td', {}, slot.generation),
    h('td', { class: 'lamps' }, flag('R', 'readable'), flag('W', 'writable'), flag('C', 'read closed')),
    h(
      'td',
      { class: 'slot-marks' },
      (slot.marks || []).map((mark) =>
        chip(mark, `mark${changed && !(was?.marks || []).includes(mark) ? ' fresh' : ''}`),
      ),
    ),
  );
}
