// What rows of the audit log say, in words, and which of them a page's address asks for.
import { getOption } from '@bufbuild/protobuf';
import type { Timestamp } from '@bufbuild/protobuf/wkt';

import { AccessService } from '../../api/gen/dataguardian/v1/access_pb';
import { AgentService } from '../../api/gen/dataguardian/v1/agent_admin_pb';
import { AuditService } from '../../api/gen/dataguardian/v1/audit_pb';
import type { AuditLog } from '../../api/gen/dataguardian/v1/audit_pb';
import { AuthService } from '../../api/gen/dataguardian/v1/auth_pb';
import { BackupService } from '../../api/gen/dataguardian/v1/backup_pb';
import { DatasourceService } from '../../api/gen/dataguardian/v1/datasource_pb';
import { ExecutionService } from '../../api/gen/dataguardian/v1/execution_pb';
import { JobService } from '../../api/gen/dataguardian/v1/job_pb';
import { NotificationService } from '../../api/gen/dataguardian/v1/notification_pb';
import { audited } from '../../api/gen/dataguardian/v1/options_pb';
import { RestoreService } from '../../api/gen/dataguardian/v1/restore_pb';
import { StorageService } from '../../api/gen/dataguardian/v1/storage_pb';
import { SystemService } from '../../api/gen/dataguardian/v1/system_pb';
import type { Told } from '../../format/words';

const services = [
  AccessService,
  AgentService,
  AuditService,
  AuthService,
  BackupService,
  DatasourceService,
  ExecutionService,
  JobService,
  NotificationService,
  RestoreService,
  StorageService,
  SystemService,
];

/** What can be chosen as a part of a method's path: whole services, then each method that leaves a row. */
export const methodParts: readonly string[] = services.flatMap((service) => [
  `${service.name}/`,
  ...service.methods
    .filter((method) => getOption(method, audited))
    .map((method) => `${service.name}/${method.name}`),
]);

// Where a method's name reads badly.
const deeds: Record<string, string> = {
  ConfirmTotp: 'Confirm authenticator app',
  CreateApiToken: 'Make API token',
  DisableTotp: 'Sign in without a code again',
  EnrolTotp: 'Set up authenticator app',
  Enroll: 'Enroll agent',
  Login: 'Sign in',
  Logout: 'Sign out',
  RevokeApiToken: 'Revoke API token',
  Setup: 'Make the first administrator',
};

/** `/dataguardian.v1.BackupService/DeleteBackup` as `Delete backup`; what is no path stays as it is. */
export function methodWords(method: string): string {
  const name = /^\/[\w.]+\/(\w+)$/.exec(method)?.[1];
  const deed = name && deeds[name];
  if (deed) return deed;
  if (name === undefined) return method.charAt(0).toUpperCase() + method.slice(1);
  const words = name.replaceAll(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** How it ended. */
export function outcomeWords(outcome: string): Told {
  if (outcome === 'ok') return ['Done', 'good'];
  if (outcome === 'PERMISSION_DENIED') return ['Not allowed', 'bad'];
  return [outcome, 'warn'];
}

const nobodys: Record<string, string> = {
  system: 'Control plane',
  anonymous: 'Not signed in',
};

/** Who did it. */
export function actorWords({ actorKind, actorName, actorId }: AuditLog): string {
  const named = actorName || actorId;
  if (actorKind === 'agent') return `Agent ${named}`;
  return nobodys[actorKind] ?? named;
}

/** What was asked, for people to read; as it is where it is no JSON. */
export function requestWords(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}

export interface Filter {
  actor: string;
  method: string;
  resource: string;
  outcome: string;
  /** One of the periods, or blank for the moments below. */
  period: string;
  /** As fields for local moments have it: `2026-11-24T18:30`. */
  since: string;
  until: string;
}

/** Periods up to now, in hours. */
export const periods: Record<string, readonly [name: string, hours: number]> = {
  '1h': ['Last hour', 1],
  '24h': ['Last 24 hours', 24],
  '7d': ['Last 7 days', 7 * 24],
  '30d': ['Last 30 days', 30 * 24],
};

export const filterFields = ['actor', 'method', 'resource', 'outcome', 'period', 'since', 'until'] as const;

/** The filter that an address holds. */
export function filterOf(search: URLSearchParams): Filter {
  const value = (name: string) => search.get(name) ?? '';
  return {
    actor: value('actor'),
    method: value('method'),
    resource: value('resource'),
    outcome: value('outcome'),
    period: value('period'),
    since: value('since'),
    until: value('until'),
  };
}

export interface Wanted {
  actor: string;
  method: string;
  resource: string;
  outcome: string;
  since?: Pick<Timestamp, 'seconds' | 'nanos'>;
  until?: Pick<Timestamp, 'seconds' | 'nanos'>;
}

/** The same as the API takes it. Moments that can't be read narrow nothing. */
export function toFilter(filter: Filter, now: number): Wanted {
  const hours = periods[filter.period]?.[1];
  const since = hours === undefined ? moment(filter.since) : stamp(now - hours * 3_600_000);
  const until = hours === undefined ? moment(filter.until) : undefined;
  return {
    actor: filter.actor.trim(),
    method: filter.method.trim(),
    resource: filter.resource.trim(),
    outcome: filter.outcome.trim(),
    ...(since ? { since } : {}),
    ...(until ? { until } : {}),
  };
}

function moment(local: string): Pick<Timestamp, 'seconds' | 'nanos'> | undefined {
  const at = local === '' ? NaN : new Date(local).getTime();
  return Number.isNaN(at) ? undefined : stamp(at);
}

function stamp(milliseconds: number): Pick<Timestamp, 'seconds' | 'nanos'> {
  return { seconds: BigInt(Math.floor(milliseconds / 1000)), nanos: 0 };
}
