// The present turn: its steps from left to right, with a button for each event.

const PIPS_SHOWN = 14;

function ribbon(recording, index, hidesFuture, go) {
  const turn = recording.turnOf(index);
  const present = recording.events[index].step;
  const steps = new Map(STEPS.map((step) => [step, []]));
  for (let at = turn.first; at <= turn.last; at += 1) steps.get(recording.events[at].step)?.push(at);
  return h(
    'ol',
    { class: 'ribbon', 'aria-label': `Steps of turn ${turn.number}` },
    STEPS.filter((step) => step !== 'phase' || recording.uses.has('phase')).map((step) => {
      const events = steps.get(step);
      const isHidden = hidesFuture && events.length > 0 && events[0] > index;
      return h(
        'li',
        {
          key: step,
          class: `station step-${step}${step === present ? ' present' : ''}${events.length && !isHidden ? '' : ' empty'}`,
          title: STEP_TEXTS[step],
          style: `--pips: ${isHidden ? 1 : Math.max(1, Math.min(events.length, PIPS_SHOWN) / 5)}`,
          'aria-current': step === present ? 'step' : null,
        },
        h('span', { class: 'station-name' }, step),
        h('span', { class: 'pips' }, pips(recording, events, turn, index, hidesFuture, go)),
      );
    }),
  );
}

function pips(recording, events, turn, index, hidesFuture, go) {
  const known = hidesFuture ? events.filter((at) => at <= index) : events;
  if (!known.length) return h('i', { class: 'no-pip' });
  const place = known.indexOf(index);
  const start = Math.max(0, Math.min(place - Math.floor(PIPS_SHOWN / 2), known.length - PIPS_SHOWN));
  const shown = known.slice(start, start + PIPS_SHOWN);
  return [
    start > 0 ? h('span', { class: 'pips-more' }, `+${start}`) : null,
    shown.map((at) =>
      h('button', {
        key: at,
        type: 'button',
        tabindex: -1,
        class: `pip${at === index ? ' present' : ''}${at < index ? ' past' : ''}${['line', 'park'].includes(recording.events[at].kind) ? ' small' : ''}`,
        'aria-label': `event ${at - turn.first}: ${recording.events[at].kind}`,
        title: `event ${at - turn.first}: ${recording.events[at].kind}`,
        onclick: () => go(at),
      }),
    ),
    known.length > start + PIPS_SHOWN
      ? h('span', { class: 'pips-more' }, `+${known.length - start - PIPS_SHOWN}`)
      : null,
  ];
}
