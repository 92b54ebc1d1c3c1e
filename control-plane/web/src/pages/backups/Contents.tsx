// What is in a backup, stream by stream, without restoring anything.
import { NativeSelect } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';

import { useRead } from '../../api/call';
import { BackupService } from '../../api/gen/dataguardian/v1/backup_pb';
import type { Backup, BackupStream } from '../../api/gen/dataguardian/v1/backup_pb';
import { Loaded } from '../../components/Loaded';
import { Empty, Panel } from '../../components/Page';
import { Pager, Table, usePages } from '../../components/Table';
import { bytes, count } from '../../format/size';

const roles: Record<string, string> = {
  globals: 'Roles and users',
  'schema-archive': 'Structure, as an archive',
  'schema-before-data': 'Structure before the rows',
  'table-data': 'Rows of a table',
  sequences: 'Sequences',
  'large-objects': 'Large objects',
  'schema-after-data': 'Structure after the rows',
};

export function Contents({ backup }: { backup: Backup }): ReactElement {
  const [database, setDatabase] = useState('');
  const pages = usePages(database);
  const request = { backupId: backup.id, pageSize: 50, pageToken: pages.token, database };
  const streams = useRead(BackupService.method.listBackupStreams, request, { keep: true });
  return (
    <Panel
      flush
      title="Contents"
      actions={
        backup.databases.length > 1 && (
          <NativeSelect
            size="xs"
            aria-label="Database"
            value={database}
            onChange={(event) => setDatabase(event.currentTarget.value)}
          >
            <option value="">All databases</option>
            {backup.databases.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </NativeSelect>
        )
      }
    >
      <Loaded query={streams} lines={8}>
        {(data) => (
          <>
            <Table
              label="Contents"
              rows={data.streams}
              id={(stream) => `${stream.role} ${nameOf(stream)}`}
              empty={<Empty title="Nothing here" />}
              columns={[
                {
                  head: 'Name',
                  main: true,
                  cell: (stream) => <span className="mono">{nameOf(stream) || 'the whole server'}</span>,
                },
                { head: 'What it is', cell: (stream) => roles[stream.role] ?? stream.role },
                {
                  head: 'Rows',
                  align: 'end',
                  cell: (stream) => (stream.rows === undefined ? '' : count(stream.rows)),
                },
                { head: 'Size', align: 'end', cell: (stream) => bytes(stream.bytes) },
              ]}
            />
            <Pager pages={pages} next={data.nextPageToken} words={['Back', 'More']} />
          </>
        )}
      </Loaded>
    </Panel>
  );
}

function nameOf(stream: BackupStream): string {
  return [stream.database, stream.schema, stream.name].filter((part) => part !== '').join('.');
}
