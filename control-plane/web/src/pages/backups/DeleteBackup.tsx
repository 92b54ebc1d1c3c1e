// Deleting a backup: first the server is asked what would be lost, then a word has to be typed.
import { Checkbox } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';

import { useChange, useRead } from '../../api/call';
import { BackupService } from '../../api/gen/dataguardian/v1/backup_pb';
import type { Backup } from '../../api/gen/dataguardian/v1/backup_pb';
import { Confirm } from '../../components/Confirm';
import { ProblemNote } from '../../components/Problem';
import { Time } from '../../components/Time';
import { plural } from '../../format/size';

export function DeleteBackup({ backup, onClose }: { backup: Backup; onClose: () => void }): ReactElement {
  const [allowLast, setAllowLast] = useState(false);
  const remove = useChange(BackupService.method.deleteBackup);
  const asked = { backupId: backup.id, etag: backup.etag, allowLast };
  const preview = useRead(BackupService.method.deleteBackup, {
    ...asked,
    allowLast: true,
    validateOnly: true,
  });
  const isLast = preview.data !== undefined && preview.data.remaining === 0n;
  return (
    <Confirm
      title="Delete this backup?"
      deed="Delete it"
      danger
      typed={backup.datasource}
      pending={remove.isPending}
      error={remove.error}
      onConfirm={() => remove.mutate(asked, { onSuccess: onClose })}
      onClose={onClose}
    >
      {preview.error && <ProblemNote error={preview.error} />}
      <p>
        The backup of <strong>{backup.datasource}</strong> of <Time at={backup.completedAt} both /> can’t be
        restored any more. This can’t be taken back.
      </p>
      {preview.data && (
        <p>
          {isLast ? (
            <strong>No whole backup of this datasource remains.</strong>
          ) : (
            <>
              {plural(preview.data.remaining, 'other backup')} of it{' '}
              {preview.data.remaining === 1n ? 'remains' : 'remain'}, the newest of{' '}
              <Time at={preview.data.newestRemaining?.completedAt} both />.
            </>
          )}
        </p>
      )}
      {preview.data && (
        <Checkbox
          label="Even if it is the newest one"
          checked={allowLast}
          onChange={(event) => setAllowLast(event.currentTarget.checked)}
        />
      )}
    </Confirm>
  );
}
