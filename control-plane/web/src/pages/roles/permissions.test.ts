// Permissions are told in words, in an order that people look for.
import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';

import { PermissionSchema } from '../../api/gen/dataguardian/v1/access_pb';
import { grouped, lacking, permissionWords } from './permissions';

const named = (...names: string[]) => names.map((name) => create(PermissionSchema, { name }));

it('tells a permission as a deed', () => {
  expect(permissionWords('backups.delete')).toBe('Delete backups');
  expect(permissionWords('jobs.list')).toBe('List jobs');
  expect(permissionWords('drills.start_now')).toBe('Start now drills');
});

it('gathers by what they are about, looking first', () => {
  const groups = grouped(named('users.list', 'jobs.create', 'jobs.list', 'drills.list', 'backups.get'));
  expect(groups.map(({ title }) => title)).toEqual(['Backups', 'Jobs', 'Users', 'Drills']);
  expect(groups[1]?.permissions.map(({ name }) => name)).toEqual(['jobs.list', 'jobs.create']);
});

it('finds what somebody lacks to give a role away', () => {
  expect(lacking(['jobs.run', '*'], new Set(['jobs.run']))).toEqual(['*']);
  expect(lacking(['*'], new Set(['*']))).toEqual([]);
  expect(lacking(['jobs.run'], undefined)).toEqual([]);
});
