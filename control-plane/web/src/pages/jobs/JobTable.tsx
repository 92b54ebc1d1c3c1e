// Jobs as a table, the same wherever they are listed.
import type { ReactElement, ReactNode } from 'react';

import type { Job } from '../../api/gen/dataguardian/v1/job_pb';
import { Mark } from '../../components/Mark';
import { RowLink, Table } from '../../components/Table';
import { Time } from '../../components/Time';
import { cronWords } from '../../format/cron';
import { executionState } from '../../format/words';

export function JobTable({ jobs, empty }: { jobs: readonly Job[]; empty: ReactNode }): ReactElement {
  return (
    <Table
      label="Jobs"
      rows={jobs}
      id={(job) => job.id}
      empty={empty}
      columns={[
        {
          head: 'Job',
          main: true,
          cell: (job) => (
            <>
              <RowLink to={`/jobs/${job.name}`}>{job.name}</RowLink>
              <div className="cell-note">
                {job.datasource} → {job.storages.join(', ')}
              </div>
            </>
          ),
        },
        { head: 'Schedule', cell: (job) => scheduleWords(job) },
        {
          head: 'Next run',
          cell: (job) =>
            job.paused ? <Mark told={['Paused', 'warn']} /> : <Time at={job.nextFireAt} none="–" />,
        },
        {
          head: 'Last scheduled run',
          cell: (job) => job.lastScheduled && <Mark told={executionState(job.lastScheduled.state)} />,
        },
        { head: 'Keeps', cell: (job) => retentionWords(job.retention) },
      ]}
    />
  );
}

/** When a job runs, in words; a pattern that has none is shown as it is. */
export function scheduleWords({ schedule }: Pick<Job, 'schedule'>): string {
  if (!schedule) return 'only by hand';
  const words = cronWords(schedule.cron) ?? schedule.cron;
  return `${words}${schedule.timezone && schedule.timezone !== 'UTC' ? `, ${schedule.timezone}` : ', UTC'}`;
}

/** Which backups stay, in a few words. */
export function retentionWords(retention: Job['retention']): string {
  const policy = retention?.policy;
  if (policy?.case === 'maxBackups') return `the newest ${policy.value}`;
  if (policy?.case === 'legacy')
    return `the newest ${policy.value.keepDaily + policy.value.keepWeekly + policy.value.keepMonthly}`;
  if (policy?.case === 'gfs') {
    const { keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly, keepWithin } = policy.value;
    const parts = [
      keepWithin && `all of ${Math.round(Number(keepWithin.seconds) / 86_400)} days`,
      keepHourly > 0 && `${keepHourly} hourly`,
      keepDaily > 0 && `${keepDaily} daily`,
      keepWeekly > 0 && `${keepWeekly} weekly`,
      keepMonthly > 0 && `${keepMonthly} monthly`,
      keepYearly > 0 && `${keepYearly} yearly`,
    ];
    return parts.filter(Boolean).join(', ');
  }
  return 'everything';
}
