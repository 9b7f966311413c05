// Drives the page of the microscope in headless Chromium.
//
//   node run.mjs PAGE.html [--links LINKS.json] [--screenshots DIR] [--times]
//
// LINKS.json is a list of links that must open what they say:
//   [{ "link": "#run=lost-edge&turn=17&step=3", "turn": 17, "step": "deliver", "text": "stdin" }]
// `step` (the name of the step) and `text` (a part of the sentence) may be absent.
// The file tabs.mjs says what else is in the command line.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { answerTo, statesOf } from './answers.mjs';
import {
  check,
  close,
  embedded,
  finish,
  openMicroscope,
  option,
  pictures,
  seconds,
  usage,
  withTabs,
  words,
} from './tabs.mjs';

const OPEN_MS_MAX = 1000;
// How many recordings are driven at the same time.
const TABS = 3;
// So many questions of a recording are answered, and more until each of its kinds was asked.
const QUESTIONS_MIN = 12;
const QUESTIONS_MAX = 80;

const [page_file] = words;
if (!page_file) usage('node run.mjs PAGE.html [--links LINKS.json] [--screenshots DIR]');
const recordings = embedded(page_file, 'recordings');
const links = option('--links') ? JSON.parse(readFileSync(option('--links'), 'utf8')) : [];
const open = (hash, size) => openMicroscope(page_file, hash, size);

const headline = (tab) => tab.locator('#headline').innerText();

/** The best of three times, because other work on the machine may disturb one. */
async function opens() {
  let ms = Infinity;
  for (let tries = 0; tries < 3 && ms >= OPEN_MS_MAX; tries += 1) {
    const tab = await open();
    ms = Math.min(ms, await tab.evaluate(() => performance.getEntriesByType('navigation')[0].domComplete));
    await close(tab);
  }
  // No check: a busy machine takes longer.
  if (ms >= OPEN_MS_MAX) console.log(`slow: the page should open within ${OPEN_MS_MAX} ms`);
  const tab = await open();
  const names = await tab
    .locator('#recording option')
    .evaluateAll((options) => options.map((found) => found.value));
  check(String(names) === String(recordings.map(({ name }) => name)), `the chooser lists ${names}`);
  await close(tab);
  return `opens in ${Math.round(ms)} ms with ${recordings.length} recordings`;
}

/** Steps from the first event to the last and back, and compares each picture. */
async function stepsBothWays(recording) {
  const tab = await open(`#run=${recording.name}`);
  const seen = await tab.evaluate(() => {
    const app = window.microscope;
    // The text of everything that depends on the event, and the classes and sizes in it.
    const ids = ['headline', 'sentence', 'facts', 'ribbon', 'phase', 'code-title', 'panels'];
    const picture = () =>
      ids.map((id) => pictureOf(document.getElementById(id))).join('\n') +
      JSON.stringify(app.recording.state(app.index));
    function pictureOf(node) {
      if (node.nodeType === Node.TEXT_NODE) return node.data;
      if (node.classList.contains('moves')) return '';
      const attrs = ['class', 'style', 'aria-label', 'd', 'title'].map(
        (name) => node.getAttribute(name) ?? '',
      );
      return `<${node.localName} ${attrs}>${[...node.childNodes].map(pictureOf).join('')}`;
    }
    const press = (key) =>
      document.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
    const last = app.recording.last;
    // A picture costs more than a step: of a long recording each n-th one is compared.
    const every = Math.ceil(last / 60);
    const pictures = { 0: picture() };
    let ms = 0;
    const step = (key) => {
      const start = performance.now();
      press(key);
      ms += (performance.now() - start) / (2 * last);
    };
    while (app.index < last) {
      const before = app.index;
      step('ArrowRight');
      if (app.index !== before + 1) break;
      if (app.index % every === 0) pictures[app.index] = picture();
    }
    const isAtEnd = app.index === last;
    const wrong = [];
    while (app.index > 0) {
      const before = app.index;
      step('ArrowLeft');
      if (app.index !== before - 1) wrong.push(before);
      if (app.index in pictures && picture() !== pictures[app.index]) wrong.push(app.index);
      if (wrong.length > 2) break;
    }
    press('End');
    const ended = app.index;
    press('Home');
    return { isAtEnd, wrong, first: app.index, ended, last, ms };
  });
  check(seen.isAtEnd, `${recording.name}: the right arrow does not lead to the last event`);
  check(
    seen.wrong.length === 0,
    `${recording.name}: the picture of event ${seen.wrong} differs on the way back`,
  );
  check(
    seen.ended === seen.last && seen.first === 0,
    `${recording.name}: End or Home leads to ${seen.ended}, ${seen.first}`,
  );
  check(seen.last === recording.events.length - 1, `${recording.name}: events are missing`);
  await close(tab);
  return seen.ms;
}

