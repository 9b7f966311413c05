// Compare mode: a second recording beside the first, aligned by virtual time. Where the
// two runs part first is marked in both.

/** The index of the event of `other` that belongs beside an event. As long as the runs are
    the same, that is the same one. Then it is the last one that is not later, and of several at
    the same time the one of the same rank. */
function besideOf(recording, index, other) {
  const parting = partingOf(recording, other);
  if (parting === null || index <= parting) return Math.min(index, other.last);
  const { at } = recording.events[index];
  let rank = 0;
  while (index - rank > 0 && recording.events[index - rank - 1].at === at) rank += 1;
  let found = other.events.findIndex((event) => event.at >= at);
  if (found < 0) return other.last;
  if (other.events[found].at > at) return Math.max(0, found - 1);
  while (rank > 0 && other.events[found + 1]?.at === at) {
    found += 1;
    rank -= 1;
  }
  return found;
}

/** Whether two events say the same, and change the same in the process. Their times may
    differ, and so may what the kernel holds by then. */
function isSameEvent(one, two) {
  const change = ({ set }) => JSON.stringify({ ...set, kernel: null });
  return one.turn === two.turn && one.text === two.text && change(one) === change(two);
}

const partings = new WeakMap();

/** The index of the first event that is not the same in both recordings; null if there is none. */
function partingOf(recording, other) {
  const known = partings.get(recording);
  if (known?.other === other) return known.index;
  const most = Math.max(recording.last, other.last);
  let index = 0;
  while (index <= most) {
    const [one, two] = [recording.events[index], other.events[index]];
    if (!one || !two || !isSameEvent(one, two)) break;
    index += 1;
  }
  const found = index > most ? null : index;
  partings.set(recording, { other, index: found });
  return found;
}

/** Puts the mark of the first difference into a strip. */
function markParting(mark, recording, other, width) {
  const index = partingOf(recording, other);
  mark.hidden = index === null;
  if (index !== null)
    mark.style.transform = `translateX(${(Math.min(index, recording.last) / (recording.last + 1)) * width}px)`;
}

/** How the present event stands to the one beside it. */
function comparison(recording, index, other, at) {
  const parting = partingOf(recording, other);
  if (parting === null) return { text: 'the events are the same; compare the ends' };
  if (index === recording.last && parting > index) return { text: '≠ this run ends here', differs: true };
  if (index < parting) return { text: 'the runs are the same so far' };
  if (index === parting) return { text: '≠ here the runs part', differs: true };
  if (isSameEvent(recording.events[index], other.events[at])) return { text: 'the same event in both' };
  return { text: '≠ another event', differs: true };
}

/** The recording beside: its event at the same time, and its panels. */
function besideView({ recording, index, other, goToParting, close }) {
  const at = besideOf(recording, index, other);
  const event = other.events[at];
  const { text, differs } = comparison(recording, index, other, at);
  const state = other.state(at);
  const before = other.state(Math.max(0, at - 1));
  return [
    h(
      'header',
      { key: 'head' },
      h('h2', {}, other.title),
      h('span', { class: `badge${differs ? ' differs' : ''}`, id: 'comparison' }, text),
      partingOf(recording, other) === null
        ? null
        : h('button', { type: 'button', id: 'to-parting', title: 'D', onclick: goToParting }, 'First difference'),
      h('button', { type: 'button', class: 'plain', id: 'beside-close', title: 'C', onclick: close }, 'close'),
    ),
    h(
      'section',
      { class: 'event', key: 'event', 'aria-label': 'Event of the recording beside' },
      h('p', { class: 'headline' }, headline(other, at).slice(0, 4)),
      h('p', { class: 'sentence' }, event.text),
      h('dl', { class: 'facts' }, facts(event, state, before)),
    ),
    h(
      'div',
      { class: 'panels', key: 'panels' },
      panels({ recording: other, index: at, event, state, before, prefix: 'beside-' }),
    ),
  ];
}

const untimed = (sentence) => sentence.replace(/ at [\d.]+ ms/, '');

/** What the world has seen in the end. Sentences that the other run does not have are marked, but
    not for their times. */
function outcomeView(recording, other, id) {
  const others = (other?.outcome || []).map(untimed);
  const differs = (sentence) => other && !others.includes(untimed(sentence));
  return [
    h('h2', { id }, other ? `In the end: ${recording.title}` : 'In the end'),
    h(
      'ul',
      {},
      recording.outcome.map((sentence) =>
        h(
          'li',
          { class: differs(sentence) ? 'differs' : '' },
          differs(sentence) ? h('span', { class: 'unseen' }, 'different: ') : null,
          sentence,
        ),
      ),
    ),
  ];
}
