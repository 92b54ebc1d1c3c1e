// The words for what the API names by numbers, each with the tone it is shown in. Colour means state and nothing else.
import { CheckOutcome, CopyState } from '../api/gen/dataguardian/v1/backup_pb';
import { Engine, Strategy, TlsMode } from '../api/gen/dataguardian/v1/common_pb';
import { ProtectionState } from '../api/gen/dataguardian/v1/dashboard_pb';
import { ExecutionKind, ExecutionState, SkipReason, Trigger } from '../api/gen/dataguardian/v1/execution_pb';
import { AgentState } from '../api/gen/dataguardian/v1/agent_admin_pb';
import { Condition } from '../api/gen/dataguardian/v1/health_pb';
import { RetentionRule } from '../api/gen/dataguardian/v1/retention_pb';

export type Tone = 'good' | 'warn' | 'bad' | 'busy' | 'quiet';
export type Told = readonly [text: string, tone: Tone];

const execution: Record<ExecutionState, Told> = {
  [ExecutionState.UNSPECIFIED]: ['Unknown', 'quiet'],
  [ExecutionState.QUEUED]: ['Waiting', 'quiet'],
  [ExecutionState.LEASED]: ['Starting', 'busy'],
  [ExecutionState.RUNNING]: ['Running', 'busy'],
  [ExecutionState.COMMITTING]: ['Finishing', 'busy'],
  [ExecutionState.COMPLETED]: ['Completed', 'good'],
  [ExecutionState.RETRY_WAIT]: ['Will try again', 'warn'],
  [ExecutionState.CANCELLING]: ['Cancelling', 'warn'],
  [ExecutionState.CANCELLED]: ['Cancelled', 'quiet'],
  [ExecutionState.FAILED]: ['Failed', 'bad'],
  [ExecutionState.SKIPPED]: ['Skipped', 'warn'],
};
export const executionState = (state: ExecutionState): Told => execution[state] ?? execution[0];

/** The state of an execution; one that completed without all that it was to hold says so. */
export const stateOf = (execution: { state: ExecutionState; partial: boolean }): Told =>
  execution.partial && execution.state === ExecutionState.COMPLETED
    ? ['Completed in part', 'warn']
    : executionState(execution.state);

const ended = [
  ExecutionState.COMPLETED,
  ExecutionState.CANCELLED,
  ExecutionState.FAILED,
  ExecutionState.SKIPPED,
];
/** Whether nothing follows this state. */
export const hasEnded = (state: ExecutionState): boolean => ended.includes(state);
/** States of what waits or is at work. */
export const unended = [
  ExecutionState.QUEUED,
  ExecutionState.LEASED,
  ExecutionState.RUNNING,
  ExecutionState.COMMITTING,
  ExecutionState.RETRY_WAIT,
  ExecutionState.CANCELLING,
];

const kinds: Record<ExecutionKind, string> = {
  [ExecutionKind.UNSPECIFIED]: 'Execution',
  [ExecutionKind.BACKUP]: 'Backup',
  [ExecutionKind.RESTORE]: 'Restore',
  [ExecutionKind.VERIFY]: 'Verification',
};
export const executionKind = (kind: ExecutionKind): string => kinds[kind] ?? 'Execution';

export const triggerWords = (trigger: Trigger): string =>
  trigger === Trigger.SCHEDULED ? 'its schedule' : trigger === Trigger.MANUAL ? 'a person or a program' : '';

const skips: Record<SkipReason, string> = {
  [SkipReason.UNSPECIFIED]: 'no reason was given',
  [SkipReason.MISSED]: 'the control plane or its queue was away',
  [SkipReason.OVERLAP]: 'another run of the job was not at its end',
  [SkipReason.AGENT_LOCKED]: 'the agent was locked',
  [SkipReason.AGENT_REVOKED]: 'the agent was revoked',
};
export const skipReason = (reason: SkipReason): string => skips[reason] ?? skips[0];

const engines: Record<Engine, string> = {
  [Engine.UNSPECIFIED]: '',
  [Engine.POSTGRES]: 'PostgreSQL',
  [Engine.MYSQL]: 'MySQL',
  [Engine.MARIADB]: 'MariaDB',
};
export const engineName = (engine: Engine): string => engines[engine] ?? '';

