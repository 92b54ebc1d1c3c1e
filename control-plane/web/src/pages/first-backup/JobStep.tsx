// The last step: a name, a schedule in plain words; then the first run, to watch.
import { Button, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { useLocation } from 'wouter';

import { useChange } from '../../api/call';
import { JobService } from '../../api/gen/dataguardian/v1/job_pb';
import { requestId } from '../../api/requestId';
import { fieldErrors } from '../../components/Form';
import { ProblemNote } from '../../components/Problem';
import { ScheduleFields } from '../jobs/ScheduleFields';
import { emptyDraft, optionsOf, retentionOf, scheduleOf } from '../jobs/draft';

export function JobStep({ datasource, storage }: { datasource: string; storage: string }): ReactElement {
  const [draft, setDraft] = useState(() => ({
    ...emptyDraft(datasource, [storage]),
    name: `${datasource}-nightly`,
  }));
  const [id, setId] = useState(requestId);
  const [made, setMade] = useState<string>();
  const [, navigate] = useLocation();
  const create = useChange(JobService.method.createJob);
  const run = useChange(JobService.method.runJob);
  const begin = async () => {
    try {
      let job = made;
      if (job === undefined) {
        const schedule = scheduleOf(draft);
        const retention = retentionOf(draft);
        const answer = await create.mutateAsync({
          name: draft.name.trim(),
          datasource,
          storages: [storage],
          options: optionsOf(draft),
          requestId: id,
          ...(schedule ? { schedule } : {}),
          ...(retention ? { retention } : {}),
        });
        job = answer.job?.name;
        setMade(job);
      }
      if (job === undefined) return;
      const { execution } = await run.mutateAsync({ job, requestId: requestId() });
      navigate(execution ? `/executions/${execution.id}` : `/jobs/${job}`);
    } catch {
      // It is shown below. Another try is another request.
      setId(requestId());
    }
  };
  const error = create.error ?? run.error;
  const fieldError = fieldErrors(create.error);
  return (
    <form
      className="form"
      onSubmit={(event) => {
        event.preventDefault();
        void begin();
      }}
    >
      <TextInput
        label="Name of the job"
        value={draft.name}
        onChange={(event) => setDraft({ ...draft, name: event.currentTarget.value })}
        error={fieldError('name')}
        disabled={made !== undefined}
        autoComplete="off"
        required
      />
      <ScheduleFields
        draft={draft}
        set={(change) => setDraft((old) => ({ ...old, ...change }))}
        fieldError={fieldError}
        brief
      />
      <p className="dim">
        Of the backups, 7 daily, 4 weekly and 6 monthly ones stay. The job’s page changes that.
      </p>
      {error && <ProblemNote error={error} />}
      <div className="row">
        <Button type="submit" loading={create.isPending || run.isPending}>
          Save, and back up now
        </Button>
      </div>
    </form>
  );
}
