// The database servers, each with how it does.
import { Button } from '@mantine/core';
import type { ReactElement } from 'react';
import { Link } from 'wouter';

import { useRead } from '../../api/call';
import { DatasourceService } from '../../api/gen/dataguardian/v1/datasource_pb';
import type { Datasource } from '../../api/gen/dataguardian/v1/datasource_pb';
import { useMay } from '../../api/permissions';
import { Loaded } from '../../components/Loaded';
import { Mark } from '../../components/Mark';
import { Empty, Page, Panel } from '../../components/Page';
import { Pager, RowLink, Table, usePages } from '../../components/Table';
import { Time } from '../../components/Time';
import { condition, engineName } from '../../format/words';

export default function DatasourceList(): ReactElement {
  const may = useMay();
  const pages = usePages();
  const list = useRead(
    DatasourceService.method.listDatasources,
    { pageSize: 50, pageToken: pages.token },
    { every: 10_000, keep: true },
  );
  const add = may(DatasourceService.method.createDatasource) && (
    <Button component={Link} href="/datasources/new">
      Add datasource
    </Button>
  );
  return (
    <Page title="Datasources" lead="The database servers that agents reach." actions={add}>
      <Panel flush>
        <Loaded query={list}>
          {({ datasources, nextPageToken }) => (
            <>
              <Table
                label="Datasources"
                rows={datasources}
                id={(each) => each.id}
                empty={
                  <Empty title="No datasource yet" action={add}>
                    A datasource is a database server that one of your agents reaches. Name it once; jobs back
                    it up.
                  </Empty>
                }
                columns={[
                  {
                    head: 'Datasource',
                    main: true,
                    cell: (each) => (
                      <>
                        <RowLink to={`/datasources/${each.name}`}>{each.name}</RowLink>
                        <div className="cell-note">{address(each)}</div>
                      </>
                    ),
                  },
                  { head: 'Engine', cell: (each) => engineName(each.engine) },
                  { head: 'Condition', cell: (each) => <Mark told={condition(each.health?.condition)} /> },
                  {
                    head: 'What is wrong',
                    cell: (each) =>
                      each.health?.problems[0] && (
                        <span className="clamp">{each.health.problems[0].message}</span>
                      ),
                  },
                  { head: 'Looked at', cell: (each) => <Time at={each.health?.checkedAt} none="not yet" /> },
                  { head: 'Agent', cell: (each) => each.agent },
                ]}
              />
              <Pager pages={pages} next={nextPageToken} words={['Back', 'More']} />
            </>
          )}
        </Loaded>
      </Panel>
    </Page>
  );
}

/** Where a server is, as its agent sees it. */
export function address(of: Datasource): string {
  if (of.host === '') return of.service === '' ? '' : `service ${of.service}`;
  return of.host.startsWith('/') || of.port === 0 ? of.host : `${of.host}:${of.port}`;
}
