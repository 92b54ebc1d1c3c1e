// The control plane goes and comes back; a sign-in ends; a proxy puts a path before ours.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { request as secureRequest } from 'node:https';

import { enter } from './sign-in.mjs';

export async function outages({ scene, browser, test }) {
  const { page } = browser;

  await test('a control plane that is away is told of, and the page goes on by itself', async () => {
    await browser.goto('/');
    await page.getByRole('heading', { name: 'Protection' }).waitFor();
    browser.expectsOutage = true;
    await scene.end('control-plane');
    await page.getByText('The control plane does not answer.').first().waitFor({ timeout: 30_000 });
    await browser.shot('control-plane-away');
    await browser.axe('a control plane that is away');
    await scene.startControlPlane();
    await page
      .getByText('The control plane does not answer.')
      .first()
      .waitFor({ state: 'detached', timeout: 30_000 });
    browser.expectsOutage = false;
  });

  await test('a sign-in that has ended is told of, and one goes on where one was', async () => {
    await browser.goto('/jobs/main-nightly');
    await page.getByRole('heading', { name: 'main-nightly' }).waitFor();
    await browser.context.clearCookies();
    await page.getByText('Your sign-in has ended.').waitFor({ timeout: 30_000 });
    await browser.shot('sign-in-ended');
    await browser.axe('a sign-in that has ended');
    await enter(page);
    await page.getByRole('heading', { name: 'main-nightly' }).waitFor();
    assert.equal(new URL(page.url()).pathname, '/jobs/main-nightly');
  });

  await test('behind a proxy with a path before ours, addresses and calls still fit', async () => {
    const proxy = createServer((asked, answer) => {
      const path = asked.url.replace(/^\/backups-of-ours/, '');
      const options = {
        port: scene.apiPort,
        path,
        method: asked.method,
        headers: asked.headers,
        rejectUnauthorized: false,
      };
      const passed = secureRequest({ host: '127.0.0.1', ...options }, (real) => {
        answer.writeHead(real.statusCode, real.headers);
        real.pipe(answer);
      });
      passed.on('error', () => answer.destroy());
      asked.pipe(passed);
    });
    await new Promise((resolve) => proxy.listen(scene.proxyPort, '127.0.0.1', resolve));
    const direct = browser.url;
    browser.url = `http://localhost:${scene.proxyPort}`;
    try {
      const fresh = await browser.freshContext();
      await browser.goto('/backups-of-ours/jobs/main-nightly');
      await fresh.getByRole('heading', { name: 'Sign in' }).waitFor();
      await enter(fresh);
      await fresh.getByRole('heading', { name: 'main-nightly' }).waitFor();
      await fresh.getByRole('link', { name: 'Backups' }).first().click();
      await fresh.getByRole('heading', { name: 'Backups', exact: true }).waitFor();
      assert.equal(new URL(fresh.url()).pathname, '/backups-of-ours/backups');
      await fresh.goto('about:blank');
    } finally {
      browser.url = direct;
      proxy.closeAllConnections();
      proxy.close();
    }
  });
}
