// What can be done with a backup besides restoring it: verify, download, pin, copy, delete.
import { Button, Menu, NativeSelect, Radio, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { FormEvent, ReactElement } from 'react';
import { useLocation } from 'wouter';

import { useChange, useRead } from '../../api/call';
import { BackupService, BackupState } from '../../api/gen/dataguardian/v1/backup_pb';
import type { Backup } from '../../api/gen/dataguardian/v1/backup_pb';
import { StorageService } from '../../api/gen/dataguardian/v1/storage_pb';
import { useMay } from '../../api/permissions';
import { requestId } from '../../api/requestId';
import { Sheet } from '../../components/Confirm';
import { ProblemNote } from '../../components/Problem';
import { DeleteBackup } from './DeleteBackup';
import { DownloadSheet } from './DownloadSheet';

type Deed = 'verify' | 'download' | 'pin' | 'copy' | 'delete';

export function BackupDeeds({ backup }: { backup: Backup }): ReactElement | null {
  const may = useMay();
  const [open, setOpen] = useState<Deed>();
  const unpin = useChange(BackupService.method.unpinBackup);
  const close = () => setOpen(undefined);
  const { method } = BackupService;
  if (backup.state !== BackupState.COMPLETE) return null;
  const items = [
    may(method.downloadBackup) && (['Download as SQL', () => setOpen('download')] as const),
    may(method.copyBackup) && (['Copy to another storage', () => setOpen('copy')] as const),
    may(method.pinBackup) &&
      !backup.pin &&
      (['Pin: keep it from being deleted', () => setOpen('pin')] as const),
    may(method.unpinBackup) &&
      backup.pin &&
      (['Unpin', () => unpin.mutate({ backupId: backup.id, etag: backup.etag })] as const),
    may(method.deleteBackup) && (['Delete', () => setOpen('delete')] as const),
  ].filter((item) => item !== false && item !== undefined);
  return (
    <>
      {unpin.error && <ProblemNote error={unpin.error} />}
      {items.length > 0 && (
        <Menu position="bottom-end" withinPortal={false} transitionProps={{ duration: 0 }}>
          <Menu.Target>
            <Button variant="default">More</Button>
          </Menu.Target>
          <Menu.Dropdown>
            {items.map(([name, act]) => (
              <Menu.Item key={name} onClick={act}>
                {name}
              </Menu.Item>
            ))}
          </Menu.Dropdown>
        </Menu>
      )}
      {may(method.verifyBackup) && (
        <Button variant="default" onClick={() => setOpen('verify')}>
          Verify
        </Button>
      )}
      {open === 'verify' && <VerifySheet backup={backup} onClose={close} />}
      {open === 'download' && <DownloadSheet backup={backup} onClose={close} />}
      {open === 'pin' && <PinSheet backup={backup} onClose={close} />}
      {open === 'copy' && <CopySheet backup={backup} onClose={close} />}
      {open === 'delete' && <DeleteBackup backup={backup} onClose={close} />}
    </>
  );
}

interface SheetProps {
  backup: Backup;
  onClose: () => void;
}

const levels = [
  [
    '2',
    'Read everything back',
    'Every chunk is opened and decompressed. Proves that the backup can be read; takes as long as reading it.',
  ],
  ['1', 'Compare checksums', 'Every object is read and has the SHA-256 that it should have.'],
  ['0', 'Look whether all is there', 'Every object is there with its size. Quick.'],
] as const;

function VerifySheet({ backup, onClose }: SheetProps): ReactElement {
  const [level, setLevel] = useState('2');
  const [, navigate] = useLocation();
  const verify = useChange(BackupService.method.verifyBackup);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    verify.mutate(
      { backup: backup.id, level: Number(level), requestId: requestId() },
      { onSuccess: (answer) => answer.execution && navigate(`/executions/${answer.execution.id}`) },
    );
  };
  return (
    <Sheet title="Verify this backup" onClose={onClose}>
      <form className="form" onSubmit={submit}>
        <Radio.Group label="How closely" value={level} onChange={setLevel}>
          <div className="stack" style={{ marginTop: 8 }}>
            {levels.map(([value, label, description]) => (
              <Radio key={value} value={value} label={label} description={description} />
            ))}
          </div>
        </Radio.Group>
        {verify.error && <ProblemNote error={verify.error} />}
        <End deed="Verify" pending={verify.isPending} onClose={onClose} />
      </form>
    </Sheet>
  );
}

function PinSheet({ backup, onClose }: SheetProps): ReactElement {
  const [reason, setReason] = useState('');
  const pin = useChange(BackupService.method.pinBackup);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    pin.mutate({ backupId: backup.id, reason, etag: backup.etag }, { onSuccess: onClose });
  };
  return (
    <Sheet title="Pin this backup" onClose={onClose}>
      <form className="form" onSubmit={submit}>
        <TextInput
          label="Why"
          description="For whoever wants to delete it one day"
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
          data-autofocus
        />
        {pin.error && <ProblemNote error={pin.error} />}
        <End deed="Pin" pending={pin.isPending} onClose={onClose} />
      </form>
    </Sheet>
  );
}

function CopySheet({ backup, onClose }: SheetProps): ReactElement {
  const storages = useRead(StorageService.method.listStorages, { pageSize: 1000 });
  const copy = useChange(BackupService.method.copyBackup);
  const there = backup.copies.map((each) => each.storage);
  const others = storages.data?.storages.filter(({ name }) => !there.includes(name)) ?? [];
  const [chosen, setChosen] = useState('');
  const storage = chosen || others[0]?.name || '';
  const submit = (event: FormEvent) => {
    event.preventDefault();
    copy.mutate({ backup: backup.id, storage }, { onSuccess: onClose });
  };
  return (
    <Sheet title="Copy to another storage" onClose={onClose}>
      <form className="form" onSubmit={submit}>
        {storages.data && others.length === 0 ? (
          <p>Every storage has it, or is about to. Add a storage first.</p>
        ) : (
          <NativeSelect
            label="Storage"
            description="It is copied in the background by an agent that reaches both."
            value={storage}
            onChange={(event) => setChosen(event.currentTarget.value)}
            data={others.map(({ name }) => name)}
          />
        )}
        {copy.error && <ProblemNote error={copy.error} />}
        <End deed="Copy" pending={copy.isPending} disabled={storage === ''} onClose={onClose} />
      </form>
    </Sheet>
  );
}

interface EndProps {
  deed: string;
  pending: boolean;
  disabled?: boolean;
  onClose: () => void;
}

function End({ deed, pending, disabled = false, onClose }: EndProps): ReactElement {
  return (
    <div className="row" style={{ justifyContent: 'flex-end' }}>
      <Button variant="default" onClick={onClose}>
        Close
      </Button>
      <Button type="submit" loading={pending} disabled={disabled}>
        {deed}
      </Button>
    </div>
  );
}
