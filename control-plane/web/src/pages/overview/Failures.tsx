// What failed in the last week and was not made good since, why, and what to do next.
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { Button } from '@mantine/core';
import type { ReactElement } from 'react';
import { Link, useLocation } from 'wouter';

import { useChange } from '../../api/call';
import { ExecutionService } from '../../api/gen/dataguardian/v1/execution_pb';
import type { Execution } from '../../api/gen/dataguardian/v1/execution_pb';
import { useMay } from '../../api/permissions';
import { requestId } from '../../api/requestId';
import { Panel } from '../../components/Page';
import { Note, ProblemNote } from '../../components/Problem';
import { Time } from '../../components/Time';
import { plural } from '../../format/size';
import { millis } from '../../format/time';
import { byCause, unresolved } from './unresolved';
import { executionName } from '../executions/ExecutionTable';

const WEEK = 7 * 86_400_000;
/** More are in the list of executions. */
const MOST = 5;
const MOST_OF_CAUSE = 3;

interface FailuresProps {
  executions: readonly Execution[];
  /** What ended lately: what has made a failure good is among it. */
  recent: readonly Execution[];
  now: Timestamp | undefined;
}

export function Failures({ executions, recent, now }: FailuresProps): ReactElement | null {
  const causes = byCause(unresolved(executions, recent, now ? millis(now) - WEEK : 0));
  if (causes.length === 0) return null;
  return (
    <Panel title="What failed" actions={<Link href="/executions?state=failed">All that failed</Link>}>
      <div className="stack">
        {causes.slice(0, MOST).map((failed) => (
          <Cause key={failed[0]?.id} failed={failed} />
        ))}
      </div>
    </Panel>
  );
}

function Cause({ failed }: { failed: readonly Execution[] }): ReactElement {
  const failure = failed[0]?.failure;
  const more = failed.length - MOST_OF_CAUSE;
  return (
    <Note
      tone="bad"
      title={failure?.message ?? 'It failed without a word.'}
      advice={failure?.advice}
      reason={failure?.reason ?? ''}
    >
      <div className="stack tight">
        {failed.slice(0, MOST_OF_CAUSE).map((execution) => (
          <FailedRun key={execution.id} execution={execution} />
        ))}
        {more > 0 && <span>and {plural(more, 'more run', 'more runs')} that failed the same way</span>}
      </div>
    </Note>
  );
}

function FailedRun({ execution }: { execution: Execution }): ReactElement {
  const may = useMay();
  const [, navigate] = useLocation();
  const retry = useChange(ExecutionService.method.retryExecution);
  const again = () =>
    retry.mutate(
      { id: execution.id, requestId: requestId() },
      { onSuccess: (answer) => answer.execution && navigate(`/executions/${answer.execution.id}`) },
    );
  return (
    <>
      <div className="row between">
        <span>
          <Link href={`/executions/${execution.id}`}>{executionName(execution)}</Link>{' '}
          <Time at={execution.endedAt} />
        </span>
        {may(ExecutionService.method.retryExecution) && (
          <Button variant="default" size="compact-sm" loading={retry.isPending} onClick={again}>
            Try again
          </Button>
        )}
      </div>
      {retry.error && <ProblemNote error={retry.error} />}
    </>
  );
}
