// Backups as a table, the same wherever they are listed.
import { Button } from '@mantine/core';
import type { ReactElement, ReactNode } from 'react';
import { Link } from 'wouter';

import { BackupState } from '../../api/gen/dataguardian/v1/backup_pb';
import type { Backup } from '../../api/gen/dataguardian/v1/backup_pb';
import { RestoreService } from '../../api/gen/dataguardian/v1/restore_pb';
import { useMay } from '../../api/permissions';
import { Icon } from '../../components/Icon';
import { Mark } from '../../components/Mark';
import { RowLink, Table } from '../../components/Table';
import { Time } from '../../components/Time';
import { bytes, count } from '../../format/size';

export function BackupTable({
  backups,
  empty,
}: {
  backups: readonly Backup[];
  empty: ReactNode;
}): ReactElement {
  const may = useMay();
  const restores = may(RestoreService.method.startRestore);
  return (
    <Table
      label="Backups"
      rows={backups}
      id={(backup) => backup.id}
      empty={empty}
      columns={[
        {
          head: 'Backup',
          main: true,
          cell: (backup) => (
            <>
              <RowLink to={`/backups/${backup.id}`}>
                {backup.datasource}, <Time at={backup.completedAt} />
              </RowLink>
              {backup.pin && (
                <span className="cell-note nowrap" title={backup.pin.reason}>
                  {' '}
                  <Icon name="pin" size={13} /> pinned
                </span>
              )}
              <div className="cell-note">{backup.databases.join(', ')}</div>
            </>
          ),
        },
        { head: 'Condition', cell: (backup) => <BackupMark backup={backup} /> },
        { head: 'Verified', cell: (backup) => <Time at={backup.verifiedAt} none="never" /> },
        { head: 'Copies', cell: (backup) => copiesOf(backup) },
        { head: 'Data', align: 'end', cell: (backup) => bytes(backup.rawBytes) },
        {
          head: 'Stored',
          align: 'end',
          cell: (backup) => (
            <>
              {bytes(backup.storedBytes)}
              {backup.reusedBytes > 0n && (
                <div className="cell-note">{bytes(backup.reusedBytes)} there already</div>
              )}
            </>
          ),
        },
        { head: 'Rows', align: 'end', cell: (backup) => count(backup.rows) },
        restores && {
          head: '',
          align: 'end',
          cell: (backup) =>
            backup.state === BackupState.COMPLETE && (
              <Button
                component={Link}
                href={`/restore?backup=${backup.id}`}
                variant="default"
                size="compact-sm"
              >
                Restore
              </Button>
            ),
        },
      ]}
    />
  );
}

/** How a backup is, in one mark: what can't be restored goes before what lacks something. */
export function BackupMark({ backup, pill = false }: { backup: Backup; pill?: boolean }): ReactElement {
  const whole = backup.copies.filter((copy) => copy.complete && !copy.damaged).length;
  if (backup.state !== BackupState.COMPLETE) return <Mark told={['Being deleted', 'quiet']} pill={pill} />;
  if (whole === 0) return <Mark told={['No whole copy', 'bad']} pill={pill} />;
  if (backup.copies.some((copy) => copy.damaged))
    return <Mark told={['A copy is damaged', 'bad']} pill={pill} />;
  if (backup.partial) return <Mark told={['Databases missing', 'warn']} pill={pill} />;
  if (backup.verifiedAt) return <Mark told={['Verified', 'good']} pill={pill} />;
  return <Mark told={['Complete', 'good']} pill={pill} />;
}

function copiesOf(backup: Backup): ReactNode {
  const whole = backup.copies.filter((copy) => copy.complete && !copy.damaged).length;
  const text = `${whole} of ${backup.copies.length}`;
  return whole < backup.copies.length ? <Mark told={[text, 'warn']} /> : text;
}
