// One job: when it runs, what came of it, which of its backups stay.
import { Button, Menu } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { Link, useLocation, useParams } from 'wouter';

import { useChange, useRead } from '../../api/call';
import { ExecutionService } from '../../api/gen/dataguardian/v1/execution_pb';
import { Chunking, ChunkingReason, JobService, MisfirePolicy } from '../../api/gen/dataguardian/v1/job_pb';
import type { Job } from '../../api/gen/dataguardian/v1/job_pb';
import { useMay } from '../../api/permissions';
import { requestId } from '../../api/requestId';
import { Confirm } from '../../components/Confirm';
import { Loaded } from '../../components/Loaded';
import { Mark } from '../../components/Mark';
import { Empty, Facts, Page, Panel } from '../../components/Page';
import { ProblemNote } from '../../components/Problem';
import { Table } from '../../components/Table';
import { Time } from '../../components/Time';
import { durationMillis, span } from '../../format/time';
import { executionState, strategyWords } from '../../format/words';
import { ExecutionTable } from '../executions/ExecutionTable';
import { retentionWords, scheduleWords } from './JobTable';
import { RetentionPreview } from './RetentionPreview';

export default function JobPage(): ReactElement {
  const { name = '' } = useParams();
  const query = useRead(JobService.method.getJob, { job: name }, { every: 10_000 });
  const job = query.data?.job;
  if (!job) {
    return (
      <Page title={name} back={['/jobs', 'Jobs']}>
        <Panel>
          <Loaded query={query}>{() => null}</Loaded>
        </Panel>
      </Page>
    );
  }
  return (
    <Page
      key={name}
      title={job.name}
      head={
        <span className="row">
          {job.name}
          {job.paused && (
            <span className="small">
              <Mark told={['Paused', 'warn']} pill />
            </span>
          )}
        </span>
      }
      lead={scheduleWords(job)}
      back={['/jobs', 'Jobs']}
      actions={<Deeds job={job} />}
    >
      <Panel>
        <Particulars job={job} />
      </Panel>
      <Runs name={job.name} />
      {job.schedule && <NextTimes name={job.name} paused={job.paused} />}
      <RetentionPreview job={job.name} />
    </Page>
  );
}

const cutting: Record<number, string> = {
  [Chunking.CONTENT_DEFINED]: 'by content, so that only what changed is stored',
  [Chunking.STREAM]: 'every 4 MiB, nothing is looked for',
};
const cuttingReason: Record<number, string> = {
  [ChunkingReason.JOB]: 'as the job says',
  [ChunkingReason.LITTLE_REUSE]: 'since little was stored already',
  [ChunkingReason.TRIAL]: 'as a trial',
};

function Particulars({ job }: { job: Job }): ReactElement {
  const { options, schedule } = job;
  const reason = cuttingReason[job.nextChunkingReason];
  return (
    <div className="two">
      <Facts
        of={[
          ['Datasource', <Link href={`/datasources/${job.datasource}`}>{job.datasource}</Link>],
          [
            'Storages',
            job.storages.map((storage, place) => (
              <span key={storage}>
                {place > 0 && ', '}
                <Link href={`/storages/${storage}`}>{storage}</Link>
              </span>
            )),
          ],
          ['Of several', job.storages.length > 1 && strategyWords(job.strategy)],
          ['Keeps', retentionWords(job.retention)],
          ['Encrypted', options?.unencrypted ? 'no' : 'yes'],
          [
            'Leaves out',
            options &&
              [...options.excludeTables, ...options.excludeTableData.map((name) => `rows of ${name}`)].join(
                ', ',
              ),
          ],
        ]}
      />
      <Facts
        of={[
          [
            'Next run',
            job.paused ? (
              'when it is resumed'
            ) : (
              <Time at={job.nextFireAt} both none="when somebody runs it" />
            ),
          ],
          ['Paused', job.pausedAt && <Time at={job.pausedAt} both />],
          [
            'Last scheduled',
            job.lastScheduled && (
              <span className="row">
                <Mark told={executionState(job.lastScheduled.state)} />
                <Link href={`/executions/${job.lastScheduled.executionId}`}>
                  <Time at={job.lastScheduled.scheduledFor} />
                </Link>
              </span>
            ),
          ],
          ['Pattern', schedule && <span className="mono">{schedule.cron}</span>],
          [
            'If a time is missed',
            schedule &&
              (schedule.misfirePolicy === MisfirePolicy.SKIP ? 'it is skipped' : 'one run makes up for it'),
          ],
          [
            'Spread',
            schedule?.jitter &&
              durationMillis(schedule.jitter) > 0 &&
              `up to ${span(durationMillis(schedule.jitter))} later`,
          ],
          ['Cut', cutting[job.nextChunking] && `${cutting[job.nextChunking]}${reason ? `, ${reason}` : ''}`],
        ]}
      />
    </div>
  );
}

