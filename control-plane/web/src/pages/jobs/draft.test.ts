// The form of a job shows a job as it is, and changes only what was changed.
import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';

import { JobSchema } from '../../api/gen/dataguardian/v1/job_pb';
import { changedFields, draftOf, emptyDraft, retentionOf, scheduleOf } from './draft';

const job = create(JobSchema, {
  name: 'nightly',
  datasource: 'main',
  storages: ['vault'],
  schedule: { cron: '30 2 * * *', timezone: 'Europe/Berlin', jitter: { seconds: 600n }, misfirePolicy: 2 },
  retention: {
    policy: { case: 'gfs', value: { keepDaily: 7, keepHourly: 3, keepWithin: { seconds: 172_800n } } },
  },
});

it('shows a job as it is', () => {
  expect(draftOf(job)).toMatchObject({
    rhythm: 'daily',
    time: '02:30',
    timezone: 'Europe/Berlin',
    jitterMinutes: '10',
    keep: 'gfs',
    daily: '7',
    weekly: '',
    withinDays: '2',
  });
});

it('changes nothing that was not changed', () => {
  const draft = draftOf(job);
  expect(changedFields(draft, draft)).toEqual([]);
  expect(changedFields(draft, { ...draft, time: '03:00' })).toEqual(['schedule']);
  expect(changedFields(draft, { ...draft, storages: ['vault', 'off-site'], keep: 'all' })).toEqual([
    'storages',
    'retention',
  ]);
});

it('keeps of a schedule what the form does not show', () => {
  const schedule = scheduleOf({ ...draftOf(job), time: '04:05' }, job.schedule);
  expect(schedule).toMatchObject({ cron: '5 4 * * *', misfirePolicy: 2 });
});

it('sends no schedule and no retention where there is to be none', () => {
  const draft = { ...emptyDraft('main', ['vault']), rhythm: 'none' as const, keep: 'all' as const };
  expect(scheduleOf(draft)).toBeUndefined();
  expect(retentionOf(draft)).toBeUndefined();
});
