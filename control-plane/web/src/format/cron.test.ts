// Cron patterns in words, and there and back through the form.
import { describe, expect, it } from 'vitest';

import { cronOf, cronWords, rhythmOf } from './cron';

describe('a pattern in words', () => {
  it.each([
    ['30 2 * * *', 'every day at 02:30'],
    ['*/15 * * * *', 'every 15 minutes'],
    ['0 * * * *', 'every hour'],
    ['5 * * * *', 'every hour at :05'],
    ['0 */6 * * *', 'every 6 hours'],
    ['0 22 * * MON-FRI', 'on weekdays at 22:00'],
    ['0 22 * * 1,3', 'every Monday and Wednesday at 22:00'],
    ['0 3 L * *', 'on the last day of each month at 03:00'],
    ['0 3 1 * *', 'on day 1 of each month at 03:00'],
    ['0 2,14 * * *', 'every day at 02:00 and 14:00'],
    ['@weekly', 'every Sunday at 00:00'],
    ['@yearly', 'every year on 1 January at 00:00'],
    ['30 0 3 * * *', 'every day at 03:00'],
  ])('%s is %s', (pattern, words) => expect(cronWords(pattern)).toBe(words));

  it.each(['0 3 * * SUN#1', '0 3 1 * +MON', '61 3 * * *', 'nonsense', '', '0 3 * *'])(
    '%s is left to the server',
    (pattern) => expect(cronWords(pattern)).toBeUndefined(),
  );
});

describe('the form', () => {
  it.each([
    ['daily', '02:30', 0, '30 2 * * *'],
    ['weekly', '22:05', 3, '5 22 * * WED'],
    ['monthly', '00:00', 0, '0 0 1 * *'],
    ['hourly', '00:07', 0, '7 * * * *'],
  ] as const)('writes %s at %s and reads it again', (rhythm, time, weekday, pattern) => {
    expect(cronOf(rhythm, time, weekday)).toBe(pattern);
    expect(rhythmOf(pattern)).toEqual({ rhythm, time, weekday });
  });

  it('leaves other patterns as they are', () => {
    expect(rhythmOf('0 3 L * *').rhythm).toBe('custom');
    expect(rhythmOf('*/5 * * * *').rhythm).toBe('custom');
  });
});
