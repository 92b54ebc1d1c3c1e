// Rates tell of now, not of the whole run.
import { expect, it } from 'vitest';

import { rate, remaining, withSample } from './rate';
import type { Sample } from './rate';

const run = (...samples: [number, number][]) =>
  samples.reduce<Sample[]>((before, [at, bytes]) => withSample(before, { at, bytes }), []);

it('is what moved over the last half minute', () => {
  const samples = run([0, 0], [10_000, 1000], [45_000, 36_000]);
  expect(rate(samples)).toBeUndefined();
  expect(rate(run([20_000, 0], [30_000, 10_000]))).toBe(1000);
});

it('begins anew with another attempt', () => {
  expect(run([0, 5000], [2000, 9000], [4000, 10])).toEqual([{ at: 4000, bytes: 10 }]);
});

it('tells how long it will take, if anything moves', () => {
  expect(remaining(run([0, 0], [10_000, 5000]), 10_000)).toBe(10_000);
  expect(remaining(run([0, 0], [10_000, 0]), 10_000)).toBeUndefined();
  expect(remaining(run([0, 0], [10_000, 5000]), 4000)).toBeUndefined();
});