export const strategyWords = (strategy: Strategy): string =>
  strategy === Strategy.REPLICATE ? 'every storage gets a copy' : 'the first storage that works';

const tls: Record<TlsMode, string> = {
  [TlsMode.UNSPECIFIED]: 'Prefer encryption',
  [TlsMode.DISABLE]: 'No encryption',
  [TlsMode.PREFER]: 'Prefer encryption',
  [TlsMode.REQUIRE]: 'Require encryption',
  [TlsMode.VERIFY_CA]: 'Verify the authority',
  [TlsMode.VERIFY_FULL]: 'Verify authority and host name',
};
export const tlsWords = (mode: TlsMode): string => tls[mode] ?? '';

const protection: Record<ProtectionState, Told> = {
  [ProtectionState.UNSPECIFIED]: ['Unknown', 'quiet'],
  [ProtectionState.PROTECTED]: ['Protected', 'good'],
  [ProtectionState.UNVERIFIED]: ['Not verified', 'warn'],
  [ProtectionState.LATE]: ['Backup overdue', 'bad'],
  [ProtectionState.UNPROTECTED]: ['No backup', 'bad'],
};
export const protectionState = (state: ProtectionState): Told => protection[state] ?? protection[0];

const conditions: Record<Condition, Told> = {
  [Condition.UNSPECIFIED]: ['Not looked at yet', 'quiet'],
  [Condition.UNKNOWN]: ['Not looked at', 'quiet'],
  [Condition.HEALTHY]: ['Healthy', 'good'],
  [Condition.DEGRADED]: ['Needs a look', 'warn'],
  [Condition.UNHEALTHY]: ['Not usable', 'bad'],
};
export const condition = (value: Condition | undefined): Told => conditions[value ?? 0] ?? conditions[0];

/** How an agent is, in one word: what it may do goes before whether it is there. */
export function agentState(state: AgentState, connected: boolean): Told {
  if (state === AgentState.REVOKED) return ['Revoked', 'quiet'];
  if (!connected) return ['Offline', 'bad'];
  return state === AgentState.LOCKED ? ['Locked', 'warn'] : ['Connected', 'good'];
}

const copies: Record<CopyState, Told> = {
  [CopyState.UNSPECIFIED]: ['Unknown', 'quiet'],
  [CopyState.WANTED]: ['Being made', 'busy'],
  [CopyState.COMPLETE]: ['Complete', 'good'],
  [CopyState.DELETING]: ['Being deleted', 'quiet'],
  [CopyState.DELETED]: ['Deleted', 'quiet'],
};
export const copyState = (state: CopyState, damaged: boolean): Told =>
  damaged ? ['Damaged', 'bad'] : (copies[state] ?? copies[0]);

const outcomes: Record<CheckOutcome, Told> = {
  [CheckOutcome.UNSPECIFIED]: ['Unknown', 'quiet'],
  [CheckOutcome.GOOD]: ['Good', 'good'],
  [CheckOutcome.DAMAGED]: ['Damaged', 'bad'],
  [CheckOutcome.MENDED]: ['Mended since', 'warn'],
};
export const checkOutcome = (outcome: CheckOutcome): Told => outcomes[outcome] ?? outcomes[0];

const rules: Record<RetentionRule, string> = {
  [RetentionRule.UNSPECIFIED]: '',
  [RetentionRule.NEWEST]: 'newest',
  [RetentionRule.NEWEST_VERIFIED]: 'newest verified',
  [RetentionRule.MIN_BACKUPS]: 'minimum kept',
  [RetentionRule.MAX_BACKUPS]: 'within the limit',
  [RetentionRule.LEGACY]: 'within the sum',
  [RetentionRule.HOURLY]: 'hourly',
  [RetentionRule.DAILY]: 'daily',
  [RetentionRule.WEEKLY]: 'weekly',
  [RetentionRule.MONTHLY]: 'monthly',
  [RetentionRule.YEARLY]: 'yearly',
  [RetentionRule.WITHIN]: 'young enough',
  [RetentionRule.PINNED]: 'pinned',
  [RetentionRule.IN_USE]: 'in use',
};
export const retentionRule = (rule: RetentionRule): string => rules[rule] ?? '';

/** `CONSTANT_CASE` or `kebab-case` as words for people: `Table data`. */
export function humanize(name: string): string {
  const words = name.toLowerCase().replaceAll(/[-_]/g, ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
