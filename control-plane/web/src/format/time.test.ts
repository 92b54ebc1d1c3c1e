// Moments and spans as people read them.
import { expect, it } from 'vitest';

import { absolute, relative, span, toDuration } from './time';

const now = Date.UTC(2026, 10, 30, 12, 0, 0);

it.each([
  [0, '0 s'],
  [320, '320 ms'],
  [1499, '1 s'],
  [59_900, '1 min'],
  [125_000, '2 min 5 s'],
  [7_500_000, '2 h 5 min'],
  [90_000_000, '1 d 1 h'],
  [3_600_000, '1 h'],
])('%d ms are %s', (milliseconds, text) => expect(span(milliseconds)).toBe(text));

it.each([
  [now - 1000, 'just now'],
  [now - 65_000, '1 min ago'],
  [now + 2 * 3_600_000, 'in 2 h'],
  [now - 40 * 86_400_000, '40 d ago'],
])('%d is %s', (at, text) => expect(relative(at, now)).toBe(text));

it('tells the year only when it is another one', () => {
  expect(absolute(now, now, 'UTC')).toBe('Mon 30 Nov, 12:00');
  expect(absolute(Date.UTC(2025, 0, 5, 3, 4), now, 'UTC')).toBe('Sun, 5 Jan 2025, 03:04');
});

it('splits a duration into seconds and the rest', () => {
  expect(toDuration(1500)).toEqual({ seconds: 1n, nanos: 500_000_000 });
});
