// Who may only look sees no button that would be refused, on any page.
import assert from 'node:assert/strict';

import { password } from './sign-in.mjs';

const pages = [
  '/',
  '/executions',
  '/backups',
  '/jobs',
  '/jobs/main-nightly',
  '/datasources',
  '/datasources/main',
  '/storages',
  '/storages/vault',
  '/agents',
  '/agents/db-host',
  '/notifications',
  '/users',
  '/roles',
  '/audit',
  '/system',
  '/account',
];
const deeds =
  /^(Add|Run now|Edit|Delete|Test|Restore|Verify|Lock|Revoke|Try again|Cancel|Make|Take the next step|Show the plan|Pin)/;

export async function viewer({ browser, test }) {
  await test('an administrator adds somebody who may only look', async () => {
    const { page } = browser;
    await browser.goto('/users/new');
    await page.getByLabel('User name').fill('eve');
    await page.getByRole('textbox', { name: 'First password' }).fill(password);
    await page.getByRole('button', { name: 'Add user' }).click();
    await page.getByRole('link', { name: 'eve' }).waitFor();
  });

  await test('who may only look sees no button that would be refused', async () => {
    const page = await browser.freshContext();
    await browser.goto('/');
    await page.getByLabel('User name').fill('eve');
    await page.getByRole('textbox', { name: 'Password' }).fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Protection' }).waitFor();
    for (const path of pages) {
      await browser.goto(path);
      await page.locator('h1').waitFor();
      await page.locator('[role=status][aria-label=Loading]').first().waitFor({ state: 'detached' });
      const names = await page.locator('main').locator('button, a.mantine-Button-root').allInnerTexts();
      const refused = path === '/account' ? [] : names.filter((name) => deeds.test(name.trim()));
      assert.deepEqual(refused, [], `on ${path}`);
      assert.equal(await page.getByText('PERMISSION_DENIED').count(), 0, `on ${path}`);
    }
  });
}
