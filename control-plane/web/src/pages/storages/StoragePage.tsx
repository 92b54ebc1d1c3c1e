// One storage: where it is, how it does, and what it promises.
import { Button } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { Link, useLocation, useParams } from 'wouter';

import { useChange, useRead } from '../../api/call';
import { StorageService } from '../../api/gen/dataguardian/v1/storage_pb';
import type { Storage } from '../../api/gen/dataguardian/v1/storage_pb';
import { useMay } from '../../api/permissions';
import { Confirm } from '../../components/Confirm';
import { HealthProblems, LooksPanel } from '../../components/HealthPanel';
import { Loaded } from '../../components/Loaded';
import { Mark } from '../../components/Mark';
import { Facts, Page, Panel } from '../../components/Page';
import { FailureNote, Note } from '../../components/Problem';
import { Time } from '../../components/Time';
import { bytes } from '../../format/size';
import { condition } from '../../format/words';
import { place } from './StorageList';

export default function StoragePage(): ReactElement {
  const { name = '' } = useParams();
  const query = useRead(StorageService.method.getStorage, { storage: name }, { every: 10_000 });
  const looks = useRead(
    StorageService.method.listStorageHealthChecks,
    { storage: name, pageSize: 10 },
    { every: 30_000 },
  );
  const storage = query.data?.storage;
  if (!storage) {
    return (
      <Page title={name} back={['/storages', 'Storages']}>
        <Panel>
          <Loaded query={query}>{() => null}</Loaded>
        </Panel>
      </Page>
    );
  }
  return (
    <Page
      key={name}
      title={storage.name}
      head={
        <span className="row">
          {storage.name}
          <span className="small">
            <Mark told={condition(storage.health?.condition)} pill />
          </span>
        </span>
      }
      lead={place(storage)}
      back={['/storages', 'Storages']}
      actions={<Deeds storage={storage} />}
    >
      <HealthProblems health={storage.health} />
      {storage.collectionHolds.length > 0 && (
        <div className="stack" style={{ marginBottom: 20 }}>
          {storage.collectionHolds.map((hold) => (
            <Note
              key={hold.datasource}
              tone="warn"
              title={`Nothing of ${hold.datasource} is cleaned up here.`}
            >
              {hold.reason} <Time at={hold.since} />
            </Note>
          ))}
        </div>
      )}
      <Panel>
        <Particulars storage={storage} />
      </Panel>
      <Loaded query={looks}>{(data) => <LooksPanel checks={data.healthChecks} />}</Loaded>
    </Page>
  );
}

function Particulars({ storage }: { storage: Storage }): ReactElement {
  const { location, health } = storage;
  const local = location.case === 'local' ? location.value : undefined;
  const s3 = location.case === 's3' ? location.value : undefined;
  return (
    <div className="two">
      <Facts
        of={[
          ['Agent', local && <Link href={`/agents/${local.agent}`}>{local.agent}</Link>],
          ['Folder', local && <span className="mono">{local.path}</span>],
          ['Endpoint', s3 && (s3.endpoint || 'Amazon S3')],
          ['Region', s3?.region],
          ['Bucket', s3?.bucket],
          ['Folder in it', s3?.prefix],
          ['Access key', s3?.accessKeyId],
          ['Key for cleaning up', s3 && (s3.deleteAccessKeyId || 'none: nothing is cleaned up here')],
        ]}
      />
      <Facts
        of={[
          ['Free', health?.freeBytes !== undefined && bytes(health.freeBytes)],
          ['Refuses to overwrite', storage.conditionalPut ? 'yes' : 'no'],
          [
            'Safe from agents',
            storage.protectedFromAgents ? 'yes' : 'no: an agent that was broken into could delete here',
          ],
          [
            'Backups at a time',
            storage.maxConcurrent === 0 ? 'as many as come' : String(storage.maxConcurrent),
          ],
          ['Added', <Time at={storage.createdAt} both />],
          ['Repository', <span className="mono">{storage.repositoryId}</span>],
        ]}
      />
    </div>
  );
}

function Deeds({ storage }: { storage: Storage }): ReactElement {
  const may = useMay();
  const [, navigate] = useLocation();
  const [open, setOpen] = useState<'test' | 'delete'>();
  const test = useChange(StorageService.method.testStorage);
  const remove = useChange(StorageService.method.deleteStorage);
  const { method } = StorageService;
  return (
    <>
      {may(method.deleteStorage) && (
        <Button variant="subtle" onClick={() => setOpen('delete')}>
          Delete
        </Button>
      )}
      {may(method.updateStorage) && (
        <Button component={Link} href={`/storages/${storage.name}/edit`} variant="default">
          Edit
        </Button>
      )}
      {may(method.testStorage) && (
        <Button
          variant="default"
          onClick={() => {
            setOpen('test');
            test.mutate({ storage: storage.name });
          }}
        >
          Test
        </Button>
      )}
      {open === 'test' && (
        <Confirm
          title="Test of the storage"
          deed="Test again"
          pending={test.isPending}
          error={test.error}
          onConfirm={() => test.mutate({ storage: storage.name })}
          onClose={() => setOpen(undefined)}
        >
          {test.isPending && <p role="status">A small object is written, read and removed …</p>}
          {test.data?.ok && !test.isPending && (
            <Note tone="good" title="A backup could be written now.">
              {test.data.freeBytes !== undefined && `${bytes(test.data.freeBytes)} free. `}
              {test.data.conditionalPut ? 'It refuses to overwrite.' : 'It does not refuse to overwrite.'}
            </Note>
          )}
          {!test.isPending &&
            test.data?.problems.map((problem, at) => <FailureNote key={at} failure={problem} />)}
        </Confirm>
      )}
      {open === 'delete' && (
        <Confirm
          title={`Forget ${storage.name}?`}
          deed="Forget it"
          danger
          pending={remove.isPending}
          error={remove.error}
          onConfirm={() =>
            remove.mutate({ storage: storage.name }, { onSuccess: () => navigate('/storages') })
          }
          onClose={() => setOpen(undefined)}
        >
          <p>What lies in it stays there. A storage that jobs name or backups lie in can’t be forgotten.</p>
        </Confirm>
      )}
    </>
  );
}
