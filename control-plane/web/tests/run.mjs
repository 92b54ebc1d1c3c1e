// Runs the browser tests, one after the other on one set of servers: `node tests/run.mjs`. Ends with a line of the form
// `N passed, N failed`, and with an exit status other than 0 if any failed.
import { Browser } from './browser.mjs';
import { Scene } from './scene.mjs';
import { access } from './flows/access.mjs';
import { appearance } from './flows/appearance.mjs';
import { delivery } from './flows/delivery.mjs';
import { firstBackup } from './flows/first-backup.mjs';
import { mariadb, scratch } from './flows/mariadb.mjs';
import { outages } from './flows/outages.mjs';
import { queue } from './flows/queue.mjs';
import { restores } from './flows/restores.mjs';
import { signIn } from './flows/sign-in.mjs';
import { viewer } from './flows/viewer.mjs';
import { troubles } from './flows/troubles.mjs';

const flows = {
  delivery,
  signIn,
  firstBackup,
  restores,
  mariadb,
  scratch,
  troubles,
  appearance,
  access,
  queue,
  viewer,
  outages,
};
// `FLOWS=delivery,signIn,firstBackup,access`: only these, in this order; all but the first ones need `firstBackup`.
const chosen = process.env.FLOWS?.split(',').map((name) => flows[name]) ?? Object.values(flows);

class Broken extends Error {}

let passed = 0;
let failed = 0;
const began = Date.now();
const scene = await Scene.start();
const browser = await Browser.open(scene.url);

/** One test. What the browser complained of in it counts as its failure. */
async function test(name, body) {
  const from = Date.now();
  try {
    await body();
    browser.assertQuiet();
    passed += 1;
    console.log(`ok    ${name} (${((Date.now() - from) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failed += 1;
    browser.faults.length = 0;
    await browser.shot(`failed-${failed}`).catch(() => undefined);
    console.log(`FAIL  ${name}\n  ${String(error.message).replaceAll('\n', '\n  ')}`);
    // What comes later needs what came before: one failure is told, not forty that follow from it.
    if (!process.env.ALL) throw new Broken();
  }
}

try {
  for (const flow of chosen) await flow({ scene, browser, test });
} catch (error) {
  if (!(error instanceof Broken)) {
    failed += 1;
    console.log(`FAIL  a flow broke off: ${error.stack}`);
  }
} finally {
  await browser.close();
  await scene.stop();
}
console.log(
  `${passed} passed, ${failed} failed (browser tests, ${((Date.now() - began) / 1000).toFixed(0)} s)`,
);
process.exit(failed === 0 ? 0 : 1);
