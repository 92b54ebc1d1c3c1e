// Cron patterns in plain words, and the few patterns that the form makes by itself. What is not understood is left to the
// server, which lists the next times of any pattern.

const nicknames: Record<string, string> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
};

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const short = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/** The pattern in words, as in `every day at 02:30`; undefined if it is not one of the plain kinds. */
export function cronWords(pattern: string): string | undefined {
  const fields = (nicknames[pattern.trim()] ?? pattern).trim().split(/\s+/);
  const [minute, hour, day, month, weekday] = fields.length === 6 ? fields.slice(1) : fields;
  if (!minute || !hour || !day || !month || !weekday || fields.length > 6) return undefined;
  const when = timeWords(minute, hour);
  const which = dayWords(day, month, weekday);
  if (when === undefined || which === undefined) return undefined;
  if (when.startsWith('every')) return which === 'every day' ? when : `${when}, ${which}`;
  return `${which} ${when}`;
}

function timeWords(minute: string, hour: string): string | undefined {
  const everyMinutes = /^\*\/(\d+)$/.exec(minute)?.[1];
  if (everyMinutes && hour === '*') return `every ${everyMinutes} minutes`;
  if (minute === '*' && hour === '*') return 'every minute';
  if (!isNumber(minute, 59)) return undefined;
  const past = minute.padStart(2, '0');
  if (hour === '*') return minute === '0' ? 'every hour' : `every hour at :${past}`;
  const everyHours = /^\*\/(\d+)$/.exec(hour)?.[1];
  if (everyHours) return `every ${everyHours} hours${minute === '0' ? '' : ` at :${past}`}`;
  const hours = hour.split(',');
  if (!hours.every((each) => isNumber(each, 23))) return undefined;
  return `at ${list(hours.map((each) => `${each.padStart(2, '0')}:${past}`))}`;
}

function dayWords(day: string, month: string, weekday: string): string | undefined {
  if (month !== '*') {
    const name = isNumber(month, 12) ? months[Number(month) - 1] : undefined;
    return name && isNumber(day, 31) && weekday === '*' ? `every year on ${Number(day)} ${name}` : undefined;
  }
  if (day === '*' && weekday === '*') return 'every day';
  if (weekday === '*') {
    if (day === 'L') return 'on the last day of each month';
    return isNumber(day, 31) ? `on day ${Number(day)} of each month` : undefined;
  }
  if (day !== '*') return undefined;
  return weekdayWords(weekday.toUpperCase());
}

function weekdayWords(field: string): string | undefined {
  const range = field.split('-').map(dayNumber);
  if (field.includes('-') && !field.includes(',')) {
    const [from, to] = range;
    if (from === 1 && to === 5) return 'on weekdays';
    return from !== undefined && to !== undefined ? `${days[from]} to ${days[to]}` : undefined;
  }
  const each = field.split(',').map(dayNumber);
  if (each.some((one) => one === undefined)) return undefined;
  return `every ${list(each.map((one) => days[one ?? 0] ?? ''))}`;
}

function dayNumber(name: string): number | undefined {
  const known = short.indexOf(name);
  if (known >= 0) return known;
  return isNumber(name, 7) ? Number(name) % 7 : undefined;
}

function isNumber(text: string, most: number): boolean {
  return /^\d{1,2}$/.test(text) && Number(text) <= most;
}

function list(words: string[]): string {
  return words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

/** What the form offers beside a pattern of one's own. */
export type Rhythm = 'none' | 'hourly' | 'daily' | 'weekly' | 'monthly' | 'custom';

/** The pattern of a rhythm at a time of day (`HH:MM`), on a day of the week (0 is Sunday). */
export function cronOf(rhythm: Rhythm, time: string, weekday: number): string {
  const [hour = '2', minute = '30'] = time.split(':').map((part) => String(Number(part)));
  if (rhythm === 'hourly') return `${minute} * * * *`;
  if (rhythm === 'weekly') return `${minute} ${hour} * * ${short[weekday] ?? 'SUN'}`;
  if (rhythm === 'monthly') return `${minute} ${hour} 1 * *`;
  return `${minute} ${hour} * * *`;
}

/** The rhythm that a pattern is one of; `custom` for all others. */
export function rhythmOf(pattern: string): { rhythm: Rhythm; time: string; weekday: number } {
  const none = { rhythm: 'custom' as Rhythm, time: '02:30', weekday: 0 };
  const [minute = '', hour = '', day = '', month = '', weekday = '', ...more] = (
    nicknames[pattern.trim()] ?? pattern
  )
    .trim()
    .split(/\s+/);
  if (more.length > 0 || month !== '*' || !isNumber(minute, 59)) return none;
  if (hour === '*' && day === '*' && weekday === '*')
    return { ...none, rhythm: 'hourly', time: `00:${minute.padStart(2, '0')}` };
  if (!isNumber(hour, 23)) return none;
  const time = `${hour.padStart(2, '0')}:${minute.padStart(2, '0')}`;
  if (day === '*' && weekday === '*') return { ...none, rhythm: 'daily', time };
  if (day === '1' && weekday === '*') return { ...none, rhythm: 'monthly', time };
  const on = dayNumber(weekday.toUpperCase());
  return day === '*' && on !== undefined ? { rhythm: 'weekly', time, weekday: on } : none;
}
