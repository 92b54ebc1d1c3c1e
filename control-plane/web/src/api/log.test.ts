// A log stays whole through breaks of its stream.
import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';

import { LogLineSchema } from './gen/dataguardian/v1/execution_pb';
import { findLines, noLog, withLines } from './log';

const message = (offset: number, ...texts: string[]) => ({
  offset: BigInt(offset),
  lines: texts.map((text) => create(LogLineSchema, { message: text })),
});
const texts = (log: typeof noLog) => log.lines.map((line) => line.message);

it('takes lines in order', () => {
  const log = withLines(withLines(noLog, message(0, 'a', 'b')), message(2, 'c'));
  expect(texts(log)).toEqual(['a', 'b', 'c']);
});

it('takes what is sent again once', () => {
  const log = withLines(withLines(noLog, message(0, 'a', 'b')), message(1, 'b', 'c'));
  expect(texts(log)).toEqual(['a', 'b', 'c']);
  expect(withLines(log, message(0, 'a'))).toBe(log);
});

it('takes nothing that would leave a gap', () => {
  expect(withLines(noLog, message(5, 'f'))).toBe(noLog);
});

it('finds lines whatever their case', () => {
  const log = withLines(noLog, message(0, 'Dump began', 'reading rows', 'dump ended'));
  expect(findLines(log, 'DUMP')).toEqual([0, 2]);
  expect(findLines(log, '  ')).toEqual([]);
});
