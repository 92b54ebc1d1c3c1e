// What an execution found or brought back, in tables.
import type { ReactElement } from 'react';

import type { RestoreReport, VerifyReport } from '../../api/gen/dataguardian/v1/execution_pb';
import { Mark } from '../../components/Mark';
import { Panel } from '../../components/Page';
import { FailureNote } from '../../components/Problem';
import { Table } from '../../components/Table';
import { bytes, count, plural } from '../../format/size';

/** Rows that were restored against rows that the backup holds. */
export function RestoredPanel({ report }: { report: RestoreReport }): ReactElement {
  const differing = report.planned
    ? []
    : report.tables.filter((table) => table.expectedRows !== table.restoredRows);
  return (
    <Panel
      flush
      title={report.planned ? 'What would be restored' : 'What was restored'}
      actions={
        report.planned ? null : (
          <Mark
            told={
              differing.length === 0
                ? [`${count(report.rows)} rows, as many as in the backup`, 'good']
                : [`${plural(differing.length, 'table')} with other counts than in the backup`, 'bad']
            }
          />
        )
      }
    >
      <Table
        label="Databases"
        rows={report.databases}
        id={(database) => database.from}
        columns={[
          {
            head: 'Database',
            main: true,
            cell: ({ from, to, dropped }) => (
              <>
                <span className="mono">{from}</span>
                {to && to !== from && (
                  <>
                    {' → '}
                    <span className="mono">{to}</span>
                  </>
                )}
                {dropped && <span className="cell-note"> dropped again after the comparison</span>}
              </>
            ),
          },
          { head: 'Tables', align: 'end', cell: ({ tables }) => count(tables) },
          { head: 'Rows', align: 'end', cell: ({ rows }) => count(rows) },
          { head: 'Size', align: 'end', cell: (database) => bytes(database.bytes) },
        ]}
      />
      {report.tables.length > 0 && (
        <details className="more">
          <summary>Compare {plural(report.tables.length, 'table')}</summary>
          <Table
            label="Tables"
            rows={[...differing, ...report.tables.filter((table) => !differing.includes(table))]}
            id={(table) => `${table.database}.${table.schema}.${table.name}`}
            columns={[
              {
                head: 'Table',
                main: true,
                cell: (table) => <span className="mono">{tableName(table)}</span>,
              },
              { head: 'In the backup', align: 'end', cell: (table) => count(table.expectedRows) },
              !report.planned && {
                head: 'Restored',
                align: 'end',
                cell: (table) => count(table.restoredRows),
              },
              !report.planned && {
                head: 'Same',
                cell: (table) => (
                  <Mark
                    told={table.expectedRows === table.restoredRows ? ['Same', 'good'] : ['Different', 'bad']}
                  />
                ),
              },
            ]}
          />
        </details>
      )}
    </Panel>
  );
}

export function tableName(of: { database: string; schema: string; name: string }): string {
  return [of.database, of.schema, of.name].filter((part) => part !== '').join('.');
}

/** What was found of each copy. */
export function VerifiedPanel({ report }: { report: VerifyReport }): ReactElement {
  return (
    <Panel flush title={`What was found at level ${report.level}`}>
      <Table
        label="Copies"
        rows={report.copies}
        id={(copy) => copy.storage}
        columns={[
          { head: 'Storage', main: true, cell: (copy) => <strong>{copy.storage}</strong> },
          {
            head: 'Found',
            cell: (copy) =>
              copy.failure ? (
                <FailureNote failure={copy.failure} />
              ) : (
                <>
                  <Mark told={copy.good ? ['Whole', 'good'] : [plural(copy.faultCount, 'fault'), 'bad']} />
                  {copy.faults.slice(0, 20).map((fault) => (
                    <div key={fault.object} className="cell-note">
                      <span className="mono">{fault.object}</span>: {fault.problem}
                      {fault.hurts.length > 0 && ` Hurts ${fault.hurts.slice(0, 5).join(', ')}.`}
                    </div>
                  ))}
                </>
              ),
          },
          { head: 'Objects', align: 'end', cell: (copy) => count(copy.objects) },
          { head: 'Read', align: 'end', cell: (copy) => bytes(copy.bytes) },
        ]}
      />
    </Panel>
  );
}
