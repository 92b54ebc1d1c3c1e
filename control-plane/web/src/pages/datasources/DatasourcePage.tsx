// One database server: how it does, what is backed up of it, and its backups.
import { Button } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { Link, useLocation, useParams } from 'wouter';

import { useChange, useRead } from '../../api/call';
import { BackupService } from '../../api/gen/dataguardian/v1/backup_pb';
import { DatasourceService } from '../../api/gen/dataguardian/v1/datasource_pb';
import type { Datasource } from '../../api/gen/dataguardian/v1/datasource_pb';
import { ExecutionService } from '../../api/gen/dataguardian/v1/execution_pb';
import { JobService } from '../../api/gen/dataguardian/v1/job_pb';
import { useMay } from '../../api/permissions';
import { Confirm } from '../../components/Confirm';
import { HealthProblems, LooksPanel } from '../../components/HealthPanel';
import { Loaded } from '../../components/Loaded';
import { Mark } from '../../components/Mark';
import { Empty, Facts, Page, Panel } from '../../components/Page';
import { FailureNote, Note, ProblemNote } from '../../components/Problem';
import { Table } from '../../components/Table';
import { Time } from '../../components/Time';
import { bytes } from '../../format/size';
import { durationMillis, span } from '../../format/time';
import { condition, engineName, tlsWords } from '../../format/words';
import { BackupTable } from '../backups/BackupTable';
import { ExecutionTable } from '../executions/ExecutionTable';
import { JobTable } from '../jobs/JobTable';
import { address } from './DatasourceList';

export default function DatasourcePage(): ReactElement {
  const { name = '' } = useParams();
  const query = useRead(DatasourceService.method.getDatasource, { datasource: name }, { every: 10_000 });
  const datasource = query.data?.datasource;
  if (!datasource) {
    return (
      <Page title={name} back={['/datasources', 'Datasources']}>
        <Panel>
          <Loaded query={query}>{() => null}</Loaded>
        </Panel>
      </Page>
    );
  }
  return (
    <Page
      key={name}
      title={datasource.name}
      head={
        <span className="row">
          {datasource.name}
          <span className="small">
            <Mark told={condition(datasource.health?.condition)} pill />
          </span>
        </span>
      }
      lead={`${engineName(datasource.engine)} at ${address(datasource)}`}
      back={['/datasources', 'Datasources']}
      actions={<Deeds datasource={datasource} />}
    >
      <HealthProblems health={datasource.health} />
      <Panel>
        <Particulars datasource={datasource} />
      </Panel>
      <Belonging name={datasource.name} />
      <Looks name={datasource.name} />
    </Page>
  );
}

function Particulars({ datasource }: { datasource: Datasource }): ReactElement {
  const { databases, health } = datasource;
  return (
    <div className="two">
      <Facts
        of={[
          ['Agent', <Link href={`/agents/${datasource.agent}`}>{datasource.agent}</Link>],
          ['Address', address(datasource)],
          ['User', datasource.username],
          [
            'Password',
            datasource.credentialRef
              ? `known to the agent’s host as ${datasource.credentialRef}`
              : 'stored, and never shown',
          ],
          ['Encryption', tlsWords(datasource.tlsMode)],
          ['Databases', selectionWords(databases)],
        ]}
      />
      <Facts
        of={[
          ['Server', health?.serverVersion],
          ['Client programs', health?.clientVersion],
          ['Answers in', health?.latency && span(durationMillis(health.latency))],
          ['Looked at', <Time at={health?.checkedAt} both none="not yet" />],
          [
            'Verified at least',
            datasource.maxVerifiedAge
              ? `every ${span(durationMillis(datasource.maxVerifiedAge))}`
              : 'as the settings say',
          ],
        ]}
      />
    </div>
  );
}

/** Which databases are meant, in words. */
export function selectionWords(databases: Datasource['databases']): string {
  const { selection } = databases ?? {};
  if (selection?.case === 'named') return selection.value.names.join(', ');
  if (selection?.case === 'all') {
    return selection.value.exclude.length === 0 ? 'all' : `all but ${selection.value.exclude.join(', ')}`;
  }
  return '';
}

