// The bug museum: recordings of a loop with a bug in it. The reader names the fact that the
// loop forgets, and then sees the exhibit beside the sound loop.

class Museum {
  constructor(json) {
    this.facts = json ? json.facts : [];
    this.exhibits = new Map(json ? json.exhibits.map((exhibit) => [exhibit.run, exhibit]) : []);
    this.isOpen = this.exhibits.size > 0;
    this.answers = {};
    try {
      this.answers = JSON.parse(kept.get('museum') || '{}');
    } catch {
      // What was kept is of another version.
    }
  }

  /** The exhibit that a recording is. */
  of({ name }) {
    return this.exhibits.get(name);
  }

  /** The key of the fact that the reader has named; undefined before. */
  given({ name }) {
    return this.answers[name];
  }

  answer({ name }, key) {
    if (name in this.answers) return;
    this.answers[name] = key;
    kept.set('museum', JSON.stringify(this.answers));
  }

  forget({ name }) {
    delete this.answers[name];
    kept.set('museum', JSON.stringify(this.answers));
  }

  /** ✓ or ✗ behind the title of an exhibit that was answered. */
  mark(recording) {
    const given = this.given(recording);
    if (given === undefined) return '';
    return given === this.of(recording).fact ? ' ✓' : ' ✗';
  }

  get score() {
    const named = [...this.exhibits.values()].filter(({ run }) => run in this.answers);
    const right = named.filter(({ run, fact }) => this.answers[run] === fact).length;
    return `${right} of ${this.exhibits.size} named`;
  }

  fact(key) {
    return this.facts.find((fact) => fact.key === key);
  }
}

/** The choices, and after the choice the answer. */
function exhibitView(museum, recording, deeds) {
  const exhibit = museum.of(recording);
  const given = museum.given(recording);
  return given === undefined
    ? choices(museum, recording, deeds)
    : answerView(museum, exhibit, given, deeds);
}

function choices(museum, recording, { choose }) {
  return h(
    'details',
    { key: `choices ${recording.name}`, id: 'choices' },
    h('summary', {}, 'Which fact does this loop forget? ', h('small', {}, museum.score)),
    h(
      'ol',
      { class: 'options' },
      museum.facts.map(({ key, title }, place) =>
        h(
          'li',
          { key },
          h(
            'button',
            { type: 'button', class: 'option', 'data-value': key, onclick: () => choose(key) },
            h('span', { class: 'option-key', 'aria-hidden': 'true' }, String(place + 1)),
            title,
          ),
        ),
      ),
    ),
  );
}

function answerView(museum, exhibit, given, { compare, forget, isComparing }) {
  const fact = museum.fact(exhibit.fact);
  const isRight = given === exhibit.fact;
  const named = museum.fact(given);
  return [
    h(
      'h2',
      { key: 'verdict', id: 'answer', tabindex: -1 },
      h('b', { class: isRight ? 'is-right' : 'is-wrong' }, isRight ? 'Right. ' : 'Wrong. '),
      `${fact.title}.`,
    ),
    isRight || !named ? null : h('p', { class: 'answer-text', key: 'named' }, `You named: ${named.title}.`),
    h('p', { class: 'answer-text', key: 'why' }, exhibit.why),
    h('p', { class: 'answer-text', key: 'sign' }, `The sign: ${exhibit.sign}.`),
    h('p', { class: 'answer-text', key: 'text' }, `What a loop does about it: ${fact.text}`),
    h(
      'details',
      { key: `change ${exhibit.run}` },
      h('summary', {}, 'The planted lines'),
      h(
        'pre',
        { tabindex: 0 },
        exhibit.change
          .trimEnd()
          .split('\n')
          .map((line) => {
            const tag = { '-': 'del', '+': 'ins' }[line[0]] || 'b';
            return h(tag, {}, line, tag === 'b' ? '\n' : null);
          }),
      ),
    ),
    h(
      'p',
      { class: 'deeds', key: 'deeds' },
      h(
        'button',
        {
          type: 'button',
          class: 'primary',
          id: 'compare',
          title: 'C',
          'aria-pressed': String(isComparing),
          onclick: compare,
        },
        isComparing ? 'Without the sound loop' : 'Beside the sound loop',
      ),
      h('button', { type: 'button', class: 'plain', id: 'forget-answer', onclick: forget }, 'forget my answer'),
      h('small', {}, museum.score),
    ),
  ];
}
