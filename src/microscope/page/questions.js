// The questions of predict mode. Each one is computed from the recording: from the state
// before an event, and from what the event then says.
//
// A question is { kind, index, ask, options: [{ value, label }], answer, why }.

const QUESTION_KINDS = [
  nextSource,
  sourceAnswer,
  waitLength,
  cascadeLevel,
  callOfReply,
  nextTask,
  timerFires,
  nextPhase,
];
const EVENTS_BETWEEN = 3;
const OF_ONE_KIND_MAX = 10;

/** Kinds whose answers are few: each answer that is new to the reader is worth a question. */
const KINDS_OF_FEW_ANSWERS = ['wait', 'answer', 'fire'];

const lesson = ({ kind, answer }) => (KINDS_OF_FEW_ANSWERS.includes(kind) ? `${kind} ${answer}` : kind);
const likeness = ({ kind, answer, options }) => `${kind} ${answer} ${options.map(({ value }) => value)}`;

/**
 * All questions of a recording by the index of their event. A question with a new lesson is
 * always asked; of the others few are alike, and some events lie between them.
 */
function questionsOf(recording) {
  const chosen = new Map();
  const counts = new Map();
  const times = (key) => counts.get(key) || 0;
  let last = -EVENTS_BETWEEN;
  recording.events.forEach((event, index) => {
    if (index === 0) return;
    const facts = {
      recording,
      event,
      index,
      before: recording.state(index - 1),
      after: recording.state(index),
    };
    const found = QUESTION_KINDS.map((make) => make(facts)).filter(Boolean);
    found.sort((a, b) => times(lesson(a)) - times(lesson(b)) || times(a.kind) - times(b.kind));
    const [question] = found;
    if (!question) return;
    const isDull =
      index - last < EVENTS_BETWEEN ||
      times(likeness(question)) >= 2 ||
      times(question.kind) >= OF_ONE_KIND_MAX;
    if (times(lesson(question)) > 0 && isDull) return;
    chosen.set(index, { ...question, index });
    for (const key of new Set([question.kind, lesson(question), likeness(question)]))
      counts.set(key, times(key) + 1);
    last = index;
  });
  return chosen;
}

function nextSource({ event, before, after }) {
  const queue = before.reactor?.queue || [];
  if (event.kind !== 'served' || queue.length < 2) return null;
  const answer = String(event.about.source);
  const tokens = [answer, ...queue.filter((token) => token !== answer).slice(0, 3)].sort(byNumber);
  const isFront = queue[0] === answer;
  const marks = before.reactor.slots?.[answer]?.marks || [];
  const rule = marks.includes('first')
    ? 'It has the mark “first”, so it enters the queue in front of all others.'
    : 'The queue is served from its front, and each source once a turn.';
  const front = sourceName(queue[0], before, after);
  return {
    kind: 'next-source',
    ask: 'Which source is served next?',
    options: tokens.map((token) => ({
      value: token,
      label: `${sourceName(token, before, after)}, slot ${token}`,
    })),
    answer,
    why: isFront
      ? `${capital(sourceName(answer, before, after))} stands at the front of the queue. ${rule}`
      : `${capital(front)} stands in front, but the step deliver passes over it. ${rule}`,
  };
}

function sourceAnswer({ event, before }) {
  if (event.kind !== 'served') return null;
  const { source, name, next, reason, ready = [] } = event.about;
  if (!next || (before.reactor?.queue || []).length > 1) return null;
  return {
    kind: 'answer',
    ask: `${capital(name || sourceName(source, before))} is served now. It is ${ready.join(' and ') || 'not ready'}. What does it answer?`,
    options: [
      { value: 'wait', label: 'wait: the next edge calls it again' },
      { value: 'carry over', label: 'carry over: it has work left, and no edge will tell' },
      { value: 'finished', label: 'finished: it is taken out in the step close' },
    ],
    answer: next,
    why: {
      wait: 'The source has used up a flag that it needs. The next edge sets the flag again.',
      'carry over': `The reason is: ${reason || 'work is left'}. The next turn serves it without waiting.`,
      finished:
        'The source has come to its end. The step close takes it out of the reactor and closes its descriptor.',
    }[next],
  };
}

