// The messages that came in and went out, the latest at the bottom.

const MESSAGES_SHOWN = 6;

function messagesPanel({ recording, index, changes }) {
  const until = lastLine(recording, index) + 1;
  const shown = recording.lines.slice(Math.max(0, until - MESSAGES_SHOWN), until);
  if (shown[shown.length - 1] === index) changes.found += 1;
  return [
    shown.length ? null : h('p', { class: 'none' }, 'no message yet'),
    h(
      'ol',
      { class: 'messages' },
      shown.map((line) => messageRow(recording.events[line], line, index)),
    ),
  ];
}

/** The place in `recording.lines` of the last message up to an event; -1 if there is none. */
function lastLine(recording, index) {
  const { lines } = recording;
  let low = 0;
  let high = lines.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (lines[middle] <= index) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function messageRow(event, line, index) {
  const { direction, text } = event.about;
  const parsed = headerOf(event.about);
  const isIn = direction === 'in';
  return h(
    'li',
    { key: line, class: `message ${direction}${line === index ? ' changed' : ''}`, title: text },
    h('span', { class: 'way-in-out', 'aria-hidden': 'true' }, isIn ? '→' : '←'),
    h('span', { class: 'unseen' }, isIn ? 'in: ' : 'out: '),
    parsed
      ? [
          h('span', { class: 'route' }, `${parsed.src} → ${parsed.dest}`),
          h('b', {}, parsed.type),
          h('span', { class: 'ids' }, parsed.ids),
        ]
      : h('code', {}, text),
  );
}

/**
 * The envelope and header of a message. A recorder may tell them beside the text. If not,
 * they are read from the text, which may be cut and so is no whole JSON.
 */
function headerOf(about) {
  const { text = '' } = about;
  const string = (key) => about[key] ?? new RegExp(`"${key}"\\s*:\\s*"([^"]*)"`).exec(text)?.[1];
  const number = (key) => {
    const told = about[key] ?? new RegExp(`"${key}"\\s*:\\s*(-?\\d+)`).exec(text)?.[1];
    return told === undefined ? undefined : String(told);
  };
  const type = string('type');
  if (!type) return null;
  const ids = ['msg_id', 'in_reply_to']
    .filter((key) => number(key) !== undefined)
    .map((key) => `${key} ${number(key)}`);
  return {
    src: string('src') || '?',
    dest: string('dest') || '?',
    type,
    ids: ids.join(', '),
    repliesTo: number('in_reply_to'),
  };
}