/** The state that the page shows is that of the events. */
async function showsTheState(recording, states) {
  const tab = await open(`#run=${recording.name}`);
  const found = await tab.evaluate(() => {
    const { recording } = window.microscope;
    return recording.events
      .map((_, index) => JSON.stringify(recording.state(recording.last - index)))
      .reverse();
  });
  const sorted = (value) =>
    value && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(
          Object.keys(value)
            .sort()
            .map((key) => [key, sorted(value[key])]),
        )
      : value;
  const wrong = states.findIndex(
    (state, index) => JSON.stringify(sorted(state)) !== JSON.stringify(sorted(JSON.parse(found[index]))),
  );
  check(wrong < 0, `${recording.name}: the state after event ${wrong} is not that of the recording`);
  await close(tab);
}

async function movesByTurns() {
  const recording = recordings.find(({ events }) => events[events.length - 1].turn > 3) ?? recordings[0];
  const tab = await open(`#run=${recording.name}&turn=2&step=1`);
  const turn = async () =>
    (await tab.evaluate(() => window.microscope.recording.events[window.microscope.index])).turn;
  await tab.keyboard.press('ArrowDown');
  check((await turn()) === 3, 'the down arrow does not lead to the next turn');
  await tab.keyboard.press('Shift+ArrowLeft');
  check((await turn()) === 2, 'shift and the left arrow do not lead to the turn before');
  await tab.waitForTimeout(200);
  const hash = await tab.evaluate(() => location.hash);
  check(hash === `#run=${recording.name}&turn=2&step=0`, `the link follows the reader to ${hash}`);
  await tab.locator('#slider').fill(String(recording.events.length - 1));
  check(
    (await tab.evaluate(() => window.microscope.index)) === recording.events.length - 1,
    'the slider does not lead to the last event',
  );
  await close(tab);
}

/** Each link opens the turn and the event that it names; so does a link that is followed later. */
async function opensLinks() {
  const made = recordings.flatMap((recording) => {
    const index = Math.floor(recording.events.length * 0.6);
    const { turn, step, text } = recording.events[index];
    const first = recording.events.findIndex((event) => event.turn === turn);
    return [{ link: `#run=${recording.name}&turn=${turn}&step=${index - first}`, turn, step, text }];
  });
  const tab = await open();
  for (const { link, turn, step, text } of [...made, ...links]) {
    await tab.evaluate((hash) => {
      location.hash = hash;
    }, link);
    await tab
      .waitForFunction(
        (hash) =>
          location.hash === hash &&
          window.microscope.recording.name === new URLSearchParams(hash.slice(1)).get('run'),
        link,
        { timeout: 2000 },
      )
      .catch(() => check(false, `${link} opens another recording`));
    await tab.waitForTimeout(20);
    const shown = await headline(tab);
    check(turn === 0 || shown.includes(`Turn ${turn} of`), `${link} opens ${JSON.stringify(shown)}`);
    if (step) check(shown.includes(step), `${link} opens ${JSON.stringify(shown)}, not the step ${step}`);
    const sentence = await tab.locator('#sentence').innerText();
    if (text)
      check(sentence.includes(text.replace(/\s+/g, ' ').trim()), `${link} says ${JSON.stringify(sentence)}`);
  }
  await close(tab);
  const fresh = await open(made[made.length - 1].link);
  check(
    (await headline(fresh)).includes(made[made.length - 1].step),
    `${made[made.length - 1].link} fails in a new tab`,
  );
  await close(fresh);
  await asksAtLink();
  return made.length + links.length;
}

