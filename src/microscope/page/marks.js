// The small parts that all panels are made of: chips, lamps, bars, the mark of a change.

/** Compares two states, and remembers whether something was found to differ. */
class Changes {
  constructor() {
    this.found = 0;
  }

  differ(now, before) {
    const differs = now !== before && JSON.stringify(now) !== JSON.stringify(before);
    if (differs) this.found += 1;
    return differs;
  }

  /** The class of an element whose value may have changed. */
  mark(now, before) {
    return this.differ(now, before) ? ' changed' : '';
  }
}

const chip = (text, classes = '', title = null, key = undefined) =>
  h('span', { class: `chip ${classes}`, title, key, 'data-move': key }, text);

const none = () => h('span', { class: 'none' }, 'none');

/** A lamp with a letter: filled and ringed if it is on, hollow if not. */
function lamp(letter, name, on, changed) {
  const state = on ? 'set' : 'not set';
  return h(
    'span',
    {
      class: `lamp${on ? ' on' : ''}${changed ? ' changed' : ''}`,
      title: `${name}: ${state}`,
      role: 'img',
      'aria-label': `${name}: ${state}`,
    },
    letter,
  );
}

/** A lamp with its whole name. */
const wideLamp = (text, on, changed) =>
  h('span', { class: `wide-lamp${on ? ' on' : ''}${changed ? ' changed' : ''}` }, h('i', {}), text);

/**
 * A quantity as a bar. `ticks` are marks on it, such as watermarks: [value, name]. `of` is the
 * most that there can be, if it is to be named.
 */
function bar({ name, origin, now, before, max, of, ticks = [], flags = [], changed = false, full = false }) {
  const share = max > 0 ? Math.min(1, now / max) : 0;
  const moved = before === undefined ? '' : difference(now, before);
  return h(
    'div',
    { class: `bar-row${changed || moved ? ' changed' : ''}`, key: name, 'data-origin': origin },
    h('span', { class: 'bar-name' }, name, flags),
    h(
      'span',
      { class: 'bar-number' },
      moved ? h('b', { class: 'moved' }, moved) : null,
      of ? [count(now), h('small', {}, ` of ${bytes(of)}`)] : bytes(now),
    ),
    h(
      'span',
      { class: `bar${full ? ' full' : ''}`, 'aria-hidden': 'true' },
      h('i', { style: `width:${(share * 100).toFixed(2)}%` }),
      ticks.map(([value, text]) =>
        h(
          'em',
          {
            style: `left:${((Math.min(value, max) / max) * 100).toFixed(2)}%`,
            class: value / max > 0.8 ? 'late' : '',
          },
          text,
        ),
      ),
    ),
  );
}

/** The most important of many rows: those that `isFirst` picks, then the others in order. */
function someOf(keys, most, isFirst) {
  if (keys.length <= most) return { shown: keys, left: 0 };
  const picked = new Set(keys.filter(isFirst).slice(0, most));
  for (const key of keys) {
    if (picked.size >= most) break;
    picked.add(key);
  }
  return { shown: keys.filter((key) => picked.has(key)), left: keys.length - picked.size };
}

const more = (left, text) => (left > 0 ? h('p', { class: 'more' }, `and ${count(left)} more ${text}`) : null);
