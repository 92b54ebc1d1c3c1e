// What is chosen in the form is what is asked for.
import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';

import { BackupSchema } from '../../api/gen/dataguardian/v1/backup_pb';
import { RestoreMode } from '../../api/gen/dataguardian/v1/restore_pb';
import { firstChoice, gaps, toRequest } from './plan';

const backup = create(BackupSchema, { id: 'b1', datasource: 'main', databases: ['shop', 'crm'] });
const first = firstChoice(backup);

it('restores beside what is there at first', () => {
  const request = toRequest(first, backup, false, 'r');
  expect(request.mode).toBe(RestoreMode.CREATE);
  expect(request.databases).toEqual([
    { from: 'shop', to: 'shop_restored' },
    { from: 'crm', to: 'crm_restored' },
  ]);
  expect(gaps(first, backup)).toEqual({});
});

it('replaces all databases under their own names, and never a part of one', () => {
  const request = toRequest({ ...first, where: 'replace', tables: 'public.orders' }, backup, false, 'r');
  expect(request.databases).toEqual([]);
  expect(request.tables).toEqual([]);
});

it('replaces only the chosen database', () => {
  const request = toRequest({ ...first, where: 'replace', databases: { crm: 'x' } }, backup, true, 'r');
  expect(request.databases).toEqual([{ from: 'crm', to: '' }]);
  expect(request.planOnly).toBe(true);
});

it('wants to know which tables go into which database', () => {
  const choice = { ...first, where: 'into' as const, databases: { shop: '' } };
  expect(Object.keys(gaps(choice, backup))).toEqual(['tables', 'intoDatabase']);
  const whole = { ...choice, tables: 'public.orders\n public.lines ,', intoDatabase: 'shop' };
  expect(gaps(whole, backup)).toEqual({});
  expect(toRequest(whole, backup, false, 'r').tables).toEqual(['public.orders', 'public.lines']);
});

it('wants a name for each new database', () => {
  expect(gaps({ ...first, databases: { shop: ' ' } }, backup).databases).toBeDefined();
});
