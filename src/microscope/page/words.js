// Numbers, times and names as text.

/** The steps of a turn in their order. `begin` and `end` are its bounds. */
const STEPS = ['wait', 'clock', 'deliver', 'expire', 'tasks', 'flush', 'phase', 'close'];

const STEP_TEXTS = {
  begin: 'the turn begins',
  wait: 'wait for an edge, a waker or a deadline',
  clock: 'read the clock, once',
  deliver: 'deliver readiness to sources, bounded',
  expire: 'expire timers',
  tasks: 'run tasks that are ready, bounded',
  flush: 'flush stdout and stderr',
  phase: 'decide the phase of the process',
  close: 'close the sources that have finished',
  end: 'the turn ends',
};

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const parts = new Intl.NumberFormat('en-US', { maximumFractionDigits: 3 });
const thousandths = new Intl.NumberFormat('en-US', { minimumFractionDigits: 3, maximumFractionDigits: 3 });

const count = (value) => whole.format(value);
const bytes = (value) => `${count(value)} B`;
const ms = (value) => `${parts.format(value)} ms`;
const clockTime = (value) => thousandths.format(value);
const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? '' : 's'}`;
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** A difference with its sign. */
function difference(now, before) {
  const change = now - before;
  return change === 0 ? '' : `${change > 0 ? '+' : '−'}${count(Math.abs(change))}`;
}

/** The digits of a tick in base 64, the highest first, `length` of them. */
function digits(tick, length) {
  const found = [];
  for (let level = 0; level < length; level += 1) {
    found.unshift(Math.floor(tick / 64 ** level) % 64);
  }
  return found;
}

const byNumber = (a, b) => Number(a) - Number(b) || (a < b ? -1 : 1);

/** The name of a source, as long as its slot is known. */
function sourceName(token, ...states) {
  for (const state of states) {
    const slot = state.reactor?.slots?.[token];
    if (slot) return slot.name;
  }
  return `slot ${token}`;
}
