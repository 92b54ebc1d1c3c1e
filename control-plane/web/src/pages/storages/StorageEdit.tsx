// Changing a storage: how much may be written at a time, its keys, or where its folder lies now.
import { NativeSelect, PasswordInput, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { useLocation, useParams } from 'wouter';

import { useChange, useRead } from '../../api/call';
import { AgentService } from '../../api/gen/dataguardian/v1/agent_admin_pb';
import { StorageService } from '../../api/gen/dataguardian/v1/storage_pb';
import type { Storage } from '../../api/gen/dataguardian/v1/storage_pb';
import { fieldErrors, Form } from '../../components/Form';
import { Loaded } from '../../components/Loaded';
import { Page, Panel } from '../../components/Page';

export default function StorageEdit(): ReactElement {
  const { name = '' } = useParams();
  const query = useRead(StorageService.method.getStorage, { storage: name });
  return (
    <Page title={`Edit ${name}`} back={[`/storages/${name}`, name]}>
      <div className="narrow">
        <Panel>
          <Loaded query={query}>{({ storage }) => storage && <Edit storage={storage} />}</Loaded>
        </Panel>
      </div>
    </Page>
  );
}

function Edit({ storage }: { storage: Storage }): ReactElement {
  const [before] = useState(storage);
  const local = before.location.case === 'local' ? before.location.value : undefined;
  const s3 = before.location.case === 's3' ? before.location.value : undefined;
  const [draft, setDraft] = useState({
    max: before.maxConcurrent === 0 ? '' : String(before.maxConcurrent),
    agent: local?.agent ?? '',
    path: local?.path ?? '',
    endpoint: s3?.endpoint ?? '',
    key: s3?.accessKeyId ?? '',
    secret: '',
    deleteKey: s3?.deleteAccessKeyId ?? '',
    deleteSecret: '',
  });
  const agents = useRead(
    AgentService.method.listAgents,
    { pageSize: 1000 },
    { enabled: local !== undefined },
  );
  const [, navigate] = useLocation();
  const update = useChange(StorageService.method.updateStorage);
  const fieldError = fieldErrors(update.error);
  const text = (key: keyof typeof draft, field: string) => ({
    value: draft[key],
    onChange: (event: { currentTarget: { value: string } }) => {
      const { value } = event.currentTarget;
      setDraft((old) => ({ ...old, [key]: value }));
    },
    error: fieldError(field),
    autoComplete: 'off',
    spellCheck: false,
  });
  const leave = () => navigate(`/storages/${before.name}`);
  const submit = () => {
    const max = Number(draft.max) || 0;
    const paths = [
      max !== before.maxConcurrent && 'max_concurrent',
      local && (draft.agent !== local.agent || draft.path !== local.path) && 'local',
      s3 && draft.endpoint !== s3.endpoint && 'endpoint',
      s3 && draft.secret !== '' && 'access_key',
      s3 &&
        (draft.deleteSecret !== '' || (draft.deleteKey === '' && s3.deleteAccessKeyId !== '')) &&
        'delete_access_key',
    ].filter((path) => typeof path === 'string');
    if (paths.length === 0) return leave();
    update.mutate(
      {
        storage: before.name,
        etag: before.etag,
        updateMask: { paths },
        maxConcurrent: max,
        ...(local ? { local: { agent: draft.agent, path: draft.path } } : {}),
        endpoint: draft.endpoint,
        accessKeyId: draft.key,
        secretAccessKey: draft.secret,
        deleteAccessKeyId: draft.deleteKey,
        deleteSecretAccessKey: draft.deleteSecret,
      },
      { onSuccess: leave },
    );
  };
  return (
    <Form
      deed="Save"
      pending={update.isPending}
      error={update.error}
      cancel={`/storages/${before.name}`}
      onSubmit={submit}
    >
      <TextInput
        label="Backups at a time"
        description="So many may be written into it at the same time; blank for as many as come. Restores are never held back."
        inputMode="numeric"
        {...text('max', 'max_concurrent')}
      />
      {local && (
        <>
          <NativeSelect
            label="Agent"
            description="After the disk was moved to another host; the repository must be there already"
            data={[...new Set([local.agent, ...(agents.data?.agents.map(({ name }) => name) ?? [])])]}
            {...text('agent', 'local.agent')}
          />
          <TextInput label="Folder" {...text('path', 'local.path')} />
        </>
      )}
      {s3 && (
        <>
          <TextInput label="Endpoint" {...text('endpoint', 'endpoint')} />
          <TextInput label="Access key" {...text('key', 'access_key_id')} />
          <PasswordInput
            label="Its secret"
            description="Blank leaves key and secret as they are"
            {...text('secret', 'secret_access_key')}
            autoComplete="new-password"
          />
          <TextInput
            label="Access key for cleaning up"
            description="Blank for no cleaning up"
            {...text('deleteKey', 'delete_access_key_id')}
          />
          <PasswordInput
            label="Its secret "
            description="Blank leaves it as it is"
            {...text('deleteSecret', 'delete_secret_access_key')}
            autoComplete="new-password"
          />
        </>
      )}
    </Form>
  );
}
