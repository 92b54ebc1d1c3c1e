// The control plane itself: what needs attention, its workers and queue, keys, authorities, clean-up.
import { Button, Textarea } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { Link } from 'wouter';

import { useChange, useRead } from '../../api/call';
import { saveFile } from '../../api/file';
import { SystemService, WorkerState } from '../../api/gen/dataguardian/v1/system_pb';
import type { GetSystemInfoResponse } from '../../api/gen/dataguardian/v1/system_pb';
import { useMay } from '../../api/permissions';
import { Confirm } from '../../components/Confirm';
import { Loaded } from '../../components/Loaded';
import { Mark } from '../../components/Mark';
import { Facts, Page, Panel } from '../../components/Page';
import { Note } from '../../components/Problem';
import { Table } from '../../components/Table';
import { Time } from '../../components/Time';
import { humanize } from '../../format/words';
import type { Told } from '../../format/words';
import { Cleanup } from './Cleanup';

export default function SystemPage(): ReactElement {
  const info = useRead(SystemService.method.getSystemInfo, {}, { every: 5000 });
  return (
    <Page title="System" lead="The control plane itself.">
      <Loaded query={info} lines={10}>
        {(data) => (
          <>
            <Attention info={data} />
            <div className="two">
              <Workers info={data} />
              <Panel title="About">
                <Facts
                  of={[
                    ['Version', data.version],
                    ['Running since', <Time at={data.startedAt} both />],
                    ['Metadata in', data.metadataBackend === 'postgres' ? 'PostgreSQL' : 'SQLite'],
                    ['Agents connected', String(data.agentsConnected)],
                    ['Control plane', <span className="mono">{data.controlPlaneId}</span>],
                  ]}
                />
              </Panel>
            </div>
            <div className="two">
              <Recovery info={data} />
              <Keys info={data} />
            </div>
            <Cleanup />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Attention({ info }: { info: GetSystemInfoResponse }): ReactElement | null {
  if (info.notices.length === 0 && info.heldStorages.length === 0) return null;
  return (
    <div className="stack" style={{ marginBottom: 20 }}>
      {info.notices.map((notice, place) => (
        <Note
          key={place}
          tone="warn"
          title={notice.message}
          advice={
            notice.command && (
              <>
                <code>{notice.command}</code>
              </>
            )
          }
          reason={notice.reason}
        />
      ))}
      {info.heldStorages.map((storage) => (
        <Note key={storage} tone="warn" title={`Something holds up the cleaning of ${storage}.`}>
          <Link href={`/storages/${storage}`}>See what it is</Link>
        </Note>
      ))}
    </div>
  );
}

const states: Record<WorkerState, Told> = {
  [WorkerState.UNSPECIFIED]: ['Unknown', 'quiet'],
  [WorkerState.RUNNING]: ['Works', 'good'],
  [WorkerState.PAUSED]: ['Paused', 'warn'],
  [WorkerState.ERROR]: ['Its last pass failed', 'bad'],
  [WorkerState.STANDBY]: ['Another replica does it', 'quiet'],
};

function Workers({ info }: { info: GetSystemInfoResponse }): ReactElement {
  const { queue } = info;
  return (
    <Panel flush title="Workers and queue">
      <Table
        label="Workers and queue"
        rows={[
          ...info.workers.map((worker) => ({
            name: humanize(worker.name),
            told: states[worker.state] ?? states[0],
            reason: worker.reason,
            since: worker.lastPassAt,
          })),
          ...(queue
            ? [
                {
                  name: `Queue (${queue.backend})`,
                  told: (queue.online ? ['Online', 'good'] : ['Offline', 'bad']) as Told,
                  reason: queue.reason,
                  since: queue.since,
                },
              ]
            : []),
        ]}
        id={(row) => row.name}
        columns={[
          { head: 'Worker', main: true, cell: (row) => <strong>{row.name}</strong> },
          { head: 'State', cell: (row) => <Mark told={row.told} /> },
          { head: 'Why', cell: (row) => row.reason },
          { head: 'Last pass', align: 'end', cell: (row) => row.since && <Time at={row.since} /> },
        ]}
      />
    </Panel>
  );
}

/** A kit that opens every backup when this control plane is gone. */
function Recovery({ info }: { info: GetSystemInfoResponse }): ReactElement {
  const may = useMay();
  const [recipients, setRecipients] = useState('');
  const [open, setOpen] = useState(false);
  const make = useChange(SystemService.method.createRecoveryKit);
  const allowed = may(SystemService.method.createRecoveryKit);
  const list = recipients.split(/[\s,]+/).filter(Boolean);
  return (
    <Panel title="Recovery kit">
      <div className="stack">
        <p>
          {info.recoveryKitCreatedAt ? (
            <>
              The newest one was made <Time at={info.recoveryKitCreatedAt} both />.
            </>
          ) : (
            <Mark told={['None was ever made', 'warn']} />
          )}
        </p>
        <p className="dim">
          It opens every backup when this control plane is gone, with its keys. Keep it apart from both. For a
          passphrase in place of a key: <code>dgctl system recovery-kit</code>.
        </p>
        {allowed && (
          <div>
            <Button variant="default" onClick={() => setOpen(true)}>
              Make a recovery kit
            </Button>
          </div>
        )}
      </div>
      {open && (
        <Confirm
          title="Make a recovery kit"
          deed="Make and save it"
          pending={make.isPending}
          error={make.error}
          onConfirm={() =>
            make.mutate(
              { recipients: list },
              {
                onSuccess: ({ kit }) => {
                  saveFile('dataguardian-recovery-kit.age', [kit]);
                  setOpen(false);
                },
              },
            )
          }
          onClose={() => setOpen(false)}
        >
          <Textarea
            label="Who can open it"
            description="Public keys of age (age1…), one a line: age-keygen makes a pair"
            rows={3}
            classNames={{ input: 'mono' }}
            value={recipients}
            onChange={(event) => setRecipients(event.currentTarget.value)}
            spellCheck={false}
            data-autofocus
            required
          />
        </Confirm>
      )}
    </Panel>
  );
}

function Keys({ info }: { info: GetSystemInfoResponse }): ReactElement {
  return (
    <Panel flush title="Keys and authorities">
      <Table
        label="Keys and authorities"
        rows={[
          ...info.installationKeys.map((key, place) => ({
            id: key.keyId,
            what: 'Key of backups',
            used: place === 0,
            at: key.createdAt,
          })),
          ...info.authorities.map((authority) => ({
            id: authority.pin,
            what: 'Certificate authority',
            used: authority.signs,
            at: authority.createdAt,
          })),
        ]}
        id={(row) => row.id}
        columns={[
          {
            head: 'What',
            main: true,
            cell: (row) => (
              <>
                {row.what}
                <div className="cell-note mono">{row.id}</div>
              </>
            ),
          },
          {
            head: 'State',
            cell: (row) => <Mark told={row.used ? ['In use', 'good'] : ['Still trusted', 'quiet']} />,
          },
          { head: 'Made', align: 'end', cell: (row) => <Time at={row.at} /> },
        ]}
      />
    </Panel>
  );
}