function Runs({ name }: { name: string }): ReactElement | null {
  const may = useMay();
  const enabled = may(ExecutionService.method.listExecutions);
  const runs = useRead(
    ExecutionService.method.listExecutions,
    { job: name, pageSize: 8 },
    { every: 4000, enabled },
  );
  if (!enabled) return null;
  return (
    <Panel flush title="Last runs" actions={<Link href={`/executions?job=${name}`}>All of them</Link>}>
      <Loaded query={runs}>
        {(data) => (
          <ExecutionTable
            executions={data.executions}
            empty={<Empty title="It has not run yet">Run it now to see that all is well.</Empty>}
          />
        )}
      </Loaded>
    </Panel>
  );
}

function NextTimes({ name, paused }: { name: string; paused: boolean }): ReactElement {
  const next = useRead(JobService.method.listNextFireTimes, { job: name, count: 8 }, { every: 60_000 });
  return (
    <Panel flush title={paused ? 'Next times, if it were not paused' : 'Next times'}>
      <Loaded query={next}>
        {(data) => (
          <Table
            label="Next times"
            rows={data.times}
            id={(time) => time.local}
            columns={[
              { head: 'When', main: true, cell: (time) => <Time at={time.fireAt} both /> },
              {
                head: `By the clocks of ${data.timezone}`,
                align: 'end',
                cell: (time) => time.local.slice(0, 16).replace('T', ' '),
              },
            ]}
          />
        )}
      </Loaded>
    </Panel>
  );
}

function Deeds({ job }: { job: Job }): ReactElement {
  const may = useMay();
  const [, navigate] = useLocation();
  const [asking, setAsking] = useState(false);
  const { method } = JobService;
  const run = useChange(method.runJob);
  const pause = useChange(method.pauseJob);
  const resume = useChange(method.resumeJob);
  const remove = useChange(method.deleteJob);
  const start = () =>
    run.mutate(
      { job: job.name, requestId: requestId() },
      { onSuccess: ({ execution }) => execution && navigate(`/executions/${execution.id}`) },
    );
  const error = run.error ?? pause.error ?? resume.error;
  const hasMenu = may(method.deleteJob) || (job.schedule && may(method.pauseJob));
  return (
    <>
      {error && <ProblemNote error={error} />}
      {hasMenu && (
        <Menu position="bottom-end" withinPortal={false} transitionProps={{ duration: 0 }}>
          <Menu.Target>
            <Button variant="default">More</Button>
          </Menu.Target>
          <Menu.Dropdown>
            {job.schedule && !job.paused && may(method.pauseJob) && (
              <Menu.Item onClick={() => pause.mutate({ job: job.name })}>Pause the schedule</Menu.Item>
            )}
            {job.schedule && job.paused && may(method.resumeJob) && (
              <Menu.Item onClick={() => resume.mutate({ job: job.name })}>Resume the schedule</Menu.Item>
            )}
            {may(method.deleteJob) && <Menu.Item onClick={() => setAsking(true)}>Delete</Menu.Item>}
          </Menu.Dropdown>
        </Menu>
      )}
      {may(method.updateJob) && (
        <Button component={Link} href={`/jobs/${job.name}/edit`} variant="default">
          Edit
        </Button>
      )}
      {may(method.runJob) && (
        <Button onClick={start} loading={run.isPending}>
          Run now
        </Button>
      )}
      {asking && (
        <Confirm
          title={`Delete ${job.name}?`}
          deed="Delete it"
          danger
          pending={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate({ job: job.name }, { onSuccess: () => navigate('/jobs') })}
          onClose={() => setAsking(false)}
        >
          <p>Nothing is backed up by it any more. Its backups stay.</p>
        </Confirm>
      )}
    </>
  );
}
