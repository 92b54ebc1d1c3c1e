// The fields of a datasource, the same in its own form and in the guide to the first backup.
import { NativeSelect, PasswordInput, Radio, Textarea, TextInput } from '@mantine/core';
import type { ReactElement } from 'react';

import { Engine, TlsMode } from '../../api/gen/dataguardian/v1/common_pb';
import { engineName, tlsWords } from '../../format/words';
import { usualPort } from './draft';
import type { Draft } from './draft';

interface FieldsProps {
  draft: Draft;
  set: (change: Partial<Draft>) => void;
  fieldError: (field: string) => string | undefined;
  agents: readonly string[];
  /** Name and engine stay what they are. */
  isNew: boolean;
  /** Leaves out what the guide chooses by itself. */
  brief?: boolean;
}

const engines = [Engine.POSTGRES, Engine.MYSQL, Engine.MARIADB];
const modes = [TlsMode.PREFER, TlsMode.REQUIRE, TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL, TlsMode.DISABLE];

export function DatasourceFields({
  draft,
  set,
  fieldError,
  agents,
  isNew,
  brief = false,
}: FieldsProps): ReactElement {
  return (
    <>
      {isNew && (
        <div className="pair">
          <TextInput
            label="Name"
            description="As you will find it everywhere"
            value={draft.name}
            onChange={(event) => set({ name: event.currentTarget.value })}
            error={fieldError('name')}
            autoComplete="off"
            spellCheck={false}
            required
          />
          <NativeSelect
            label="Engine"
            description="Kind of server"
            value={String(draft.engine)}
            onChange={(event) => set({ engine: Number(event.currentTarget.value) })}
            data={engines.map((engine) => ({ value: String(engine), label: engineName(engine) }))}
          />
        </div>
      )}
      {!brief && (
        <NativeSelect
          label="Agent"
          description="The one that reaches the server"
          value={draft.agent}
          onChange={(event) => set({ agent: event.currentTarget.value })}
          data={[...agents]}
          error={fieldError('agent')}
        />
      )}
      <div className="pair">
        <TextInput
          label="Host"
          description="As seen from the agent’s host; a socket’s folder works too"
          value={draft.host}
          onChange={(event) => set({ host: event.currentTarget.value })}
          error={fieldError('host')}
          autoComplete="off"
          spellCheck={false}
        />
        <TextInput
          label="Port"
          description="Blank for the usual"
          inputMode="numeric"
          placeholder={usualPort[draft.engine] ?? ''}
          value={draft.port}
          onChange={(event) => set({ port: event.currentTarget.value.replaceAll(/\D/g, '') })}
          error={fieldError('port')}
        />
      </div>
      <TextInput
        label="User"
        description="The account that reads the databases for backups"
        value={draft.username}
        onChange={(event) => set({ username: event.currentTarget.value })}
        error={fieldError('username')}
        autoComplete="off"
        spellCheck={false}
      />
      {draft.credentialRef === '' && (
        <PasswordInput
          label="Password"
          description={
            isNew ? 'Kept encrypted, and never shown again' : 'Blank leaves the stored one as it is'
          }
          value={draft.password}
          onChange={(event) => set({ password: event.currentTarget.value })}
          error={fieldError('password')}
          autoComplete="new-password"
        />
      )}
      {!brief && <Selection draft={draft} set={set} fieldError={fieldError} />}
      <details>
        <summary>Encryption of the connection, password on the host</summary>
        <div className="form">
          <NativeSelect
            label="Encryption"
            value={String(draft.tlsMode)}
            onChange={(event) => set({ tlsMode: Number(event.currentTarget.value) })}
            data={modes.map((mode) => ({ value: String(mode), label: tlsWords(mode) }))}
            error={fieldError('tls_mode')}
          />
          <TextInput
            label="File with the authorities to trust"
            description="On the agent’s host"
            value={draft.tlsCaFile}
            onChange={(event) => set({ tlsCaFile: event.currentTarget.value })}
            error={fieldError('tls_ca_file')}
            spellCheck={false}
          />
          <TextInput
            label="Name of the password on the agent’s host"
            description="[credentials.NAME] in its agent.toml, in place of a stored password"
            value={draft.credentialRef}
            onChange={(event) => set({ credentialRef: event.currentTarget.value, password: '' })}
            error={fieldError('credential_ref')}
            spellCheck={false}
          />
        </div>
      </details>
    </>
  );
}

type SelectionProps = Pick<FieldsProps, 'draft' | 'set' | 'fieldError'>;

function Selection({ draft, set, fieldError }: SelectionProps): ReactElement {
  return (
    <>
      <Radio.Group
        label="Databases"
        value={draft.all ? 'all' : 'named'}
        onChange={(value) => set({ all: value === 'all' })}
        error={fieldError('databases')}
      >
        <div className="stack" style={{ marginTop: 8 }}>
          <Radio value="all" label="All, also those that come later" />
          <Radio value="named" label="Only these" />
        </div>
      </Radio.Group>
      {draft.all ? (
        <Textarea
          label="Leave out"
          description="Regular expressions for whole names, one a line"
          rows={2}
          value={draft.exclude}
          onChange={(event) => set({ exclude: event.currentTarget.value })}
          error={fieldError('databases.all.exclude')}
          spellCheck={false}
        />
      ) : (
        <Textarea
          label="Names"
          description="One a line"
          rows={3}
          value={draft.names}
          onChange={(event) => set({ names: event.currentTarget.value })}
          error={fieldError('databases.named.names')}
          spellCheck={false}
        />
      )}
    </>
  );
}
