// What the server sends: policies, caching, deep links, and how much a first look weighs.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const dist = new URL('../../dist', import.meta.url).pathname;

/** A plain request, without a browser's own ideas. */
function get(url, headers = {}) {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers, rejectUnauthorized: false }, (answer) => {
      const pieces = [];
      answer.on('data', (piece) => pieces.push(piece));
      answer.on('end', () =>
        resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(pieces) }),
      );
    });
    asked.on('error', reject);
    asked.end();
  });
}

export async function delivery({ scene, test }) {
  const html = { accept: 'text/html' };

  await test('every page comes with a strict policy and is asked for each time', async () => {
    const { status, headers, body } = await get(scene.url, html);
    assert.equal(status, 200);
    assert.match(
      headers['content-security-policy'],
      /script-src 'self'.*style-src 'self'.*frame-ancestors 'none'/,
    );
    assert.doesNotMatch(headers['content-security-policy'], /unsafe|\*|https?:/);
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['referrer-policy'], 'no-referrer');
    assert.equal(headers['cache-control'], 'no-cache');
    assert.doesNotMatch(body.toString(), /<style|<script(?![^>]* src=)|style=|onclick/);
  });

  await test('assets are kept for ever, and sent compressed', async () => {
    const page = (await get(scene.url, html)).body.toString();
    const script = /src="\.\/(assets\/[^"]+\.js)"/.exec(page)[1];
    const answer = await get(`${scene.url}/${script}`, { 'accept-encoding': 'gzip, br' });
    assert.equal(answer.headers['content-encoding'], 'br');
    assert.match(answer.headers['cache-control'], /immutable/);
    assert.match(answer.headers['content-type'], /javascript/);
  });

  await test('an address inside the interface can be opened directly, however deep', async () => {
    const { status, body } = await get(`${scene.url}/jobs/nightly/edit`, html);
    assert.equal(status, 200);
    assert.match(body.toString(), /<base href="\.\.\/\.\.\/"/);
  });

  await test('what is no page is not answered with the page', async () => {
    assert.equal((await get(`${scene.url}/assets/gone.js`, html)).status, 404);
    assert.equal((await get(`${scene.url}/backups`, { accept: 'application/json' })).status, 404);
  });

  await test('a first look loads less than 250 kB', () => {
    const page = readFileSync(join(dist, 'index.html'), 'utf8');
    const first = [...page.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map(([, path]) => path);
    const size = first.reduce(
      (sum, path) => sum + gzipSync(readFileSync(join(dist, path))).length,
      gzipSync(page).length,
    );
    assert.ok(size < 250_000, `${first.length} files of the first look have ${size} bytes`);
    // The rest is loaded when it is first needed.
    assert.ok(readdirSync(join(dist, 'assets')).length > first.length);
  });
}
