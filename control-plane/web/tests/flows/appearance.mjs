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

export async function appearance({ browser, test }) {
  const { page } = browser;
  const settle = async () => {
    await page.locator('h1').waitFor();
    await page.locator('[role=status][aria-label=Loading]').first().waitFor({ state: 'detached' });
  };

  for (const [name, path] of Object.entries(pages)) {
    await test(`${name} is accessible and fits, light and dark`, async () => {
      for (const scheme of ['light', 'dark']) {
        await browser.scheme(scheme);
        await page.setViewportSize({ width: 1440, height: 900 });
        if (scheme === 'light') await browser.goto(path);
        await settle();
        if (scheme === 'light') await browser.axe(`${name}, light and wide`);
        await browser.shot(`${name}-1440-${scheme}`);
        await page.setViewportSize({ width: 390, height: 844 });
        if (scheme === 'dark') await browser.axe(`${name}, dark and narrow`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(wide <= 390, `at 390 px the page is ${wide} px wide`);
        await browser.shot(`${name}-390-${scheme}`);
      }
    });
  }

  await test('details of executions and backups are accessible', async () => {
    await page.setViewportSize({ width: 1440, height: 900 });
    for (const [name, list] of [
      ['execution', '/executions'],
      ['backup', '/backups'],
    ]) {
      await browser.scheme('light');
      await browser.goto(list);
      await page.locator('.cover').first().click();
      await page.locator('.back').waitFor();
      for (const scheme of ['light', 'dark']) {
        await browser.scheme(scheme);
        await settle();
        await browser.axe(`${name}, ${scheme}`);
        await page.setViewportSize({ width: 390, height: 844 });
        await browser.shot(`${name}-390-${scheme}`);
        await page.setViewportSize({ width: 1440, height: 900 });
        await browser.shot(`${name}-1440-${scheme}`);
      }
    }
    await browser.scheme('light');
  });

  await test('the menu of phones opens, and everything is reached by keyboard', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await browser.goto('/');
    await page.getByRole('button', { name: 'Menu' }).click();
    await browser.axe('the menu');
    await page.getByRole('link', { name: 'Jobs' }).click();
    await page.getByRole('heading', { name: 'Jobs' }).waitFor();
    await page.setViewportSize({ width: 1440, height: 900 });
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
