// Restoring: from which point, what, to where; first a rehearsal that touches nothing, then the restore itself.
import { NativeSelect } from '@mantine/core';
import type { ReactElement } from 'react';
import { useSearchParams } from 'wouter';

import { useRead } from '../../api/call';
import { BackupService } from '../../api/gen/dataguardian/v1/backup_pb';
import type { Backup } from '../../api/gen/dataguardian/v1/backup_pb';
import { DatasourceService } from '../../api/gen/dataguardian/v1/datasource_pb';
import { Loaded } from '../../components/Loaded';
import { Empty, Page, Panel } from '../../components/Page';
import { bytes } from '../../format/size';
import { absolute, millis, relative } from '../../format/time';
import { RestoreForm } from './RestoreForm';

export default function RestorePage(): ReactElement {
  const [search, setSearch] = useSearchParams();
  const id = search.get('backup') ?? '';
  const given = useRead(BackupService.method.getBackup, { backup: id }, { enabled: id !== '' });
  const datasources = useRead(DatasourceService.method.listDatasources, { pageSize: 1000 });
  const datasource =
    given.data?.backup?.datasource ??
    search.get('datasource') ??
    datasources.data?.datasources[0]?.name ??
    '';
  const points = useRead(
    BackupService.method.listBackups,
    { datasource, pageSize: 200 },
    { enabled: datasource !== '', keep: true },
  );
  const known = points.data?.backups.filter((each) => each.datasource === datasource) ?? [];
  const backup = id === '' ? known[0] : (given.data?.backup ?? known.find((each) => each.id === id));
  // The chosen one may be older than those that are listed.
  const shown = backup && !known.some((each) => each.id === backup.id) ? [backup, ...known] : known;

  return (
    <Page
      title="Restore"
      back={['/backups', 'Backups']}
      lead="Nothing is touched before you start it at the end."
    >
      <div className="narrow wide">
        <Panel title="1. From which point">
          {given.error ? (
            <Loaded query={given}>{() => null}</Loaded>
          ) : (
            <Loaded query={datasources}>
              {(list) =>
                list.datasources.length === 0 ? (
                  <Empty title="There is no datasource">
                    A restore needs a server to restore into. Add one first.
                  </Empty>
                ) : (
                  <div className="form">
                    <NativeSelect
                      label="Datasource"
                      value={datasource}
                      onChange={(event) => setSearch({ datasource: event.currentTarget.value })}
                      data={list.datasources.map(({ name }) => name)}
                    />
                    {points.data && shown.length === 0 ? (
                      <p className="dim">This datasource has no backup that can be restored.</p>
                    ) : (
                      <NativeSelect
                        label="Backup"
                        value={backup?.id ?? ''}
                        onChange={(event) => setSearch({ backup: event.currentTarget.value })}
                        data={shown.map((each) => ({ value: each.id, label: pointWords(each) }))}
                      />
                    )}
                  </div>
                )
              }
            </Loaded>
          )}
        </Panel>
        {backup && (
          <RestoreForm key={backup.id} backup={backup} targets={datasources.data?.datasources ?? []} />
        )}
      </div>
    </Page>
  );
}

function pointWords(backup: Backup): string {
  const now = Date.now();
  const at = backup.completedAt ? millis(backup.completedAt) : now;
  const remarks = [
    bytes(backup.rawBytes),
    backup.verifiedAt ? 'verified' : 'not verified',
    backup.partial && 'databases missing',
  ];
  return `${absolute(at, now)} (${relative(at, now)}), ${remarks.filter(Boolean).join(', ')}`;
}
