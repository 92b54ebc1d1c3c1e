// The storages' room and condition, and what the last backups took and saved.
import type { ReactElement } from 'react';

import { useRead } from '../../api/call';
import { BackupService } from '../../api/gen/dataguardian/v1/backup_pb';
import { StorageService } from '../../api/gen/dataguardian/v1/storage_pb';
import { useMay } from '../../api/permissions';
import { Loaded } from '../../components/Loaded';
import { Mark } from '../../components/Mark';
import { Empty, Panel } from '../../components/Page';
import { RowLink, Table } from '../../components/Table';
import { bytes, plural } from '../../format/size';
import { condition } from '../../format/words';

/** Backups that savings are counted over. */
const LAST = 100;

export function StoragePanel(): ReactElement | null {
  const may = useMay();
  const sees = may(StorageService.method.listStorages);
  const storages = useRead(
    StorageService.method.listStorages,
    { pageSize: 100 },
    { every: 30_000, enabled: sees },
  );
  const backups = useRead(
    BackupService.method.listBackups,
    { pageSize: LAST },
    { every: 30_000, enabled: may(BackupService.method.listBackups) },
  );
  if (!sees) return null;
  return (
    <Panel flush title="Storages">
      <Loaded query={storages}>
        {(list) => (
          <Table
            label="Storages"
            rows={list.storages}
            id={(storage) => storage.id}
            empty={
              <Empty title="No storage yet">
                A storage is a place where backups lie: a folder or a bucket.
              </Empty>
            }
            columns={[
              {
                head: 'Storage',
                main: true,
                cell: (storage) => <RowLink to={`/storages/${storage.name}`}>{storage.name}</RowLink>,
              },
              { head: 'Condition', cell: (storage) => <Mark told={condition(storage.health?.condition)} /> },
              {
                head: 'Free',
                align: 'end',
                cell: (storage) =>
                  storage.health?.freeBytes === undefined ? (
                    <span className="dim">–</span>
                  ) : (
                    bytes(storage.health.freeBytes)
                  ),
              },
            ]}
          />
        )}
      </Loaded>
      {backups.data && backups.data.backups.length > 0 && <Savings backups={backups.data.backups} />}
    </Panel>
  );
}

interface Sizes {
  rawBytes: bigint;
  storedBytes: bigint;
  reusedBytes: bigint;
}

function Savings({ backups }: { backups: readonly Sizes[] }): ReactElement {
  const sum = (pick: (of: Sizes) => bigint) => backups.reduce((total, each) => total + pick(each), 0n);
  const reused = sum((each) => each.reusedBytes);
  return (
    <p className="dim small" style={{ padding: '10px 16px', borderTop: '1px solid var(--line)' }}>
      The {backups.length === 1 ? 'last backup' : `last ${plural(backups.length, 'backup')}`}:{' '}
      {bytes(sum((each) => each.rawBytes))} of data took {bytes(sum((each) => each.storedBytes))}
      {reused > 0n && `; ${bytes(reused)} needed no storing, since it lay there already`}.
    </p>
  );
}
