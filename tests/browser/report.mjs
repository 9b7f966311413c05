// Drives the pages that runs have left in headless Chromium.
//
//   node report.mjs FOLDER... [--screenshots DIR]
//
// The file tabs.mjs says what else is in the command line.

import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { check, close, finish, open, pictures, withTabs, words as folders } from './tabs.mjs';

// How many tabs are driven at the same time.
const TABS = 4;
let crashes = 0;

async function shoot(tab, name, fullPage = false) {
  if (pictures) await tab.screenshot({ path: join(pictures, `${name}.png`), fullPage });
}

/** The first anomaly of each kind, by its first words, as far as the page shows it at once. */
async function kinds(tab) {
  return tab.evaluate(() => {
    const seen = new Map();
    window.report.run.anomalies.slice(0, 10).forEach(({ headline }, nth) => {
      const kind = headline.replace(/[\d"].*/, '');
      if (!seen.has(kind)) seen.set(kind, nth);
    });
    return [...seen.values()].slice(0, 5);
  });
}

/** The message that is chosen, and whether its line is in sight. */
async function chosen(tab) {
  return tab.evaluate(() => {
    const { diagram, run } = window.report;
    const line = document.querySelector('#diagram-scroll .arrow.chosen line');
    const frame = diagram.scroll.getBoundingClientRect();
    const place = line?.getBoundingClientRect();
    const isInSight = Boolean(place) && place.bottom >= frame.top && place.top <= frame.bottom && place.right >= frame.left && place.left <= frame.right;
    return { id: run.messages.id[diagram.chosen], isInSight };
  });
}

/** Clicks an anomaly, and then each of its steps: the diagram goes to the message that is named. */
async function showAnomaly(tab, file, nth) {
  const card = tab.locator(`#anomaly-${nth + 1}`);
  await card.locator('button.primary').click();
  const marked = await tab.locator('#diagram-scroll .arrow.shown, #diagram-scroll .arrow.chosen').count();
  check(marked > 0, `${file}: anomaly ${nth + 1} shows no message`);
  const details = card.locator('details').first();
  if (!(await details.evaluate((found) => found.open))) await details.locator('summary').first().click();
  const steps = card.locator('.steps button');
  await steps.first().waitFor({ timeout: 5000 }).catch(() => {});
  const texts = await steps.allInnerTexts();
  check(texts.length > 0, `${file}: anomaly ${nth + 1} has no steps`);
  for (const [which, text] of texts.entries()) {
    const named = /[mM]essages? (\d+) from|\(messages? (\d+)/.exec(text);
    if (!named) continue;
    await steps.nth(which).click();
    const found = await chosen(tab);
    check(found.id === Number(named[1] ?? named[2]), `${file}: “${text}” leads to message ${found.id}`);
    check(found.isInSight, `${file}: “${text}”: its message is out of sight`);
  }
}

/** The crashes between the messages of a finding are drawn, also while none of these is on its way. */
async function showCrashes(tab, file, nth) {
  const drawn = await tab.evaluate((nth) => {
    window.report.showAnomaly(nth);
    const { diagram, run } = window.report;
    const { sent } = run.messages;
    const [first, last] = [diagram.places[0], diagram.places.at(-1)].map((place) => sent[place]);
    const between = run.faults.filter(({ kind, from }) => diagram.filter.only && kind === 'crash' && from > first && from < last);
    return between.map(({ from, nodes }) => {
      diagram.goTo(from);
      const names = [...document.querySelectorAll('#diagram-scroll .band-name')].map((name) => name.textContent);
      return nodes.every((node) => diagram.x.has(node)) && names.includes('crash');
    });
  }, nth);
  drawn.forEach((isDrawn) => check(isDrawn, `${file}: a crash in anomaly ${nth + 1} is not drawn`));
  crashes += drawn.length;
}

/** Finds messages by number, also one that a filter hides, and filters by node, type and text. */
async function findMessages(tab, file) {
  const shown = () => tab.evaluate(() => window.report.diagram.places.length);
  const all = await tab.evaluate(() => window.report.run.messages.id.length);
  const chip = tab.locator('#filters .chips button').first();
  await chip.click();
  check((await shown()) < all, `${file}: a hidden node hides no message`);
  const last = await tab.evaluate(() => {
    const { diagram, run } = window.report;
    return run.messages.id.findLast((id, place) => diagram.rowFrom[place] < 0);
  });
  const number = tab.locator('#filters input[type=number]');
  await number.fill(String(last));
  await number.press('Enter');
  const found = await chosen(tab);
  check(found.id === last && found.isInSight, `${file}: message ${last} is not found by its number`);
  check((await shown()) === all, `${file}: a message that a filter hides does not end the filter`);
  const type = tab.locator('#filters select').first();
  await type.selectOption({ index: 1 });
  check((await shown()) > 0 && (await shown()) < all, `${file}: the type filters nothing`);
  await type.selectOption({ index: 0 });
}

async function report(folder, name) {
  const file = join(folder, 'report.html');
  const tab = await open(file);
  // Told and not checked: a busy machine takes longer, and so do other tabs beside it.
  const ms = await tab.evaluate(() => performance.getEntriesByType('navigation')[0].domComplete);
  const seen = await tab.evaluate(() => {
    const { run } = window.report;
    return { anomalies: run.anomalies.length, messages: run.messages.id.length, arrows: document.querySelectorAll('#diagram-scroll .arrow').length };
  });
  check(seen.messages === 0 || seen.arrows > 0, `${file}: the diagram is empty`);
  check(seen.arrows < 400, `${file}: ${seen.arrows} arrows are drawn at once`);
  await shoot(tab, `${name}-top`);
  await shoot(tab, `${name}-whole`, true);
  if (seen.anomalies) {
    for (const nth of await kinds(tab)) {
      await showAnomaly(tab, file, nth);
      await showCrashes(tab, file, nth);
    }
    await tab.locator('#anomaly-1 button.primary').click();
    const detail = await tab.locator('#detail').innerText();
    check(detail.includes('Message '), `${file}: no message is described: ${detail}`);
    await tab.keyboard.press('ArrowDown');
    check((await tab.locator('#detail').innerText()) !== detail, `${file}: the down arrow does not lead to the next message`);
    await shoot(tab, `${name}-anomaly`);
    await tab.locator('.evidence-bar button').first().click();
    await shoot(tab, `${name}-among`);
    await tab.locator('#operations').scrollIntoViewIfNeeded();
    await tab.locator('#timeline').focus();
    await tab.keyboard.press('ArrowRight');
    check((await tab.locator('#operation-detail').innerText()).includes('Operation '), `${file}: no operation is described`);
    await tab.locator('#timeline').scrollIntoViewIfNeeded();
    await shoot(tab, `${name}-timeline`);
  }
  if (seen.messages) await findMessages(tab, file);
  const unnamed = await tab.evaluate(() => [...document.querySelectorAll('button, select, input')].filter((found) => !(found.textContent.trim() || found.labels?.length)).length);
  check(unnamed === 0, `${file}: ${unnamed} controls have no name`);
  await close(tab);
  const narrow = await open(file, { width: 400, height: 850, scheme: 'dark' });
  const width = await narrow.evaluate(() => document.documentElement.scrollWidth);
  check(width <= 400, `${file}: ${width} pixels wide in a window of 400`);
  await shoot(narrow, `${name}-narrow`, true);
  await close(narrow);
  return `${file} opens in ${Math.round(ms)} ms with ${seen.messages} messages and ${seen.anomalies} anomalies`;
}

async function pages([nth, folder]) {
  const name = `${nth}-${basename(resolve(folder, '..'))}`;
  console.log(await report(folder, name));
  for (const other of ['timeline.html', 'messages.svg', 'latency-raw.svg', 'latency-quantiles.svg', 'rate.svg']) {
    if (!existsSync(join(folder, other))) continue;
    const tab = await open(join(folder, other));
    await shoot(tab, `${name}-${other}`);
    await close(tab);
  }
}

await withTabs(TABS, folders.entries(), pages);
await finish(`${crashes} crashes in findings`);
