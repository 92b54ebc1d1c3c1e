// What is typed into the form of a datasource, and the requests that it comes to.
import { Engine, TlsMode } from '../../api/gen/dataguardian/v1/common_pb';
import type { DatabaseSelection } from '../../api/gen/dataguardian/v1/common_pb';
import type { Datasource } from '../../api/gen/dataguardian/v1/datasource_pb';

export interface Draft {
  name: string;
  engine: Engine;
  agent: string;
  host: string;
  port: string;
  username: string;
  password: string;
  credentialRef: string;
  tlsMode: TlsMode;
  tlsCaFile: string;
  /** All databases but the excluded, or the named. */
  all: boolean;
  names: string;
  exclude: string;
}

/** Each engine's usual port. */
export const usualPort: Record<number, string> = {
  [Engine.POSTGRES]: '5432',
  [Engine.MYSQL]: '3306',
  [Engine.MARIADB]: '3306',
};

export const emptyDraft: Draft = {
  name: '',
  engine: Engine.POSTGRES,
  agent: '',
  host: '127.0.0.1',
  port: '',
  username: '',
  password: '',
  credentialRef: '',
  tlsMode: TlsMode.PREFER,
  tlsCaFile: '',
  all: true,
  names: '',
  exclude: '',
};

/** The form as the datasource is; passwords are never shown. */
export function draftOf(datasource: Datasource): Draft {
  const selection = datasource.databases?.selection;
  return {
    ...emptyDraft,
    name: datasource.name,
    engine: datasource.engine,
    agent: datasource.agent,
    host: datasource.host,
    port: datasource.port === 0 ? '' : String(datasource.port),
    username: datasource.username,
    credentialRef: datasource.credentialRef,
    tlsMode: datasource.tlsMode,
    tlsCaFile: datasource.tlsCaFile,
    all: selection?.case !== 'named',
    names: selection?.case === 'named' ? selection.value.names.join('\n') : '',
    exclude: selection?.case === 'all' ? selection.value.exclude.join('\n') : '',
  };
}

/** The fields that creating and updating share. */
export function fieldsOf(draft: Draft) {
  return {
    agent: draft.agent,
    host: draft.host.trim(),
    port: Number(draft.port) || 0,
    username: draft.username.trim(),
    password: draft.password,
    credentialRef: draft.credentialRef.trim(),
    tlsMode: draft.tlsMode,
    tlsCaFile: draft.tlsCaFile.trim(),
    databases: selectionOf(draft),
  };
}

function selectionOf(
  draft: Draft,
): Omit<DatabaseSelection, '$typeName'> & { $typeName: 'dataguardian.v1.DatabaseSelection' } {
  const selection = draft.all
    ? ({
        case: 'all',
        value: { $typeName: 'dataguardian.v1.AllDatabases', exclude: lines(draft.exclude) },
      } as const)
    : ({
        case: 'named',
        value: { $typeName: 'dataguardian.v1.NamedDatabases', names: lines(draft.names) },
      } as const);
  return { $typeName: 'dataguardian.v1.DatabaseSelection', selection };
}

/** What has changed, by the names that an update mask has for it. */
export function changedFields(before: Draft, after: Draft): string[] {
  const same = (...keys: (keyof Draft)[]) => keys.every((key) => before[key] === after[key]);
  return [
    !same('agent') && 'agent',
    !same('host') && 'host',
    !same('port') && 'port',
    !same('username') && 'username',
    after.password !== '' && 'password',
    !same('credentialRef') && 'credential_ref',
    !same('tlsMode') && 'tls_mode',
    !same('tlsCaFile') && 'tls_ca_file',
    !same('all', 'names', 'exclude') && 'databases',
  ].filter((field) => field !== false);
}

/** The lines that are not blank. */
export function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
