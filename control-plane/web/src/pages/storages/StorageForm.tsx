// Adding a storage: a folder on an agent's host, or a bucket.
import { Button, Checkbox, NativeSelect, PasswordInput, SegmentedControl, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { Link, useLocation } from 'wouter';

import { useChange, useRead } from '../../api/call';
import { AgentService, AgentState } from '../../api/gen/dataguardian/v1/agent_admin_pb';
import { StorageService } from '../../api/gen/dataguardian/v1/storage_pb';
import { requestId } from '../../api/requestId';
import { fieldErrors, Form } from '../../components/Form';
import { Loaded } from '../../components/Loaded';
import { Empty, Page, Panel } from '../../components/Page';

export default function StorageForm(): ReactElement {
  const agents = useRead(AgentService.method.listAgents, { pageSize: 1000 });
  return (
    <Page title="Add storage" back={['/storages', 'Storages']}>
      <div className="narrow">
        <Panel>
          <Loaded query={agents} lines={8}>
            {(list) => {
              const names = list.agents
                .filter(({ state }) => state !== AgentState.REVOKED)
                .map(({ name }) => name);
              return names.length === 0 ? <NoAgent /> : <NewStorage agents={names} />;
            }}
          </Loaded>
        </Panel>
      </div>
    </Page>
  );
}

function NoAgent(): ReactElement {
  return (
    <Empty
      title="An agent comes first"
      action={
        <Button component={Link} href="/agents/new">
          Add an agent
        </Button>
      }
    >
      An agent looks whether the place can be written to, and makes a repository there.
    </Empty>
  );
}

const blank = {
  name: '',
  path: '',
  endpoint: '',
  region: '',
  bucket: '',
  prefix: '',
  pathStyle: true,
  allowHttp: false,
  accessKeyId: '',
  secretAccessKey: '',
  deleteAccessKeyId: '',
  deleteSecretAccessKey: '',
};

function NewStorage({ agents }: { agents: readonly string[] }): ReactElement {
  const [kind, setKind] = useState('local');
  const [agent, setAgent] = useState(agents[0] ?? '');
  const [draft, setDraft] = useState(blank);
  const [id] = useState(requestId);
  const [, navigate] = useLocation();
  const create = useChange(StorageService.method.createStorage);
  const fieldError = fieldErrors(create.error);
  const text = (key: Exclude<keyof typeof blank, 'pathStyle' | 'allowHttp'>, field: string) => ({
    value: draft[key],
    onChange: (event: { currentTarget: { value: string } }) => {
      const { value } = event.currentTarget;
      setDraft((old) => ({ ...old, [key]: value }));
    },
    error: fieldError(field),
    autoComplete: 'off',
    spellCheck: false,
  });
  const submit = () => {
    const { name, path, secretAccessKey, deleteSecretAccessKey, ...s3 } = draft;
    const location =
      kind === 'local'
        ? ({ case: 'local', value: { agent, path: path.trim() } } as const)
        : ({ case: 's3', value: { s3, secretAccessKey, deleteSecretAccessKey } } as const);
    create.mutate(
      { name: name.trim(), location, requestId: id },
      { onSuccess: ({ storage }) => storage && navigate(`/storages/${storage.name}`) },
    );
  };
  return (
    <Form
      deed="Add storage"
      pending={create.isPending}
      error={create.error}
      cancel="/storages"
      onSubmit={submit}
    >
      <SegmentedControl
        aria-label="Kind of storage"
        value={kind}
        onChange={setKind}
        transitionDuration={0}
        data={[
          { value: 'local', label: 'Folder on a host' },
          { value: 's3', label: 'Bucket (S3)' },
        ]}
      />
      <TextInput label="Name" {...text('name', 'name')} required />
      {kind === 'local' ? (
        <>
          <NativeSelect
            label="Agent"
            description="On whose host the folder lies; only it reaches the folder"
            value={agent}
            onChange={(event) => setAgent(event.currentTarget.value)}
            data={[...agents]}
            error={fieldError('local.agent')}
          />
          <TextInput
            label="Folder"
            description="Absolute; better on another disk than the database’s. It is made if it is not there."
            placeholder="/var/backups/dataguardian"
            {...text('path', 'local.path')}
            required
          />
        </>
      ) : (
        <>
          <div className="pair">
            <TextInput
              label="Endpoint"
              description="Blank for Amazon’s own"
              placeholder="https://s3.example.com"
              {...text('endpoint', 's3.endpoint')}
            />
            <TextInput label="Region" description="Blank for us-east-1" {...text('region', 's3.region')} />
          </div>
          <div className="pair">
            <TextInput label="Bucket" {...text('bucket', 's3.bucket')} required />
            <TextInput label="Folder in it" {...text('prefix', 's3.prefix')} />
          </div>
          <TextInput
            label="Access key"
            description="What agents use: it has to get, put and list, and better not to delete"
            {...text('accessKeyId', 's3.access_key_id')}
          />
          <PasswordInput
            label="Its secret"
            {...text('secretAccessKey', 'secret_access_key')}
            autoComplete="new-password"
          />
          <details>
            <summary>Cleaning up, addressing</summary>
            <div className="form">
              <TextInput
                label="Access key for cleaning up"
                description="What the control plane alone uses: it has to get, list and delete. Blank for no cleaning up."
                {...text('deleteAccessKeyId', 's3.delete_access_key_id')}
              />
              <PasswordInput
                label="Its secret "
                {...text('deleteSecretAccessKey', 'delete_secret_access_key')}
                autoComplete="new-password"
              />
              <Checkbox
                label="The bucket’s name is in the path"
                description="As with most that are not Amazon’s"
                checked={draft.pathStyle}
                onChange={(event) => setDraft({ ...draft, pathStyle: event.currentTarget.checked })}
              />
              <Checkbox
                label="Data may go unencrypted over the network"
                description="For http:// endpoints. Backups are sealed all the same, unless a job switches that off."
                checked={draft.allowHttp}
                onChange={(event) => setDraft({ ...draft, allowHttp: event.currentTarget.checked })}
              />
            </div>
          </details>
        </>
      )}
    </Form>
  );
}
