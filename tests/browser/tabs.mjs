// Tabs of headless Chromium for the tests of pages, and what all of these tests share: the
// command line, the checks, and the end.
//
//   node TEST.mjs WORD... [--screenshots DIR] [--OPTION VALUE]
//
// CHROMIUM names another browser than /usr/bin/chromium. playwright-core is in node_modules
// beside this file, or in NODE_PATH. The exit status of a test is 0 if all is well.

import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const { chromium } = createRequire(import.meta.url)('playwright-core');
const started = Date.now();
let checks = 0;
let failures = 0;

/** The words of the command line in front of its options. */
const first = process.argv.findIndex((word) => word.startsWith('--'));
export const words = process.argv.slice(2, first < 0 ? undefined : first);

/** The value of an option; null if it is not given. */
export function option(name) {
  const place = process.argv.indexOf(name);
  return place < 0 ? null : process.argv[place + 1];
}

/** The folder for pictures; null if none is wanted. */
export const pictures = option('--screenshots');
if (pictures) mkdirSync(pictures, { recursive: true });

/** Ends a test whose command line is wrong. */
export function usage(text) {
  console.error(`usage: ${text}`);
  process.exit(2);
}

export function check(isSo, text) {
  checks += 1;
  if (isSo) return;
  failures += 1;
  console.error(`FAILED: ${text}`);
}

process.on('uncaughtException', (error) => {
  console.error(`FAILED: the run ended early: ${error.message.split('\n')[0]}`);
  process.exit(1);
});

let browser;
function launched() {
  browser ??= chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--no-first-run',
    ],
  });
  return browser;
}

/** An empty tab. Each error in it is a failure at the place that `where` tells. */
export async function newTab(where, { width = 1280, height = 900, scheme = 'light', asks = /^(file|data):/ } = {}) {
  const context = await (await launched()).newContext({
    viewport: { width, height },
    colorScheme: scheme,
    reducedMotion: 'reduce',
  });
  const tab = await context.newPage();
  tab.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) check(false, `console at ${where()}: ${message.text()}`);
  });
  tab.on('pageerror', (error) => check(false, `error at ${where()}: ${error.stack}`));
  tab.on('request', (request) => check(asks.test(request.url()), `${where()} asks for ${request.url()}`));
  return tab;
}

/** A tab on a file. */
export async function open(file, { hash = '', ...size } = {}) {
  const tab = await newTab(() => file + hash, size);
  await tab.goto(pathToFileURL(resolve(file)).href + hash);
  return tab;
}

/** A tab on a page of recordings, once it shows one. */
export async function openMicroscope(file, hash = '', size = {}) {
  const tab = await open(file, { hash, ...size });
  await tab.waitForFunction(() => window.microscope?.recording);
  return tab;
}

export const close = (tab) => tab.context().close();

/** Does something with each item. So many are done at the same time, because a tab mostly waits for frames. */
export async function withTabs(count, items, act) {
  const left = [...items];
  const work = async () => {
    for (let next = left.shift(); next; next = left.shift()) await act(next);
  };
  await Promise.all(Array.from({ length: count }, work));
}

/** The data that a page holds, read from the file and not by the page's scripts. */
export function embedded(file, id) {
  const html = readFileSync(file, 'utf8');
  const start = html.indexOf('>', html.indexOf(`id="${id}"`)) + 1;
  return JSON.parse(html.slice(start, html.indexOf('</script', start)));
}

/** The seconds since the start. */
export const seconds = () => ((Date.now() - started) / 1000).toFixed(1);

/** Ends the test. */
export async function finish(...told) {
  await (await browser)?.close();
  console.log([...told, `${checks} checks in ${seconds()} s, ${failures} failed`].join('\n'));
  process.exit(failures ? 1 : 0);
}
