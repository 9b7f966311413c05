// Checks the book as mdBook has built it: the links of all pages from their files, and the rest in
// headless Chromium.
//
//   node book.mjs FOLDER [--screenshots DIR]
//
// The pages work from disk: no error, no dead link, a search, the microscope, and a print page with
// the text of all others, on which all answers stand open. The file tabs.mjs says what else is in the command line.

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { check, finish, newTab, pictures, usage, words } from './tabs.mjs';

const folder = resolve(words[0] ?? '');
if (!existsSync(join(folder, 'index.html'))) {
  usage('node book.mjs FOLDER [--screenshots DIR]; mdbook build book makes the folder book/html');
}
const url = (name) => `${pathToFileURL(folder).href}/${name}`;

let here = '';
const tab = await newTab(() => here, { asks: /^(file|data|blob):/ });
tab.on('requestfailed', (request) => {
  // A page that is left asks for its icon in vain.
  check(request.failure().errorText === 'net::ERR_ABORTED', `${here} lacks ${request.url()}`);
});
await tab.addInitScript(() => (window.print = () => {}));

async function open(name) {
  here = name;
  await tab.goto(url(name), { waitUntil: 'load' });
  if (pictures) await tab.screenshot({ path: join(pictures, `${name.replace(/\W/g, '-')}.png`) });
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
const missing = await tab.evaluate(() => [...document.images].filter((image) => image.naturalWidth === 0).length);
check(missing === 0, `${missing} pictures are missing`);
const closed = await tab.evaluate(() => {
  const isHidden = (part) => part.getBoundingClientRect().height === 0;
  const isClosed = (details) => [...details.children].slice(1).every(isHidden);
  return [...document.querySelectorAll('details')].filter(isClosed).length;
});
check(closed === 0, `${closed} answers are missing on paper`);

await finish(`${pages.length} pages, ${links.length} links`);
