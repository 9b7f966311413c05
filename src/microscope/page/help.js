// The help: the keys, the marks, and the words.

const WORDS = [
  ['turn', 'one round of the event loop: wait, clock, deliver, expire, tasks, flush, close'],
  [
    'source',
    'an object with a descriptor that can become ready: stdin, stdout, the listener, a TCP connection',
  ],
  ['edge', 'the moment at which a source becomes ready. The kernel reports each edge once'],
  ['sticky flag', 'a readiness flag that an edge sets, and that only the source’s own answer clears'],
  [
    'carry-over list',
    'the sources that have work left although no further edge will come. The next turn serves them without waiting',
  ],
  [
    'readable, writable, read closed',
    'the flags, in the reactor’s words. It translates a hang-up of the kernel into all three, so that a read and a write are tried: an empty pipe that was closed is told as readable',
  ],
  ['generation', 'a number that tells a slot’s present source from its earlier ones'],
  [
    'cascade',
    'the timers of a slot above level 0 move to lower levels, when the time reaches the start of the slot',
  ],
  ['waker', 'the handle that makes a task ready again'],
  ['ready queue', 'the tasks that were woken and not polled since'],
  ['parked flag', 'set before the loop sleeps. A wake on another thread that finds it set ends the sleep'],
  ['stale event', 'an event for a source that was closed. Its generation is not that of the slot, so it is dropped'],
  ['phase', 'what the process does about its end: it serves, then drains what can still end, then flushes'],
  ['Draining', 'a connection holds bytes that its peer has not taken, and does not read. It is not the phase'],
  [
    'no room',
    'a pipe has 16 pages, and a page with a few bytes in it counts as full. So it can be full with less than 65,536 bytes',
  ],
  ['watermarks', 'the amounts of waiting output at which backpressure begins (high) and ends (low)'],
  ['half-close', 'one direction of a connection has ended, the other is still open'],
];

const MARKS = [
  [
    () => h('span', { class: 'sample changed' }, 'name'),
    'a bar at its left edge: this value has changed in this event',
  ],
  [() => h('b', { class: 'moved' }, '+1,200'), 'the difference to the event before'],
  [
    () => h('span', { class: 'edge' }, 'edge: readable, not yet told'),
    'the kernel will report this edge in the next wait',
  ],
  [
    () => [lamp('R', 'readable', true), ' ', lamp('W', 'writable', false)],
    'a sticky flag that is set, and one that is not',
  ],
];

function showHelp() {
  fill(
    byId('help-body'),
    h(
      'p',
      {},
      'A recording is a real run of the event loop, kept event by event. Step through it and watch what each event changes. In predict mode a question comes first.',
    ),
    h('h3', {}, 'Keys'),
    h(
      'dl',
      { class: 'keys' },
      KEYS.map(({ shown, text }) =>
        h('div', { key: shown }, h('dt', {}, h('kbd', {}, shown)), h('dd', {}, text)),
      ),
    ),
    h('h3', {}, 'Marks'),
    h(
      'dl',
      { class: 'key-marks' },
      MARKS.map(([draw, text]) => h('div', {}, h('dt', {}, draw()), h('dd', {}, text))),
    ),
    h('h3', {}, 'The strip at the top'),
    h(
      'p',
      {},
      'Time runs to the right. Each step of the turn has a line, and each event is a note on it. A wait that takes no time is a flat note.',
    ),
    h('h3', {}, 'Two recordings'),
    h(
      'p',
      {},
      'Choose a second recording to see it beside the first, at the same virtual time. The mark ≠ stands where the two runs part first, and at what only one of them has.',
    ),
    h('h3', {}, 'Words'),
    h(
      'dl',
      { class: 'words' },
      WORDS.map(([word, text]) => h('div', {}, h('dt', {}, word), h('dd', {}, text))),
    ),
  );
}
