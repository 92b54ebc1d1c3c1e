// One backup: what is in it, where its copies are and how they were when they were last looked into.
import { Button } from '@mantine/core';
import type { ReactElement } from 'react';
import { Link, useParams } from 'wouter';

import { useRead } from '../../api/call';
import { BackupService, BackupState, CheckedBy } from '../../api/gen/dataguardian/v1/backup_pb';
import type { Backup, BackupCopy } from '../../api/gen/dataguardian/v1/backup_pb';
import { RestoreService } from '../../api/gen/dataguardian/v1/restore_pb';
import { useMay } from '../../api/permissions';
import { Loaded } from '../../components/Loaded';
import { Mark } from '../../components/Mark';
import { Facts, Page, Panel } from '../../components/Page';
import { FailureNote, Note } from '../../components/Problem';
import { Table } from '../../components/Table';
import { Time } from '../../components/Time';
import { bytes, count, plural } from '../../format/size';
import { exact, millis } from '../../format/time';
import { checkOutcome, copyState, engineName } from '../../format/words';
import { BackupDeeds } from './BackupDeeds';
import { BackupMark } from './BackupTable';
import { Contents } from './Contents';

export default function BackupPage(): ReactElement {
  const { id = '' } = useParams();
  const query = useRead(BackupService.method.getBackup, { backup: id }, { every: 5000 });
  const backup = query.data?.backup;
  if (!backup) {
    return (
      <Page title="Backup" back={['/backups', 'Backups']}>
        <Panel>
          <Loaded query={query}>{() => null}</Loaded>
        </Panel>
      </Page>
    );
  }
  const made = backup.completedAt ? exact(millis(backup.completedAt)) : '';
  return (
    <Page
      key={id}
      title={`Backup of ${backup.datasource}`}
      head={
        <span className="row">
          Backup of {backup.datasource}
          <span className="small">
            <BackupMark backup={backup} pill />
          </span>
        </span>
      }
      lead={made}
      back={['/backups', 'Backups']}
      actions={<Actions backup={backup} />}
    >
      <Remarks backup={backup} />
      <Panel>
        <Particulars backup={backup} />
      </Panel>
      <Panel flush title="Copies">
        <Copies copies={backup.copies} />
      </Panel>
      <Contents backup={backup} />
    </Page>
  );
}

function Actions({ backup }: { backup: Backup }): ReactElement {
  const may = useMay();
  return (
    <>
      <BackupDeeds backup={backup} />
      {backup.state === BackupState.COMPLETE && may(RestoreService.method.startRestore) && (
        <Button component={Link} href={`/restore?backup=${backup.id}`}>
          Restore
        </Button>
      )}
    </>
  );
}

function Remarks({ backup }: { backup: Backup }): ReactElement | null {
  const shown = [
    backup.pin && (
      <Note key="pin" tone="quiet" title={`Pinned by ${backup.pin.pinnedBy}`}>
        {backup.pin.reason || 'It is not deleted, by hand or by retention.'} <Time at={backup.pin.pinnedAt} />
      </Note>
    ),
    ...backup.missingDatabases.map(({ name, failure }) => (
      <Note
        key={name}
        tone="warn"
        title={`The database ${name} is not in it.`}
        advice={failure?.advice}
        reason={failure?.reason ?? ''}
      >
        {failure?.message}
      </Note>
    )),
    backup.warnings.length > 0 && (
      <Note key="warnings" tone="warn" title={plural(backup.warnings.length, 'remark')}>
        {backup.warnings.map(({ database, message }, place) => (
          <div key={place}>
            {database && <span className="mono">{database}: </span>}
            {message}
          </div>
        ))}
      </Note>
    ),
  ].filter(Boolean);
  if (shown.length === 0) return null;
  return (
    <div className="stack" style={{ marginBottom: 20 }}>
      {shown}
    </div>
  );
}

function Particulars({ backup }: { backup: Backup }): ReactElement {
  return (
    <div className="two">
      <Facts
        of={[
          ['Made', <Time at={backup.completedAt} both />],
          [
            'Verified',
            backup.verifiedAt ? <Time at={backup.verifiedAt} both /> : 'never: nobody has read it back yet',
          ],
          ['Databases', backup.databases.join(', ')],
          ['Server', `${engineName(backup.engine)} ${backup.serverVersion}`],
          [
            'Contents',
            `${plural(backup.tables, 'table')}, ${count(backup.rows)} rows, ${bytes(backup.rawBytes)}`,
          ],
          ['Encrypted', backup.encrypted ? 'yes' : 'no'],
        ]}
      />
      <Facts
        of={[
          ['Datasource', <Link href={`/datasources/${backup.datasource}`}>{backup.datasource}</Link>],
          ['Job', backup.job ? <Link href={`/jobs/${backup.job}`}>{backup.job}</Link> : 'deleted since'],
          [
            'Made by',
            backup.executionId && <Link href={`/executions/${backup.executionId}`}>this execution</Link>,
          ],
          ['Stored', bytes(backup.storedBytes)],
          ['There already', backup.reusedBytes > 0n && bytes(backup.reusedBytes)],
          [
            'Refers to',
            backup.baseBackupId && <Link href={`/backups/${backup.baseBackupId}`}>an earlier backup</Link>,
          ],
          ['Id', <span className="mono">{backup.id}</span>],
        ]}
      />
    </div>
  );
}

function Copies({ copies }: { copies: readonly BackupCopy[] }): ReactElement {
  return (
    <Table
      label="Copies"
      rows={copies}
      id={(copy) => copy.storage}
      columns={[
        {
          head: 'Storage',
          main: true,
          cell: (copy) => <Link href={`/storages/${copy.storage}`}>{copy.storage}</Link>,
        },
        { head: 'State', cell: (copy) => <Mark told={copyState(copy.state, copy.damaged)} /> },
        { head: 'Since', cell: (copy) => <Time at={copy.completedAt} none="not yet" /> },
        {
          head: 'Last checks',
          cell: (copy) =>
            copy.checks.length === 0 ? (
              <span className="dim">none yet</span>
            ) : (
              copy.checks.map((check) => (
                <div key={check.level} className="row">
                  <span>Level {check.level}</span>
                  <Mark told={checkOutcome(check.outcome)} />
                  <span className="dim">
                    <Time at={check.checkedAt} />
                  </span>
                </div>
              ))
            ),
        },
        {
          head: 'Remarks',
          cell: (copy) =>
            copy.failure ? (
              <FailureNote failure={copy.failure} tone="warn" />
            ) : copy.damage.length > 0 ? (
              copy.damage.map((fault) => (
                <div key={fault.object} className="small">
                  <span className="mono">{fault.object}</span>: {fault.problem}
                </div>
              ))
            ) : copy.checkedBy === CheckedBy.CONTROL_PLANE ? (
              <span className="dim">seen by the control plane itself</span>
            ) : (
              <span className="dim">seen by the agent</span>
            ),
        },
      ]}
    />
  );
}
