// What a retention does to the backups that there are, on a line of time and as a list.
import type { ReactElement } from 'react';

import { useRead } from '../../api/call';
import { JobService } from '../../api/gen/dataguardian/v1/job_pb';
import type { RetentionDecision } from '../../api/gen/dataguardian/v1/retention_pb';
import { Loaded } from '../../components/Loaded';
import { Mark } from '../../components/Mark';
import { Empty, Panel } from '../../components/Page';
import { Pager, RowLink, Table, usePages } from '../../components/Table';
import { Time } from '../../components/Time';
import { useNow } from '../../components/now';
import { count, plural } from '../../format/size';
import { absolute, millis } from '../../format/time';
import { retentionRule } from '../../format/words';
import { useSettled } from '../../components/settled';
import { retentionOf } from './draft';
import type { Draft } from './draft';
import './jobs.css';

/** By the job's own retention, or by that of a form. */
export function RetentionPreview({ job, draft }: { job: string; draft?: Draft }): ReactElement {
  const chosen = useSettled(draft);
  const retention = chosen && retentionOf(chosen);
  const key = chosen
    ? `${chosen.keep} ${chosen.maxBackups} ${chosen.withinDays} ${chosen.daily} ${chosen.weekly}`
    : '';
  const pages = usePages(key);
  const isAll = chosen !== undefined && retention === undefined;
  const preview = useRead(
    JobService.method.previewRetention,
    { job, pageSize: 100, pageToken: pages.token, ...(retention ? { retention } : {}) },
    { keep: true, enabled: !isAll },
  );
  return (
    <Panel flush title={draft ? 'What that would keep' : 'What retention keeps'}>
      {isAll ? (
        <Empty title="Everything stays">
          Nothing is deleted by itself; delete backups by hand, or the storage fills up.
        </Empty>
      ) : (
        <Loaded query={preview}>
          {(data) =>
            data.decisions.length === 0 ? (
              <Empty title="No backup of this job yet">
                As soon as there are some, this shows which stay and why.
              </Empty>
            ) : (
              <>
                <div className="preview">
                  <p>
                    <strong>{count(data.kept)}</strong> {data.kept === 1n ? 'stays' : 'stay'},{' '}
                    <strong>{plural(data.deleted, 'backup')}</strong> would be deleted.
                  </p>
                  <TimeLine decisions={data.decisions} />
                </div>
                <Table
                  label="Backups and what becomes of them"
                  rows={data.decisions}
                  id={(each) => each.backupId}
                  columns={[
                    {
                      head: 'Backup of',
                      main: true,
                      cell: (each) => (
                        <RowLink to={`/backups/${each.backupId}`}>
                          <Time at={each.completedAt} both />
                        </RowLink>
                      ),
                    },
                    {
                      head: 'Fate',
                      cell: (each) => (
                        <Mark told={each.deleted ? ['Would be deleted', 'warn'] : ['Stays', 'good']} />
                      ),
                    },
                    { head: 'Because it is', cell: (each) => reasons(each) },
                  ]}
                />
                <Pager pages={pages} next={data.nextPageToken} />
              </>
            )
          }
        </Loaded>
      )}
    </Panel>
  );
}

function reasons(of: RetentionDecision): string {
  return of.reasons
    .map(({ rule, storage }) => `${retentionRule(rule)}${storage ? ` in ${storage}` : ''}`)
    .join(', ');
}

/** Each backup as a stroke, from the oldest shown to now: long ones stay. */
function TimeLine({ decisions }: { decisions: readonly RetentionDecision[] }): ReactElement | null {
  const now = useNow(60_000);
  const at = decisions.map(({ completedAt }) => (completedAt ? millis(completedAt) : now));
  const oldest = Math.min(...at);
  const width = Math.max(1, now - oldest);
  const x = (moment: number) => 4 + ((moment - oldest) / width) * 992;
  return (
    <div className="timeline">
      <svg
        viewBox="0 0 1000 40"
        preserveAspectRatio="none"
        role="img"
        aria-label="Backups over time; long strokes stay, short ones would go"
      >
        <line x1="0" x2="1000" y1="36" y2="36" className="axis" />
        {decisions.map((each, place) => (
          <line
            key={each.backupId}
            x1={x(at[place] ?? now)}
            x2={x(at[place] ?? now)}
            y1={each.deleted ? 24 : 6}
            y2="36"
            className={each.deleted ? 'goes' : 'stays'}
          />
        ))}
      </svg>
      <div className="row between small dim">
        <span>{absolute(oldest, now)}</span>
        <span>now</span>
      </div>
    </div>
  );
}
