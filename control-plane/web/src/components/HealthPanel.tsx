// How a datasource or storage does, and the looks before.
import type { ReactElement } from 'react';

import type { Health, HealthCheck } from '../api/gen/dataguardian/v1/health_pb';
import { bytes } from '../format/size';
import { durationMillis, span } from '../format/time';
import { condition } from '../format/words';
import { Mark } from './Mark';
import { Empty, Panel } from './Page';
import { FailureNote } from './Problem';
import { Table } from './Table';
import { Time } from './Time';

/** What stands in the way now; nothing if nothing does. */
export function HealthProblems({ health }: { health: Health | undefined }): ReactElement | null {
  if (!health || health.problems.length === 0) return null;
  return (
    <div className="stack" style={{ marginBottom: 20 }}>
      {health.problems.map((problem, place) => (
        <FailureNote
          key={place}
          failure={problem}
          tone={condition(health.condition)[1] === 'bad' ? 'bad' : 'warn'}
        />
      ))}
    </div>
  );
}

export function LooksPanel({ checks }: { checks: readonly HealthCheck[] }): ReactElement {
  return (
    <Panel flush title="Last looks">
      <Table
        label="Last looks"
        rows={checks}
        id={(check) => `${check.checkedAt?.seconds} ${check.checkedAt?.nanos}`}
        empty={
          <Empty title="Nobody has looked yet">
            Its agent looks every few minutes while it is connected.
          </Empty>
        }
        columns={[
          { head: 'When', main: true, cell: (check) => <Time at={check.checkedAt} both /> },
          { head: 'Found', cell: (check) => <Mark told={condition(check.condition)} /> },
          { head: 'Problem', cell: (check) => check.problem },
          {
            head: 'Answered in',
            align: 'end',
            cell: (check) => check.latency && span(durationMillis(check.latency)),
          },
          {
            head: 'Free',
            align: 'end',
            cell: (check) => check.freeBytes !== undefined && bytes(check.freeBytes),
          },
        ]}
      />
    </Panel>
  );
}
