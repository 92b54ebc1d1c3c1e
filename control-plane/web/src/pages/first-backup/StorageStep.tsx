// The third step: a storage that is there already, or a folder on the agent's host.
import { Button, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { Link } from 'wouter';

import { useChange, useRead } from '../../api/call';
import { StorageService } from '../../api/gen/dataguardian/v1/storage_pb';
import { requestId } from '../../api/requestId';
import { fieldErrors } from '../../components/Form';
import { Loaded } from '../../components/Loaded';
import { ProblemNote } from '../../components/Problem';
import { place } from '../storages/StorageList';

export function StorageStep({
  agent,
  onDone,
}: {
  agent: string;
  onDone: (storage: string) => void;
}): ReactElement {
  const list = useRead(StorageService.method.listStorages, { pageSize: 1000 });
  return (
    <Loaded query={list}>
      {({ storages }) => {
        // A folder is reached by its own agent alone, a bucket by all.
        const usable = storages.filter(
          ({ location }) => location.case !== 'local' || location.value.agent === agent,
        );
        return (
          <div className="stack loose">
            {usable.map((storage) => (
              <div key={storage.id} className="row between">
                <span className="row">
                  <strong>{storage.name}</strong>
                  <span className="dim">{place(storage)}</span>
                </span>
                <Button variant="default" onClick={() => onDone(storage.name)}>
                  Use {storage.name}
                </Button>
              </div>
            ))}
            <Folder agent={agent} first={storages.length === 0} onDone={onDone} />
          </div>
        );
      }}
    </Loaded>
  );
}

function Folder({
  agent,
  first,
  onDone,
}: {
  agent: string;
  first: boolean;
  onDone: (storage: string) => void;
}): ReactElement {
  const [name, setName] = useState(first ? 'vault' : '');
  const [path, setPath] = useState('');
  const [id, setId] = useState(requestId);
  const create = useChange(StorageService.method.createStorage);
  const fieldError = fieldErrors(create.error);
  const submit = () =>
    create.mutate(
      { name: name.trim(), location: { case: 'local', value: { agent, path: path.trim() } }, requestId: id },
      { onSuccess: ({ storage }) => storage && onDone(storage.name), onError: () => setId(requestId()) },
    );
  return (
    <form
      className="form"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <p className="dim">
        A folder on the agent’s host is the quickest; put it on another disk than the database’s. For a
        bucket, <Link href="/storages/new">add a storage</Link> and come back.
      </p>
      <TextInput
        label="Name"
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        error={fieldError('name')}
        autoComplete="off"
        required
      />
      <TextInput
        label="Folder"
        description="Absolute; it is made if it is not there"
        placeholder="/var/backups/dataguardian"
        value={path}
        onChange={(event) => setPath(event.currentTarget.value)}
        error={fieldError('local.path')}
        spellCheck={false}
        required
      />
      {create.error && <ProblemNote error={create.error} />}
      <div className="row">
        <Button type="submit" loading={create.isPending}>
          Use this folder
        </Button>
      </div>
    </form>
  );
}
