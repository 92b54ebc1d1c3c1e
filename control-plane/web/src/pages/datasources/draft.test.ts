// Only what was changed is changed, and what is typed is what is sent.
import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';

import { Engine } from '../../api/gen/dataguardian/v1/common_pb';
import { DatasourceSchema } from '../../api/gen/dataguardian/v1/datasource_pb';
import { changedFields, draftOf, emptyDraft, fieldsOf } from './draft';

const named = create(DatasourceSchema, {
  name: 'main',
  engine: Engine.MARIADB,
  host: 'db1',
  port: 3306,
  databases: { selection: { case: 'named', value: { names: ['shop', 'crm'] } } },
});

it('shows a datasource as it is', () => {
  expect(draftOf(named)).toMatchObject({
    name: 'main',
    port: '3306',
    all: false,
    names: 'shop\ncrm',
    password: '',
  });
});

it('names what was changed, and a password only if one was typed', () => {
  const before = draftOf(named);
  expect(changedFields(before, before)).toEqual([]);
  expect(changedFields(before, { ...before, host: 'db2', password: 'x' })).toEqual(['host', 'password']);
  expect(changedFields(before, { ...before, all: true })).toEqual(['databases']);
});

it('sends the selection that was typed', () => {
  expect(fieldsOf({ ...emptyDraft, exclude: 'tmp_.*\n\n' }).databases.selection).toMatchObject({
    case: 'all',
    value: { exclude: ['tmp_.*'] },
  });
  expect(fieldsOf({ ...emptyDraft, all: false, names: ' shop ' }).databases.selection).toMatchObject({
    case: 'named',
    value: { names: ['shop'] },
  });
});
