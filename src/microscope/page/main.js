// The page: one recording, one index, and everything that is drawn from them.

const PLAY_MS = 900;

const app = {
  /** The recordings as they are embedded, and those that were opened. */
  all: [],
  opened: new Map(),
  shown: {},
  recording: null,
  index: 0,
  predict: new Predict(),
  /** The recording beside, in compare mode. */
  beside: null,
  museum: new Museum(null),
  playing: 0,

  /** Shows the event of that index. Predict mode asks in `forward` only. */
  go(index) {
    this.predict.pending = null;
    this.index = Math.max(0, Math.min(this.recording.last, index));
    this.show();
  },

  forward() {
    const { pending } = this.predict;
    if (pending) {
      if (pending.given !== undefined) this.go(pending.index);
      return;
    }
    if (this.index < this.recording.last && !this.asks(this.index + 1)) this.go(this.index + 1);
  },

  /** Asks the question in front of an event, if there is one. */
  asks(index) {
    const question = this.predict.questionFor(this.recording, index);
    if (!question) return false;
    this.index = index - 1;
    this.predict.pending = question;
    this.stop();
    this.show();
    byId('ask')?.focus({ preventScroll: true });
    byId('now').scrollIntoView({ block: 'nearest' });
    return true;
  },

  back() {
    this.go(this.predict.pending ? this.index : this.index - 1);
  },

  /** Goes to the next turn, or stops in front of a question on the way. */
  nextTurn() {
    if (this.predict.pending) return this.forward();
    const target = Math.min(this.recording.last, this.recording.turnOf(this.index).last + 1);
    for (let index = this.index + 1; index <= target; index += 1) {
      if (this.asks(index)) return undefined;
    }
    return this.go(target);
  },

  turnBefore() {
    const turn = this.recording.turnOf(this.index);
    this.go(this.index > turn.first ? turn.first : this.recording.turnOf(Math.max(0, turn.first - 1)).first);
  },

  play() {
    if (this.playing) return this.stop();
    this.playing = setInterval(() => {
      if (this.index >= this.recording.last || this.predict.pending) this.stop();
      else this.forward();
    }, PLAY_MS);
    return this.show();
  },

  stop() {
    if (!this.playing) return;
    clearInterval(this.playing);
    this.playing = 0;
    this.show();
  },

  /** Opens a recording. `place` gives the index of its event. */
  choose(name, place = () => 0) {
    this.recording = this.open(name) || this.open(this.all[0].name);
    byId('recording').value = this.recording.name;
    this.setBeside(null);
    this.go(place(this.recording));
  },

  open(name) {
    const json = this.all.find((recording) => recording.name === name);
    if (json && !this.opened.has(json)) this.opened.set(json, new Recording(json));
    return this.opened.get(json);
  },

  /** The recordings to choose from. In the museum the sound runs stand beside only. */
  get listed() {
    return this.museum.isOpen ? this.all.filter((recording) => this.museum.of(recording)) : this.all;
  },

  chooseNext(by) {
    const { listed } = this;
    const place = listed.findIndex(({ name }) => name === this.recording.name) + by;
    this.choose(listed[(place + listed.length) % listed.length].name);
  },

  /** Puts a recording beside, or none. */
  setBeside(name) {
    this.beside = (name !== this.recording.name && this.open(name)) || null;
    byId('beside-with').value = this.beside ? this.beside.name : '';
    for (const id of ['strip-beside', 'strip-beside-name', 'beside']) byId(id).hidden = !this.beside;
    document.querySelector('main').classList.toggle('two', Boolean(this.beside));
    timeline.measure();
    besideTimeline.measure();
  },

  /** Compares, or ends it. An exhibit is compared when it was named. */
  toggleBeside() {
    if (this.beside) this.setBeside(null);
    else if (!this.museum.isOpen) return byId('beside-with').focus();
    else if (this.museum.given(this.recording) !== undefined) this.setBeside(`${this.recording.name}-sound`);
    return this.show();
  },

  goToParting() {
    const parting = this.beside && partingOf(this.recording, this.beside);
    if (this.beside && parting !== null) this.go(parting);
  },

  /** Names the fact that the loop of this exhibit forgets. */
  nameFact(key) {
    this.museum.answer(this.recording, key);
    this.show();
    byId('answer')?.focus({ preventScroll: true });
    byId('spoken').textContent = byId('exhibit').textContent;
  },

  togglePredict() {
    this.predict.isOn = !this.predict.isOn;
    this.predict.pending = null;
    this.show();
  },

  chooseAnswer(value) {
    this.predict.answer(this.recording, value);
    this.show();
    const { given, answer, why } = this.predict.pending;
    byId('spoken').textContent = `${given === answer ? 'Right' : 'Wrong'}. ${why}`;
    byId('go-on')?.focus({ preventScroll: true });
    byId('now').scrollIntoView({ block: 'nearest' });
  },

  chooseNumber(number) {
    const { pending } = this.predict;
    const option = pending && pending.given === undefined && pending.options[number - 1];
    if (option) this.chooseAnswer(option.value);
  },

  openLink(hash) {
    const { run, turn, step, predict, beside } = readLink(hash);
    this.predict.isOn = predict;
    this.choose(run, (recording) => (turn === null ? 0 : recording.find(turn, step)));
    // A link beside the sound loop gives the answer away: the reader has seen it.
    if (beside) {
      this.setBeside(beside);
      if (turn === null) this.goToParting();
      this.show();
    }
    // A link into predict mode asks before it shows its event.
    this.asks(this.index);
  },

  show() {
    const { recording, index, predict } = this;
    const event = recording.events[index];
    const hidesFuture = predict.isOn;
    const places = this.isSmallStep() ? placesOf(byId('panels')) : null;
    timeline.show(recording, index, hidesFuture);
    fill(
      byId('ribbon'),
      ribbon(recording, index, hidesFuture, (at) => this.go(at)),
    );
    this.showTexts(event);
    const code = codeView(recording, event);
    fill(byId('code-title'), code.title);
    fill(byId('code'), code.lines);
    // The first event shows the loop as it is built: nothing has changed yet.
    const before = recording.state(Math.max(0, index - 1));
    fill(byId('panels'), panels({ recording, index, event, state: recording.state(index), before }));
    this.showBeside();
    this.showExhibit();
    this.showButtons();
    writeLink(linkTo(recording, index, predict.isOn, this.beside));
    this.place(places);
    this.shown = { recording, index };
  },

  showBeside() {
    const { recording, index, beside: other, predict } = this;
    const isShown = other && !predict.pending;
    byId('parting').hidden = !isShown;
    if (!isShown) return fill(byId('beside'), null);
    const goToParting = () => this.goToParting();
    const close = () => this.toggleBeside();
    const at = besideOf(recording, index, other);
    besideTimeline.show(other, at, false);
    markParting(byId('parting'), recording, other, timeline.width);
    markParting(byId('parting-beside'), other, recording, besideTimeline.width);
    return fill(byId('beside'), besideView({ recording, index, other, goToParting, close }));
  },

  /** How the run has ended, and the question of the museum. */
  showExhibit() {
    const { recording, beside, museum, predict } = this;
    // The end is no secret in the museum: it is the sign.
    const isTold = Boolean(recording.outcome?.length) && !predict.isOn;
    byId('outcome').hidden = !isTold;
    const told = isTold ? outcomeView(recording, beside, 'outcome-title') : null;
    const other = isTold && beside?.outcome?.length ? outcomeView(beside, recording, 'outcome-beside') : null;
    fill(byId('outcome'), told, other);
    byId('exhibit').hidden = !museum.of(recording);
    if (!museum.of(recording)) return;
    const deeds = {
      choose: (key) => this.nameFact(key),
      compare: () => this.toggleBeside(),
      forget: () => {
        museum.forget(recording);
        this.setBeside(null);
        this.show();
      },
      isComparing: Boolean(beside),
    };
    fill(byId('exhibit'), exhibitView(museum, recording, deeds));
    for (const option of byId('recording').options) {
      const { name, title } = this.all.find((found) => found.name === option.value);
      const text = `${title}${museum.mark({ name })}`;
      if (option.textContent !== text) option.textContent = text;
    }
  },

  /** Whether this event stands beside the one that is shown, and that one was painted. */
  isSmallStep() {
    const { recording, index } = this.shown;
    const isBeside = recording === this.recording && Math.abs(index - this.index) === 1;
    return isBeside && !this.placing && !reducedMotion.matches;
  },

  /** What needs the layout is done once a frame. */
  place(places) {
    if (this.placing) return;
    this.placing = requestAnimationFrame(() => {
      this.placing = 0;
      showRunningLine(byId('code'));
      drawMoves(this.recording.events[this.index]);
      if (places) glide(byId('panels'), places);
    });
  },

  showTexts(event) {
    const { recording, index, predict } = this;
    const { pending } = predict;
    byId('title').textContent = recording.title;
    byId('about').textContent = recording.about;
    byId('about-run').textContent =
      recording.kernel === 'real'
        ? 'recorded on the real kernel'
        : `recorded on the simulated kernel, seed ${recording.seed}`;
    fill(byId('headline'), headline(recording, index));
    byId('sentence').hidden = Boolean(pending);
    fill(byId('sentence'), event.text);
    byId('facts').hidden = Boolean(pending);
    fill(byId('facts'), facts(event, recording.state(index), recording.state(index - 1)));
    const handlers = { choose: (value) => this.chooseAnswer(value), goOn: () => this.forward() };
    fill(byId('question'), pending ? questionCard(pending, handlers) : null);
    byId('spoken').textContent = pending ? '' : `Turn ${event.turn}, ${event.step}. ${event.text}`;
    fill(byId('phase'), phasePath(recording, index, predict.isOn));
    document.title = `${recording.title}: Eddyline, the microscope`;
  },

  showButtons() {
    const { recording, index, predict } = this;
    const atStart = index === 0 && !predict.pending;
    const atEnd = index === recording.last;
    for (const id of ['first', 'turn-before', 'event-before'])
      byId(id).setAttribute('aria-disabled', String(atStart));
    for (const id of ['event-next', 'turn-next', 'last'])
      byId(id).setAttribute('aria-disabled', String(atEnd));
    byId('play').setAttribute('aria-pressed', String(Boolean(this.playing)));
    byId('play').setAttribute('aria-label', this.playing ? 'stop' : 'play');
    byId('predict').setAttribute('aria-pressed', String(predict.isOn));
    const { right, asked } = predict.score;
    byId('score').textContent = asked ? `${right} of ${asked} right` : '';
    byId('forget').hidden = !asked;
    byId('hint').hidden = Boolean(kept.get('hint'));
  },
};

