// What was done, tried and denied, the newest first: looked through, saved as a file, and proven to be whole.
import type { ReactElement } from 'react';
import { useMemo, useState } from 'react';
import { useSearchParams } from 'wouter';

import { useRead } from '../../api/call';
import { AuditService } from '../../api/gen/dataguardian/v1/audit_pb';
import type { AuditLog } from '../../api/gen/dataguardian/v1/audit_pb';
import { useMay } from '../../api/permissions';
import { Denied } from '../../components/Denied';
import { Loaded } from '../../components/Loaded';
import { Mark } from '../../components/Mark';
import { Empty, Page, Panel } from '../../components/Page';
import { Pager, RowButton, Table, usePages } from '../../components/Table';
import { Time } from '../../components/Time';
import { useNow } from '../../components/now';
import { useSettled } from '../../components/settled';
import { Details } from './Details';
import { Filters } from './Filters';
import { Export, Verify } from './Proof';
import { actorWords, filterFields, filterOf, methodWords, outcomeWords, toFilter } from './rows';
import type { Filter } from './rows';

export default function AuditPage(): ReactElement {
  const may = useMay();
  return may(AuditService.method.listAuditLogs) ? (
    <Rows />
  ) : (
    <Denied title="Audit" method={AuditService.method.listAuditLogs} />
  );
}

function Rows(): ReactElement {
  const may = useMay();
  const [search, setSearch] = useSearchParams();
  const [shown, setShown] = useState<AuditLog>();
  const asked = search.toString();
  const settled = useSettled(asked);
  const now = useNow(60_000);
  const filter = useMemo(() => filterOf(new URLSearchParams(settled)), [settled]);
  const wanted = useMemo(() => toFilter(filter, filter.period ? now : 0), [filter, now]);
  const pages = usePages(settled);
  const list = useRead(
    AuditService.method.listAuditLogs,
    { filter: wanted, pageSize: 50, pageToken: pages.token },
    { every: 10_000, keep: true },
  );
  const set = (change: Partial<Filter>) =>
    setSearch(
      (old) => {
        const next = new URLSearchParams(old);
        for (const [name, value] of Object.entries(change)) {
          if (value === '') next.delete(name);
          else next.set(name, value);
        }
        return next;
      },
      { replace: true },
    );
  const clear = () => set(Object.fromEntries(filterFields.map((name) => [name, ''])));

  return (
    <Page
      title="Audit"
      lead="What was done, tried and denied, by whom, the newest first. Nothing secret is in it."
      actions={may(AuditService.method.exportAuditLogs) && <Export filter={wanted} />}
    >
      {may(AuditService.method.verifyAudit) && <Verify />}
      <Panel flush>
        <Filters filter={filterOf(search)} set={set} clear={clear} />
        <div className="flush">
          <Loaded query={list} lines={10}>
            {({ auditLogs, nextPageToken }) => (
              <>
                <Table
                  label="Audit log"
                  rows={auditLogs}
                  id={(row) => String(row.number)}
                  empty={
                    settled === '' ? (
                      <Empty title="Nothing was done yet">
                        Every change, sign-in and denial leaves a row here.
                      </Empty>
                    ) : (
                      <Empty title="No such rows">
                        Nothing in the log fits. Ask for less, or for a longer time.
                      </Empty>
                    )
                  }
                  columns={[
                    {
                      head: 'What',
                      main: true,
                      cell: (row) => (
                        <RowButton onClick={() => setShown(row)}>{methodWords(row.method)}</RowButton>
                      ),
                    },
                    { head: 'Who', cell: (row) => <span className="nowrap">{actorWords(row)}</span> },
                    { head: 'Concerned', cell: (row) => <span className="small">{row.resource}</span> },
                    { head: 'Ended', cell: (row) => <Mark told={outcomeWords(row.outcome)} /> },
                    { head: 'From', cell: (row) => <span className="dim small nowrap">{row.remote}</span> },
                    { head: 'When', align: 'end', cell: (row) => <Time at={row.at} /> },
                  ]}
                />
                <Pager pages={pages} next={nextPageToken} />
              </>
            )}
          </Loaded>
        </div>
      </Panel>
      {shown && (
        <Details
          row={shown}
          onClose={() => setShown(undefined)}
          onNarrow={(change) => {
            set(change);
            setShown(undefined);
          }}
        />
      )}
    </Page>
  );
}
