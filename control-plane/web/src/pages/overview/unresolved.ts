// Which failures still matter: those that nothing of the same kind has made good since.
import { ExecutionState } from '../../api/gen/dataguardian/v1/execution_pb';
import type { Execution } from '../../api/gen/dataguardian/v1/execution_pb';
import { millis } from '../../format/time';

const startOf = (of: Execution) => (of.createdAt ? millis(of.createdAt) : 0);

/** Of what failed after `from` the newest of each job or datasource, unless the same has completed since. */
export function unresolved(
  failed: readonly Execution[],
  recent: readonly Execution[],
  from: number,
): Execution[] {
  const same = (one: Execution, other: Execution) =>
    one.kind === other.kind &&
    one.job === other.job &&
    one.datasource === other.datasource &&
    one.planOnly === other.planOnly;
  const isNewest = (one: Execution) =>
    !failed.some((other) => same(one, other) && startOf(other) > startOf(one));
  const isMended = (one: Execution) =>
    recent.some(
      (other) =>
        same(one, other) && other.state === ExecutionState.COMPLETED && startOf(other) > startOf(one),
    );
  return failed.filter((one) => startOf(one) >= from && isNewest(one) && !isMended(one));
}

/** Those that failed for one and the same reason, together: a server that is away fails all its jobs at once. */
export function byCause(failures: readonly Execution[]): Execution[][] {
  const causes = new Map<string, Execution[]>();
  for (const execution of failures) {
    const cause = `${execution.failure?.reason} ${execution.failure?.message}`;
    causes.set(cause, [...(causes.get(cause) ?? []), execution]);
  }
  return [...causes.values()];
}
