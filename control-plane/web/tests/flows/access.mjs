// Who may do what, and what was done: roles, API tokens, codes of an app, and the audit log.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';

import { enter, password, username } from './sign-in.mjs';

/** What an authenticator app shows now (RFC 6238). */
function totp(secret, now = Date.now()) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...secret].map((each) => alphabet.indexOf(each).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(now / 30_000)));
  const mac = createHmac('sha1', key).update(counter).digest();
  const code = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff;
  return String(code % 1_000_000).padStart(6, '0');
}

/** The gRPC status that a call with a token is answered with. */
function statusOf(url, token) {
  return new Promise((resolve, reject) => {
    const asked = request(
      `${url}/dataguardian.v1.AuthService/WhoAmI`,
      {
        method: 'POST',
        rejectUnauthorized: false,
        headers: { 'content-type': 'application/grpc-web+proto', authorization: `Bearer ${token}` },
      },
      (answer) => {
        const pieces = [];
        answer.on('data', (piece) => pieces.push(piece));
        answer.on('end', () => {
          const trailer = /grpc-status:\s*(\d+)/.exec(Buffer.concat(pieces).toString('latin1'))?.[1];
          resolve(Number(answer.headers['grpc-status'] ?? trailer));
        });
      },
    );
    asked.on('error', reject);
    asked.end(Buffer.alloc(5));
  });
}

const OK = 0;
const UNAUTHENTICATED = 16;

