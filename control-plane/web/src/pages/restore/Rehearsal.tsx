// The rehearsal of a restore, live: what would come back, or why it would fail.
import type { ReactElement } from 'react';
import { Link } from 'wouter';

import { ExecutionState } from '../../api/gen/dataguardian/v1/execution_pb';
import { useExecution } from '../../api/live';
import { Loaded } from '../../components/Loaded';
import { FailureNote, Note } from '../../components/Problem';
import { count, plural } from '../../format/size';
import { hasEnded } from '../../format/words';
import { ProgressLine } from '../executions/Progress';

export function Rehearsal({
  executionId,
  isCurrent,
}: {
  executionId: string;
  isCurrent: boolean;
}): ReactElement {
  const live = useExecution(executionId);
  return (
    <div role="status">
      <Loaded query={live.query} lines={2}>
        {({ execution }) => {
          if (!execution) return null;
          if (execution.failure && hasEnded(execution.state))
            return <FailureNote failure={execution.failure} />;
          if (execution.waiting)
            return (
              <Note tone="quiet" title="The check waits.">
                {execution.waiting.message}
              </Note>
            );
          if (!hasEnded(execution.state)) return <ProgressLine execution={execution} />;
          if (execution.state !== ExecutionState.COMPLETED)
            return <Note tone="quiet" title="The check was cancelled." />;
          const report = execution.restoreReport;
          return (
            <Note
              tone={isCurrent ? 'good' : 'quiet'}
              title={isCurrent ? 'It would work.' : 'It would have worked as it was chosen then.'}
            >
              {report?.databases.map(({ from, to, tables, rows }) => (
                <div key={from}>
                  <span className="mono">{from}</span> → <span className="mono">{to || from}</span>:{' '}
                  {plural(tables, 'table')}, {count(rows)} rows
                </div>
              ))}
              {execution.warnings.map(({ message }, place) => (
                <div key={place}>{message}</div>
              ))}
              <Link href={`/executions/${executionId}`}>See all of it</Link>
            </Note>
          );
        }}
      </Loaded>
    </div>
  );
}
