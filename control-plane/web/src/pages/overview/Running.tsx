// What is at work or waits, with its progress.
import type { ReactElement } from 'react';
import { Link } from 'wouter';

import type { Execution } from '../../api/gen/dataguardian/v1/execution_pb';
import { Mark } from '../../components/Mark';
import { Panel } from '../../components/Page';
import { stateOf } from '../../format/words';
import { executionName, Took } from '../executions/ExecutionTable';
import { ProgressLine } from '../executions/Progress';

export function Running({ executions }: { executions: readonly Execution[] }): ReactElement {
  return (
    <Panel flush title="Running now">
      <div className="lined">
        {executions.map((execution) => (
          <div key={execution.id} className="stack tight">
            <div className="row between">
              <Link href={`/executions/${execution.id}`}>
                <strong>{executionName(execution)}</strong>
              </Link>
              <span className="row">
                <Mark told={stateOf(execution)} />
                <span className="dim">
                  <Took execution={execution} />
                </span>
              </span>
            </div>
            {execution.waiting ? (
              <span className="dim">{execution.waiting.message}</span>
            ) : (
              <ProgressLine execution={execution} />
            )}
          </div>
        ))}
      </div>
    </Panel>
  );
}
