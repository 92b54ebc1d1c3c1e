// One row of the audit log, with what was asked and what it changed.
import { Button } from '@mantine/core';
import type { ReactElement } from 'react';

import type { AuditLog } from '../../api/gen/dataguardian/v1/audit_pb';
import { Sheet } from '../../components/Confirm';
import { Mark } from '../../components/Mark';
import { Facts } from '../../components/Page';
import { Time } from '../../components/Time';
import { count } from '../../format/size';
import { actorWords, methodWords, outcomeWords, requestWords } from './rows';
import type { Filter } from './rows';

interface DetailsProps {
  row: AuditLog;
  onClose: () => void;
  /** Shows only rows of this kind. */
  onNarrow: (change: Partial<Filter>) => void;
}

export function Details({ row, onClose, onNarrow }: DetailsProps): ReactElement {
  const actor = row.actorName || row.actorId || row.actorKind;
  return (
    <Sheet title={methodWords(row.method)} onClose={onClose}>
      <div className="stack">
        <Facts
          of={[
            ['When', <Time at={row.at} both />],
            ['Who', actorWords(row)],
            ['Its id', row.actorId && <span className="mono">{row.actorId}</span>],
            ['From', row.remote],
            ['Method', <span className="mono">{row.method.replace('/dataguardian.v1.', '')}</span>],
            ['Concerned', row.resource],
            ['Ended', <Mark told={outcomeWords(row.outcome)} />],
            ['Reason', row.outcome !== 'ok' && <span className="mono">{row.outcome}</span>],
            ['Number', count(row.number)],
          ]}
        />
        {row.requestJson ? (
          <div>
            <h3>What was asked</h3>
            <pre className="excerpt" tabIndex={0} aria-label="What was asked">
              {requestWords(row.requestJson)}
            </pre>
          </div>
        ) : (
          <p className="dim">Nothing was asked besides.</p>
        )}
        {row.changes.length > 0 && (
          <div>
            <h3>What it changed</h3>
            <pre className="excerpt" tabIndex={0} aria-label="What it changed">
              {row.changes
                .map(
                  ({ field, beforeJson, afterJson }) =>
                    `${field}: ${beforeJson || 'nothing'} → ${afterJson || 'nothing'}`,
                )
                .join('\n')}
            </pre>
          </div>
        )}
        <div className="row">
          <Button variant="default" size="xs" onClick={() => onNarrow({ actor })}>
            All by {actorWords(row)}
          </Button>
          {row.resource && (
            <Button variant="default" size="xs" onClick={() => onNarrow({ resource: row.resource })}>
              All that concerned it
            </Button>
          )}
        </div>
      </div>
    </Sheet>
  );
}
