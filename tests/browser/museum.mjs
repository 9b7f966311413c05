// Drives the bug museum and compare mode in headless Chromium.
//
//   node museum.mjs MUSEUM.html MICROSCOPE.html [--screenshots DIR]
//
// Each exhibit is named wrongly or rightly, opened beside the sound loop, and stepped through.
// The file tabs.mjs says what else is in the command line.

import { join } from 'node:path';
import { check, close, embedded, finish, openMicroscope as open, pictures, usage, words } from './tabs.mjs';

const [museum_file, microscope_file] = words;
if (!microscope_file) usage('node museum.mjs MUSEUM.html MICROSCOPE.html [--screenshots DIR]');
const { facts, exhibits } = embedded(museum_file, 'museum');
const recordings = new Map(embedded(museum_file, 'recordings').map((found) => [found.name, found]));

/** Names the fact of an exhibit, and looks at the answer and at both runs. */
async function names(tab, { run, fact, why }, isRight) {
  await tab.evaluate((name) => window.microscope.choose(name), run);
  await tab.keyboard.press('c');
  check(!(await tab.locator('#beside').isVisible()), `${run}: it is compared before it is named`);
  const values = await tab
    .locator('#exhibit .option')
    .evaluateAll((options) => options.map((option) => option.dataset.value));
  check(String(values) === String(facts.map(({ key }) => key)), `${run}: the choices are ${values}`);
  check(values.includes(fact), `${run}: the right answer is no choice`);
  check(!(await tab.locator('#exhibit').textContent()).includes(why), `${run}: the answer stands there`);
  const given = isRight ? fact : values.find((value) => value !== fact);
  await tab.evaluate((key) => window.microscope.nameFact(key), given);
  const told = await tab.locator('#exhibit').innerText();
  check(told.startsWith(isRight ? 'Right.' : 'Wrong.'), `${run}: ${given} is told ${told.slice(0, 60)}`);
  check(told.includes(why), `${run}: no explanation`);
  await tab.keyboard.press('c');
  check(await tab.locator('#beside').isVisible(), `${run}: C does not compare`);
  const both = [recordings.get(run), recordings.get(`${run}-sound`)];
  const seen = await tab.evaluate(() => {
    const app = window.microscope;
    const texts = [];
    for (let index = 0; index <= app.recording.last; index += 1) {
      app.go(index);
      texts.push([
        document.querySelector('#sentence').textContent,
        document.querySelector('#beside .sentence').textContent,
        document.querySelector('#comparison').textContent,
      ]);
    }
    app.goToParting();
    return { texts, index: app.index };
  });
  // The page and this test decide by themselves where the runs part: by what they say.
  const parting = both[0].events.findIndex((event, index) => event.text !== both[1].events[index]?.text);
  const marked = seen.texts.findIndex(([, , text]) => text.startsWith('≠'));
  check(parting < 0 || (marked >= 0 && marked <= parting), `${run}: marked at ${marked}, not by ${parting}`);
  check(marked < 0 || seen.index === marked, `${run}: the first difference is at ${seen.index}`);
  for (let index = 0; index < (marked < 0 ? seen.texts.length : marked); index += 1)
    check(seen.texts[index][0] === seen.texts[index][1], `${run}: event ${index} has another beside it`);
  const ends = await tab
    .locator('#outcome .differs')
    .evaluateAll((found) => found.map((item) => item.textContent));
  const untimed = ({ outcome }) => outcome.map((sentence) => sentence.replace(/ at [\d.]+ ms/, ''));
  const [ours, sound] = both.map(untimed);
  const differ = ours.filter((sentence) => !sound.includes(sentence)).length;
  const isMarked = ends.length >= differ && (differ > 0) === ends.length > 0;
  check(isMarked && (differ > 0 || marked >= 0), `${run}: ${differ} ends differ, marked are ${ends}`);
}

async function visits() {
  const tab = await open(museum_file);
  const listed = await tab
    .locator('#recording option')
    .evaluateAll((options) => options.map(({ value }) => value));
  check(String(listed) === String(exhibits.map(({ run }) => run)), `the chooser lists ${listed}`);
  check(!(await tab.locator('#beside-label').isVisible()), 'the sound loop can be chosen before the answer');
  for (const [number, exhibit] of exhibits.entries()) await names(tab, exhibit, number % 3 > 0);
  const right = exhibits.filter((_, number) => number % 3 > 0).length;
  const score = await tab.locator('#exhibit .deeds small').innerText();
  check(score === `${right} of ${exhibits.length} named`, `the score is ${score}`);
  await tab.keyboard.press(']');
  check((await tab.evaluate(() => window.microscope.recording.name)) === exhibits[0].run, '] leaves the exhibits');
  await tab.locator('#forget-answer').click();
  check(await tab.locator('#choices').isVisible(), 'a forgotten answer is not asked for');
  // The mouse once: the other answers were given by the script.
  await tab.locator('#choices summary').click();
  await tab.locator('#exhibit .option').nth(3).click();
  check((await tab.locator('#answer').count()) === 1, 'a click names no fact');
  await tab.locator('#compare').click();
  check(await tab.locator('#beside').isVisible(), 'a click does not compare');
  const unnamed = await tab.evaluate(() =>
    [...document.querySelectorAll('button, select, input')]
      .filter((found) => !(found.getAttribute('aria-label') || found.textContent.trim() || found.labels?.length))
      .map((found) => found.outerHTML.slice(0, 80)),
  );
  check(unnamed.length === 0, `controls without a name: ${unnamed}`);
  await close(tab);
}

/** Links beside the sound loop open at the first difference, and pages fit their windows. */
async function fits() {
  const windows = [
    [400, 'light'],
    [1280, 'dark'],
  ];
  if (pictures) windows.push([400, 'dark'], [1280, 'light']);
  for (const [width, scheme] of windows) {
    const tab = await open(museum_file, '', { width, scheme });
    for (const { run } of exhibits) {
      const seen = await tab.evaluate((name) => {
        window.microscope.openLink(`#run=${name}&beside=${name}-sound`);
        return [document.documentElement.scrollWidth, window.microscope.beside?.name];
      }, run);
      check(seen[0] <= width, `${run}: ${seen[0]} pixels wide in a window of ${width}`);
      check(seen[1] === `${run}-sound`, `${run}: the link opens ${seen[1]} beside`);
      if (!pictures) continue;
      await tab.waitForTimeout(50);
      await tab.screenshot({ path: join(pictures, `${run}-${width}-${scheme}.png`), fullPage: true });
    }
    await close(tab);
  }
}

/** Any two recordings of one page stand beside each other. */
async function compares() {
  const tab = await open(microscope_file, '#run=echo&turn=3&step=2');
  await tab.locator('#beside-with').selectOption('wake');
  check(await tab.locator('#beside').isVisible(), 'the second chooser does not compare');
  await tab.keyboard.press('d');
  check((await tab.locator('#comparison').innerText()).startsWith('≠'), 'D does not find the first difference');
  await tab.waitForTimeout(200);
  const hash = await tab.evaluate(() => location.hash);
  check(hash.endsWith('&beside=wake'), `the link is ${hash}`);
  await tab.keyboard.press('c');
  check(!(await tab.locator('#beside').isVisible()), 'C does not end it');
  await close(tab);
}

await visits();
await fits();
await compares();
await finish(`${exhibits.length} exhibits`);
