// MariaDB, from its address to a restore that is compared: all that is done with PostgreSQL goes here too.
import assert from 'node:assert/strict';

export async function mariadb({ scene, browser, test }) {
  const { page } = browser;

  await test('a MariaDB server is added, and its databases are found', async () => {
    await page.getByRole('link', { name: 'Datasources' }).click();
    await page.getByRole('link', { name: 'Add datasource' }).click();
    await page.getByLabel('Name').first().fill('store-db');
    await page.getByLabel('Engine').selectOption('MariaDB');
    await page.getByRole('textbox', { name: /^Host/ }).fill('127.0.0.1');
    await page.getByLabel('Port').fill(String(scene.mariadb.port));
    await page.getByRole('textbox', { name: /^User/ }).fill(scene.mariadb.user);
    await page.getByRole('textbox', { name: 'Password' }).fill(scene.mariadb.password);
    await page.getByRole('button', { name: 'Add datasource' }).click();
    await page.getByRole('heading', { name: 'store-db' }).waitFor();
    await page.getByRole('button', { name: 'Test' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('A backup could run now.').waitFor({ timeout: 30_000 });
    await dialog.getByRole('row', { name: /^store/ }).waitFor();
    await dialog.getByRole('button', { name: 'Leave it' }).click();
  });

  await test('it is backed up by a job', async () => {
    await page.getByRole('link', { name: 'Jobs' }).click();
    await page.getByRole('link', { name: 'Add job' }).click();
    await page.getByLabel('Name').first().fill('store-nightly');
    await page.getByLabel('Datasource').selectOption('store-db');
    const storage = page.getByLabel('vault', { exact: true });
    if (!(await storage.isChecked())) await storage.check();
    await page.getByRole('button', { name: 'Add job' }).click();
    await page.getByRole('heading', { name: 'store-nightly' }).waitFor();
    await page.getByRole('button', { name: 'Run now' }).click();
    await page.getByRole('heading', { name: /Backup by store-nightly/ }).waitFor();
    await page.locator('.mark.pill', { hasText: 'Completed' }).waitFor({ timeout: 60_000 });
    await page.getByRole('link', { name: 'this backup' }).click();
    await page.getByText('store.items').waitFor();
    assert.match(await page.locator('tr', { hasText: 'store.items' }).textContent(), /3,000/);
  });

  await test('it comes back under another name, and every row with it', async () => {
    await page.getByRole('link', { name: 'Restore', exact: true }).click();
    await page.getByRole('heading', { name: 'Restore', exact: true }).waitFor();
    await page.getByRole('button', { name: 'Restore now' }).click();
    await page.getByRole('heading', { name: /Restore into store-db/ }).waitFor();
    await page.locator('.mark.pill', { hasText: 'Completed' }).waitFor({ timeout: 60_000 });
    await page.getByText('3,000 rows, as many as in the backup').waitFor();
    const sums = (name) => scene.mariadb.sql(`SELECT count(*), sum(crc32(name)) FROM ${name}.items`);
    assert.equal(sums('store_restored'), sums('store'));
    scene.mariadb.sql('DROP DATABASE store_restored');
  });
}

/** Restores the datasource's newest backup under fresh names, compares it and drops it again. */
export async function prove(page, datasource) {
  await page.getByRole('link', { name: 'Overview' }).click();
  await page.getByRole('link', { name: `Restore ${datasource}` }).click();
  await page.getByLabel('Only to prove it').check();
  await page.getByRole('button', { name: 'Prove it now' }).click();
  await page.getByRole('heading', { name: new RegExp(`Restore into ${datasource}`) }).waitFor();
  await page.locator('.mark.pill', { hasText: 'Completed' }).waitFor({ timeout: 60_000 });
}

export async function scratch({ scene, browser, test }) {
  const { page } = browser;

  await test('a scratch restore of PostgreSQL is compared table by table, and leaves nothing', async () => {
    await prove(page, 'main');
    await page.getByText('as many as in the backup').waitFor();
    await page.getByText('dropped again after the comparison').first().waitFor();
    await page.getByText(/^Compare \d+ tables/).click();
    const row = page.getByRole('row', { name: /shop\.public\.orders/ });
    assert.match(await row.textContent(), /40,000.*40,000.*Same/);
    assert.equal(await page.getByText('Different').count(), 0);
    await browser.axe('a scratch restore');
    await browser.shot('scratch-restore');
    // Nothing is there but what was there before.
    const left = scene.psql(
      'postgres',
      "SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database WHERE NOT datistemplate AND datname NOT LIKE '%restored'",
    );
    assert.equal(left, 'crm,postgres,shop');
  });

  await test('a scratch restore of MariaDB is compared table by table, and leaves nothing', async () => {
    await prove(page, 'store-db');
    await page.getByText('3,000 rows, as many as in the backup').waitFor();
    await page.getByText('dropped again after the comparison').first().waitFor();
    const schemas = scene.mariadb.sql(
      "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')",
    );
    assert.equal(schemas, 'store');
  });
}
