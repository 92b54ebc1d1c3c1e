// First-run set-up, signing in and out.
import assert from 'node:assert/strict';

export const username = 'admin';
export const password = 'correct horse battery';

/** Signs in through the form that is shown. */
export async function enter(page) {
  await page.getByLabel('User name').fill(username);
  await page.getByRole('textbox', { name: 'Password' }).fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

export async function signIn({ scene, browser, test }) {
  await test('a fresh control plane asks for its first administrator', async () => {
    await browser.goto('/');
    const { page } = browser;
    await page.getByRole('heading', { name: 'Welcome' }).waitFor();
    await browser.shot('set-up');
    await browser.axe('set-up');
    await page.getByLabel('Set-up token').fill('wrong');
    await page.getByLabel('User name').fill(username);
    await page.getByRole('textbox', { name: 'Password' }).fill(password);
    await page.getByRole('button', { name: 'Create administrator' }).click();
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Set-up token').fill(scene.setupToken());
    await page.getByRole('button', { name: 'Create administrator' }).click();
    await page.getByText('Nothing is protected yet').waitFor();
    await browser.shot('overview-empty');
  });

  await test('the sign-in lasts over a reload, and no script can read it', async () => {
    const { page } = browser;
    await page.reload();
    await page.getByText('Nothing is protected yet').waitFor();
    assert.equal(await page.evaluate(() => document.cookie), '');
    const kept = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
    assert.doesNotMatch(kept, /dg_/);
    const [cookie] = await browser.context.cookies();
    assert.equal(cookie.name, 'dg_session');
    assert.ok(cookie.httpOnly && cookie.secure);
  });

  await test('who signs out has to sign in again; a wrong password says so', async () => {
    const { page } = browser;
    await page.getByRole('button', { name: username }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await browser.shot('sign-in');
    await browser.axe('sign-in');
    await page.getByLabel('User name').fill(username);
    await page.getByRole('textbox', { name: 'Password' }).fill('wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('WRONG_CREDENTIALS').waitFor();
    await enter(page);
    await page.getByText('Nothing is protected yet').waitFor();
  });

  await test('a deep link survives the sign-in', async () => {
    const page = await browser.freshContext();
    await browser.goto('/agents/new');
    await enter(page);
    await page.getByRole('heading', { name: 'Add agent' }).waitFor();
    assert.equal(new URL(page.url()).pathname, '/agents/new');
  });
}