function waitLength({ event, before }) {
  if (event.kind !== 'wait') return null;
  const { timeout_ms: timeout, reason } = event.about;
  const deadlines = Object.values(before.wheel?.timers || {}).map((timer) => timer.deadline_ms);
  const left = timeout > 0 ? timeout : Math.max(1, Math.ceil(Math.min(...deadlines) - event.at));
  const until =
    timeout > 0 || deadlines.length
      ? `yes, for at most ${ms(left)}: until a deadline`
      : 'yes, until a deadline';
  const whys = {
    'carried over':
      'The carry-over list or the queue is not empty. No edge will announce that work, so the loop must not wait for one.',
    'tasks left': 'A task is ready, so the loop must not wait.',
    deadline:
      timeout === 0
        ? 'The earliest deadline has been reached.'
        : `The earliest deadline is ${ms(left)} away, rounded up. An edge or a wake can end the wait before.`,
    none: 'No source was carried over, no task is ready, and nothing has a deadline. Only an edge or a wake ends the wait.',
  };
  return {
    kind: 'wait',
    ask: 'The loop waits next. Will this wait block, and until when?',
    options: [
      { value: 'no', label: 'no, it returns at once' },
      { value: 'deadline', label: until },
      { value: 'for ever', label: 'yes, without a limit: until an edge or a wake' },
    ],
    answer: timeout === null ? 'for ever' : timeout === 0 ? 'no' : 'deadline',
    why: whys[reason] || '',
  };
}

/** The level on which a timer stands in a state. */
function levelOf(state, timer) {
  for (const [level, value] of Object.entries(state.wheel?.levels || {})) {
    const cells = value.cells || value;
    if (Object.values(cells).some((ids) => ids.includes(timer))) return Number(level);
  }
  return undefined;
}

function cascadeLevel({ event, before, after }) {
  if (event.kind !== 'cascade') return null;
  const { from, to, timers } = event.about;
  const place = timers.length - 1;
  const timer = String(timers[place]);
  const level = levelOf(after, timer) ?? to[Math.min(place, to.length - 1)][0];
  const known = before.wheel?.timers?.[timer];
  const owner = known ? `the timer of ${known.owner}, due at ${ms(known.deadline_ms)}` : `timer ${timer}`;
  const levels = Array.from({ length: Math.max(2, from[0] + 1) }, (_, value) => value);
  return {
    kind: 'cascade',
    ask: `Slot ${from[1]} of level ${from[0]} is emptied. On which level is ${owner}, after the cascade?`,
    options: levels.slice(-4).map((value) => ({
      value: String(value),
      label: `level ${value}${value === from[0] ? ': it stays' : ''}`,
    })),
    answer: String(level),
    why:
      level === 0 && known && known.deadline_ms <= (after.wheel?.now_tick ?? 0)
        ? 'No digit differs from the time: the timer is due, so it goes to the current slot of level 0.'
        : `Write deadline and time in base 64. The first digit that differs belongs to level ${level}.`,
  };
}

function callOfReply(facts) {
  const { recording, event, index } = facts;
  const line = event.kind === 'served' ? lineThatEndsCall(facts) : index;
  const header = replyHeader(recording.events[line]);
  if (!header) return null;
  const number = header.repliesTo;
  const calls = callsBefore(recording, line);
  // The answer can be seen already: the question stood in front of the served source.
  if (line === index && calls[number]?.state !== recording.state(index - 1).calls?.[number]?.state)
    return null;
  const call = calls[number];
  const ends = call !== undefined && call.state === 'waiting' && call.to === header.src;
  const waiting = Object.keys(calls).filter((key) => calls[key].state === 'waiting' && key !== number);
  const keys = [...(call ? [number] : []), ...waiting].slice(0, 3).sort(byNumber);
  if (!keys.length) return null;
  const label = (key) => `call ${key}, to ${calls[key].to}`;
  return {
    kind: 'call',
    line,
    ask: `A reply from ${header.src} arrives, in_reply_to ${number}. Which call gets it, if any?`,
    options: [
      ...keys.map((key) => ({ value: key, label: label(key) })),
      { value: 'none', label: 'none: it is counted and ignored' },
    ],
    answer: ends ? number : 'none',
    why: ends
      ? `Call ${number} waits for a reply from ${header.src} with that number. It ends, and its timer is cancelled.`
      : call && call.state === 'waiting'
        ? `Call ${number} was sent to ${call.to}, not to ${header.src}. The reply is forged, and the call waits on.`
        : call
          ? `Call ${number} has ended before, so no call waits for this reply.`
          : `No call with the number ${number} waits.`,
  };
}

