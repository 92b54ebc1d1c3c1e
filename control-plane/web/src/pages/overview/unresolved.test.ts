// At night only what still fails is of interest.
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { expect, it } from 'vitest';

import { FailureSchema } from '../../api/gen/dataguardian/v1/common_pb';
import { ExecutionKind, ExecutionSchema, ExecutionState } from '../../api/gen/dataguardian/v1/execution_pb';
import { byCause, unresolved } from './unresolved';

const run = (id: string, job: string, at: number, state: ExecutionState) =>
  create(ExecutionSchema, {
    id,
    job,
    state,
    kind: ExecutionKind.BACKUP,
    datasource: 'main',
    createdAt: timestampFromMs(at),
  });
const { FAILED, COMPLETED } = ExecutionState;

it('forgets what the same job has made good since', () => {
  const failed = [run('b', 'nightly', 200, FAILED), run('a', 'hourly', 100, FAILED)];
  const recent = [run('c', 'hourly', 300, COMPLETED), ...failed];
  expect(unresolved(failed, recent, 0).map(({ id }) => id)).toEqual(['b']);
});

it('tells of a job that keeps failing once', () => {
  const failed = [run('b', 'nightly', 200, FAILED), run('a', 'nightly', 100, FAILED)];
  expect(unresolved(failed, failed, 0).map(({ id }) => id)).toEqual(['b']);
});

it('does not tell of what is long past', () => {
  expect(unresolved([run('a', 'nightly', 100, FAILED)], [], 150)).toEqual([]);
});

it('tells of one cause once, however many runs it failed', () => {
  const failing = (id: string, message: string) => ({
    ...run(id, id, 1, FAILED),
    failure: create(FailureSchema, { reason: 'DATABASE_AUTHENTICATION', message }),
  });
  const groups = byCause([failing('a', 'of main'), failing('b', 'of store'), failing('c', 'of main')]);
  expect(groups.map((each) => each.map(({ id }) => id))).toEqual([['a', 'c'], ['b']]);
});
