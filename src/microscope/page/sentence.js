// What happens in this event: the sentence, and the facts behind it.

function headline(recording, index) {
  const event = recording.events[index];
  const turn = recording.turnOf(index);
  const turns = recording.turns[recording.turns.length - 1].number;
  return [
    h('span', { class: 'where' }, event.turn ? `Turn ${event.turn} of ${turns}` : 'Before the first turn'),
    h('span', { class: `step-tag step-${event.step}` }, h('i', {}), event.step),
    h('span', { class: 'number' }, `event ${index - turn.first + 1} of ${turn.last - turn.first + 1}`),
    h('span', { class: 'number' }, `${clockTime(event.at)} ms`),
    index === recording.last
      ? h('span', { key: 'last' }, 'the recording ends here: ', h('kbd', {}, ']'), ' opens the next one')
      : null,
  ];
}

/** The phases of the process in this recording; the present one stands out. */
function phasePath(recording, index, hidesFuture) {
  const { phase } = recording.state(index);
  if (!phase) return null;
  if (!recording.uses.has('phase')) return ['phase ', h('b', {}, phase)];
  const moves = recording.events.flatMap((event, at) =>
    event.kind === 'phase' && (at <= index || !hidesFuture) ? [event.about] : [],
  );
  const path = [moves.length ? moves[0].from : phase, ...moves.map(({ to }) => to)];
  return path.map((name, place) => [
    place ? ' › ' : '',
    name === phase ? h('b', { 'aria-current': 'step' }, name) : name,
  ]);
}

const LABELS = {
  ready: 'flags told',
  used_up: 'used up',
  next: 'answer',
  answer: 'answer',
  reason: 'reason',
  bytes: 'bytes',
  timeout_ms: 'timeout',
  waited_ms: 'waited',
  edges: 'edges',
  woken: 'woken',
  stale: 'stale events',
  now_ms: 'now',
  deadline_ms: 'deadline',
  late_ms: 'late by',
  due_by_ms: 'fires what was due by',
  from: 'from',
  to: 'to',
  woken_by: 'woken by',
  result: 'result',
  left: 'left',
  owner: 'owner',
  output: 'output',
};

/** The data of the event as a list of terms. */
function facts(event, ...states) {
  const { about } = event;
  if (event.kind === 'line')
    return h(
      'div',
      { key: 'line', class: 'wide' },
      h('dt', {}, `message ${about.direction}`),
      h('dd', {}, h('code', {}, about.text)),
    );
  return Object.entries(LABELS).flatMap(([key, label]) => {
    const text = factText(key, about[key], event, states);
    return text === null
      ? []
      : [
          h(
            'div',
            { key, class: key === 'next' || key === 'answer' ? 'strong' : '' },
            h('dt', {}, label),
            h('dd', {}, text),
          ),
        ];
  });
}

function factText(key, value, event, states) {
  if (value === undefined || value === false || (Array.isArray(value) && value.length === 0)) return null;
  if (key === 'timeout_ms') return value === null ? 'no limit' : ms(value);
  if (value === null || (key === 'stale' && value === 0) || (key === 'reason' && value === 'none'))
    return null;
  if (key.endsWith('_ms')) return ms(value);
  if (key === 'bytes' || key === 'left') return bytes(value);
  if (key === 'edges')
    return (
      value
        .slice(0, 4)
        .map(([token, flag]) => `${sourceName(token, ...states)} ${[].concat(flag).join(' and ')}`)
        .join(', ') + (value.length > 4 ? `, and ${value.length - 4} more` : '')
    );
  if (event.kind === 'cascade' && key === 'from') return `level ${value[0]}, slot ${value[1]}`;
  if (event.kind === 'cascade' && key === 'to')
    return value
      .slice(0, 3)
      .map(([level, cell]) => `level ${level}, slot ${cell}`)
      .join('; ');
  if (value === true) return 'yes';
  return Array.isArray(value) ? value.join(', ') : String(value);
}
