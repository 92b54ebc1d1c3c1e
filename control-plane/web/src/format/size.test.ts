// Sizes and counts as people read them.
import { expect, it } from 'vitest';

import { bytes, percent, plural } from './size';

it.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [1_048_575, '1.0 MiB'],
  [150 * 1024, '150 KiB'],
  [5_368_709_120n, '5.0 GiB'],
])('%d bytes are %s', (size, text) => expect(bytes(size)).toBe(text));

it('never says 100 % before all is done', () => {
  expect(percent(0.999)).toBe('99 %');
  expect(percent(1)).toBe('100 %');
});

it('counts in the right number', () => {
  expect(plural(1, 'copy', 'copies')).toBe('1 copy');
  expect(plural(12_345n, 'row')).toBe('12,345 rows');
});
