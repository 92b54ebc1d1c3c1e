// A browser that notices what users would not say: errors on the console, requests that fail, policies that are broken,
// addresses outside, and whatever axe finds.
import { AxeBuilder } from '@axe-core/playwright';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const shots = new URL('../../../target/web-screenshots', import.meta.url).pathname;
const dist = new URL('../dist', import.meta.url).pathname;
const program = process.env.DATAGUARDIAN_BROWSER ?? '/usr/bin/chromium';

/** While the interface is worked on: what is in dist/ in place of what is built into the program, under the same headers. */
async function takeFromDist(context) {
  await context.route('**/*', async (route) => {
    const kind = route.request().resourceType();
    const path = new URL(route.request().url()).pathname;
    if (kind === 'document') {
      const real = await route.fetch();
      const text = await real.text();
      const base = /<base href="[^"]*"/.exec(text)[0];
      const setup = /data-setup="[^"]*"/.exec(text)[0];
      const index = readFileSync(join(dist, 'index.html'), 'utf8');
      const body = index.replace(/<base href="[^"]*"/, base).replace(/data-setup="[^"]*"/, setup);
      const { 'content-length': _, ...headers } = real.headers();
      return route.fulfill({ status: real.status(), headers, body });
    }
    if (kind === 'script' || kind === 'stylesheet')
      return route.fulfill({ path: join(dist, path.slice(path.indexOf('/assets/'))) });
    return route.continue();
  });
}

export class Browser {
  /** What went wrong since the last look. */
  faults = [];
  /** While servers are taken away on purpose, requests may fail. */
  expectsOutage = false;

  static async open(url) {
    mkdirSync(shots, { recursive: true });
    const own = new Browser();
    own.url = url;
    own.chromium = await chromium.launch({
      executablePath: program,
      args: ['--no-sandbox', '--disable-dev-shm-usage'],
    });
    await own.freshContext();
    return own;
  }

  /** A browser that knows nothing: no cookie, nothing stored. */
  async freshContext(options = {}) {
    await this.context?.close();
    this.context = await this.chromium.newContext({
      ignoreHTTPSErrors: true,
      viewport: { width: 1440, height: 900 },
      timezoneId: 'Europe/Berlin',
      acceptDownloads: true,
      // Axe runs in the page; the policy would forbid its script. That the policy is there is looked at on its own.
      bypassCSP: false,
      ...options,
    });
    if (process.env.FROM_DIST) await takeFromDist(this.context);
    this.page = await this.context.newPage();
    this.watch(this.page);
    return this.page;
  }

  watch(page) {
    page.setDefaultTimeout(15_000);
    const outage = /ERR_CONNECTION|ERR_EMPTY|ERR_FAILED|ERR_SOCKET|Failed to load resource/;
    page.on('console', (message) => {
      if (message.type() !== 'error' && !/Content.Security.Policy/i.test(message.text())) return;
      if (this.expectsOutage && outage.test(message.text())) return;
      this.faults.push(`console: ${message.text()}`);
    });
    page.on('pageerror', (error) => this.faults.push(`page error: ${error.message}`));
    page.on('requestfailed', (request) => {
      const why = request.failure()?.errorText ?? '';
      // A stream that its page leaves is broken off by the browser.
      if (why === 'net::ERR_ABORTED' || this.expectsOutage) return;
      this.faults.push(`request failed: ${request.url()} ${why}`);
    });
    page.on('request', (request) => {
      const { protocol, origin } = new URL(request.url());
      if (protocol.startsWith('http') && origin !== this.url)
        this.faults.push(`request outside: ${request.url()}`);
    });
    page.on('response', (response) => {
      if (response.status() >= 400 && !this.expectsOutage)
        this.faults.push(`${response.status()}: ${response.url()}`);
    });
  }

  async goto(path) {
    await this.page.goto(this.url + path);
  }

  /** Throws what has gone wrong unseen. */
  assertQuiet() {
    const faults = this.faults.splice(0);
    if (faults.length > 0) throw new Error(faults.join('\n'));
  }

  async scheme(colorScheme) {
    await this.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
  }

  /** Everything that axe finds in the page as it is. Pages have no frames, for which alone it would open a page of its own. */
  async axe(where) {
    const { violations } = await new AxeBuilder({ page: this.page }).setLegacyMode(true).analyze();
    if (violations.length === 0) return;
    const told = violations.map(
      ({ id, help, nodes }) =>
        `${id}: ${help}\n    ${nodes
          .map((node) => `${node.target} ${node.failureSummary?.split('\n')[1] ?? ''}`)
          .slice(0, 4)
          .join('\n    ')}`,
    );
    throw new Error(`axe on ${where}:\n  ${told.join('\n  ')}`);
  }

  /** A picture for people to look at. */
  async shot(name) {
    await this.page.screenshot({ path: join(shots, `${name}.png`), fullPage: true, animations: 'disabled' });
  }

  async close() {
    await this.chromium.close();
  }
}
