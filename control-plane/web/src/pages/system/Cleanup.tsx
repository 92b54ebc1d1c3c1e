// What no backup needs any more in the storages: the plan first, then one step of it.
import { Button } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';

import { useChange, useRead } from '../../api/call';
import { SystemService } from '../../api/gen/dataguardian/v1/system_pb';
import { useMay } from '../../api/permissions';
import { Confirm } from '../../components/Confirm';
import { Empty, Panel } from '../../components/Page';
import { ProblemNote } from '../../components/Problem';
import { Loading } from '../../components/Loaded';
import { Table } from '../../components/Table';
import { bytes, count } from '../../format/size';

export function Cleanup(): ReactElement | null {
  const may = useMay();
  const [wanted, setWanted] = useState(false);
  const [asking, setAsking] = useState(false);
  const plan = useRead(SystemService.method.runCleanup, { validateOnly: true }, { enabled: wanted });
  const run = useChange(SystemService.method.runCleanup);
  if (!may(SystemService.method.runCleanup)) return null;
  const rows = (plan.data?.datasources ?? []).flatMap((datasource) =>
    datasource.storages.map((storage) => ({
      ...storage,
      datasource: datasource.datasourceName || datasource.datasourceId,
      heldBy: datasource.heldBy,
    })),
  );
  return (
    <Panel
      flush
      title="Cleaning up"
      actions={
        wanted && plan.data ? (
          <Button variant="default" size="xs" onClick={() => setAsking(true)}>
            Take the next step now
          </Button>
        ) : (
          <Button
            variant="default"
            size="xs"
            onClick={() => setWanted(true)}
            loading={wanted && plan.isFetching}
          >
            Show the plan
          </Button>
        )
      }
    >
      {plan.error && (
        <div style={{ padding: 16 }}>
          <ProblemNote error={plan.error} />
        </div>
      )}
      {!wanted && (
        <p className="dim cell-pad">
          It runs by itself. The plan says what no backup needs any more, storage by storage; to make it,
          every storage is looked through.
        </p>
      )}
      {wanted && !plan.data && !plan.error && <Loading lines={2} />}
      {plan.data && (
        <Table
          label="What would be cleaned up"
          rows={rows}
          id={(row) => `${row.datasource} ${row.storageName}`}
          empty={
            <Empty title="Nothing to clean up">Every object in the storages is needed by a backup.</Empty>
          }
          columns={[
            {
              head: 'Datasource and storage',
              main: true,
              cell: (row) => (
                <>
                  <strong>{row.datasource}</strong> in {row.storageName}
                </>
              ),
            },
            { head: 'Held up by', cell: (row) => row.heldBy },
            {
              head: 'Not needed',
              align: 'end',
              cell: (row) => `${count(row.unneededObjects)} objects, ${bytes(row.unneededBytes)}`,
            },
            {
              head: 'Deleted now',
              align: 'end',
              cell: (row) => `${count(row.deletingObjects)} objects, ${bytes(row.deletingBytes)}`,
            },
          ]}
        />
      )}
      {asking && (
        <Confirm
          title="Clean up now?"
          deed="Clean up"
          pending={run.isPending}
          error={run.error}
          onConfirm={() => run.mutate({}, { onSuccess: () => setAsking(false) })}
          onClose={() => setAsking(false)}
        >
          <p>
            Each thing that no backup needs is taken one step further on its way out. Nothing that a backup
            needs is touched.
          </p>
        </Confirm>
      )}
    </Panel>
  );
}
