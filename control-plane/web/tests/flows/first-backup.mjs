// From nothing to a first backup that is verified, in the browser alone.
import assert from 'node:assert/strict';

export async function firstBackup({ scene, browser, test }) {
  const { page } = browser;
  const began = Date.now();

  await test('an agent joins by one pasted line, and appears by itself', async () => {
    await page.getByRole('link', { name: 'Overview' }).click();
    await page.getByRole('link', { name: 'Make the first backup' }).click();
    await page.getByLabel('Name of the agent').fill('db-host');
    await page.getByRole('button', { name: 'Make a join token' }).click();
    const line = await page.locator('.command code').first().textContent();
    assert.match(line, /--ca-pin sha256:/);
    await page.getByText('Waiting for the agent').waitFor();
    await browser.axe('first backup, agent');
    await browser.shot('first-backup-agent');
    scene.enroll(line);
    scene.startAgent();
    await page.getByText('db-host is here.').waitFor({ timeout: 30_000 });
    await page.getByRole('button', { name: 'Go on' }).click();
  });

  await test('its databases are found, and can be ticked', async () => {
    await page.getByLabel('Port').fill(scene.postgres.port);
    await page.getByLabel('User', { exact: true }).fill(scene.postgres.user);
    await page.getByRole('textbox', { name: 'Password' }).fill('not the password');
    await page.getByRole('button', { name: 'Connect' }).click();
    await page.getByText('DATABASE_AUTHENTICATION').waitFor();
    await browser.shot('first-backup-wrong-password');
    await page.getByRole('textbox', { name: 'Password' }).fill(scene.postgres.password);
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByText('It works').waitFor();
    await page.getByLabel(/^postgres/).uncheck();
    await page.getByLabel(/^crm/).waitFor();
    await browser.axe('first backup, databases');
    await browser.shot('first-backup-databases');
    await page.getByRole('button', { name: 'Go on' }).click();
  });

  await test('a folder becomes a storage', async () => {
    await page.getByLabel('Folder').fill(scene.folder('vault'));
    await page.getByRole('button', { name: 'Use this folder' }).click();
    await page.getByText('When it runs').waitFor();
  });

  await test('the schedule is told in words, with its next times', async () => {
    await page.getByText('Every day at 02:30').waitFor();
    await page.getByLabel('At', { exact: true }).fill('03:15');
    await page.getByText('Every day at 03:15').waitFor();
    await page
      .locator('.note')
      .getByText(/03:15.*\(in /)
      .first()
      .waitFor();
    await browser.axe('first backup, schedule');
    await browser.shot('first-backup-schedule');
  });

  await test('the first backup runs to its end before one’s eyes', async () => {
    await page.getByRole('button', { name: 'Save, and back up now' }).click();
    await page.getByRole('heading', { name: /Backup by main-nightly/ }).waitFor();
    await page.locator('.mark.pill', { hasText: 'Completed' }).waitFor({ timeout: 60_000 });
    assert.ok((await page.locator('.log-line').count()) > 0, 'the log has lines');
    await page.getByRole('link', { name: 'this backup' }).click();
    await page.getByRole('heading', { name: 'Backup of main' }).waitFor();
    await page.getByText('shop.public.orders').waitFor();
    assert.match(await page.locator('tr', { hasText: 'shop.public.orders' }).textContent(), /40,000/);
  });

  await test('it is verified on request', async () => {
    await page.getByRole('button', { name: 'Verify' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Verify' }).click();
    await page.getByRole('heading', { name: /Verification of main/ }).waitFor();
    await page.locator('.mark.pill', { hasText: 'Completed' }).waitFor({ timeout: 60_000 });
    await page.getByRole('link', { name: 'Overview' }).click();
    await page.getByRole('heading', { name: 'Your datasource is protected' }).waitFor();
    const seconds = (Date.now() - began) / 1000;
    assert.ok(seconds < 180, `it took ${seconds} s`);
    await browser.shot('overview-normal');
  });
}
