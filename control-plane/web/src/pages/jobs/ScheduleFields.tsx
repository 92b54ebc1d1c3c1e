// When a job runs: a few plain choices, or a pattern, and always the next times by the clock of its zone.
import { NativeSelect, TextInput } from '@mantine/core';
import type { ReactElement } from 'react';

import { useRead } from '../../api/call';
import { JobService } from '../../api/gen/dataguardian/v1/job_pb';
import { Note, ProblemNote } from '../../components/Problem';
import { useNow } from '../../components/now';
import { cronWords } from '../../format/cron';
import type { Rhythm } from '../../format/cron';
import { absolute, millis, relative } from '../../format/time';
import { useSettled } from '../../components/settled';
import { patternOf, scheduleOf } from './draft';
import type { Draft } from './draft';

const rhythms: readonly (readonly [Rhythm, string])[] = [
  ['none', 'Only by hand'],
  ['hourly', 'Every hour'],
  ['daily', 'Every day'],
  ['weekly', 'Every week'],
  ['monthly', 'Every month, on the first'],
  ['custom', 'By a cron pattern'],
];
const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

interface FieldsProps {
  draft: Draft;
  set: (change: Partial<Draft>) => void;
  fieldError: (field: string) => string | undefined;
  brief?: boolean;
}

export function ScheduleFields({ draft, set, fieldError, brief = false }: FieldsProps): ReactElement {
  const { rhythm } = draft;
  const zones = Intl.supportedValuesOf('timeZone');
  return (
    <>
      <div className="pair">
        <NativeSelect
          label="Runs"
          value={rhythm}
          // A pattern of one's own begins as what was chosen before.
          onChange={(event) =>
            set({ rhythm: event.currentTarget.value as Rhythm, cron: patternOf(draft) || draft.cron })
          }
          data={rhythms.map(([value, label]) => ({ value, label }))}
        />
        {(rhythm === 'daily' || rhythm === 'weekly' || rhythm === 'monthly') && (
          <TextInput
            label="At"
            type="time"
            value={draft.time}
            onChange={(event) => set({ time: event.currentTarget.value || '02:30' })}
          />
        )}
        {rhythm === 'hourly' && (
          <TextInput
            label="Minute"
            inputMode="numeric"
            value={String(Number(draft.time.split(':')[1]))}
            onChange={(event) =>
              set({
                time: `00:${String(Math.min(59, Number(event.currentTarget.value) || 0)).padStart(2, '0')}`,
              })
            }
          />
        )}
      </div>
      {rhythm === 'weekly' && (
        <NativeSelect
          label="On"
          value={String(draft.weekday)}
          onChange={(event) => set({ weekday: Number(event.currentTarget.value) })}
          data={days.map((label, day) => ({ value: String(day), label }))}
        />
      )}
      {rhythm === 'custom' && (
        <TextInput
          label="Cron pattern"
          description="Minute, hour, day of the month, month, day of the week"
          classNames={{ input: 'mono' }}
          value={draft.cron}
          onChange={(event) => set({ cron: event.currentTarget.value })}
          error={fieldError('schedule.cron')}
          spellCheck={false}
        />
      )}
      {rhythm !== 'none' && (
        <>
          <div className={brief ? '' : 'pair'}>
            <NativeSelect
              label="By the clocks of"
              value={draft.timezone}
              onChange={(event) => set({ timezone: event.currentTarget.value })}
              error={fieldError('schedule.timezone')}
              data={[...new Set([draft.timezone, 'UTC', ...zones])]}
            />
            {!brief && (
              <TextInput
                label="Spread, in minutes"
                inputMode="numeric"
                placeholder="0"
                value={draft.jitterMinutes}
                onChange={(event) => set({ jitterMinutes: event.currentTarget.value.replaceAll(/\D/g, '') })}
                error={fieldError('schedule.jitter')}
              />
            )}
          </div>
          <NextTimes draft={draft} />
        </>
      )}
    </>
  );
}

/** What the server makes of the schedule: the only word that counts. */
function NextTimes({ draft }: { draft: Draft }): ReactElement | null {
  const now = useNow(60_000);
  const pattern = patternOf(draft);
  const asked = useSettled(JSON.stringify([pattern, draft.timezone]));
  const [cron = '', timezone = ''] = JSON.parse(asked) as string[];
  const schedule = cron === '' ? undefined : { ...scheduleOf(draft), cron, timezone };
  const next = useRead(
    JobService.method.listNextFireTimes,
    { schedule: { cron, timezone }, count: 4 },
    { enabled: schedule !== undefined, keep: true },
  );
  if (!schedule) return null;
  if (next.error) return <ProblemNote error={next.error} />;
  const words = cronWords(pattern);
  return (
    <div style={{ minHeight: 124 }} aria-live="polite">
      {next.data && (
        <Note tone="quiet" title={words ? words.charAt(0).toUpperCase() + words.slice(1) : 'The next times'}>
          {next.data.times.map(({ scheduledFor }) => {
            const at = scheduledFor ? millis(scheduledFor) : now;
            return (
              <div key={at}>
                {absolute(at, now, timezone)} <span className="dim">({relative(at, now)})</span>
              </div>
            );
          })}
        </Note>
      )}
    </div>
  );
}
