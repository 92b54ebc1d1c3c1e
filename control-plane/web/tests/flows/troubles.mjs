// What goes wrong is shown with its cause and the next step: a failed backup, jobs that are changed, an agent that is away.
import assert from 'node:assert/strict';

export async function troubles({ scene, browser, test }) {
  const { page } = browser;
  const right = scene.postgres.password;

  await test('a job is changed, and its retention previewed', async () => {
    await page.getByRole('link', { name: 'Jobs' }).click();
    await page.getByRole('link', { name: 'main-nightly' }).click();
    await page.getByRole('link', { name: 'Edit' }).click();
    await page.getByLabel('Runs', { exact: true }).selectOption('custom');
    await page.getByLabel('Cron pattern').fill('0 22 * * MON-FRI');
    await page.getByText('On weekdays at 22:00').waitFor();
    await page.getByText('stay').first().waitFor();
    await page.getByLabel('Cron pattern').fill('99 * * * *');
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Cron pattern').fill('0 22 * * MON-FRI');
    await page.getByRole('alert').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('on weekdays at 22:00').waitFor();
  });

  await test('a failed backup shows why, and what to do', async () => {
    scene.changePassword('another one');
    await page.getByRole('button', { name: 'Run now' }).click();
    await page.getByRole('heading', { name: /Backup by main-nightly/ }).waitFor();
    await page.locator('.mark.pill', { hasText: 'Failed' }).waitFor({ timeout: 60_000 });
    await page.locator('.note').getByText('DATABASE_AUTHENTICATION').waitFor();
    await browser.shot('execution-failed');
    await browser.axe('a failed execution');
    await page.getByRole('link', { name: 'Overview' }).click();
    await page.getByRole('heading', { name: 'What failed' }).waitFor();
    await browser.shot('overview-failing');
  });

  await test('tried again after it was mended, it works', async () => {
    scene.changePassword(right);
    await page.getByRole('button', { name: 'Try again' }).first().click();
    await page.getByRole('heading', { name: /Backup by main-nightly/ }).waitFor();
    await page.locator('.mark.pill', { hasText: 'Completed' }).waitFor({ timeout: 60_000 });
  });

  await test('the log can be searched', async () => {
    await page.getByLabel('Search in the log').fill('a');
    await page.getByLabel('Search in the log').press('Enter');
    await page.getByText(/^1 of \d+/).waitFor();
  });

  await test('an agent that is offline is told of, and what waits for it says so', async () => {
    await scene.end('agent');
    await page.getByRole('link', { name: 'Agents' }).click();
    await page
      .getByRole('row', { name: /db-host/ })
      .getByText('Offline')
      .waitFor({ timeout: 30_000 });
    await page.getByRole('link', { name: 'db-host' }).click();
    await page.getByText('It is not connected.').waitFor();
    await browser.axe('an agent that is offline');
    await browser.shot('agent-offline');
    await page.getByRole('link', { name: 'Jobs' }).click();
    await page.getByRole('link', { name: 'main-nightly' }).click();
    await page.getByRole('button', { name: 'Run now' }).click();
    await page.getByText('It waits.').waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel it' }).click();
    await page.locator('.mark.pill', { hasText: 'Cancelled' }).waitFor();
    scene.startAgent();
    await page.getByRole('link', { name: 'Agents' }).click();
    await page
      .getByRole('row', { name: /db-host/ })
      .getByText('Connected')
      .waitFor({ timeout: 30_000 });
  });

  await test('a channel and a rule are made, and a test of the channel says what fails', async () => {
    await page.getByRole('link', { name: 'Notifications' }).click();
    await page.getByRole('link', { name: 'Add channel' }).click();
    await page.getByText('Webhook', { exact: true }).click();
    await page.getByLabel('Name').fill('oncall');
    await page.getByRole('textbox', { name: 'URL' }).fill('http://127.0.0.1:9/hook');
    await page.getByLabel(/may begin with http/).check();
    await page.getByRole('button', { name: 'Add channel' }).click();
    await page.getByRole('button', { name: 'Test' }).click();
    await page.getByRole('dialog').getByText('CONNECT failed').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
    await page.getByRole('link', { name: 'Add rule' }).click();
    await page.getByRole('button', { name: 'Add rule' }).click();
    await page.getByRole('link', { name: 'all-troubles' }).waitFor();
    assert.ok(await page.getByText('Warnings and errors').isVisible());
  });
}
