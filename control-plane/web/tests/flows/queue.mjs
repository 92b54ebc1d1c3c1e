// The queue is in Redis, and Redis goes away: it is told of on every page, what needs it says so, and all comes back by itself.
export async function queue({ scene, browser, test }) {
  const { page } = browser;
  const banner = page.getByText('The queue is offline.');

  await test('a queue that is offline is told of on every page', async () => {
    await browser.goto('/jobs/main-nightly');
    browser.expectsOutage = true;
    await scene.end('control-plane');
    await scene.startRedis();
    await scene.startControlPlane();
    browser.expectsOutage = false;
    await browser.goto('/jobs/main-nightly');
    await page.getByRole('button', { name: 'Run now' }).waitFor();
    await scene.redis.stop();
    await banner.waitFor({ timeout: 30_000 });
    await browser.axe('a queue that is offline');
    await browser.shot('queue-offline');
    await page.getByRole('link', { name: 'Backups' }).first().click();
    await page.getByRole('heading', { name: 'Backups', exact: true }).waitFor();
    await banner.waitFor();
  });

  await test('what needs the queue says so; the system page names what is paused', async () => {
    await page.getByRole('link', { name: 'See what it says' }).click();
    await page
      .getByRole('row', { name: /Queue \(redis\)/ })
      .getByText('Offline')
      .waitFor();
    await page
      .getByRole('row', { name: /Scheduler/ })
      .getByText('Paused')
      .waitFor();
    await page.getByRole('link', { name: 'Jobs' }).click();
    await page.getByRole('link', { name: 'main-nightly' }).click();
    await page.getByRole('button', { name: 'Run now' }).click();
    await page.getByText('QUEUE_OFFLINE').waitFor();
  });

  await test('when it is back, everything goes on by itself', async () => {
    await scene.redis.start();
    await banner.waitFor({ state: 'detached', timeout: 40_000 });
    await page.getByRole('button', { name: 'Run now' }).click();
    await page.getByRole('heading', { name: /Backup by main-nightly/ }).waitFor();
    await page.locator('.mark.pill', { hasText: 'Completed' }).waitFor({ timeout: 60_000 });
  });
}
