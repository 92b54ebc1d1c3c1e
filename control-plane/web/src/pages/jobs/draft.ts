// What is typed into the form of a job, and the schedule, retention and options that it comes to.
import type { MessageInitShape } from '@bufbuild/protobuf';

import { Strategy } from '../../api/gen/dataguardian/v1/common_pb';
import type { BackupOptionsSchema, Job, ScheduleSchema } from '../../api/gen/dataguardian/v1/job_pb';
import type { RetentionSchema } from '../../api/gen/dataguardian/v1/retention_pb';
import { cronOf, rhythmOf } from '../../format/cron';
import type { Rhythm } from '../../format/cron';
import { durationMillis, toDuration } from '../../format/time';

export type Keep = 'all' | 'max' | 'gfs';

export interface Draft {
  name: string;
  datasource: string;
  storages: string[];
  strategy: Strategy;
  rhythm: Rhythm;
  time: string;
  weekday: number;
  cron: string;
  timezone: string;
  jitterMinutes: string;
  keep: Keep;
  maxBackups: string;
  withinDays: string;
  daily: string;
  weekly: string;
  monthly: string;
  yearly: string;
  unencrypted: boolean;
  compressionLevel: string;
  tableConnections: string;
  excludeTables: string;
  excludeTableData: string;
}

/** The zone of whoever fills in the form. */
export const ownZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';

export function emptyDraft(datasource: string, storages: string[]): Draft {
  return {
    name: '',
    datasource,
    storages,
    strategy: storages.length > 1 ? Strategy.REPLICATE : Strategy.FALLBACK,
    rhythm: 'daily',
    time: '02:30',
    weekday: 0,
    cron: '30 2 * * *',
    timezone: ownZone(),
    jitterMinutes: '',
    keep: 'gfs',
    maxBackups: '14',
    withinDays: '',
    daily: '7',
    weekly: '4',
    monthly: '6',
    yearly: '',
    unencrypted: false,
    compressionLevel: '',
    tableConnections: '',
    excludeTables: '',
    excludeTableData: '',
  };
}

/** The form as the job is. */
export function draftOf(job: Job): Draft {
  const blank = emptyDraft(job.datasource, job.storages);
  const policy = job.retention?.policy;
  const gfs = policy?.case === 'gfs' ? policy.value : undefined;
  const legacy = policy?.case === 'legacy' ? policy.value : undefined;
  const sum = legacy && legacy.keepDaily + legacy.keepWeekly + legacy.keepMonthly;
  const number = (value: number | undefined) => (value ? String(value) : '');
  return {
    ...blank,
    name: job.name,
    strategy: job.strategy,
    ...(job.schedule
      ? { ...rhythmOf(job.schedule.cron), cron: job.schedule.cron, timezone: job.schedule.timezone || 'UTC' }
      : { rhythm: 'none' as const }),
    jitterMinutes: job.schedule?.jitter
      ? number(Math.round(durationMillis(job.schedule.jitter) / 60_000))
      : '',
    keep: policy?.case === undefined ? 'all' : gfs ? 'gfs' : 'max',
    maxBackups: policy?.case === 'maxBackups' ? String(policy.value) : sum ? String(sum) : blank.maxBackups,
    ...(gfs
      ? {
          withinDays: gfs.keepWithin ? number(Math.round(durationMillis(gfs.keepWithin) / 86_400_000)) : '',
          daily: number(gfs.keepDaily),
          weekly: number(gfs.keepWeekly),
          monthly: number(gfs.keepMonthly),
          yearly: number(gfs.keepYearly),
        }
      : {}),
    unencrypted: job.options?.unencrypted ?? false,
    compressionLevel: number(job.options?.compressionLevel),
    tableConnections: number(job.options?.tableConnections),
    excludeTables: job.options?.excludeTables.join('\n') ?? '',
    excludeTableData: job.options?.excludeTableData.join('\n') ?? '',
  };
}

/** The pattern that the form stands for; empty without a schedule. */
export function patternOf(draft: Draft): string {
  if (draft.rhythm === 'none') return '';
  return draft.rhythm === 'custom' ? draft.cron.trim() : cronOf(draft.rhythm, draft.time, draft.weekday);
}

/** The schedule; what the form does not show stays as it was in `before`. */
export function scheduleOf(
  draft: Draft,
  before?: Job['schedule'],
): MessageInitShape<typeof ScheduleSchema> | undefined {
  const cron = patternOf(draft);
  if (cron === '') return undefined;
  const { jitter: _jitter, $typeName: _type, $unknown: _more, ...kept } = before ?? {};
  const jitter =
    Number(draft.jitterMinutes) > 0 ? { jitter: toDuration(Number(draft.jitterMinutes) * 60_000) } : {};
  return { ...kept, cron, timezone: draft.timezone, ...jitter };
}

/** The retention; undefined where everything is kept. */
export function retentionOf(draft: Draft): MessageInitShape<typeof RetentionSchema> | undefined {
  const timezone = draft.timezone;
  if (draft.keep === 'all') return undefined;
  if (draft.keep === 'max')
    return { timezone, policy: { case: 'maxBackups', value: Number(draft.maxBackups) || 0 } };
  const days = Number(draft.withinDays);
  return {
    timezone,
    policy: {
      case: 'gfs',
      value: {
        keepDaily: Number(draft.daily) || 0,
        keepWeekly: Number(draft.weekly) || 0,
        keepMonthly: Number(draft.monthly) || 0,
        keepYearly: Number(draft.yearly) || 0,
        ...(days > 0 ? { keepWithin: toDuration(days * 86_400_000) } : {}),
      },
    },
  };
}

/** The options; what the form does not show stays as it was in `before`. */
export function optionsOf(
  draft: Draft,
  before?: Job['options'],
): MessageInitShape<typeof BackupOptionsSchema> {
  const { $typeName: _type, $unknown: _more, ...kept } = before ?? {};
  const lines = (text: string) =>
    text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
  return {
    ...kept,
    unencrypted: draft.unencrypted,
    compressionLevel: Number(draft.compressionLevel) || 0,
    tableConnections: Number(draft.tableConnections) || 0,
    excludeTables: lines(draft.excludeTables),
    excludeTableData: lines(draft.excludeTableData),
  };
}

/** What has changed, by the names that an update mask has for it. */
export function changedFields(before: Draft, after: Draft): string[] {
  const differs = (...keys: (keyof Draft)[]) =>
    keys.some((key) => String(before[key]) !== String(after[key]));
  return [
    differs('storages') && 'storages',
    differs('strategy') && 'strategy',
    (patternOf(before) !== patternOf(after) || differs('timezone', 'jitterMinutes')) && 'schedule',
    differs('keep', 'maxBackups', 'withinDays', 'daily', 'weekly', 'monthly', 'yearly') && 'retention',
    differs('unencrypted', 'compressionLevel', 'tableConnections', 'excludeTables', 'excludeTableData') &&
      'options',
  ].filter((field) => field !== false);
}
