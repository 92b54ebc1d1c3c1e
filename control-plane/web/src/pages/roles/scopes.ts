// What roles are given over, in words. The API names things by their ids; people know them by their names.
import { ScopeKind } from '../../api/gen/dataguardian/v1/access_pb';
import type { RoleBinding, Scope } from '../../api/gen/dataguardian/v1/access_pb';

export const scopeKinds: Partial<Record<ScopeKind, string>> = {
  [ScopeKind.DATASOURCE]: 'datasource',
  [ScopeKind.JOB]: 'job',
  [ScopeKind.AGENT]: 'agent',
  [ScopeKind.STORAGE]: 'storage',
};

export interface Thing {
  id: string;
  name: string;
}

export type Things = Partial<Record<ScopeKind, readonly Thing[]>>;

const besides: Partial<Record<ScopeKind, string>> = {
  [ScopeKind.DATASOURCE]: ', its jobs, executions and backups',
  [ScopeKind.JOB]: ', its executions and backups',
};

/** `everything`, or `datasource shop, its jobs, executions and backups`. */
export function scopeWords(scope: Scope | undefined, things: Things = {}, brief = false): string {
  const kind = scope && scopeKinds[scope.kind];
  if (!scope || !kind) return 'everything';
  const known = things[scope.kind]?.find(({ id }) => id === scope.resource)?.name;
  const name = scope.name || known || scope.resource;
  return `${kind} ${name}${brief ? '' : (besides[scope.kind] ?? '')}`;
}

/** `operator`, or `operator over job nightly`. */
export function bindingWords({ role, scope }: RoleBinding, things: Things = {}): string {
  return scope?.kind ? `${role} over ${scopeWords(scope, things, true)}` : role;
}
