// Downloading a database of a backup, or its roles, as one SQL script.
import { Button, NativeSelect } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import type { ReactElement } from 'react';

import { download } from '../../api/download';
import { openFile } from '../../api/file';
import type { Backup } from '../../api/gen/dataguardian/v1/backup_pb';
import { Bar } from '../../components/Bar';
import { Sheet } from '../../components/Confirm';
import { ProblemNote } from '../../components/Problem';
import { bytes } from '../../format/size';

const GLOBALS = ' globals';

export function DownloadSheet({ backup, onClose }: { backup: Backup; onClose: () => void }): ReactElement {
  const [what, setWhat] = useState(backup.databases[0] ?? GLOBALS);
  const [progress, setProgress] = useState<{ done: number; whole: number }>();
  const [error, setError] = useState<unknown>();
  const [finished, setFinished] = useState(false);
  const stop = useRef<AbortController>(undefined);
  useEffect(() => () => stop.current?.abort(), []);

  const begin = async () => {
    setError(undefined);
    const globals = what === GLOBALS;
    const stopping = new AbortController();
    stop.current = stopping;
    try {
      const file = await openFile(
        `${backup.datasource}-${globals ? 'roles' : what}-${backup.id.slice(0, 8)}.sql`,
      );
      setProgress({ done: 0, whole: 0 });
      const wanted = { backup: backup.id, globals, database: globals ? '' : what };
      await download(wanted, file, stopping.signal, (done, whole) => setProgress({ done, whole }));
      setFinished(true);
    } catch (thrown) {
      // Whoever closes the dialog for the file has changed their mind.
      if (!(thrown instanceof DOMException && thrown.name === 'AbortError')) setError(thrown);
    }
    setProgress(undefined);
  };

  return (
    <Sheet title="Download as SQL" onClose={onClose}>
      <div className="form">
        <NativeSelect
          label="What"
          value={what}
          onChange={(event) => setWhat(event.currentTarget.value)}
          disabled={progress !== undefined}
        >
          {backup.databases.map((name) => (
            <option key={name}>{name}</option>
          ))}
          <option value={GLOBALS}>Roles and users</option>
        </NativeSelect>
        <p className="dim">
          An agent reads it from a storage, checks and decrypts it. The script is plain SQL: keep it as safe
          as the database.
        </p>
        {progress && (
          <div className="stack tight">
            <span className="small">
              {bytes(progress.done)} of {bytes(progress.whole)}
            </span>
            <Bar part={progress.whole > 0 ? progress.done / progress.whole : undefined} label="Download" />
          </div>
        )}
        {finished && <p role="status">The script is whole and saved.</p>}
        {error !== undefined && <ProblemNote error={error} />}
        <div className="row" style={{ justifyContent: 'flex-end' }}>
          <Button variant="default" onClick={onClose}>
            {progress ? 'Cancel' : 'Close'}
          </Button>
          <Button onClick={() => void begin()} loading={progress !== undefined}>
            Download
          </Button>
        </div>
      </div>
    </Sheet>
  );
}
