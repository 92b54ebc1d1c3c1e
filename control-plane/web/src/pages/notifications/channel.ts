// What is typed into the form of a channel, and the target and secrets that it comes to.
import { EmailTls } from '../../api/gen/dataguardian/v1/notification_pb';
import type { NotificationChannel } from '../../api/gen/dataguardian/v1/notification_pb';
import { durationMillis, toDuration } from '../../format/time';

export interface ChannelDraft {
  kind: 'email' | 'webhook' | 'ping';
  name: string;
  disabled: boolean;
  to: string;
  from: string;
  host: string;
  port: string;
  tls: EmailTls;
  username: string;
  password: string;
  url: string;
  contentType: string;
  bodyTemplate: string;
  signingSecret: string;
  minutes: string;
  allowHttp: boolean;
  caPem: string;
}

/** Bodies that some receivers expect, as `dgctl` has them. */
export const presets: Record<string, Partial<ChannelDraft>> = {
  'Slack, Mattermost': { bodyTemplate: '{"text": {{ ("*" ~ title ~ "*\\n" ~ details) | tojson }}}' },
  Discord: { bodyTemplate: '{"content": {{ ("**" ~ title ~ "**\\n" ~ details)[:1900] | tojson }}}' },
  ntfy: {
    bodyTemplate:
      '{"topic": "dataguardian", "title": {{ title | tojson }}, "message": {{ details | tojson }}, "priority": {{ 5 if severity == "error" else 3 }}}',
  },
};

/** The form as the channel is, or blank. What is secret is never shown. */
export function channelDraft(channel?: NotificationChannel): ChannelDraft {
  const target = channel?.target;
  const blank: ChannelDraft = {
    kind: target?.case ?? 'email',
    name: channel?.name ?? '',
    disabled: channel?.disabled ?? false,
    to: '',
    from: '',
    host: '',
    port: '',
    tls: EmailTls.STARTTLS,
    username: '',
    password: '',
    url: '',
    contentType: '',
    bodyTemplate: '',
    signingSecret: '',
    minutes: '',
    allowHttp: false,
    caPem: '',
  };
  if (target?.case === 'email') {
    const { to, from, host, port, tls, username, caPem } = target.value;
    return {
      ...blank,
      to: to.join(', '),
      from,
      host,
      port: port === 0 ? '' : String(port),
      tls,
      username,
      caPem,
    };
  }
  if (target?.case === 'webhook') {
    const { contentType, bodyTemplate, allowHttp, caPem } = target.value;
    return { ...blank, contentType, bodyTemplate, allowHttp, caPem };
  }
  if (target?.case === 'ping') {
    const { interval, allowHttp, caPem } = target.value;
    return {
      ...blank,
      minutes: interval ? String(Math.round(durationMillis(interval) / 60_000)) : '',
      allowHttp,
      caPem,
    };
  }
  return blank;
}

/** The target that the form stands for. */
export function targetOf(draft: ChannelDraft) {
  const { kind, allowHttp, caPem } = draft;
  if (kind === 'email') {
    const { from, host, tls, username } = draft;
    const to = draft.to
      .split(',')
      .map((each) => each.trim())
      .filter(Boolean);
    return {
      case: 'email',
      value: { to, from, host, port: Number(draft.port) || 0, tls, username, caPem },
    } as const;
  }
  if (kind === 'webhook') {
    const { contentType, bodyTemplate } = draft;
    return { case: 'webhook', value: { contentType, bodyTemplate, allowHttp, caPem } } as const;
  }
  const minutes = Number(draft.minutes);
  return {
    case: 'ping',
    value: { allowHttp, caPem, ...(minutes > 0 ? { interval: toDuration(minutes * 60_000) } : {}) },
  } as const;
}

/** The secrets that were typed, and their names in an update mask. */
export function secretsOf(draft: ChannelDraft): [secrets: Record<string, string>, paths: string[]] {
  const typed = [
    ['password', 'secrets.password', draft.kind === 'email' ? draft.password : ''],
    ['url', 'secrets.url', draft.kind === 'email' ? '' : draft.url.trim()],
    ['signingSecret', 'secrets.signing_secret', draft.kind === 'webhook' ? draft.signingSecret : ''],
  ].filter(([, , value]) => value !== '');
  return [
    Object.fromEntries(typed.map(([key, , value]) => [key ?? '', value ?? ''])),
    typed.map(([, path]) => path ?? ''),
  ];
}
