// Which lines of a long list are on the screen.

/** The first line to draw and the one after the last: those in sight, and some before and after. */
export function visibleLines(
  top: number,
  height: number,
  line: number,
  total: number,
): { first: number; last: number } {
  const around = 20;
  const first = Math.max(0, Math.min(Math.floor(top / line), total - 1) - around);
  const last = Math.min(total, Math.ceil((top + height) / line) + around);
  return { first, last: Math.max(first, last) };
}