export async function access({ scene, browser, test }) {
  const { page } = browser;

  await test('a role is made of permissions in words, and changed', async () => {
    await page.getByRole('link', { name: 'Roles' }).click();
    await page.getByRole('link', { name: 'Add role' }).click();
    await page.getByLabel('Name').fill('night-watch');
    await page.getByLabel('What it is for').fill('Looks after the nightly runs');
    await page.getByRole('button', { name: 'Tick all that only looks' }).click();
    await page.getByLabel('Read the audit log').uncheck();
    await page.getByLabel('Run jobs now').check();
    await browser.axe('a new role');
    await browser.shot('role-new-filled');
    await page.getByRole('button', { name: 'Add role' }).click();
    await page.getByRole('heading', { name: 'night-watch' }).waitFor();
    await page.getByText('Nobody has it').waitFor();
    await page.getByText('Run jobs now').waitFor();
    assert.equal(await page.getByText('Read the audit log').count(), 0);
    await page.getByRole('link', { name: 'Edit' }).click();
    await page.getByLabel('Cancel executions').check();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Cancel executions').waitFor();
  });

  await test('a role is given over one datasource, and says so', async () => {
    await browser.goto('/users/new');
    await page.getByLabel('User name').fill('ada');
    await page.getByRole('textbox', { name: 'First password' }).fill(password);
    await page.getByLabel('viewer').uncheck();
    await page.getByRole('button', { name: 'Add user' }).click();
    await page.getByRole('link', { name: 'ada' }).click();
    await page.getByText('No role', { exact: true }).waitFor();
    await page.getByLabel('Another role').selectOption('night-watch');
    await page.getByLabel('Over').selectOption('One datasource');
    await page.getByLabel('Which one').selectOption('main');
    await page.getByRole('button', { name: 'Give it' }).click();
    await page.getByText('datasource main, its jobs, executions and backups').waitFor();
    await page.getByRole('link', { name: 'Roles' }).click();
    await page.getByRole('link', { name: 'night-watch' }).click();
    await page.getByRole('row', { name: /ada/ }).getByText('datasource main').waitFor();
  });

  await test('a token is made within one’s own rights, shown once, and works', async () => {
    await page.getByRole('button', { name: username }).click();
    await page.getByRole('menuitem', { name: 'Your account' }).click();
    await page.getByText('No token yet').waitFor();
    await page.getByRole('link', { name: 'Add token' }).click();
    await page.getByLabel('What it is for').fill('pipeline');
    await page.getByLabel('Good for').selectOption('A week');
    await page.getByLabel('operator').check();
    await page.getByLabel('Over').selectOption('One job');
    await page.getByLabel('Which one').selectOption('main-nightly');
    await browser.axe('a new token');
    await page.getByRole('button', { name: 'Make the token' }).click();
    await page.getByText('Copy it now.').waitFor();
    const secret = await page.locator('.command code').textContent();
    await page.getByRole('button', { name: 'Copy token' }).waitFor();
    await browser.axe('a token that was made');
    await browser.shot('token-made');
    assert.equal(await statusOf(scene.url, secret), OK);
    await page.getByRole('link', { name: 'I have copied it' }).click();
    const row = page.getByRole('row', { name: /pipeline/ });
    await row.getByText('operator over job main-nightly').waitFor();
    assert.equal(await page.getByText(secret).count(), 0);
    await row.getByRole('button', { name: 'Revoke' }).click();
    const dialog = page.getByRole('dialog');
    assert.ok(await dialog.getByRole('button', { name: 'Revoke it' }).isDisabled());
    await dialog.getByRole('textbox').fill('pipeline');
    await dialog.getByRole('button', { name: 'Revoke it' }).click();
    await page.getByText('No token yet').waitFor();
    assert.equal(await statusOf(scene.url, secret), UNAUTHENTICATED);
  });

  await test('an authenticator app is enrolled by a picture, and its recovery codes are kept', async () => {
    await page.getByLabel('Your password once more').fill(password);
    await page.getByRole('button', { name: 'Set up an authenticator app' }).click();
    await page.getByRole('img', { name: /QR code/ }).waitFor();
    await page.getByText('The app has no camera').click();
    const secret = await page.locator('.command code').textContent();
    await browser.axe('an enrolment');
    await browser.shot('totp-enrolment');
    await page.getByLabel('Code of the app').fill(totp(secret));
    await page.getByRole('button', { name: 'Confirm' }).click();
    await page.getByText('Keep these recovery codes').waitFor();
    await browser.axe('recovery codes');
    const arriving = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save as a file' }).click();
    const saved = readFileSync(await (await arriving).path(), 'utf8');
    assert.ok(saved.includes((await page.locator('.command code').textContent()).split('\n')[0]));
    await page.getByRole('button', { name: 'I have kept them' }).click();
    await page.getByText('Signing in needs a code of your app').waitFor();
    await page.getByLabel('Your password once more').fill(password);
    await page.getByRole('button', { name: 'Sign in without a code again' }).click();
    await page.getByText('Signing in needs the password alone').waitFor();
  });

  await test('the audit log is narrowed by its address, and tells what was asked without what is secret', async () => {
    await page.getByRole('link', { name: 'Audit' }).click();
    await page.getByRole('heading', { name: 'Audit' }).waitFor();
    await page.getByLabel('Method').fill('CreateUser');
    await page.getByLabel('Who').fill(username);
    await page.getByRole('row', { name: /Create user.*ada/ }).waitFor();
    await page.getByRole('row', { name: /Make API token/ }).waitFor({ state: 'detached' });
    assert.equal(new URL(page.url()).search, '?method=CreateUser&actor=admin');
    await page.reload();
    await page.getByRole('button', { name: 'Create user' }).first().click();
    const asked = page.getByRole('dialog');
    await asked.getByText('AccessService/CreateUser').waitFor();
    assert.doesNotMatch(await asked.textContent(), new RegExp(password));
    await browser.axe('a row of the audit log');
    await browser.shot('audit-row');
    await asked.getByRole('button', { name: 'All that concerned it' }).click();
    assert.match(page.url(), /resource=ada/);
    await page.getByLabel('Concerned').fill('nothing of this name');
    await page.getByText('No such rows').waitFor();
    await page.getByRole('button', { name: 'Show all' }).click();
    assert.equal(new URL(page.url()).search, '');
    await page.getByLabel('Ended').selectOption('WRONG_CREDENTIALS');
    await page
      .getByRole('row', { name: /Sign in/ })
      .first()
      .waitFor();
    await page.getByRole('button', { name: 'Show all' }).click();
  });

  await test('the audit log is saved as JSON Lines, and proven whole', async () => {
    await page.evaluate(() => Reflect.deleteProperty(window, 'showSaveFilePicker'));
    await page.getByLabel('Method').fill('AccessService/');
    await page
      .getByRole('row', { name: /Sign in/ })
      .first()
      .waitFor({ state: 'detached' });
    const arriving = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Export' }).click();
    const rows = readFileSync(await (await arriving).path(), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.ok(rows.length >= 5 && rows.every((row) => row.method.includes('AccessService/')));
    assert.ok(Number(rows[0].number) < Number(rows.at(-1).number), 'the oldest comes first');
    await page.getByRole('dialog').getByText(`${rows.length} rows saved`).waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click();
    await page.getByRole('button', { name: 'Verify the chain' }).click();
    await page.getByText('The log is whole.').waitFor();
    await browser.axe('a log that is whole');
  });

  await test('who has a role over one thing sees an overview of it, and a way on from what is denied', async () => {
    const fresh = await browser.freshContext();
    await browser.goto('/');
    await fresh.getByLabel('User name').fill('ada');
    await fresh.getByRole('textbox', { name: 'Password' }).fill(password);
    await fresh.getByRole('button', { name: 'Sign in' }).click();
    await fresh.getByRole('heading', { name: 'Your datasources' }).waitFor();
    await fresh.getByRole('row', { name: /main/ }).first().waitFor();
    assert.equal(await fresh.getByText('store-db').count(), 0);
    assert.equal(await fresh.getByText('PERMISSION_DENIED').count(), 0);
    for (const hidden of ['System', 'Audit', 'Users', 'Roles'])
      assert.equal(await fresh.getByRole('link', { name: hidden, exact: true }).count(), 0, hidden);
    await browser.axe('the overview of one thing');
    await browser.shot('overview-own');
    await browser.goto('/audit');
    await fresh.getByText('You may not see this').waitFor();
    await fresh.getByText('audit.list').waitFor();
    await browser.axe('a page that is denied');
    await browser.shot('audit-denied');
    // What follows is an administrator's again.
    await browser.freshContext();
    await browser.goto('/');
    await enter(browser.page);
    await browser.page.getByRole('heading', { name: 'Protection' }).waitFor();
  });
}
