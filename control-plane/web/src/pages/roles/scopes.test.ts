// What a role is given over is told by names.
import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';

import { RoleBindingSchema, ScopeKind, ScopeSchema } from '../../api/gen/dataguardian/v1/access_pb';
import { bindingWords, scopeWords } from './scopes';

const shop = create(ScopeSchema, { kind: ScopeKind.DATASOURCE, resource: '42' });
const things = { [ScopeKind.DATASOURCE]: [{ id: '42', name: 'shop' }] };

it('says everything where there is no scope', () => {
  expect(scopeWords(undefined)).toBe('everything');
  expect(bindingWords(create(RoleBindingSchema, { role: 'viewer' }))).toBe('viewer');
});

it('says the name, and what belongs to it', () => {
  expect(scopeWords(shop, things)).toBe('datasource shop, its jobs, executions and backups');
  expect(bindingWords(create(RoleBindingSchema, { role: 'viewer', scope: shop }), things)).toBe(
    'viewer over datasource shop',
  );
});

it('says the id of what it can’t see', () => {
  expect(scopeWords(shop, {}, true)).toBe('datasource 42');
});
