// Restoring: a rehearsal, beside what is there, in place of it, and a download.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

export async function restores({ scene, browser, test }) {
  const { page } = browser;
  const completed = () => page.locator('.mark.pill', { hasText: 'Completed' }).waitFor({ timeout: 60_000 });

  await test('a rehearsal says what would come back, and restores nothing', async () => {
    await page.getByRole('link', { name: 'Overview' }).click();
    await page.getByRole('link', { name: 'Restore main' }).click();
    await page.getByRole('heading', { name: 'Restore', exact: true }).waitFor();
    await page.getByLabel('crm', { exact: true }).uncheck();
    await page.getByRole('button', { name: 'Check first' }).click();
    await page.getByText('It would work.').waitFor({ timeout: 60_000 });
    await browser.axe('restore');
    await browser.shot('restore-checked');
    assert.equal(
      scene.psql('postgres', "SELECT count(*) FROM pg_database WHERE datname LIKE '%restored'"),
      '0',
    );
  });

  await test('a database comes back beside the live one', async () => {
    await page.getByRole('button', { name: 'Restore now' }).click();
    await page.getByRole('heading', { name: /Restore into main/ }).waitFor();
    await completed();
    await page.getByText('as many as in the backup').waitFor();
    await browser.shot('restore-done');
    assert.equal(
      scene.psql('shop_restored', 'SELECT count(*), sum(paid) FROM orders'),
      scene.psql('shop', 'SELECT count(*), sum(paid) FROM orders'),
    );
  });

  await test('live databases are replaced only after their server’s name was typed', async () => {
    scene.psql('shop', 'DELETE FROM orders WHERE id > 100');
    await page.getByRole('link', { name: 'Backups', exact: true }).first().click();
    await page.getByRole('row').getByRole('link', { name: 'Restore' }).first().click();
    await page.getByLabel('In place of the live databases').check();
    await page.getByLabel('crm', { exact: true }).uncheck();
    await page.getByRole('button', { name: 'Replace the live databases' }).click();
    const dialog = page.getByRole('dialog');
    const deed = dialog.getByRole('button', { name: 'Replace them' });
    assert.ok(await deed.isDisabled());
    await dialog.getByRole('textbox').fill('main');
    await browser.axe('restore, confirmation');
    await browser.shot('restore-confirm');
    await deed.click();
    await page.getByRole('heading', { name: /Restore into main/ }).waitFor();
    await completed();
    assert.equal(scene.psql('shop', 'SELECT count(*) FROM orders'), '40000');
  });

  await test('a backup is downloaded as SQL', async () => {
    await page.getByRole('link', { name: 'Backups', exact: true }).first().click();
    await page.locator('.cover').first().click();
    await page.getByRole('button', { name: 'More' }).click();
    await page.getByRole('menuitem', { name: 'Download as SQL' }).click();
    // Without a dialog of the system's, as where a page is not served securely.
    await page.evaluate(() => Reflect.deleteProperty(window, 'showSaveFilePicker'));
    await page.getByRole('dialog').getByLabel('What').selectOption('crm');
    const arriving = page.waitForEvent('download');
    await page.getByRole('dialog').getByRole('button', { name: 'Download' }).click();
    const file = await arriving;
    assert.match(readFileSync(await file.path(), 'utf8'), /leads/);
    await page.getByText('The script is whole').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click();
  });

  await test('a pin is set and taken off, and a backup deleted only by its datasource’s name', async () => {
    await page.getByRole('button', { name: 'More' }).click();
    await page.getByRole('menuitem', { name: /^Pin/ }).click();
    await page.getByLabel('Why').fill('before the migration');
    await page.getByRole('dialog').getByRole('button', { name: 'Pin' }).click();
    await page.getByText('before the migration').waitFor();
    await page.getByRole('button', { name: 'More' }).click();
    await page.getByRole('menuitem', { name: 'Unpin' }).click();
    await page.getByText('before the migration').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'More' }).click();
    await page.getByRole('menuitem', { name: 'Delete', exact: true }).click();
    await page.getByText('No whole backup of this datasource remains.').waitFor();
    await browser.axe('deleting a backup');
    await page.getByRole('button', { name: 'Leave it' }).click();
  });
}
