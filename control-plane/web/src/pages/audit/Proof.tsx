// Saving the rows as a file, and looking whether every row is there and as it was.
import { Button } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import type { ReactElement } from 'react';

import { exportAudit } from '../../api/auditExport';
import { useRead } from '../../api/call';
import { openFile } from '../../api/file';
import { AuditService } from '../../api/gen/dataguardian/v1/audit_pb';
import type { VerifyAuditResponse } from '../../api/gen/dataguardian/v1/audit_pb';
import { Sheet } from '../../components/Confirm';
import { Panel } from '../../components/Page';
import { Note, ProblemNote } from '../../components/Problem';
import { Table } from '../../components/Table';
import { count, plural } from '../../format/size';
import type { Wanted } from './rows';

export function Export({ filter }: { filter: Wanted }): ReactElement {
  const [rows, setRows] = useState<number>();
  const [state, setState] = useState<'saving' | 'saved' | 'failed'>();
  const [error, setError] = useState<unknown>();
  const stop = useRef<AbortController>(undefined);
  useEffect(() => () => stop.current?.abort(), []);
  const close = () => {
    stop.current?.abort();
    setState(undefined);
  };
  const begin = async () => {
    const stopping = new AbortController();
    stop.current = stopping;
    try {
      const file = await openFile(
        `audit-${new Date().toISOString().slice(0, 10)}.jsonl`,
        'application/jsonl',
      );
      setRows(0);
      setState('saving');
      await exportAudit(filter, file, stopping.signal, setRows);
      setState('saved');
    } catch (thrown) {
      if (stopping.signal.aborted) return;
      // Whoever closes the dialog for the file has changed their mind.
      if (thrown instanceof DOMException && thrown.name === 'AbortError') return setState(undefined);
      setError(thrown);
      setState('failed');
    }
  };
  return (
    <>
      <Button variant="default" loading={state === 'saving'} onClick={() => void begin()}>
        Export
      </Button>
      {state && (
        <Sheet title="Export as JSON Lines" onClose={close}>
          <div className="form">
            {state === 'failed' ? (
              <ProblemNote error={error} />
            ) : (
              <p role="status">
                {state === 'saved'
                  ? `${plural(rows ?? 0, 'row')} saved, the oldest first: all that fit what is asked for here.`
                  : `${plural(rows ?? 0, 'row')} so far …`}
              </p>
            )}
            <div className="row" style={{ justifyContent: 'flex-end' }}>
              <Button variant="default" onClick={close}>
                {state === 'saving' ? 'Cancel' : 'Close'}
              </Button>
            </div>
          </div>
        </Sheet>
      )}
    </>
  );
}

export function Verify(): ReactElement {
  const [wanted, setWanted] = useState(false);
  const verify = useRead(AuditService.method.verifyAudit, {}, { enabled: wanted });
  const begin = () => (wanted ? void verify.refetch() : setWanted(true));
  return (
    <Panel
      title="Is it whole?"
      actions={
        <Button variant="default" size="xs" loading={verify.isFetching} onClick={begin}>
          {verify.data ? 'Verify again' : 'Verify the chain'}
        </Button>
      }
    >
      {verify.error ? (
        <ProblemNote error={verify.error} />
      ) : verify.data ? (
        <Found found={verify.data} />
      ) : (
        <p className="dim">
          Each row is chained to the one before it, and each day sealed when it is over. Verifying looks
          whether every row is there and as it was.
        </p>
      )}
    </Panel>
  );
}

function Found({ found }: { found: VerifyAuditResponse }): ReactElement {
  if (found.faults.length === 0) {
    return (
      <Note tone="good" title="The log is whole.">
        {plural(found.rows, 'row')} of {plural(found.days, 'day')} {Number(found.rows) === 1 ? 'is' : 'are'}{' '}
        there and as written.
      </Note>
    );
  }
  return (
    <div className="stack">
      <Note
        tone="bad"
        title="The log is not as it was written."
        advice="Keep a copy of the metadata database as it is, and find out who can write to it."
        urgent
      >
        {plural(found.faults.length, 'fault')}; {plural(found.rows, 'row')} of {plural(found.days, 'day')}{' '}
        {Number(found.rows) === 1 ? 'is' : 'are'} as written.
      </Note>
      <Table
        label="Faults"
        rows={found.faults}
        id={(fault) => `${fault.day} ${fault.number} ${fault.problem}`}
        columns={[
          { head: 'Day (UTC)', main: true, cell: (fault) => <strong>{fault.day}</strong> },
          { head: 'Row', cell: (fault) => (fault.number === 0n ? 'the whole day' : count(fault.number)) },
          { head: 'What is wrong', cell: (fault) => fault.problem },
        ]}
      />
    </div>
  );
}
