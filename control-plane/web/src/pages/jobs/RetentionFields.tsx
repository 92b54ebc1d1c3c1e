// Which backups of a job stay, and what that would mean for those that there are.
import { NativeSelect, TextInput } from '@mantine/core';
import type { ReactElement } from 'react';

import type { Draft, Keep } from './draft';

const choices: readonly (readonly [Keep, string])[] = [
  ['gfs', 'Some of each day, week and month'],
  ['max', 'The newest so many'],
  ['all', 'All: delete nothing by itself'],
];

interface RetentionFieldsProps {
  draft: Draft;
  set: (change: Partial<Draft>) => void;
  fieldError: (field: string) => string | undefined;
}

export function RetentionFields({ draft, set, fieldError }: RetentionFieldsProps): ReactElement {
  const number = (
    key: 'maxBackups' | 'withinDays' | 'daily' | 'weekly' | 'monthly' | 'yearly',
    label: string,
    field: string,
  ) => (
    <TextInput
      label={label}
      inputMode="numeric"
      placeholder="0"
      value={draft[key]}
      onChange={(event) => set({ [key]: event.currentTarget.value.replaceAll(/\D/g, '') })}
      error={fieldError(field)}
    />
  );
  return (
    <>
      <NativeSelect
        label="Backups that stay"
        description="Whatever is chosen: the newest one, the newest verified one and pinned ones always stay."
        value={draft.keep}
        onChange={(event) => set({ keep: event.currentTarget.value as Keep })}
        data={choices.map(([value, label]) => ({ value, label }))}
        error={fieldError('retention')}
      />
      {draft.keep === 'max' && number('maxBackups', 'How many', 'retention.max_backups')}
      {draft.keep === 'gfs' && (
        <div className="numbers">
          {number('withinDays', 'All of days', 'retention.gfs.keep_within')}
          {number('daily', 'Daily', 'retention.gfs.keep_daily')}
          {number('weekly', 'Weekly', 'retention.gfs.keep_weekly')}
          {number('monthly', 'Monthly', 'retention.gfs.keep_monthly')}
          {number('yearly', 'Yearly', 'retention.gfs.keep_yearly')}
        </div>
      )}
    </>
  );
}