/** The header of a line that came in and is a reply. */
function replyHeader(event) {
  if (event?.kind !== 'line' || event.about.direction !== 'in') return null;
  const header = headerOf(event.about);
  return header && header.repliesTo !== undefined ? header : null;
}

/** The first line of a served source whose call ends with the source's own event. */
function lineThatEndsCall({ recording, event, index, before, after }) {
  const { events } = recording;
  for (let line = index + 1; events[line]?.turn === event.turn && events[line].kind === 'line'; line += 1) {
    const number = replyHeader(events[line])?.repliesTo;
    if (number === undefined) continue;
    if (before.calls?.[number]?.state === 'waiting' && after.calls?.[number]?.state !== 'waiting')
      return line;
  }
  return undefined;
}

/**
 * The calls in front of a line: those when the step deliver began, without those that
 * earlier lines of the step have ended. A source is served whole, so the state next to the
 * line may know of lines that are told later.
 */
function callsBefore(recording, index) {
  const { events } = recording;
  let start = index;
  while (start > 0 && events[start - 1].turn === events[index].turn && events[start - 1].step === 'deliver')
    start -= 1;
  const calls = { ...recording.state(start - 1).calls };
  for (const { kind, about } of events.slice(start, index)) {
    const header = replyHeader({ kind, about });
    const call = header && calls[header.repliesTo];
    if (call && call.to === header.src) calls[header.repliesTo] = { ...call, state: 'ended' };
  }
  return calls;
}

function nextTask({ event, before, after }) {
  const ready = before.tasks?.ready || [];
  if (event.kind !== 'polled' || ready.length < 2) return null;
  const answer = String(event.about.task);
  const tasks = [answer, ...ready.filter((id) => id !== answer).slice(0, 3)].sort(byNumber);
  const name = (id) =>
    `task ${id}, ${id === answer ? event.about.name || taskName(id, before) : taskName(id, before, after)}`;
  return {
    kind: 'next-task',
    ask: 'Which task is polled next?',
    options: tasks.map((id) => ({ value: id, label: name(id) })),
    answer,
    why:
      ready[0] === answer
        ? 'It was woken first: the ready queue keeps the order of the wakes.'
        : 'New tasks and woken tasks take turns.',
  };
}

function timerFires({ event, before, recording }) {
  if (!recording.uses.has('held back')) return null;
  if (event.kind !== 'held back' && event.kind !== 'fired') return null;
  const fires = event.kind === 'fired';
  const owner = fires ? event.about.owner : 'the earliest timer';
  return {
    kind: 'fire',
    ask: fires
      ? `The timer of ${owner} is due. Does it fire in this turn?`
      : 'A timer is due. Does it fire in this turn?',
    options: [
      { value: 'fires', label: 'it fires' },
      { value: 'held back', label: 'it is held back: input that arrived before may be unread' },
    ],
    answer: fires ? 'fires' : 'held back',
    why: fires
      ? 'All input that could have beaten it has been read, or it was held back for its time.'
      : `The reason is: ${event.about.reason || 'input waits'}. A reply that has arrived beats its own timeout.`,
  };
}

function nextPhase({ event }) {
  if (event.kind !== 'phase') return null;
  const phases = ['draining', 'giving up', 'flushing', 'flushing stdout', 'ended'].filter(
    (phase) => phase !== event.about.from,
  );
  if (!phases.includes(event.about.to)) phases.push(event.about.to);
  const wrong = phases.filter((phase) => phase !== event.about.to).slice(0, 3);
  return {
    kind: 'phase',
    ask: `The process is in the phase ${event.about.from}. Which phase follows?`,
    options: phases
      .filter((phase) => phase === event.about.to || wrong.includes(phase))
      .map((phase) => ({ value: phase, label: phase })),
    answer: event.about.to,
    why: event.text,
  };
}
