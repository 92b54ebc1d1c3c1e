// The calendar counts backups by the day on which they were made.
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { expect, it } from 'vitest';

import { weeks } from './calendar';

// A Wednesday.
const now = new Date(2026, 11, 2, 9, 0).getTime();
const at = (day: number, hour: number) => timestampFromMs(new Date(2026, 11, day, hour).getTime());

it('has whole weeks, the last one with today in it', () => {
  const shown = weeks([], now, 3);
  expect(shown.map((week) => week.length)).toEqual([7, 7, 7]);
  expect(shown[0]?.[0]?.start).toEqual(new Date(2026, 10, 16));
  expect(shown[2]?.map((day) => day.isFuture)).toEqual([false, false, false, true, true, true, true]);
});

it('counts by day', () => {
  const shown = weeks([at(1, 2), at(1, 23), at(2, 0), undefined], now, 1);
  expect(shown[0]?.map((day) => day.backups)).toEqual([0, 2, 1, 0, 0, 0, 0]);
});
