// Every datasource and how well it is protected, the worst first, with the way to a restore.
import { Button } from '@mantine/core';
import type { ReactElement } from 'react';
import { Link } from 'wouter';

import { ProtectionState } from '../../api/gen/dataguardian/v1/dashboard_pb';
import type { DatasourceProtection, GetDashboardResponse } from '../../api/gen/dataguardian/v1/dashboard_pb';
import { RestoreService } from '../../api/gen/dataguardian/v1/restore_pb';
import { useMay } from '../../api/permissions';
import { Mark } from '../../components/Mark';
import { Panel } from '../../components/Page';
import { RowLink, Table } from '../../components/Table';
import { Time } from '../../components/Time';
import { durationMillis, span } from '../../format/time';
import { protectionState } from '../../format/words';
import './overview.css';

const urgency = [
  ProtectionState.UNPROTECTED,
  ProtectionState.LATE,
  ProtectionState.UNVERIFIED,
  ProtectionState.UNSPECIFIED,
  ProtectionState.PROTECTED,
];

/** The worst first, otherwise as they came. */
export function worstFirst(protection: readonly DatasourceProtection[]): DatasourceProtection[] {
  return protection.toSorted((one, other) => urgency.indexOf(one.state) - urgency.indexOf(other.state));
}

export function Protection({ data }: { data: GetDashboardResponse }): ReactElement {
  const may = useMay();
  const restores = may(RestoreService.method.startRestore);
  return (
    <Panel flush title="Protection">
      <Table
        label="Protection of each datasource"
        rows={worstFirst(data.protection)}
        id={(each) => each.datasource}
        columns={[
          {
            head: 'Datasource',
            main: true,
            cell: (each) => <RowLink to={`/datasources/${each.datasource}`}>{each.datasource}</RowLink>,
          },
          { head: 'State', cell: (each) => <Mark told={protectionState(each.state)} /> },
          {
            head: 'Newest backup',
            cell: (each) => (
              <>
                <Time at={each.newestBackupAt} none="none" />
                {each.backupObjective && (
                  <span className="cell-note nowrap">
                    {' '}
                    of {span(durationMillis(each.backupObjective))} allowed
                  </span>
                )}
              </>
            ),
          },
          {
            head: 'Newest verified',
            cell: (each) => (
              <>
                <Time at={each.newestVerifiedBackupAt} none="none" />
                {each.verifiedObjective && (
                  <span className="cell-note nowrap">
                    {' '}
                    of {span(durationMillis(each.verifiedObjective))} allowed
                  </span>
                )}
              </>
            ),
          },
          { head: 'Copies', cell: (each) => <Copies of={each} /> },
          restores && {
            head: '',
            align: 'end',
            cell: (each) =>
              each.newestBackupId && (
                <Button
                  component={Link}
                  href={`/restore?backup=${each.newestBackupId}`}
                  variant="default"
                  size="compact-sm"
                >
                  Restore<span className="hidden"> {each.datasource}</span>
                </Button>
              ),
          },
        ]}
      />
    </Panel>
  );
}

function Copies({ of }: { of: DatasourceProtection }): ReactElement | null {
  if (of.copiesWanted === 0) return null;
  const text = `${of.copies} of ${of.copiesWanted}`;
  return of.copies < of.copiesWanted ? <Mark told={[text, 'warn']} /> : <>{text}</>;
}
