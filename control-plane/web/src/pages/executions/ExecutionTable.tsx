// Executions as a table, the same wherever they are listed.
import type { ReactElement, ReactNode } from 'react';

import { ExecutionKind } from '../../api/gen/dataguardian/v1/execution_pb';
import type { Execution } from '../../api/gen/dataguardian/v1/execution_pb';
import { Mark } from '../../components/Mark';
import { RowLink, Table } from '../../components/Table';
import { Time } from '../../components/Time';
import { useNow } from '../../components/now';
import { bytes } from '../../format/size';
import { millis, span } from '../../format/time';
import { executionKind, stateOf, hasEnded, skipReason } from '../../format/words';
import { ProgressLine } from './Progress';

interface ExecutionTableProps {
  executions: readonly Execution[];
  empty: ReactNode;
  label?: string;
}

export function ExecutionTable({
  executions,
  empty,
  label = 'Executions',
}: ExecutionTableProps): ReactElement {
  return (
    <Table
      label={label}
      rows={executions}
      id={(execution) => execution.id}
      empty={empty}
      columns={[
        {
          head: 'Execution',
          main: true,
          cell: (execution) => (
            <>
              <RowLink to={`/executions/${execution.id}`}>{executionName(execution)}</RowLink>
              {execution.job && <div className="cell-note">{execution.datasource}</div>}
            </>
          ),
        },
        { head: 'State', cell: (execution) => <Mark told={stateOf(execution)} /> },
        { head: 'What happened', cell: (execution) => <Outcome execution={execution} /> },
        { head: 'Began', cell: (execution) => <Time at={execution.startedAt ?? execution.createdAt} /> },
        { head: 'Took', align: 'end', cell: (execution) => <Took execution={execution} /> },
      ]}
    />
  );
}

/** What an execution is called: `Backup by nightly`, `Restore into main`. */
export function executionName(execution: Execution): string {
  const kind = executionKind(execution.kind);
  if (execution.kind === ExecutionKind.BACKUP)
    return execution.job ? `${kind} by ${execution.job}` : `${kind} of ${execution.datasource}`;
  if (execution.kind === ExecutionKind.RESTORE) {
    return `${execution.planOnly ? 'Rehearsal of a restore' : kind} into ${execution.datasource}`;
  }
  return `${kind} of ${execution.datasource}`;
}

function Outcome({ execution }: { execution: Execution }): ReactNode {
  const { failure, waiting, scheduleGap, progress } = execution;
  if (failure) return <span className="clamp">{failure.message}</span>;
  if (scheduleGap && scheduleGap.count > 0 && hasEnded(execution.state) && !execution.startedAt) {
    return `${scheduleGap.count} × not run: ${skipReason(scheduleGap.reason)}`;
  }
  if (waiting) return <span className="dim">{waiting.message}</span>;
  if (!hasEnded(execution.state)) return <ProgressLine execution={execution} brief />;
  if (execution.partial)
    return `Databases are missing: ${execution.missingDatabases.map(({ name }) => name).join(', ')}`;
  if (execution.restoreReport)
    return `${Number(execution.restoreReport.rows).toLocaleString('en')} rows ${execution.planOnly ? 'would come back' : 'compared'}`;
  if (progress && progress.rawBytes > 0n) return <span className="dim">{bytes(progress.rawBytes)}</span>;
  return '';
}

export function Took({ execution }: { execution: Execution }): ReactElement {
  const now = useNow();
  const { startedAt, endedAt } = execution;
  if (!startedAt) return <span className="dim">–</span>;
  const end = endedAt ? millis(endedAt) : now;
  return <>{span(Math.max(0, end - millis(startedAt)))}</>;
}
