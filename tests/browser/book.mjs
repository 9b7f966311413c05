// Checks the book as mdBook has built it: the links of all pages from their files, and the rest in
// headless Chromium.
//
//   node book.mjs FOLDER [--screenshots DIR]
//
// The pages work from disk: no error, no dead link, a search, the microscope, and a print page with
// the text of all others, on which all answers stand open. CHROMIUM names another browser than /usr/bin/chromium.
// The exit status is 0 if all is well.

import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const { chromium } = createRequire(import.meta.url)('playwright-core');

const folder = resolve(process.argv[2] ?? '');
const place = process.argv.indexOf('--screenshots');
const screenshots = place < 0 ? null : process.argv[place + 1];
if (screenshots) mkdirSync(screenshots, { recursive: true });
if (!existsSync(join(folder, 'index.html'))) {
  console.error('usage: node book.mjs FOLDER [--screenshots DIR]; mdbook build book makes the folder book/html');
  process.exit(2);
}
const url = (name) => `${pathToFileURL(folder).href}/${name}`;

let failures = 0;
let checks = 0;

function check(isSo, text) {
  checks += 1;
  if (isSo) return;
  failures += 1;
  console.error(`FAILED: ${text}`);
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
});
const tab = await browser.newPage({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce' });
let here = '';
tab.on('console', (message) => {
  if (['error', 'warning'].includes(message.type())) check(false, `console at ${here}: ${message.text()}`);
});
tab.on('pageerror', (error) => check(false, `${here}: ${error.message}`));
tab.on('request', (request) => {
  check(/^(file|data|blob):/.test(request.url()), `${here} asks for ${request.url()}`);
});
tab.on('requestfailed', (request) => {
  // A page that is left asks for its icon in vain.
  check(request.failure().errorText === 'net::ERR_ABORTED', `${here} lacks ${request.url()}`);
});
await tab.addInitScript(() => (window.print = () => {}));

async function open(name) {
  here = name;
  await tab.goto(url(name), { waitUntil: 'load' });
  if (screenshots) await tab.screenshot({ path: join(screenshots, `${name.replace(/\W/g, '-')}.png`) });
}

// Each page, and the names in it that links can lead to.
const parts = (text, pattern) => [...text.matchAll(pattern)].map((match) => match[1].replaceAll('&amp;', '&'));
const outside = ['404.html', 'toc.html', 'print.html', 'microscope.html', 'museum.html'];
const pages = readdirSync(folder).filter((name) => name.endsWith('.html') && !outside.includes(name));
const names = new Map();
const links = [];
for (const name of pages) {
  const text = readFileSync(join(folder, name), 'utf8');
  names.set(name, new Set(parts(text, / id="([^"]*)"/g)));
  links.push(...parts(text, / href="([^"]*)"/g).map((link) => [name, link]));
}
for (const [name, link] of links.filter(([, link]) => !/^[a-z]+:/.test(link))) {
  const [target, id] = link.split('#');
  const file = target || name;
  check(existsSync(join(folder, file)), `${name} has a dead link: ${link}`);
  if (id && names.has(file)) check(names.get(file).has(id), `${name}: no heading ${link}`);
}

await open('index.html');
// A link into the microscope opens the page in this folder.
const watch = links.find(([, link]) => link.includes('microscope.html#run='));
check(watch?.[1].startsWith('microscope.html'), 'no page leads to the microscope in this folder');
if (watch) {
  await open(watch[1]);
  check((await tab.textContent('body')).includes('turn'), 'the microscope shows no turn');
}

await open('index.html?search=carry-over');
await tab.waitForSelector('#mdbook-searchresults li, #searchresults li', { timeout: 5000 }).catch(() => {});
const results = await tab.locator('#mdbook-searchresults li, #searchresults li').count();
check(results > 5, `the search for "carry-over" has ${results} results`);

await open('print.html');
await tab.emulateMedia({ media: 'print' });
const pictures = await tab.evaluate(() => [...document.images].filter((image) => image.naturalWidth === 0).length);
check(pictures === 0, `${pictures} pictures are missing`);
const closed = await tab.evaluate(() => {
  const isHidden = (part) => part.getBoundingClientRect().height === 0;
  const isClosed = (details) => [...details.children].slice(1).every(isHidden);
  return [...document.querySelectorAll('details')].filter(isClosed).length;
});
check(closed === 0, `${closed} answers are missing on paper`);

await browser.close();
console.log(`${pages.length} pages, ${links.length} links, ${checks} checks, ${failures} failures`);
process.exit(failures === 0 ? 0 : 1);
