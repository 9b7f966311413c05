// Predict mode: a question stands in front of an event, and is answered before the event
// is shown. Each question counts once.

class Predict {
  constructor() {
    this.isOn = false;
    /** The question that waits for its answer, or for the reader to go on. */
    this.pending = null;
    /** What was answered, by recording and event. */
    this.answers = new Map();
    this.questions = new Map();
  }

  key(recording, index) {
    return `${recording.name} ${index}`;
  }

  questionsOf(recording) {
    if (!this.questions.has(recording)) this.questions.set(recording, questionsOf(recording));
    return this.questions.get(recording);
  }

  /** The question in front of an event, unless it was answered before. None is in front of the first. */
  questionFor(recording, index) {
    if (!this.isOn || this.answers.has(this.key(recording, index))) return null;
    return this.questionsOf(recording).get(index) || null;
  }

  answer(recording, value) {
    const question = this.pending;
    if (!question || question.given !== undefined) return;
    question.given = value;
    this.answers.set(this.key(recording, question.index), value === question.answer);
  }

  forget() {
    this.answers.clear();
    this.pending = null;
    for (const questions of this.questions.values()) {
      for (const question of questions.values()) delete question.given;
    }
  }

  get score() {
    const all = [...this.answers.values()];
    return { right: all.filter(Boolean).length, asked: all.length };
  }
}

/** The card that takes the place of the sentence. */
function questionCard(question, { choose, goOn }) {
  const { given, answer } = question;
  const isAnswered = given !== undefined;
  const isRight = given === answer;
  return h(
    'div',
    {
      class: `question${isAnswered ? (isRight ? ' was-right' : ' was-wrong') : ''}`,
      key: `question ${question.index}`,
      role: 'group',
      'aria-labelledby': 'ask',
      'data-kind': question.kind,
      'data-index': question.index,
      'data-line': question.line,
    },
    h('p', { class: 'ask', id: 'ask', tabindex: -1 }, question.ask),
    h(
      'ol',
      { class: 'options' },
      question.options.map(({ value, label }, place) => {
        const isAnswer = value === answer;
        const mark = !isAnswered ? '' : isAnswer ? '✓' : value === given ? '✗' : '';
        const spoken = !isAnswered ? '' : isAnswer ? 'right: ' : value === given ? 'wrong: ' : '';
        return h(
          'li',
          { key: value },
          h(
            'button',
            {
              type: 'button',
              class: `option${isAnswered && isAnswer ? ' right' : ''}${isAnswered && value === given && !isAnswer ? ' wrong' : ''}`,
              'data-value': value,
              'aria-disabled': isAnswered ? 'true' : null,
              onclick: () => choose(value),
            },
            h('span', { class: 'option-key', 'aria-hidden': 'true' }, mark || String(place + 1)),
            spoken ? h('span', { class: 'unseen' }, spoken) : null,
            label,
          ),
        );
      }),
    ),
    isAnswered
      ? h(
          'div',
          { class: 'verdict', key: 'verdict' },
          h(
            'p',
            {},
            h('b', { class: isRight ? 'is-right' : 'is-wrong' }, isRight ? 'Right. ' : 'Wrong. '),
            question.why,
          ),
          h('button', { type: 'button', class: 'primary', id: 'go-on', onclick: goOn }, 'Show the event'),
        )
      : null,
  );
}
