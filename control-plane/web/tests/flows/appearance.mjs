// Every page, light and dark, wide and narrow: axe finds nothing, nothing sticks out, and there is a picture to look at.
import assert from 'node:assert/strict';

const pages = {
  overview: '/',
  executions: '/executions',
  backups: '/backups',
  restore: '/restore',
  jobs: '/jobs',
  job: '/jobs/main-nightly',
  'job-edit': '/jobs/main-nightly/edit',
  'job-new': '/jobs/new',
  datasources: '/datasources',
  datasource: '/datasources/main',
  'datasource-edit': '/datasources/main/edit',
  'datasource-new': '/datasources/new',
  storages: '/storages',
  storage: '/storages/vault',
  'storage-edit': '/storages/vault/edit',
  'storage-new': '/storages/new',
  agents: '/agents',
  agent: '/agents/db-host',
  'agent-new': '/agents/new',
  'first-backup': '/first-backup',
  notifications: '/notifications',
  'channel-new': '/notifications/channels/new',
  channel: '/notifications/channels/oncall',
  rule: '/notifications/rules/all-troubles',
  users: '/users',
  'user-new': '/users/new',
  user: '/users/admin',
  roles: '/roles',
  role: '/roles/operator',
  'role-new': '/roles/new',
  audit: '/audit',
  account: '/account',
  'token-new': '/account/tokens/new',
  system: '/system',
  'no-such-page': '/nowhere',
};

const wide = { width: 1440, height: 900 };
const narrow = { width: 390, height: 844 };

export async function appearance({ browser, test }) {
  const { page } = browser;
  /** For people to look at, in both schemes. They check nothing, and take a third of the time: only with `PICTURES=1`. */
  const pictures = async (name) => {
    if (!process.env.PICTURES) return;
    for (const scheme of ['light', 'dark']) {
      await browser.scheme(scheme);
      await browser.shot(`${name}-${scheme}`);
    }
  };
  const settle = async () => {
    await page.locator('h1').waitFor();
    await page.locator('[role=status][aria-label=Loading]').first().waitFor({ state: 'detached' });
  };

  // Each page is loaded once and looked at in both schemes and widths: axe runs on it light and wide, then dark and narrow.
  for (const [name, path] of Object.entries(pages)) {
    await test(`${name} is accessible and fits, light and dark`, async () => {
      await browser.scheme('light');
      await page.setViewportSize(wide);
      await browser.goto(path);
      await settle();
      await browser.axe(`${name}, light and wide`);
      await pictures(`${name}-1440`);
      await page.setViewportSize(narrow);
      await browser.scheme('dark');
      await browser.axe(`${name}, dark and narrow`);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= narrow.width, `at ${narrow.width} px the page is ${width} px wide`);
      await pictures(`${name}-390`);
    });
  }

  await test('details of executions and backups are accessible', async () => {
    await page.setViewportSize(wide);
    for (const [name, list] of [
      ['execution', '/executions'],
      ['backup', '/backups'],
    ]) {
      await browser.scheme('light');
      await browser.goto(list);
      await page.locator('.cover').first().click();
      await page.locator('.back').waitFor();
      await settle();
      await browser.axe(`${name}, light and wide`);
      await pictures(`${name}-1440`);
      await page.setViewportSize(narrow);
      await browser.scheme('dark');
      await browser.axe(`${name}, dark and narrow`);
      await pictures(`${name}-390`);
      await page.setViewportSize(wide);
    }
    await browser.scheme('light');
  });

  await test('the menu of phones opens, and everything is reached by keyboard', async () => {
    await page.setViewportSize(narrow);
    await browser.goto('/');
    await page.getByRole('button', { name: 'Menu' }).click();
    await browser.axe('the menu');
    await page.getByRole('link', { name: 'Jobs' }).click();
    await page.getByRole('heading', { name: 'Jobs' }).waitFor();
    await page.setViewportSize(wide);
    await browser.goto('/jobs');
    await page.getByRole('link', { name: 'main-nightly' }).waitFor();
    await page.keyboard.press('Tab');
    for (let presses = 0; presses < 40; presses += 1) {
      if (await page.evaluate(() => document.activeElement?.textContent === 'main-nightly')) break;
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'main-nightly' }).waitFor();
  });
}
