// Adding a job, or changing one.
import { Button, Checkbox, NativeSelect, Textarea, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { Link, useLocation, useParams, useSearchParams } from 'wouter';

import { useChange, useRead } from '../../api/call';
import { DatasourceService } from '../../api/gen/dataguardian/v1/datasource_pb';
import { JobService } from '../../api/gen/dataguardian/v1/job_pb';
import type { Job } from '../../api/gen/dataguardian/v1/job_pb';
import { StorageService } from '../../api/gen/dataguardian/v1/storage_pb';
import { requestId } from '../../api/requestId';
import { fieldErrors, Form } from '../../components/Form';
import { Loaded } from '../../components/Loaded';
import { Empty, Page, Panel } from '../../components/Page';
import { RetentionFields } from './RetentionFields';
import { RetentionPreview } from './RetentionPreview';
import { ScheduleFields } from './ScheduleFields';
import { StorageChoice } from './StorageChoice';
import { changedFields, draftOf, emptyDraft, optionsOf, retentionOf, scheduleOf } from './draft';
import type { Draft } from './draft';

export default function JobForm(): ReactElement {
  const { name } = useParams();
  const isNew = name === undefined;
  const datasources = useRead(DatasourceService.method.listDatasources, { pageSize: 1000 });
  const storages = useRead(StorageService.method.listStorages, { pageSize: 1000 });
  const known = useRead(JobService.method.getJob, { job: name ?? '' }, { enabled: !isNew });
  const back: [string, string] = isNew ? ['/jobs', 'Jobs'] : [`/jobs/${name}`, name];
  return (
    <Page title={isNew ? 'Add job' : `Edit ${name}`} back={back}>
      <div className="narrow wide">
        <Loaded query={datasources} lines={8}>
          {(sources) => (
            <Loaded query={storages} lines={8}>
              {(places) => {
                const named = {
                  datasources: sources.datasources.map((each) => each.name),
                  storages: places.storages.map((each) => each.name),
                };
                if (named.datasources.length === 0 || named.storages.length === 0) return <Missing />;
                if (isNew) return <New {...named} />;
                return (
                  <Loaded query={known}>
                    {({ job }) => job && <Edit job={job} storages={named.storages} />}
                  </Loaded>
                );
              }}
            </Loaded>
          )}
        </Loaded>
      </div>
    </Page>
  );
}

function Missing(): ReactElement {
  return (
    <Panel>
      <Empty
        title="A datasource and a storage come first"
        action={
          <Button component={Link} href="/first-backup">
            Be guided through it
          </Button>
        }
      >
        A job says which datasource is backed up into which storages.
      </Empty>
    </Panel>
  );
}

function New({
  datasources,
  storages,
}: {
  datasources: readonly string[];
  storages: readonly string[];
}): ReactElement {
  const [search] = useSearchParams();
  const first = search.get('datasource') ?? datasources[0] ?? '';
  const [draft, setDraft] = useState(() => emptyDraft(first, storages.slice(0, 1)));
  const [id] = useState(requestId);
  const [, navigate] = useLocation();
  const create = useChange(JobService.method.createJob);
  const submit = () => {
    const schedule = scheduleOf(draft);
    const retention = retentionOf(draft);
    create.mutate(
      {
        name: draft.name.trim(),
        datasource: draft.datasource,
        storages: draft.storages,
        strategy: draft.strategy,
        options: optionsOf(draft),
        requestId: id,
        ...(schedule ? { schedule } : {}),
        ...(retention ? { retention } : {}),
      },
      { onSuccess: ({ job }) => job && navigate(`/jobs/${job.name}`) },
    );
  };
  const fieldError = fieldErrors(create.error);
  const set = (change: Partial<Draft>) => setDraft((old) => ({ ...old, ...change }));
  return (
    <Form deed="Add job" pending={create.isPending} error={create.error} cancel="/jobs" onSubmit={submit}>
      <Panel title="What">
        <div className="form">
          <div className="pair">
            <TextInput
              label="Name"
              value={draft.name}
              onChange={(event) => set({ name: event.currentTarget.value })}
              error={fieldError('name')}
              autoComplete="off"
              spellCheck={false}
              required
            />
            <NativeSelect
              label="Datasource"
              value={draft.datasource}
              onChange={(event) => set({ datasource: event.currentTarget.value })}
              data={[...datasources]}
              error={fieldError('datasource')}
            />
          </div>
        </div>
      </Panel>
      <Settings draft={draft} set={set} fieldError={fieldError} storages={storages} />
    </Form>
  );
}

function Edit({ job, storages }: { job: Job; storages: readonly string[] }): ReactElement {
  // As it was when the form was opened: what somebody else changes meanwhile is refused by its etag.
  const [before] = useState(job);
  const [draft, setDraft] = useState(() => draftOf(job));
  const [, navigate] = useLocation();
  const update = useChange(JobService.method.updateJob);
  const leave = () => navigate(`/jobs/${before.name}`);
  const submit = () => {
    const paths = changedFields(draftOf(before), draft);
    if (paths.length === 0) return leave();
    const schedule = scheduleOf(draft, before.schedule);
    const retention = retentionOf(draft);
    update.mutate(
      {
        job: before.name,
        etag: before.etag,
        updateMask: { paths },
        storages: draft.storages,
        strategy: draft.strategy,
        options: optionsOf(draft, before.options),
        ...(schedule ? { schedule } : {}),
        ...(retention ? { retention } : {}),
      },
      { onSuccess: leave },
    );
  };
  return (
    <>
      <Form
        deed="Save"
        pending={update.isPending}
        error={update.error}
        cancel={`/jobs/${before.name}`}
        onSubmit={submit}
      >
        <Settings
          draft={draft}
          set={(change) => setDraft((old) => ({ ...old, ...change }))}
          fieldError={fieldErrors(update.error)}
          storages={storages}
        />
      </Form>
      <div style={{ marginTop: 20 }}>
        <RetentionPreview job={before.name} draft={draft} />
      </div>
    </>
  );
}

interface SettingsProps {
  draft: Draft;
  set: (change: Partial<Draft>) => void;
  fieldError: (field: string) => string | undefined;
  storages: readonly string[];
}

function Settings({ draft, set, fieldError, storages }: SettingsProps): ReactElement {
  return (
    <>
      <Panel title="When">
        <div className="form">
          <ScheduleFields draft={draft} set={set} fieldError={fieldError} />
        </div>
      </Panel>
      <Panel title="To where">
        <div className="form">
          <StorageChoice names={storages} draft={draft} set={set} error={fieldError('storages')} />
        </div>
      </Panel>
      <Panel title="What stays">
        <div className="form">
          <RetentionFields draft={draft} set={set} fieldError={fieldError} />
          <details>
            <summary>Compression, encryption, tables to leave out</summary>
            <Options draft={draft} set={set} fieldError={fieldError} />
          </details>
        </div>
      </Panel>
    </>
  );
}

function Options({ draft, set, fieldError }: Omit<SettingsProps, 'storages'>): ReactElement {
  const digits = (value: string) => value.replaceAll(/\D/g, '');
  return (
    <div className="form">
      <div className="pair">
        <TextInput
          label="Compression"
          description="zstd, 1 to 19; 3 if blank"
          inputMode="numeric"
          value={draft.compressionLevel}
          onChange={(event) => set({ compressionLevel: digits(event.currentTarget.value) })}
          error={fieldError('options.compression_level')}
        />
        <TextInput
          label="Connections"
          description="Tables at a time; 1 if blank"
          inputMode="numeric"
          value={draft.tableConnections}
          onChange={(event) => set({ tableConnections: digits(event.currentTarget.value) })}
          error={fieldError('options.table_connections')}
        />
      </div>
      <Textarea
        label="Tables to leave out"
        description="schema.table or table, * for any characters, one a line"
        rows={2}
        value={draft.excludeTables}
        onChange={(event) => set({ excludeTables: event.currentTarget.value })}
        error={fieldError('options.exclude_tables')}
        spellCheck={false}
      />
      <Textarea
        label="Tables whose rows are left out"
        rows={2}
        value={draft.excludeTableData}
        onChange={(event) => set({ excludeTableData: event.currentTarget.value })}
        error={fieldError('options.exclude_table_data')}
        spellCheck={false}
      />
      <Checkbox
        label="Do not encrypt"
        description="Whoever reads the storage reads the data."
        checked={draft.unencrypted}
        onChange={(event) => set({ unencrypted: event.currentTarget.checked })}
      />
    </div>
  );
}