/** A link into predict mode asks before it shows its event. */
async function asksAtLink() {
  const [recording] = recordings;
  const index = recording.events.findIndex(({ kind }, place) => kind === 'wait' && place > 0);
  const { turn } = recording.events[index];
  const step = index - recording.events.findIndex((event) => event.turn === turn);
  const tab = await open(`#run=${recording.name}&turn=${turn}&step=${step}&predict=1`);
  check((await tab.locator('.question').count()) === 1, 'a link into predict mode asks nothing');
  await close(tab);
}

/** Answers the questions of a recording: every third one wrongly. */
async function asks(recording, states) {
  const tab = await open(`#run=${recording.name}&predict=1`);
  const kinds = new Set();
  let asked = 0;
  let right = 0;
  const isEnough = () => asked >= QUESTIONS_MIN && recording.questions.every((kind) => kinds.has(kind));
  while (!isEnough() && asked < QUESTIONS_MAX) {
    const found = await tab.evaluate(
      (wanted) => {
        const app = window.microscope;
        // To the event in front of the next question, and one step on.
        const all = [...app.predict.questionsOf(app.recording).values()];
        const next = all.find(
          (question) => question.index > app.index && (!wanted || wanted.includes(question.kind)),
        );
        if (!next) return null;
        app.go(next.index - 1);
        app.forward();
        const card = document.querySelector('.question');
        return {
          kind: card.dataset.kind,
          index: Number(card.dataset.index),
          line: Number(card.dataset.line ?? card.dataset.index),
          at: app.index,
          values: [...card.querySelectorAll('.option')].map((button) => button.dataset.value),
        };
      },
      asked < QUESTIONS_MIN ? null : recording.questions.filter((kind) => !kinds.has(kind)),
    );
    if (!found) break;
    const { kind, index, line, at, values } = found;
    const name = `${recording.name}, event ${index}, ${kind}`;
    const answer = answerTo(kind, recording, line, states);
    check(at === index - 1, `${name}: the event is shown before the answer`);
    check(values.includes(answer), `${name}: the options ${values} lack ${answer}`);
    check(
      values.length >= 2 && values.length <= 4 && new Set(values).size === values.length,
      `${name}: the options are ${values}`,
    );
    const isRight = asked % 3 !== 2;
    const given = isRight ? answer : values.find((value) => value !== answer);
    const place = values.indexOf(given);
    // The mouse once and a key once; then, because these are slow, the button itself.
    if (asked === 0) await tab.locator('.option').nth(place).click();
    else if (asked === 1) await tab.keyboard.press(String(place + 1));
    else await tab.evaluate((nth) => document.querySelectorAll('.option')[nth].click(), place);
    const marks = await tab.evaluate(() => ({
      verdict: document.querySelector('.verdict').innerText,
      right: [...document.querySelectorAll('.option.right')].map((button) => button.dataset.value),
      wrong: [...document.querySelectorAll('.option.wrong')].map((button) => button.dataset.value),
      score: document.getElementById('score').textContent,
    }));
    asked += 1;
    right += isRight ? 1 : 0;
    kinds.add(kind);
    check(
      marks.verdict.startsWith(isRight ? 'Right.' : 'Wrong.'),
      `${name}: the answer ${given} is told ${JSON.stringify(marks.verdict)}`,
    );
    check(marks.verdict.length > 20, `${name}: no explanation`);
    check(
      String(marks.right) === answer && String(marks.wrong) === (isRight ? '' : given),
      `${name}: marked right ${marks.right}, wrong ${marks.wrong}`,
    );
    check(marks.score === `${right} of ${asked} right`, `${name}: the score is ${marks.score}`);
    const shown = await tab.evaluate(() => {
      document.getElementById('go-on').click();
      return window.microscope.index;
    });
    check(shown === index, `${name}: the event does not follow the answer`);
  }
  for (const kind of recording.questions)
    check(kinds.has(kind), `${recording.name}: no question of the kind ${kind}`);
  await close(tab);
  return { asked, kinds };
}

