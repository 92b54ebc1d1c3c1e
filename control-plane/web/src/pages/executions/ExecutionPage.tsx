// One execution, live: how far it is, what went wrong, what it did, and its log.
import { Button } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { Link, useLocation, useParams } from 'wouter';

import { useChange } from '../../api/call';
import { ExecutionKind, ExecutionService, ExecutionState } from '../../api/gen/dataguardian/v1/execution_pb';
import type { Execution } from '../../api/gen/dataguardian/v1/execution_pb';
import { useExecution } from '../../api/live';
import { useMay } from '../../api/permissions';
import { requestId } from '../../api/requestId';
import { Confirm } from '../../components/Confirm';
import { Loaded } from '../../components/Loaded';
import { Mark } from '../../components/Mark';
import { Facts, Page, Panel } from '../../components/Page';
import { FailureNote, Note, ProblemNote } from '../../components/Problem';
import { Table } from '../../components/Table';
import { Time } from '../../components/Time';
import { bytes, count, plural } from '../../format/size';
import { stateOf, hasEnded, skipReason, triggerWords } from '../../format/words';
import { executionName, Took } from './ExecutionTable';
import { LogView } from './LogView';
import { ProgressLine } from './Progress';
import { RestoredPanel, VerifiedPanel } from './Reports';

export default function ExecutionPage(): ReactElement {
  const { id = '' } = useParams();
  const live = useExecution(id);
  const execution = live.query.data?.execution;
  if (!execution) {
    return (
      <Page title="Execution" back={['/executions', 'Executions']}>
        <Panel>
          <Loaded query={live.query}>{() => null}</Loaded>
        </Panel>
      </Page>
    );
  }
  const ended = hasEnded(execution.state);
  const isRunning = !ended && execution.startedAt !== undefined && !execution.waiting;
  return (
    <Page
      key={id}
      title={executionName(execution)}
      head={
        <span className="row">
          {executionName(execution)}
          <span className="small">
            <Mark told={stateOf(execution)} pill />
          </span>
        </span>
      }
      back={['/executions', 'Executions']}
      actions={<Deeds execution={execution} />}
    >
      <div className="stack" style={{ marginBottom: 20 }}>
        {live.line === 'lost' && (
          <Note tone="warn" title="The line to the control plane broke off.">
            It is tried again by itself; what you see may be old.
          </Note>
        )}
        <Remarks execution={execution} />
      </div>
      <Panel>
        {isRunning && (
          <div style={{ marginBottom: 16 }}>
            <ProgressLine execution={execution} rate={live.rate} remaining={live.remaining} />
          </div>
        )}
        <Particulars execution={execution} />
      </Panel>
      {execution.restoreReport && <RestoredPanel report={execution.restoreReport} />}
      {execution.verifyReport && <VerifiedPanel report={execution.verifyReport} />}
      {execution.attempts.length > 1 && <Attempts execution={execution} />}
      <LogView key={id} executionId={id} ended={ended} />
    </Page>
  );
}

function Remarks({ execution }: { execution: Execution }): ReactElement {
  const { failure, waiting, scheduleGap, noContactSince } = execution;
  return (
    <>
      {failure && (
        <FailureNote failure={failure} tone={execution.state === ExecutionState.FAILED ? 'bad' : 'warn'} />
      )}
      {waiting && (
        <Note tone="quiet" title="It waits.">
          {waiting.message}
        </Note>
      )}
      {noContactSince && !hasEnded(execution.state) && (
        <Note tone="warn" title="Nothing was heard of its agent for half an hour.">
          The work may well go on at the host; look whether the agent runs there. Last heard{' '}
          <Time at={noContactSince} both />.
        </Note>
      )}
      {scheduleGap && scheduleGap.count > 0 && (
        <Note
          tone="warn"
          title={`${plural(scheduleGap.count, 'time')} in the schedule did not run on time: ${skipReason(scheduleGap.reason)}.`}
        >
          From <Time at={scheduleGap.first} both /> to <Time at={scheduleGap.last} both />.{' '}
          {scheduleGap.blockedBy && (
            <Link href={`/executions/${scheduleGap.blockedBy}`}>What was in the way</Link>
          )}
        </Note>
      )}
      {execution.missingDatabases.map(({ name, failure: why }) => (
        <Note
          key={name}
          tone="warn"
          title={`The database ${name} is not in this backup.`}
          advice={why?.advice}
          reason={why?.reason ?? ''}
        >
          {why?.message}
        </Note>
      ))}
      {execution.warnings.length > 0 && (
        <Note tone="warn" title={plural(execution.warnings.length, 'remark')}>
          {execution.warnings.map(({ database, message }, place) => (
            <div key={place}>
              {database && <span className="mono">{database}: </span>}
              {message}
            </div>
          ))}
        </Note>
      )}
    </>
  );
}

