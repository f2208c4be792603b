// Opens a report in headless Chromium and checks what only a browser can tell.
// Run:     node tests/report/check.mjs REPORT.html [--hostile OTHER.html] [--shots FOLDER]
// Expect:  one line a check, and the last line "N passed, N failed"; exit code 1 if one failed
//   console     no error and no warning, with and without scripts
//   requests    none but the file itself
//   scripts     the same text with scripts and without
//   width       no horizontal scroll at 360, 768 and 1280 pixels
//   axe-core    no violation, light and dark, also with every <details> open
//   numbers     every number shown is in the JSON of the page under its name, and the other way round
//   hostile     a report whose run has markup for a name shows it as text
import { readFileSync, mkdirSync, existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createRequire } from 'node:module';

const modules = process.env.NODE_MODULES ?? join(dirname(fileURLToPath(import.meta.url)), 'node_modules');
const require = createRequire(join(resolve(modules), 'x.js'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const words = process.argv.slice(2);
const option = (name) => {
  const at = words.indexOf(name);
  return at < 0 ? null : words.splice(at, 2)[1];
};
const hostile = option('--hostile'), shots = option('--shots');
const [file] = words;
if (!file || !existsSync(file)) {
  console.error(`error: usage: check.mjs REPORT.html [--hostile OTHER.html] [--shots FOLDER], got '${file ?? ''}'`);
  process.exit(2);
}

let passed = 0, failed = 0;
function expect(what, problems) {
  const list = problems.filter(Boolean);
  list.length ? failed++ : passed++;
  console.log(`${list.length ? 'FAILED' : 'ok    '}  ${what}`);
  for (const p of list.slice(0, 12)) console.log(`        ${p}`);
}

const patience = 120000;  // ms: the machine may be busy
const browser = await chromium.launch({  // with a fresh profile of its own
  timeout: patience,
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync'],
});

async function open(path, { scripts = true, scheme = 'light', width = 1280 } = {}) {
  const context = await browser.newContext({ javaScriptEnabled: scripts, colorScheme: scheme, viewport: { width, height: 900 } });
  context.setDefaultTimeout(patience);
  const page = await context.newPage();
  const log = [], requests = [];
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && log.push(`${m.type()}: ${m.text()}`));
  page.on('pageerror', (e) => log.push(`exception: ${e.message}`));
  const url = pathToFileURL(resolve(path)).href;
  page.on('request', (r) => r.url() !== url && !r.url().startsWith('data:') && requests.push(r.url()));
  await page.goto(url, { waitUntil: 'load' });
  await page.waitForTimeout(150);
  return { page, log, requests, close: () => context.close() };
}
const text = (page) => page.locator('body').innerText();

try {
  const plain = await open(file);
  expect('console: no error, no warning', plain.log);
  expect('requests: none', plain.requests);
  const with_scripts = await text(plain.page);

  const numbers = await plain.page.evaluate(() => {
    const json = JSON.parse(document.getElementById('numbers').textContent).numbers, problems = [], seen = new Set();
    for (const e of document.querySelectorAll('[data-name]')) {
      const name = e.dataset.name, entry = json[name];
      seen.add(name);
      if (!entry) { problems.push(`${name}: not in the JSON`); continue; }
      const value = e.getAttribute('value') ?? e.dataset.value;
      if (Number(value) !== entry.value) problems.push(`${name}: value ${value}, JSON ${entry.value}`);
      if (e.textContent !== entry.text) problems.push(`${name}: shows ${e.textContent}, JSON ${entry.text}`);
      // "−3.6 × 10−15" is -3.6e-15; what is shown must be the value to half a unit of its last digit.
      const [mantissa, power] = entry.text.replaceAll('\u2212', '-').split(' \u00d7 10'), exponent = Number(power ?? 0);
      const digits = (mantissa.split('.')[1] ?? '').length, whole = mantissa.replace(/[-.]/g, '').replace(/^0+/, '').length;
      const unit = Math.max(10 ** (exponent - digits), whole >= 3 ? Math.abs(entry.value) * 10 ** (1 - whole) : 0);
      if (!(Math.abs(Number(mantissa) * 10 ** exponent - entry.value) <= 0.5001 * unit)) problems.push(`${name}: shows ${entry.text} for ${entry.value}`);
    }
    return { problems, count: seen.size, unseen: Object.keys(json).filter((k) => !seen.has(k)) };
  });
  expect(`numbers: ${numbers.count} shown equal the JSON`, [...numbers.problems, numbers.count < 100 && `only ${numbers.count} numbers`]);
  expect('numbers: every number of the JSON is shown',
         numbers.unseen.map((k) => `${k} is not shown`));
  await plain.close();

  const bare = await open(file, { scripts: false });
  expect('scripts: the console is quiet without them', bare.log);
  const lines = with_scripts.split('\n'), other = (await text(bare.page)).split('\n');
  const at = lines.findIndex((l, i) => l !== other[i]);
  expect('scripts: the same text without them', [at >= 0 && `line ${at + 1}: '${lines[at]}' and '${other[at]}'`,
         lines.length !== other.length && `${lines.length} and ${other.length} lines`, lines.length < 200 && 'hardly any text']);
  await bare.close();

  for (const width of [360, 768, 1280]) {
    const narrow = await open(file, { width });
    await narrow.page.evaluate(() => {
      document.querySelectorAll('details').forEach((d) => { d.open = true; });
      // A model may write words of any length, and a run may have any name.
      document.querySelectorAll('.sample, p strong').forEach((e) => e.append('w'.repeat(200)));
    });
    const wide = await narrow.page.evaluate(() => {
      const limit = document.documentElement.clientWidth, bad = [];
      if (document.documentElement.scrollWidth > limit) bad.push(`the page is ${document.documentElement.scrollWidth} wide`);
      for (const e of document.querySelectorAll('main *')) {
        if (e.closest('.scroll, pre, svg, .frames > input')) continue;
        const box = e.getBoundingClientRect();
        if (box.width > 0 && box.right > limit + 1) bad.push(`<${e.tagName.toLowerCase()} class="${e.className}"> reaches ${Math.round(box.right)}`);
      }
      return bad;
    });
    expect(`width: no horizontal scroll at ${width} pixels`, wide);
    await narrow.close();
  }

  for (const scheme of ['light', 'dark'])
    for (const opened of [false, true]) {
      const { page, close } = await open(file, { scheme });
      if (opened) await page.evaluate(() => document.querySelectorAll('details').forEach((d) => { d.open = true; }));
      // The page forbids scripts of its own; the checker's runs outside of that.
      await page.evaluate(axe);
      const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
      expect(`axe-core: no violation, ${scheme}${opened ? ', all open' : ''} (${result.passes.length} rules passed)`,
             result.violations.map((v) => `${v.id}: ${v.help}; ${v.nodes.length} places, first ${v.nodes[0].target.join(' ')}: ${v.nodes[0].failureSummary?.split('\n')[1] ?? ''}`));
      await close();
    }

  if (hostile) {
    const { page, log, requests, close } = await open(hostile);
    const name = readFileSync(`${hostile}.name`, 'utf8');
    const shown = await text(page);
    expect('hostile: the name of the run is shown as text', [!shown.includes(name) && `'${name}' is not to be read on the page`]);
    expect('hostile: nothing runs, nothing is requested, nothing is said',
           [...log, ...requests, await page.evaluate(() => window.pwned && 'a script ran'),
            (await page.locator('img, script:not([type="application/json"]), iframe').count()) && 'its markup became elements']);
    await close();
  }

  if (shots) {
    mkdirSync(shots, { recursive: true });
    for (const scheme of ['light', 'dark'])
      for (const width of [360, 1280]) {
        const { page, close } = await open(file, { scheme, width });
        for (const id of await page.$$eval('section', (all) => all.map((s) => s.id)))
          await page.locator(`#${id}`).screenshot({ path: join(shots, `${id}-${scheme}-${width}.png`) });
        await page.locator('header').screenshot({ path: join(shots, `header-${scheme}-${width}.png`) });
        await close();
      }
    console.log(`screenshots: ${shots}`);
  }
} finally {
  await browser.close();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