async function fitsNarrow() {
  const tab = await open('', { width: 400, height: 850 });
  for (const recording of recordings) {
    const count = recording.events.length;
    for (const index of [0, count >> 2, count >> 1, count - 1]) {
      const width = await tab.evaluate(
        ([name, at]) => {
          window.microscope.choose(name, () => at);
          return document.documentElement.scrollWidth;
        },
        [recording.name, index],
      );
      check(width <= 400, `${recording.name}, event ${index}: ${width} pixels wide in a window of 400`);
    }
  }
  await close(tab);
}

/** Every control has a name, and the sentence is spoken. */
async function isAccessible() {
  const tab = await open(`#run=${recordings[0].name}&turn=1`);
  const unnamed = await tab.evaluate(() =>
    [...document.querySelectorAll('button, select, input')]
      .filter(
        (found) => !(found.getAttribute('aria-label') || found.textContent.trim() || found.labels?.length),
      )
      .map((found) => found.outerHTML.slice(0, 80)),
  );
  check(unnamed.length === 0, `controls without a name: ${unnamed}`);
  await tab.keyboard.press('ArrowRight');
  const [spoken, sentence] = await tab.evaluate(() => [
    document.querySelector('[aria-live]').textContent,
    document.getElementById('sentence').textContent,
  ]);
  check(spoken.includes(sentence), `the spoken text is ${JSON.stringify(spoken)}`);
  await tab.keyboard.press('?');
  check(await tab.locator('#help-dialog').isVisible(), 'the help does not open');
  await tab.keyboard.press('Escape');
  check(!(await tab.locator('#help-dialog').isVisible()), 'the help does not close');
  const paper = () => tab.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await paper();
  await tab.keyboard.press('t');
  check((await paper()) !== light, 'the switch does not change the colours');
  await close(tab);
}

async function screenshots() {
  for (const [width, scheme] of [
    [1280, 'light'],
    [1280, 'dark'],
    [400, 'light'],
  ]) {
    const tab = await open('', { width, scheme });
    for (const recording of recordings) {
      // The event that changes the most is the best picture of a recording.
      const sizes = recording.events.map((event, index) =>
        index ? JSON.stringify(event.set ?? {}).length + (event.kind === 'cascade' ? 1e6 : 0) : 0,
      );
      await tab.evaluate(
        ([name, at]) => window.microscope.choose(name, () => at),
        [recording.name, sizes.indexOf(Math.max(...sizes))],
      );
      await tab.screenshot({
        path: join(pictures, `${recording.name}-${width}-${scheme}.png`),
        fullPage: true,
      });
    }
    await close(tab);
  }
}

/** With --times: how long each part took. */
const lap = (name) => process.argv.includes('--times') && console.log(`${seconds()} s: ${name}`);
const told = [await opens()];
const kinds = new Set();
let asked = 0;
let slowest = 0;
async function drives(recording) {
  const states = statesOf(recording.events);
  const ms = await stepsBothWays(recording);
  slowest = Math.max(slowest, ms);
  lap(`${recording.name} steps`);
  await showsTheState(recording, states);
  lap(`${recording.name} states`);
  const answered = await asks(recording, states);
  asked += answered.asked;
  lap(`${recording.name} asks`);
  answered.kinds.forEach((kind) => kinds.add(kind));
}
await withTabs(TABS, recordings, drives);
told.push(`a step takes at most ${slowest.toFixed(1)} ms on the average of a recording`);
told.push(`${asked} questions of the kinds ${[...kinds].sort().join(', ')}`);
await movesByTurns();
told.push(`${await opensLinks()} links`);
await fitsNarrow();
await isAccessible();
if (pictures) await screenshots();
await finish(...told);
