// Permissions in words, gathered by what they are about.
import type { Permission } from '../../api/gen/dataguardian/v1/access_pb';
import { humanize } from '../../format/words';

export interface PermissionGroup {
  /** What they are about: `Backups`. */
  title: string;
  permissions: readonly Permission[];
}

// As the pages are ordered, what concerns the whole installation last.
const order = [
  'backups',
  'restores',
  'executions',
  'jobs',
  'datasources',
  'storages',
  'agents',
  'notifications',
  'users',
  'roles',
  'audit',
  'system',
];

const told: Record<string, string> = {
  'agents.approve_recovery': 'Let a host that was rebuilt in again',
  'agents.clear_alert': 'Clear the alert of an agent',
  'agents.create': 'Make join tokens for agents',
  'agents.lock': 'Lock agents',
  'agents.revoke': 'Revoke agents for good',
  'agents.unlock': 'Unlock agents',
  'audit.export': 'Save the audit log as a file',
  'audit.list': 'Read the audit log',
  'audit.verify': 'Verify that the audit log is whole',
  'backups.copy': 'Copy backups into other storages',
  'backups.delete': 'Delete backups',
  'backups.download': 'Download backups: reads all their data',
  'backups.get': 'Look into backups, without their data',
  'backups.pin': 'Pin backups and unpin them',
  'backups.verify': 'Verify backups',
  'datasources.get': 'Look at datasources and their health',
  'datasources.test': 'Test datasources and find their databases',
  'executions.cancel': 'Cancel executions',
  'executions.get': 'Look at executions',
  'executions.logs': 'Read the logs of executions',
  'executions.retry': 'Try executions again',
  'jobs.pause': 'Pause jobs',
  'jobs.resume': 'Resume jobs',
  'jobs.run': 'Run jobs now',
  'notifications.list': 'List channels, rules and what was told',
  'notifications.test': 'Send messages to try channels',
  'restores.start': 'Restore: writes into databases',
  'roles.bind': 'Give roles away and take them away',
  'storages.import': 'Take in backups that lie in storages',
  'storages.test': 'Test storages',
  'system.cleanup': 'Clean up storages',
  'system.get': 'See the overview and the state of the system',
  'system.recovery_kit': 'Make recovery kits, which open every backup',
  'system.rotate_authority': 'Change the certificate authority',
  'system.rotate_key': 'Change the key of backups',
  'users.update': 'Lock users and set their passwords',
};

const verbs: Record<string, string> = {
  create: 'Make',
  delete: 'Delete',
  get: 'Look at',
  list: 'List',
  update: 'Change',
};

/** `backups.delete` as `Delete backups`. */
export function permissionWords(name: string): string {
  if (name === '*') return 'Everything that there is and will be';
  const [resource = '', verb = ''] = name.split('.');
  const things = humanize(resource).toLowerCase();
  return told[name] ?? `${verbs[verb] ?? humanize(verb)} ${things}`;
}

/** Gathered by what they are about; what only looks goes before what changes something. */
export function grouped(permissions: readonly Permission[]): PermissionGroup[] {
  const groups = new Map<string, Permission[]>();
  for (const permission of permissions) {
    const resource = permission.name.split('.')[0] ?? '';
    groups.set(resource, [...(groups.get(resource) ?? []), permission]);
  }
  return [...groups]
    .toSorted(([one], [other]) => place(one) - place(other) || one.localeCompare(other))
    .map(([resource, members]) => ({
      title: humanize(resource),
      permissions: members.toSorted(
        (one, other) =>
          Number(!looks(one.name)) - Number(!looks(other.name)) || one.name.localeCompare(other.name),
      ),
    }));
}

function place(resource: string): number {
  const found = order.indexOf(resource);
  return found < 0 ? order.length : found;
}

/** Whether whoever has it can only look. */
export function looks(name: string): boolean {
  return /\.(list|get|logs|verify)$/.test(name) && name !== 'backups.verify';
}

/** Permissions that somebody lacks who would give these away. */
export function lacking(wanted: readonly string[], own: ReadonlySet<string> | undefined): string[] {
  if (own === undefined || own.has('*')) return [];
  return wanted.filter((name) => !own.has(name));
}
