// What a person has chosen in the restore form, and the request that it comes to.
import type { MessageInitShape } from '@bufbuild/protobuf';

import type { Backup } from '../../api/gen/dataguardian/v1/backup_pb';
import { Engine } from '../../api/gen/dataguardian/v1/common_pb';
import { RestoreMode } from '../../api/gen/dataguardian/v1/restore_pb';
import type { StartRestoreRequestSchema } from '../../api/gen/dataguardian/v1/restore_pb';

export type Where = 'create' | 'scratch' | 'replace' | 'into';

export interface Choice {
  where: Where;
  /** The datasource that is restored into. */
  target: string;
  /** Chosen databases by their names in the backup, with their new names. */
  databases: Record<string, string>;
  /** Only these tables, one a line; all if blank. */
  tables: string;
  /** For `into`: the database that they are added to. */
  intoDatabase: string;
  createMissingRoles: boolean;
  noOwner: boolean;
  keepScratch: boolean;
  keepUnfinished: boolean;
}

const modes: Record<Where, RestoreMode> = {
  create: RestoreMode.CREATE,
  scratch: RestoreMode.SCRATCH,
  replace: RestoreMode.REPLACE,
  into: RestoreMode.INTO,
};

/** What is chosen at first: everything, under new names beside what is there. */
export function firstChoice(backup: Backup): Choice {
  return {
    where: 'create',
    target: backup.datasource,
    databases: Object.fromEntries(backup.databases.map((name) => [name, `${name}_restored`])),
    tables: '',
    intoDatabase: '',
    createMissingRoles: false,
    noOwner: false,
    keepScratch: false,
    keepUnfinished: false,
  };
}

/** Why the choice can't be asked for yet, by what has to be changed; empty if it can. */
export function gaps(
  choice: Choice,
  backup: Backup,
): Partial<Record<'databases' | 'tables' | 'intoDatabase', string>> {
  const chosen = Object.keys(choice.databases);
  const missing: Partial<Record<'databases' | 'tables' | 'intoDatabase', string>> = {};
  if (chosen.length === 0) missing.databases = 'Choose at least one database.';
  if (choice.where === 'into' && chosen.length > 1)
    missing.databases = 'Choose the one database that the tables are in.';
  if (choice.where === 'create' && Object.values(choice.databases).some((name) => name.trim() === '')) {
    missing.databases = 'Give each database a name.';
  }
  if (choice.where === 'into' && lines(choice.tables).length === 0)
    missing.tables = 'Name the tables that are to be added.';
  if (choice.where === 'into' && choice.intoDatabase.trim() === '')
    missing.intoDatabase = 'Name the database that they are added to.';
  if (backup.databases.length === 0) missing.databases = 'There is no database in this backup.';
  return missing;
}

/** The request for the choice. */
export function toRequest(
  choice: Choice,
  backup: Backup,
  planOnly: boolean,
  requestId: string,
): MessageInitShape<typeof StartRestoreRequestSchema> {
  const chosen = Object.entries(choice.databases);
  const partial = choice.where === 'replace' ? [] : lines(choice.tables);
  const renames = choice.where === 'create';
  const all = chosen.length === backup.databases.length;
  // Without a list the server takes all under their own names; with one, exactly those.
  const databases =
    all && !renames ? [] : chosen.map(([from, to]) => ({ from, to: renames ? to.trim() : '' }));
  return {
    backup: backup.id,
    datasource: backup.datasource,
    targetDatasource: choice.target,
    mode: modes[choice.where],
    databases: choice.where === 'into' && backup.databases.length === 1 ? [] : databases,
    tables: partial,
    intoDatabase: choice.where === 'into' ? choice.intoDatabase.trim() : '',
    createMissingRoles: choice.createMissingRoles,
    noOwner: choice.noOwner,
    keepScratch: choice.where === 'scratch' && choice.keepScratch,
    keepUnfinished: choice.keepUnfinished,
    planOnly,
    requestId,
  };
}

/** How a table is written for this engine. */
export function tableNotation(engine: Engine): string {
  return engine === Engine.POSTGRES
    ? 'table, schema.table or database.schema.table'
    : 'table or database.table';
}

function lines(text: string): string[] {
  return text
    .split(/[\n,]/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
