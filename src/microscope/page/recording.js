// A recording, and the state after each of its events.
//
// The events hold changes only. A state is made by merging the changes one after the
// other. Every 16th state is kept, so that a step back costs as little as a step forward.

const CHECKPOINT_EVENTS = 16;

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

/** A JSON merge patch (RFC 7396). Neither argument is changed; equal parts are shared. */
function merge(target, patch) {
  if (!isObject(patch)) return patch;
  const merged = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = merge(merged[key], value);
  }
  return merged;
}

class Recording {
  constructor(json) {
    Object.assign(this, json);
    this.questions = json.questions || [];
    this.events = json.events.map((event) => ({ about: {}, set: {}, ...event }));
    this.checkpoints = [{}];
    this.near = { index: -1, state: {} };
    this.turns = turnsOf(this.events);
    this.uses = usesOf(this.events);
    this.lines = this.events.flatMap((event, index) => (event.kind === 'line' ? [index] : []));
  }

  get last() {
    return this.events.length - 1;
  }

  /** The state after the event of that index; -1 is the state before the first event. */
  state(index) {
    if (index < 0) return {};
    let from = Math.floor((index + 1) / CHECKPOINT_EVENTS);
    from = Math.min(from, this.checkpoints.length - 1);
    let at = from * CHECKPOINT_EVENTS - 1;
    let state = this.checkpoints[from];
    if (this.near.index <= index && this.near.index > at) ({ index: at, state } = this.near);
    while (at < index) {
      at += 1;
      state = merge(state, this.events[at].set);
      if ((at + 1) % CHECKPOINT_EVENTS === 0) this.checkpoints[(at + 1) / CHECKPOINT_EVENTS] = state;
    }
    this.near = { index, state };
    return state;
  }

  /** The turn that the event of that index belongs to. */
  turnOf(index) {
    return this.turns.find((turn) => index <= turn.last);
  }

  /** The index of the event that a deep link names. */
  find(number, step) {
    const turn = this.turns.find((turn) => turn.number >= number) || this.turns[this.turns.length - 1];
    return Math.min(turn.first + step, turn.last);
  }
}

/** Each turn with the indices of its first and its last event. */
function turnsOf(events) {
  const turns = [];
  events.forEach((event, index) => {
    const turn = turns[turns.length - 1];
    if (turn && turn.number === event.turn) turn.last = index;
    else turns.push({ number: event.turn, first: index, last: index });
  });
  return turns;
}

/** The parts of the state that are not empty in some event. The others are not shown. */
function usesOf(events) {
  const uses = new Set();
  const levels = new Set(['0', '1']);
  const isUsed = (part) => isObject(part) && Object.values(part).some((value) => value !== null);
  for (const { kind, set } of events) {
    uses.add(kind);
    for (const part of ['kernel', 'reactor', 'buffers', 'connections', 'calls']) {
      if (isUsed(set[part])) uses.add(part);
    }
    if (isUsed(set.wheel?.timers)) uses.add('wheel');
    if (isUsed(set.tasks?.slots)) uses.add('tasks');
    for (const level of Object.keys(set.wheel?.levels || {})) levels.add(level);
  }
  uses.levels = Math.max(...[...levels].map(Number)) + 1;
  return uses;
}
