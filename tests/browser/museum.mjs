// Drives the bug museum and compare mode in headless Chromium.
//
//   node museum.mjs MUSEUM.html MICROSCOPE.html [--screenshots DIR]
//
// Each exhibit is named wrongly or rightly, opened beside the sound loop, and stepped through.
// CHROMIUM names another browser than /usr/bin/chromium. The exit status is 0 if all is well.

import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const { chromium } = createRequire(import.meta.url)('playwright-core');

const [museum_file, microscope_file] = process.argv.slice(2, 4);
if (!microscope_file) {
  console.error('usage: node museum.mjs MUSEUM.html MICROSCOPE.html [--screenshots DIR]');
  process.exit(2);
}
const place = process.argv.indexOf('--screenshots');
const pictures = place < 0 ? null : process.argv[place + 1];
const started = Date.now();
let failures = 0;
let checks = 0;

function check(isSo, text) {
  checks += 1;
  if (isSo) return;
  failures += 1;
  console.error(`FAILED: ${text}`);
}

process.on('uncaughtException', (error) => {
  console.error(`FAILED: the run ended early: ${error.message.split('\n')[0]}`);
  process.exit(1);
});

/** What the page holds, read from the file and not by the page's scripts. */
function embedded(file, id) {
  const html = readFileSync(file, 'utf8');
  const start = html.indexOf('>', html.indexOf(`id="${id}"`)) + 1;
  return JSON.parse(html.slice(start, html.indexOf('</script', start)));
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
});

/** A tab. Each error in it is a failure. */
async function open(file, hash = '', { width = 1280, height = 900, scheme = 'light' } = {}) {
  const viewport = { width, height };
  const context = await browser.newContext({ viewport, colorScheme: scheme, reducedMotion: 'reduce' });
  const tab = await context.newPage();
  tab.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) check(false, `console at ${hash}: ${message.text()}`);
  });
  tab.on('pageerror', (error) => check(false, `error at ${hash}: ${error.stack}`));
  tab.on('request', (request) =>
    check(/^(file|data):/.test(request.url()), `the page asks for ${request.url()}`),
  );
  await tab.goto(pathToFileURL(resolve(file)).href + hash);
  await tab.waitForFunction(() => window.microscope?.recording);
  return tab;
}

const close = (tab) => tab.context().close();
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
      mkdirSync(pictures, { recursive: true });
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
await browser.close();
console.log(`${exhibits.length} exhibits`);
console.log(`${checks} checks in ${((Date.now() - started) / 1000).toFixed(1)} s, ${failures} failed`);
process.exit(failures ? 1 : 0);
