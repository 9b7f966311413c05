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

/** Which call a line answers, and the node that sends it. */
const replyOf = (text) => [
  /"in_reply_to"\s*:\s*(\d+)/.exec(text)?.[1],
  /"src"\s*:\s*"([^"]*)"/.exec(text)?.[1],
];

const ANSWERS = {
  'next-source': ({ about }) => String(about.source),
  answer: ({ about }) => about.next,
  wait: ({ about }) => ({ null: 'for ever', 0: 'no' })[about.timeout_ms] ?? 'deadline',
  cascade: ({ about }) =>
    String(about.to[about.to.length === about.timers.length ? about.timers.length - 1 : 0][0]),
  call: ({ about }, before, { recording, index, states }) => {
    const [number, src] = replyOf(about.text);
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
          String(replyOf(event.about.text)) === String([number, src]),
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
