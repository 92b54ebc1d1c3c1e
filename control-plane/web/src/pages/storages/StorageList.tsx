// The places for backups, each with its room and how it does.
import { Button } from '@mantine/core';
import type { ReactElement } from 'react';
import { Link } from 'wouter';

import { useRead } from '../../api/call';
import { StorageService } from '../../api/gen/dataguardian/v1/storage_pb';
import type { Storage } from '../../api/gen/dataguardian/v1/storage_pb';
import { useMay } from '../../api/permissions';
import { Loaded } from '../../components/Loaded';
import { Mark } from '../../components/Mark';
import { Empty, Page, Panel } from '../../components/Page';
import { Pager, RowLink, Table, usePages } from '../../components/Table';
import { Time } from '../../components/Time';
import { bytes } from '../../format/size';
import { condition } from '../../format/words';

export default function StorageList(): ReactElement {
  const may = useMay();
  const pages = usePages();
  const list = useRead(
    StorageService.method.listStorages,
    { pageSize: 50, pageToken: pages.token },
    { every: 10_000, keep: true },
  );
  const add = may(StorageService.method.createStorage) && (
    <Button component={Link} href="/storages/new">
      Add storage
    </Button>
  );
  return (
    <Page title="Storages" lead="The places where backups lie." actions={add}>
      <Panel flush>
        <Loaded query={list}>
          {({ storages, nextPageToken }) => (
            <>
              <Table
                label="Storages"
                rows={storages}
                id={(each) => each.id}
                empty={
                  <Empty title="No storage yet" action={add}>
                    A storage is a folder on an agent’s host, or a bucket of anything that speaks S3. Two of
                    them, in two places, are better.
                  </Empty>
                }
                columns={[
                  {
                    head: 'Storage',
                    main: true,
                    cell: (each) => (
                      <>
                        <RowLink to={`/storages/${each.name}`}>{each.name}</RowLink>
                        <div className="cell-note">{place(each)}</div>
                      </>
                    ),
                  },
                  { head: 'Condition', cell: (each) => <Mark told={condition(each.health?.condition)} /> },
                  {
                    head: 'What is wrong',
                    cell: (each) =>
                      each.health?.problems[0] && (
                        <span className="clamp">{each.health.problems[0].message}</span>
                      ),
                  },
                  { head: 'Looked at', cell: (each) => <Time at={each.health?.checkedAt} none="not yet" /> },
                  {
                    head: 'Free',
                    align: 'end',
                    cell: (each) =>
                      each.health?.freeBytes === undefined ? (
                        <span className="dim">–</span>
                      ) : (
                        bytes(each.health.freeBytes)
                      ),
                  },
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

/** Where a storage is, in words. */
export function place({ location }: Storage): string {
  if (location.case === 'local') return `${location.value.path} on ${location.value.agent}`;
  if (location.case === 's3') {
    const { endpoint, bucket, prefix } = location.value;
    return `${endpoint || 'Amazon S3'}, bucket ${bucket}${prefix ? `, ${prefix}` : ''}`;
  }
  return '';
}
