// All backups that can be restored, the newest first, and the last weeks at a glance.
import { Button, NativeSelect } from '@mantine/core';
import type { ReactElement } from 'react';
import { Link, useSearchParams } from 'wouter';

import { useRead } from '../../api/call';
import { BackupService } from '../../api/gen/dataguardian/v1/backup_pb';
import { DatasourceService } from '../../api/gen/dataguardian/v1/datasource_pb';
import { RestoreService } from '../../api/gen/dataguardian/v1/restore_pb';
import { useMay } from '../../api/permissions';
import { Loaded } from '../../components/Loaded';
import { Empty, Page, Panel } from '../../components/Page';
import { Pager, usePages } from '../../components/Table';
import { BackupTable } from './BackupTable';
import { Calendar } from './Calendar';

export default function BackupList(): ReactElement {
  const may = useMay();
  const [search, setSearch] = useSearchParams();
  const datasource = search.get('datasource') ?? '';
  const job = search.get('job') ?? '';
  const pages = usePages(`${datasource} ${job}`);
  const request = { pageSize: 50, pageToken: pages.token, datasource, job };
  const list = useRead(BackupService.method.listBackups, request, { every: 10_000, keep: true });
  const recent = useRead(
    BackupService.method.listBackups,
    { pageSize: 1000, datasource, job },
    { every: 60_000, keep: true },
  );
  const sees = may(DatasourceService.method.listDatasources);
  const named = useRead(DatasourceService.method.listDatasources, { pageSize: 1000 }, { enabled: sees });
  const choose = (name: string) => setSearch(name === '' ? {} : { datasource: name });
  return (
    <Page
      title="Backups"
      lead="What can be restored, the newest first."
      actions={
        may(RestoreService.method.startRestore) &&
        (recent.data?.backups.length ?? 0) > 0 && (
          <Button component={Link} href={datasource ? `/restore?datasource=${datasource}` : '/restore'}>
            Restore
          </Button>
        )
      }
    >
      {(recent.data?.backups.length ?? 0) > 0 && (
        <Panel title="The last weeks">
          <Calendar made={recent.data?.backups.map((backup) => backup.completedAt) ?? []} />
        </Panel>
      )}
      <Panel flush>
        <div className="toolbar">
          <NativeSelect
            label="Datasource"
            value={datasource}
            onChange={(event) => choose(event.currentTarget.value)}
          >
            <option value="">All</option>
            {named.data?.datasources.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </NativeSelect>
          {job && (
            <NativeSelect label="Job" value={job} onChange={() => choose(datasource)}>
              <option value="">All</option>
              <option>{job}</option>
            </NativeSelect>
          )}
        </div>
        <div className="flush">
          <Loaded query={list} lines={10}>
            {({ backups, nextPageToken }) => (
              <>
                <BackupTable
                  backups={backups}
                  empty={
                    <Empty
                      title="No backup yet"
                      action={
                        <Button
                          component={Link}
                          href={datasource || job ? '/jobs' : '/first-backup'}
                          variant="default"
                        >
                          {datasource || job ? 'See the jobs' : 'Make the first backup'}
                        </Button>
                      }
                    >
                      A backup appears here when a job has run to its end. Only then can it be restored.
                    </Empty>
                  }
                />
                <Pager pages={pages} next={nextPageToken} />
              </>
            )}
          </Loaded>
        </div>
      </Panel>
    </Page>
  );
}
