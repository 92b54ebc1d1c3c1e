// A channel's secrets are sent only when they were typed.
import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';

import { EmailTls, NotificationChannelSchema } from '../../api/gen/dataguardian/v1/notification_pb';
import { channelDraft, secretsOf, targetOf } from './channel';

const mail = create(NotificationChannelSchema, {
  name: 'oncall',
  target: { case: 'email', value: { to: ['a@x', 'b@x'], host: 'mx', port: 25, tls: EmailTls.NONE } },
});

it('shows a channel as it is, without its secrets', () => {
  expect(channelDraft(mail)).toMatchObject({ kind: 'email', to: 'a@x, b@x', port: '25', password: '' });
});

it('sends the target that was typed', () => {
  expect(targetOf(channelDraft(mail))).toMatchObject({
    case: 'email',
    value: { to: ['a@x', 'b@x'], port: 25 },
  });
});

it('sends no secret that was not typed', () => {
  const draft = channelDraft(mail);
  expect(secretsOf(draft)).toEqual([{}, []]);
  expect(secretsOf({ ...draft, password: 'p' })).toEqual([{ password: 'p' }, ['secrets.password']]);
  expect(secretsOf({ ...draft, kind: 'webhook', url: ' https://x ', password: 'p' })).toEqual([
    { url: 'https://x' },
    ['secrets.url'],
  ]);
});
