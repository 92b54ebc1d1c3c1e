// Moments and spans for people. Moments are told in the browser's zone, spans with at most two units.
import type { Duration, Timestamp } from '@bufbuild/protobuf/wkt';

/** A timestamp of the API as milliseconds since 1970. */
export function millis(at: Timestamp): number {
  return Number(at.seconds) * 1000 + Math.floor(at.nanos / 1e6);
}

/** A duration of the API in milliseconds. */
export function durationMillis(span: Duration): number {
  return Number(span.seconds) * 1000 + span.nanos / 1e6;
}

/** Milliseconds as a duration of the API. */
export function toDuration(milliseconds: number): { seconds: bigint; nanos: number } {
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((milliseconds - seconds * 1000) * 1e6) };
}

const units: [string, number][] = [
  ['y', 365 * 86_400_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
];

/** `2 h 5 min`, `48 s`, `320 ms`: at most two units, the second one only if it is the next smaller. */
export function span(milliseconds: number): string {
  const rounded = milliseconds < 1000 ? milliseconds : Math.round(milliseconds / 1000) * 1000;
  if (rounded < 1000)
    return rounded === 0 ? '0 s' : rounded < 1 ? 'less than 1 ms' : `${Math.round(rounded)} ms`;
  const first = units.findIndex(([, size]) => rounded >= size);
  const [unit, size] = units[first] ?? ['s', 1000];
  const count = Math.floor(rounded / size);
  const next = units[first + 1];
  const rest = next ? Math.floor((rounded - count * size) / next[1]) : 0;
  return rest > 0 && next && count < 100 ? `${count} ${unit} ${rest} ${next[0]}` : `${count} ${unit}`;
}

/** `5 min ago`, `in 3 h`, `just now`: one unit, for tables. */
export function relative(at: number, now: number): string {
  const distance = Math.abs(now - at);
  if (distance < 5000) return at > now ? 'now' : 'just now';
  const [unit, size] = units.find(([, each]) => distance >= each) ?? ['s', 1000];
  const text = `${Math.floor(distance / size)} ${unit}`;
  return at > now ? `in ${text}` : `${text} ago`;
}

const dayAndTime: Intl.DateTimeFormatOptions = {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
};

/** `Tue 1 Dec, 02:30`, with the year if it is another one than `now`'s. */
export function absolute(at: number, now: number, zone?: string): string {
  const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  const options = {
    ...dayAndTime,
    ...(sameYear ? {} : { year: 'numeric' as const }),
    ...(zone ? { timeZone: zone } : {}),
  };
  return new Intl.DateTimeFormat('en-GB', options).format(at);
}

/** With seconds and the zone's name: for tooltips and logs. */
export function exact(at: number): string {
  const options: Intl.DateTimeFormatOptions = { dateStyle: 'medium', timeStyle: 'long', hourCycle: 'h23' };
  return new Intl.DateTimeFormat('en-GB', options).format(at);
}

/** `02:30:07`, for log lines. */
export function clock(at: number): string {
  return new Intl.DateTimeFormat('en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }).format(at);
}
