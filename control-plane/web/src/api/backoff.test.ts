// Streams are opened again soon at first, and never hammer.
import { expect, it } from 'vitest';

import { backoff } from './backoff';

it('doubles from half a second up to 15 s', () => {
  expect([1, 2, 3, 5, 6, 50].map((failures) => backoff(failures, 0.5))).toEqual([
    500, 1000, 2000, 8000, 15_000, 15_000,
  ]);
});

it('is spread by a fifth, so that many pages do not come at once', () => {
  expect(backoff(1, 0)).toBe(400);
  expect(backoff(1, 1)).toBe(600);
});