function Belonging({ name }: { name: string }): ReactElement {
  const may = useMay();
  const backups = useRead(
    BackupService.method.listBackups,
    { datasource: name, pageSize: 5 },
    { every: 10_000, enabled: may(BackupService.method.listBackups) },
  );
  const runs = useRead(
    ExecutionService.method.listExecutions,
    { datasource: name, pageSize: 5 },
    { every: 5000, enabled: may(ExecutionService.method.listExecutions) },
  );
  const jobs = useRead(
    JobService.method.listJobs,
    { pageSize: 1000 },
    { every: 10_000, enabled: may(JobService.method.listJobs) },
  );
  const own = jobs.data?.jobs.filter((job) => job.datasource === name) ?? [];
  return (
    <>
      <Panel flush title="Backups" actions={<Link href={`/backups?datasource=${name}`}>All of them</Link>}>
        <Loaded query={backups}>
          {(data) => (
            <BackupTable
              backups={data.backups}
              empty={<Empty title="No backup yet">Run a job of this datasource to make one.</Empty>}
            />
          )}
        </Loaded>
      </Panel>
      <Panel flush title="Jobs">
        <Loaded query={jobs}>
          {() => (
            <JobTable
              jobs={own}
              empty={
                <Empty
                  title="No job backs it up"
                  action={
                    may(JobService.method.createJob) && (
                      <Button component={Link} href={`/jobs/new?datasource=${name}`} variant="default">
                        Add a job
                      </Button>
                    )
                  }
                >
                  A job says when it is backed up, and to where.
                </Empty>
              }
            />
          )}
        </Loaded>
      </Panel>
      <Panel
        flush
        title="Last executions"
        actions={<Link href={`/executions?datasource=${name}`}>All of them</Link>}
      >
        <Loaded query={runs}>
          {(data) => (
            <ExecutionTable executions={data.executions} empty={<Empty title="Nothing has run yet" />} />
          )}
        </Loaded>
      </Panel>
    </>
  );
}

function Looks({ name }: { name: string }): ReactElement {
  const looks = useRead(
    DatasourceService.method.listDatasourceHealthChecks,
    { datasource: name, pageSize: 10 },
    { every: 30_000 },
  );
  return <Loaded query={looks}>{(data) => <LooksPanel checks={data.healthChecks} />}</Loaded>;
}

function Deeds({ datasource }: { datasource: Datasource }): ReactElement {
  const may = useMay();
  const [, navigate] = useLocation();
  const [open, setOpen] = useState<'test' | 'delete'>();
  const test = useChange(DatasourceService.method.testDatasource);
  const remove = useChange(DatasourceService.method.deleteDatasource);
  const { method } = DatasourceService;
  return (
    <>
      {may(method.deleteDatasource) && (
        <Button variant="subtle" onClick={() => setOpen('delete')}>
          Delete
        </Button>
      )}
      {may(method.updateDatasource) && (
        <Button component={Link} href={`/datasources/${datasource.name}/edit`} variant="default">
          Edit
        </Button>
      )}
      {may(method.testDatasource) && (
        <Button
          variant="default"
          onClick={() => {
            setOpen('test');
            test.mutate({ datasource: datasource.name });
          }}
        >
          Test
        </Button>
      )}
      {open === 'test' && (
        <Confirm
          title="Test of the connection"
          deed="Test again"
          pending={test.isPending}
          error={test.error}
          onConfirm={() => test.mutate({ datasource: datasource.name })}
          onClose={() => setOpen(undefined)}
        >
          <TestResult name={datasource.name} pending={test.isPending} result={test.data} />
        </Confirm>
      )}
      {open === 'delete' && (
        <Confirm
          title={`Delete ${datasource.name}?`}
          deed="Delete it"
          danger
          pending={remove.isPending}
          error={remove.error}
          onConfirm={() =>
            remove.mutate({ datasource: datasource.name }, { onSuccess: () => navigate('/datasources') })
          }
          onClose={() => setOpen(undefined)}
        >
          <p>The server itself is not touched. A datasource with jobs or backups can’t be deleted.</p>
        </Confirm>
      )}
    </>
  );
}

interface TestResultProps {
  name: string;
  pending: boolean;
  result:
    | {
        ok: boolean;
        serverVersion: string;
        problems: Parameters<typeof FailureNote>[0]['failure'][];
        warnings: { message: string }[];
      }
    | undefined;
}

function TestResult({ name, pending, result }: TestResultProps): ReactElement {
  const found = useRead(
    DatasourceService.method.discoverDatabases,
    { datasource: name },
    { enabled: result?.ok === true },
  );
  if (pending) return <p role="status">Its agent connects …</p>;
  if (!result) return <></>;
  return (
    <>
      {result.ok && (
        <Note tone="good" title="A backup could run now.">
          Server {result.serverVersion}
        </Note>
      )}
      {result.problems.map((problem, place) => (
        <FailureNote key={place} failure={problem} />
      ))}
      {result.warnings.map(({ message }, place) => (
        <Note key={place} tone="warn">
          {message}
        </Note>
      ))}
      {found.error && <ProblemNote error={found.error} />}
      {found.data && (
        <Table
          label="Databases"
          rows={found.data.databases}
          id={(database) => database.name}
          columns={[
            {
              head: 'Database',
              main: true,
              cell: (database) => <span className="mono">{database.name}</span>,
            },
            { head: 'Size', align: 'end', cell: (database) => bytes(database.sizeBytes) },
            { head: 'Backed up', cell: (database) => (database.selected ? 'yes' : 'no') },
          ]}
        />
      )}
    </>
  );
}
