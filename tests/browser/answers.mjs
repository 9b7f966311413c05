// The answer to each kind of question, from the events alone. The page has its own code for
// this; the tests compare the two.

/** The state after each event, by RFC 7396. */
export function statesOf(events) {
  const merge = (target, patch) => {
    if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) return patch;
    const out = target && typeof target === 'object' && !Array.isArray(target) ? { ...target } : {};
    for (const key in patch) {
      if (patch[key] === null) delete out[key];
      else out[key] = merge(out[key], patch[key]);
    }
    return out;
  };
  let state = {};
  return events.map((event) => (state = merge(state, event.set ?? {})));
}

/** Which call a line answers, and the node that sends it. The text may be cut. */
const replyOf = ({ text, src, in_reply_to }) => [
  String(in_reply_to ?? /"in_reply_to"\s*:\s*(\d+)/.exec(text)?.[1]),
  src ?? /"src"\s*:\s*"([^"]*)"/.exec(text)?.[1],
];

const ANSWERS = {
  'next-source': ({ about }) => String(about.source),
  answer: ({ about }) => about.next,
  wait: ({ about }) => ({ null: 'for ever', 0: 'no' })[about.timeout_ms] ?? 'deadline',
  cascade: ({ about }, before, { index, states }) => {
    const last = about.timers.length - 1;
    const levels = Object.entries(states[index].wheel.levels);
    const found = levels.find(([, slots]) =>
      Object.values(slots).some((timers) => timers.includes(about.timers[last])),
    );
    return found ? found[0] : String(about.to[Math.min(last, about.to.length - 1)][0]);
  },
  call: ({ about }, before, { recording, index, states }) => {
    const [number, src] = replyOf(about);
    // A reply ends a call that waited when the step began, unless an earlier line ended it.
    const inStep = (event) => event.turn === recording.events[index].turn && event.step === 'deliver';
    const start = recording.events.findIndex(inStep);
    const call = states[start - 1]?.calls?.[number];
    const isDouble = recording.events
      .slice(start, index)
      .some(
        (event) =>
          event.kind === 'line' &&
          event.about.direction === 'in' &&
          String(replyOf(event.about)) === String([number, src]),
      );
    return call && call.state === 'waiting' && call.to === src && !isDouble ? number : 'none';
  },
  'next-task': ({ about }) => String(about.task),
  fire: ({ kind }) => (kind === 'fired' ? 'fires' : 'held back'),
  phase: ({ about }) => about.to,
};

/** The right answer to a question of that kind in front of the event of that index. */
export function answerTo(kind, recording, index, states) {
  return ANSWERS[kind](recording.events[index], states[index - 1] ?? {}, { recording, index, states });
}
