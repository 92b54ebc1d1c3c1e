// The words for what notifications are about.
import {
  DeliveryState,
  NotificationEvent,
  NotificationPhase,
  Severity,
} from '../../api/gen/dataguardian/v1/notification_pb';
import type { Told, Tone } from '../../format/words';

export const events: Partial<Record<NotificationEvent, string>> = {
  [NotificationEvent.BACKUP_FAILED]: 'A backup failed',
  [NotificationEvent.BACKUP_MISSING]: 'A scheduled backup is missing',
  [NotificationEvent.BACKUP_TOO_OLD]: 'The newest backup is too old',
  [NotificationEvent.VERIFIED_BACKUP_TOO_OLD]: 'The newest verified backup is too old',
  [NotificationEvent.RESTORE_FAILED]: 'A restore failed',
  [NotificationEvent.VERIFICATION_FAILED]: 'A verification failed',
  [NotificationEvent.DAMAGE_FOUND]: 'Copies are damaged',
  [NotificationEvent.AGENT_OFFLINE]: 'An agent is offline',
  [NotificationEvent.DATASOURCE_UNHEALTHY]: 'A datasource is not usable',
  [NotificationEvent.STORAGE_UNHEALTHY]: 'A storage is not usable',
  [NotificationEvent.STORAGE_NEARLY_FULL]: 'A storage is nearly full',
  [NotificationEvent.CERTIFICATE_EXPIRING]: 'A certificate ends soon',
  [NotificationEvent.TOKEN_EXPIRING]: 'A token ends soon',
  [NotificationEvent.QUEUE_OFFLINE]: 'The queue is offline',
  [NotificationEvent.CHANNEL_FAILING]: 'A channel does not work',
  [NotificationEvent.SIGN_INS_FAILING]: 'Wrong passwords were tried',
};

export const severities: Partial<Record<Severity, string>> = {
  [Severity.INFO]: 'Everything',
  [Severity.WARNING]: 'Warnings and errors',
  [Severity.ERROR]: 'Errors alone',
};

const tones: Partial<Record<Severity, Tone>> = { [Severity.ERROR]: 'bad', [Severity.WARNING]: 'warn' };

/** What part of a story is told, in the tone of how much it matters. */
export function phase(value: NotificationPhase, severity: Severity): Told {
  const tone = tones[severity] ?? 'quiet';
  if (value === NotificationPhase.RECOVERED) return ['Recovered', 'good'];
  if (value === NotificationPhase.REMINDER) return ['Still so', tone];
  return [value === NotificationPhase.BEGAN ? 'Began' : 'Happened', tone];
}

const deliveries: Record<DeliveryState, Told> = {
  [DeliveryState.UNSPECIFIED]: ['Unknown', 'quiet'],
  [DeliveryState.PENDING]: ['On its way', 'busy'],
  [DeliveryState.DELIVERED]: ['Delivered', 'good'],
  [DeliveryState.FAILED]: ['Given up', 'bad'],
};
export const delivery = (state: DeliveryState): Told => deliveries[state] ?? deliveries[0];