function Particulars({ execution }: { execution: Execution }): ReactElement {
  const { progress } = execution;
  const madeBackup = execution.backupId !== '';
  return (
    <div className="two">
      <Facts
        of={[
          ['Datasource', <Link href={`/datasources/${execution.datasource}`}>{execution.datasource}</Link>],
          ['Job', execution.job && <Link href={`/jobs/${execution.job}`}>{execution.job}</Link>],
          ['Agent', execution.agent && <Link href={`/agents/${execution.agent}`}>{execution.agent}</Link>],
          [
            execution.kind === ExecutionKind.BACKUP ? 'Made' : 'Backup',
            madeBackup && (
              <Link href={`/backups/${execution.backupId}`}>
                {execution.kind === ExecutionKind.BACKUP ? 'this backup' : 'the backup it reads'}
              </Link>
            ),
          ],
          ['Begun by', triggerWords(execution.trigger)],
          ['Due', execution.scheduledFor && <Time at={execution.scheduledFor} both />],
        ]}
      />
      <Facts
        of={[
          ['Created', <Time at={execution.createdAt} both />],
          ['Began', execution.startedAt && <Time at={execution.startedAt} both />],
          ['Ended', execution.endedAt && <Time at={execution.endedAt} both />],
          ['Took', execution.startedAt && <Took execution={execution} />],
          [
            'Data',
            progress && progress.rawBytes > 0n && `${bytes(progress.rawBytes)}, ${count(progress.rows)} rows`,
          ],
          ['In storages', progress && progress.storedBytes > 0n && bytes(progress.storedBytes)],
          ['Stored already', progress && progress.reusedBytes > 0n && bytes(progress.reusedBytes)],
          ['Attempt', execution.attempt > 1 && String(execution.attempt)],
        ]}
      />
    </div>
  );
}

function Attempts({ execution }: { execution: Execution }): ReactElement {
  return (
    <Panel flush title="Attempts">
      <Table
        label="Attempts"
        rows={execution.attempts.toReversed()}
        id={(attempt) => String(attempt.number)}
        columns={[
          { head: 'Attempt', main: true, cell: (attempt) => `Attempt ${attempt.number}` },
          { head: 'Began', cell: (attempt) => <Time at={attempt.startedAt} both /> },
          { head: 'Ended', cell: (attempt) => <Time at={attempt.endedAt} both none="not yet" /> },
          { head: 'Why it ended', cell: (attempt) => attempt.failure?.message ?? '' },
        ]}
      />
    </Panel>
  );
}

function Deeds({ execution }: { execution: Execution }): ReactElement {
  const may = useMay();
  const [, navigate] = useLocation();
  const [asking, setAsking] = useState(false);
  const cancel = useChange(ExecutionService.method.cancelExecution);
  const retry = useChange(ExecutionService.method.retryExecution);
  const ended = hasEnded(execution.state);
  const canRetry =
    ended && execution.state !== ExecutionState.COMPLETED && may(ExecutionService.method.retryExecution);
  const canCancel =
    !ended && execution.state !== ExecutionState.CANCELLING && may(ExecutionService.method.cancelExecution);
  const again = () =>
    retry.mutate(
      { id: execution.id, requestId: requestId() },
      { onSuccess: (answer) => answer.execution && navigate(`/executions/${answer.execution.id}`) },
    );
  return (
    <>
      {retry.error && <ProblemNote error={retry.error} />}
      {canRetry && (
        <Button onClick={again} loading={retry.isPending}>
          Try again
        </Button>
      )}
      {canCancel && (
        <Button variant="default" onClick={() => setAsking(true)}>
          Cancel
        </Button>
      )}
      {asking && !ended && (
        <Confirm
          title={`Cancel this ${executionName(execution).toLowerCase()}?`}
          deed="Cancel it"
          danger
          pending={cancel.isPending}
          error={cancel.error}
          onConfirm={() => cancel.mutate({ id: execution.id }, { onSuccess: () => setAsking(false) })}
          onClose={() => setAsking(false)}
        >
          <p>
            {execution.kind === ExecutionKind.BACKUP
              ? 'No backup comes of it. What was stored already serves the next one.'
              : 'What it has made so far is taken away again.'}
          </p>
        </Confirm>
      )}
    </>
  );
}
