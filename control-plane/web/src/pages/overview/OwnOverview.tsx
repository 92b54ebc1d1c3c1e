// The first look of who may not see the whole: what runs, what failed and what was backed up, of the things they may see.
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { ReactElement } from 'react';
import { Link } from 'wouter';

import { useRead } from '../../api/call';
import { BackupService } from '../../api/gen/dataguardian/v1/backup_pb';
import { DatasourceService } from '../../api/gen/dataguardian/v1/datasource_pb';
import type { Datasource } from '../../api/gen/dataguardian/v1/datasource_pb';
import { ExecutionService, ExecutionState } from '../../api/gen/dataguardian/v1/execution_pb';
import { useMay } from '../../api/permissions';
import { Loaded } from '../../components/Loaded';
import { Mark } from '../../components/Mark';
import { Empty, Page, Panel } from '../../components/Page';
import { RowLink, Table } from '../../components/Table';
import { useNow } from '../../components/now';
import { condition, engineName, unended } from '../../format/words';
import { BackupTable } from '../backups/BackupTable';
import { Failures } from './Failures';
import { Running } from './Running';

export function OwnOverview(): ReactElement {
  const may = useMay();
  const now = useNow(60_000);
  const seesRuns = may(ExecutionService.method.listExecutions);
  const seesBackups = may(BackupService.method.listBackups);
  const seesDatasources = may(DatasourceService.method.listDatasources);
  const runs = (states: ExecutionState[], pageSize: number, every: number) =>
    [ExecutionService.method.listExecutions, { states, pageSize }, { every, enabled: seesRuns }] as const;
  const active = useRead(...runs(unended, 20, 4000));
  const failed = useRead(...runs([ExecutionState.FAILED], 50, 10_000));
  const completed = useRead(...runs([ExecutionState.COMPLETED], 200, 10_000));
  const backups = useRead(
    BackupService.method.listBackups,
    { pageSize: 10 },
    { every: 10_000, enabled: seesBackups },
  );
  const datasources = useRead(
    DatasourceService.method.listDatasources,
    { pageSize: 1000 },
    { every: 10_000, enabled: seesDatasources },
  );
  if (!seesRuns && !seesBackups && !seesDatasources) return <Nothing />;
  return (
    <Page title="Overview" lead="Of what your roles let you see; the whole needs a role over everything.">
      {active.data && active.data.executions.length > 0 && <Running executions={active.data.executions} />}
      {failed.data && completed.data && (
        <Failures
          executions={failed.data.executions}
          recent={completed.data.executions}
          now={timestampFromMs(now)}
        />
      )}
      {seesDatasources && (
        <Panel flush title="Your datasources">
          <Loaded query={datasources}>{(data) => <Datasources datasources={data.datasources} />}</Loaded>
        </Panel>
      )}
      {seesBackups && (
        <Panel flush title="Newest backups" actions={<Link href="/backups">All backups</Link>}>
          <Loaded query={backups}>
            {(data) => (
              <BackupTable
                backups={data.backups}
                empty={<Empty title="No backup yet">What jobs back up appears here.</Empty>}
              />
            )}
          </Loaded>
        </Panel>
      )}
    </Page>
  );
}

function Datasources({ datasources }: { datasources: readonly Datasource[] }): ReactElement {
  return (
    <Table
      label="Your datasources"
      rows={datasources}
      id={(datasource) => datasource.id}
      empty={<Empty title="None">No datasource is among what you may see.</Empty>}
      columns={[
        {
          head: 'Datasource',
          main: true,
          cell: ({ name }) => <RowLink to={`/datasources/${name}`}>{name}</RowLink>,
        },
        { head: 'Kind', cell: ({ engine }) => engineName(engine) },
        { head: 'Condition', cell: ({ health }) => <Mark told={condition(health?.condition)} /> },
      ]}
    />
  );
}

function Nothing(): ReactElement {
  return (
    <Page title="Overview">
      <Panel>
        <Empty title="Nothing is yours to see yet">
          None of your roles shows datasources, backups or executions. Who manages users can give you one.
        </Empty>
      </Panel>
    </Page>
  );
}
