// The first look: is everything protected, what failed and why, what runs, what comes next.
import { Button } from '@mantine/core';
import type { ReactElement } from 'react';
import { Link } from 'wouter';

import { useRead } from '../../api/call';
import { ProtectionState } from '../../api/gen/dataguardian/v1/dashboard_pb';
import type { GetDashboardResponse, NextRun } from '../../api/gen/dataguardian/v1/dashboard_pb';
import { ExecutionService, ExecutionState } from '../../api/gen/dataguardian/v1/execution_pb';
import { DatasourceService } from '../../api/gen/dataguardian/v1/datasource_pb';
import { SystemService } from '../../api/gen/dataguardian/v1/system_pb';
import { useMay } from '../../api/permissions';
import { Loaded } from '../../components/Loaded';
import { Mark } from '../../components/Mark';
import { Empty, Page, Panel } from '../../components/Page';
import { RowLink, Table } from '../../components/Table';
import { Time } from '../../components/Time';
import { count, percent, plural } from '../../format/size';
import { durationMillis, span } from '../../format/time';
import type { Told } from '../../format/words';
import { unended } from '../../format/words';
import { Failures } from './Failures';
import { Machines } from './Machines';
import { OwnOverview } from './OwnOverview';
import { Protection } from './Protection';
import { Running } from './Running';
import { StoragePanel } from './StoragePanel';

export function Overview(): ReactElement {
  const may = useMay();
  return may(SystemService.method.getDashboard) ? <Dashboard /> : <OwnOverview />;
}

function Dashboard(): ReactElement {
  const may = useMay();
  const seesRuns = may(ExecutionService.method.listExecutions);
  const dashboard = useRead(SystemService.method.getDashboard, { historySize: 60 }, { every: 5000 });
  const atWork = (dashboard.data?.counts?.executionsAtWork ?? 0) > 0;
  const active = useRead(
    ExecutionService.method.listExecutions,
    { states: unended, pageSize: 20 },
    { every: atWork ? 1500 : 5000, enabled: seesRuns },
  );
  const failed = useRead(
    ExecutionService.method.listExecutions,
    { states: [ExecutionState.FAILED], pageSize: 50 },
    { every: 10_000, enabled: seesRuns },
  );

  const completed = useRead(
    ExecutionService.method.listExecutions,
    { states: [ExecutionState.COMPLETED], pageSize: 200 },
    { every: 10_000, enabled: seesRuns && (failed.data?.executions.length ?? 0) > 0 },
  );

  const data = dashboard.data;
  if (!data) {
    return (
      <Page title="Overview">
        <Panel>
          <Loaded query={dashboard} lines={8}>
            {() => null}
          </Loaded>
        </Panel>
      </Page>
    );
  }
  if (data.counts?.datasources === 0) return <Nothing data={data} />;
  const [headline, tone] = verdict(data);
  return (
    <Page
      title="Overview"
      head={
        <span className="verdict">
          <Mark told={[headline, tone]} />
        </span>
      }
      lead={<Summary data={data} />}
    >
      <Protection data={data} />
      {active.data && active.data.executions.length > 0 && <Running executions={active.data.executions} />}
      {failed.data && (
        <Failures
          executions={failed.data.executions}
          recent={[...data.recentExecutions, ...(completed.data?.executions ?? [])]}
          now={data.now}
        />
      )}
      <div className="two">
        <NextRuns runs={data.nextRuns} />
        <StoragePanel />
      </div>
      <Machines nodes={data.performance} />
    </Page>
  );
}

/** The one sentence that matters most. */
export function verdict(data: Pick<GetDashboardResponse, 'protection'>): Told {
  const total = data.protection.length;
  const bad = data.protection.filter(
    ({ state }) => state === ProtectionState.LATE || state === ProtectionState.UNPROTECTED,
  ).length;
  const doubtful = data.protection.filter(({ state }) => state === ProtectionState.UNVERIFIED).length;
  if (bad > 0)
    return [
      `${count(bad)} of ${plural(total, 'datasource')} ${bad === 1 ? 'is' : 'are'} not protected`,
      'bad',
    ];
  if (doubtful > 0) {
    return [`All backed up; ${plural(doubtful, 'datasource')} without a fresh verified backup`, 'warn'];
  }
  return [
    total === 1 ? 'Your datasource is protected' : `All ${plural(total, 'datasource')} are protected`,
    'good',
  ];
}

function Summary({ data }: { data: GetDashboardResponse }): ReactElement {
  const { counts, statistics } = data;
  const told = statistics.map((each) => {
    const ran = each.completed + each.failed;
    const within = each.period ? periodWords(durationMillis(each.period)) : '';
    return each.successRate === undefined
      ? `nothing ended in the last ${within}`
      : `${percent(each.successRate)} of ${plural(ran, 'run')} succeeded in the last ${within}`;
  });
  const offline = (counts?.agents ?? 0) - (counts?.agentsConnected ?? 0);
  return (
    <>
      {plural(counts?.backups ?? 0n, 'backup')} · {told[0]}
      {told[1] && statistics[1]?.successRate !== undefined ? `, ${told[1]}` : ''}
      {offline > 0 && (
        <>
          {' · '}
          <Link href="/agents">{plural(offline, 'agent')} offline</Link>
        </>
      )}
    </>
  );
}

/** `24 h`, `7 days`. */
function periodWords(milliseconds: number): string {
  const hours = milliseconds / 3_600_000;
  return hours > 24 && hours % 24 === 0
    ? `${hours / 24} days`
    : span(milliseconds) === '1 d'
      ? '24 h'
      : span(milliseconds);
}

function NextRuns({ runs }: { runs: readonly NextRun[] }): ReactElement {
  return (
    <Panel flush title="Next runs">
      <Table
        label="Next runs"
        rows={runs}
        id={(run) => run.job}
        empty={<Empty title="Nothing is scheduled">Give a job a schedule, and it runs by itself.</Empty>}
        columns={[
          { head: 'Job', main: true, cell: (run) => <RowLink to={`/jobs/${run.job}`}>{run.job}</RowLink> },
          { head: 'Datasource', cell: (run) => run.datasource },
          { head: 'Begins', align: 'end', cell: (run) => <Time at={run.fireAt} both /> },
        ]}
      />
    </Panel>
  );
}

function Nothing({ data }: { data: GetDashboardResponse }): ReactElement {
  const may = useMay();
  return (
    <Page title="Overview">
      <Panel>
        <Empty
          title="Nothing is protected yet"
          action={
            may(DatasourceService.method.createDatasource) && (
              <Button component={Link} href="/first-backup">
                Make the first backup
              </Button>
            )
          }
        >
          {data.counts?.agents === 0
            ? 'Install an agent beside your database, name a place for backups, and make the first one: a few minutes in all.'
            : 'An agent is there. Name the database server it reaches and a place for backups, and make the first one.'}
        </Empty>
      </Panel>
      <Machines nodes={data.performance} />
    </Page>
  );
}
