// Backups by the days on which they were made, in the browser's zone.
import { millis } from '../../format/time';
import type { Timestamp } from '@bufbuild/protobuf/wkt';

export interface Day {
  /** Midnight at its beginning. */
  start: Date;
  backups: number;
  /** Whether it lies after today. */
  isFuture: boolean;
}

/** So many whole weeks, Monday first, the last one with `now` in it. */
export function weeks(made: readonly (Timestamp | undefined)[], now: number, count: number): Day[][] {
  const today = new Date(now);
  const sinceMonday = (today.getDay() + 6) % 7;
  const first = new Date(
    today.getFullYear(),
    today.getMonth(),
    today.getDate() - sinceMonday - 7 * (count - 1),
  );
  const counts = new Map<string, number>();
  for (const at of made) {
    if (at === undefined) continue;
    const key = new Date(millis(at)).toDateString();
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return Array.from({ length: count }, (_, week) =>
    Array.from({ length: 7 }, (_, day) => {
      const start = new Date(first.getFullYear(), first.getMonth(), first.getDate() + week * 7 + day);
      return { start, backups: counts.get(start.toDateString()) ?? 0, isFuture: start.getTime() > now };
    }),
  );
}
