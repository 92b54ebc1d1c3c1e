// Rows are told in words, and an address asks for the rows that it names.
import { expect, it } from 'vitest';

import { filterOf, methodParts, methodWords, outcomeWords, requestWords, toFilter } from './rows';

const none = { actor: '', method: '', resource: '', outcome: '' };

it('tells methods as deeds', () => {
  expect(methodWords('/dataguardian.v1.BackupService/DeleteBackup')).toBe('Delete backup');
  expect(methodWords('/dataguardian.v1.AuthService/EnrolTotp')).toBe('Set up authenticator app');
  expect(methodWords('dataguardian reset-admin')).toBe('Dataguardian reset-admin');
});

it('offers services and what of them leaves rows', () => {
  expect(methodParts).toContain('JobService/');
  expect(methodParts).toContain('BackupService/DeleteBackup');
  expect(methodParts).not.toContain('BackupService/ListBackups');
});

it('shows an outcome by what it means', () => {
  expect(outcomeWords('ok')).toEqual(['Done', 'good']);
  expect(outcomeWords('PERMISSION_DENIED')[1]).toBe('bad');
  expect(outcomeWords('JOB_NOT_FOUND')).toEqual(['JOB_NOT_FOUND', 'warn']);
});

it('lays out what was asked, and leaves alone what is no JSON', () => {
  expect(requestWords('{"name":"a"}')).toBe('{\n  "name": "a"\n}');
  expect(requestWords('cut off {')).toBe('cut off {');
});

it('reads the filter from the address', () => {
  const filter = filterOf(new URLSearchParams('actor=ada&method=JobService%2F'));
  expect(toFilter(filter, 0)).toEqual({ ...none, actor: 'ada', method: 'JobService/' });
});

it('counts periods back from now, and takes moments only without one', () => {
  const filter = filterOf(new URLSearchParams('period=1h&since=2026-01-01T00:00'));
  expect(toFilter(filter, 7_200_000)).toEqual({ ...none, since: { seconds: 3600n, nanos: 0 } });
  const until = toFilter(filterOf(new URLSearchParams('until=2026-01-01T00:00')), 0).until;
  expect(until?.seconds).toBe(BigInt(new Date('2026-01-01T00:00').getTime() / 1000));
  expect(toFilter(filterOf(new URLSearchParams('since=soon')), 0)).toEqual(none);
});