const timeline = new Timeline(byId('notes'), byId('slider'), byId('playhead'));
const besideTimeline = new Timeline(byId('notes-beside'), byId('slider-beside'), byId('playhead-beside'));

function start() {
  app.all = JSON.parse(byId('recordings').textContent);
  // The code is that of the program, so the first recording has it for all.
  for (const recording of app.all) recording.code ??= app.all[0].code;
  // Two recordings may have one name, as those of two builds do.
  app.all.forEach((recording, place) => {
    const isTaken = app.all.slice(0, place).some(({ name }) => name === recording.name);
    if (isTaken) Object.assign(recording, { name: `${recording.name}-${place + 1}`, title: `${recording.title} (${place + 1})` });
  });
  app.museum = new Museum(JSON.parse(byId('museum').textContent));
  const options = app.listed.map(({ name, title }) => h('option', { value: name }, title));
  fill(byId('recording'), options);
  fill(byId('beside-with'), h('option', { value: '' }, 'nothing'), options);
  if (app.museum.isOpen) document.querySelector('.brand span').textContent = 'the bug museum';
  byId('beside-label').hidden = app.museum.isOpen || app.all.length < 2;
  if (kept.get('theme')) document.documentElement.dataset.theme = kept.get('theme');
  const clicks = {
    first: () => app.go(0),
    'turn-before': () => app.turnBefore(),
    'event-before': () => app.back(),
    play: () => app.play(),
    'event-next': () => app.forward(),
    'turn-next': () => app.nextTurn(),
    last: () => app.go(app.recording.last),
    predict: () => app.togglePredict(),
    theme: () => setTheme(theme() === 'dark' ? 'light' : 'dark'),
    help: () => byId('help-dialog').showModal(),
    'help-close': () => byId('help-dialog').close(),
    'hint-close': () => {
      kept.set('hint', 'read');
      byId('hint').hidden = true;
    },
    forget: () => {
      app.predict.forget();
      app.show();
    },
  };
  for (const [id, act] of Object.entries(clicks)) byId(id).addEventListener('click', act);
  byId('slider').addEventListener('input', (event) => app.go(Number(event.target.value)));
  byId('recording').addEventListener('change', (event) => app.choose(event.target.value));
  byId('slider-beside').addEventListener('input', (event) =>
    app.go(besideOf(app.beside, Number(event.target.value), app.recording)),
  );
  byId('beside-with').addEventListener('change', (event) => {
    app.setBeside(event.target.value);
    app.show();
  });
  // The new address is taken from the event: a link that waits to be written may replace it.
  window.addEventListener('hashchange', (event) => app.openLink(new URL(event.newURL).hash));
  window.addEventListener('resize', () => {
    timeline.measure();
    besideTimeline.measure();
    app.show();
  });
  systemDark.addEventListener('change', () => app.show());
  new MutationObserver(() => app.show()).observe(document.documentElement, {
    attributeFilter: ['data-theme'],
  });
  listenToKeys(app);
  showHelp();
  showTheme();
  app.openLink(location.hash);
}

start();
// For tests, and for the curious.
window.microscope = app;
