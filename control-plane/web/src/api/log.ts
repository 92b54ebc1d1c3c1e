// The lines of an execution's log as they come: in order, each once, whatever the stream sends again after a break.
import type { LogLine, TailLogsResponse } from './gen/dataguardian/v1/execution_pb';

/** Lines by their numbers, counted from 0 over all attempts. */
export interface Log {
  lines: readonly LogLine[];
}

export const noLog: Log = { lines: [] };

/** The log with what a message brings. What is there already stays; what would leave a gap is not taken. */
export function withLines(log: Log, message: Pick<TailLogsResponse, 'offset' | 'lines'>): Log {
  const known = log.lines.length;
  const first = Number(message.offset);
  if (first > known) return log;
  const fresh = message.lines.slice(known - first);
  return fresh.length === 0 ? log : { lines: [...log.lines, ...fresh] };
}

/** The numbers of the lines that hold the text, whatever their case. */
export function findLines(log: Log, text: string): number[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === '') return [];
  return log.lines.flatMap((line, number) => (line.message.toLowerCase().includes(wanted) ? [number] : []));
}
