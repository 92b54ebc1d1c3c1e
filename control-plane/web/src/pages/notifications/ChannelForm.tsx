// A channel: mail, a webhook or a ping.
import {
  Button,
  Checkbox,
  NativeSelect,
  PasswordInput,
  SegmentedControl,
  Textarea,
  TextInput,
} from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { useLocation, useParams } from 'wouter';

import { useChange, useRead } from '../../api/call';
import { EmailTls, NotificationService } from '../../api/gen/dataguardian/v1/notification_pb';
import type { NotificationChannel } from '../../api/gen/dataguardian/v1/notification_pb';
import { useMay } from '../../api/permissions';
import { requestId } from '../../api/requestId';
import { Confirm } from '../../components/Confirm';
import { fieldErrors, Form } from '../../components/Form';
import { Loaded } from '../../components/Loaded';
import { Page, Panel } from '../../components/Page';
import { channelDraft, presets, secretsOf, targetOf } from './channel';
import type { ChannelDraft } from './channel';

export default function ChannelForm(): ReactElement {
  const { name } = useParams();
  const isNew = name === undefined;
  const known = useRead(
    NotificationService.method.getNotificationChannel,
    { channel: name ?? '' },
    { enabled: !isNew },
  );
  return (
    <Page
      title={isNew ? 'Add channel' : name}
      back={['/notifications', 'Notifications']}
      actions={known.data?.channel && <Delete channel={known.data.channel} />}
    >
      <div className="narrow">
        <Panel>
          {isNew ? (
            <Fields />
          ) : (
            <Loaded query={known}>{({ channel }) => channel && <Fields channel={channel} />}</Loaded>
          )}
        </Panel>
      </div>
    </Page>
  );
}

function Fields({ channel }: { channel?: NotificationChannel }): ReactElement {
  const [draft, setDraft] = useState<ChannelDraft>(() => channelDraft(channel));
  const [id] = useState(requestId);
  const [, navigate] = useLocation();
  const create = useChange(NotificationService.method.createNotificationChannel);
  const update = useChange(NotificationService.method.updateNotificationChannel);
  const change = channel ? update : create;
  const fieldError = fieldErrors(change.error);
  const leave = () => navigate('/notifications');
  const set = (part: Partial<ChannelDraft>) => setDraft((old) => ({ ...old, ...part }));
  const submit = () => {
    const target = targetOf(draft);
    const [secrets, secretPaths] = secretsOf(draft);
    if (!channel) {
      return create.mutate(
        { name: draft.name.trim(), target, secrets, disabled: draft.disabled, requestId: id },
        { onSuccess: leave },
      );
    }
    const paths = ['target', 'disabled', ...secretPaths];
    update.mutate(
      {
        channel: channel.name,
        target,
        secrets,
        disabled: draft.disabled,
        etag: channel.etag,
        updateMask: { paths },
      },
      { onSuccess: leave },
    );
  };
  const text = (key: keyof ChannelDraft, field: string) => ({
    value: String(draft[key]),
    onChange: (event: { currentTarget: { value: string } }) => set({ [key]: event.currentTarget.value }),
    error: fieldError(field),
    autoComplete: 'off',
    spellCheck: false,
  });
  return (
    <Form
      deed={channel ? 'Save' : 'Add channel'}
      pending={change.isPending}
      error={change.error}
      cancel="/notifications"
      onSubmit={submit}
    >
      {!channel && (
        <>
          <SegmentedControl
            aria-label="Kind of channel"
            value={draft.kind}
            onChange={(kind) => set({ kind: kind as ChannelDraft['kind'] })}
            transitionDuration={0}
            data={[
              { value: 'email', label: 'Mail' },
              { value: 'webhook', label: 'Webhook' },
              { value: 'ping', label: 'Ping' },
            ]}
          />
          <TextInput label="Name" {...text('name', 'name')} required />
        </>
      )}
      {draft.kind === 'email' && (
        <>
          <TextInput label="To" description="Addresses, separated by commas" {...text('to', 'email.to')} />
          <TextInput label="From" {...text('from', 'email.from')} />
          <div className="pair">
            <TextInput label="Mail server" {...text('host', 'email.host')} />
            <TextInput label="Port" placeholder="587" inputMode="numeric" {...text('port', 'email.port')} />
          </div>
          <NativeSelect
            label="Encryption"
            value={String(draft.tls)}
            onChange={(event) => set({ tls: Number(event.currentTarget.value) })}
            data={[
              { value: String(EmailTls.STARTTLS), label: 'STARTTLS' },
              { value: String(EmailTls.IMPLICIT), label: 'TLS from the first byte on' },
              { value: String(EmailTls.NONE), label: 'None: on this machine alone' },
            ]}
          />
          <TextInput
            label="User"
            description="Blank where nobody has to sign in"
            {...text('username', 'email.username')}
          />
          <PasswordInput
            label="Password"
            description={channel ? 'Blank leaves it as it is' : ''}
            {...text('password', 'secrets.password')}
            autoComplete="new-password"
          />
        </>
      )}
      {draft.kind !== 'email' && (
        <TextInput
          label="URL"
          description={
            channel
              ? 'Never shown again; blank leaves it as it is'
              : 'Kept secret, since whoever knows it can write there'
          }
          type="url"
          {...text('url', 'secrets.url')}
          required={!channel}
        />
      )}
      {draft.kind === 'webhook' && (
        <>
          <NativeSelect
            label="Form of the message"
            value=""
            onChange={(event) => {
              const preset = presets[event.currentTarget.value];
              if (preset) set(preset);
            }}
          >
            <option value="">{draft.bodyTemplate === '' ? 'All fields as JSON' : 'As below'}</option>
            {Object.keys(presets).map((preset) => (
              <option key={preset} value={preset}>
                {preset}
              </option>
            ))}
          </NativeSelect>
          <Textarea
            label="Template"
            description="Jinja; blank for all fields as JSON"
            rows={4}
            classNames={{ input: 'mono' }}
            {...text('bodyTemplate', 'webhook.body_template')}
          />
          <PasswordInput
            label="Signing secret"
            description={
              channel
                ? 'Blank leaves it as it is'
                : 'Requests are signed with it (HMAC-SHA256); blank for none'
            }
            {...text('signingSecret', 'secrets.signing_secret')}
            autoComplete="new-password"
          />
        </>
      )}
      {draft.kind === 'ping' && (
        <TextInput
          label="Every so many minutes"
          inputMode="numeric"
          placeholder="5"
          {...text('minutes', 'ping.interval')}
        />
      )}
      {draft.kind !== 'email' && (
        <Checkbox
          label="The URL may begin with http://"
          description="Whatever is sent there can be read on the way."
          checked={draft.allowHttp}
          onChange={(event) => set({ allowHttp: event.currentTarget.checked })}
        />
      )}
      <Checkbox
        label="Switched off"
        checked={draft.disabled}
        onChange={(event) => set({ disabled: event.currentTarget.checked })}
      />
    </Form>
  );
}

function Delete({ channel }: { channel: NotificationChannel }): ReactElement | null {
  const may = useMay();
  const [asking, setAsking] = useState(false);
  const [, navigate] = useLocation();
  const remove = useChange(NotificationService.method.deleteNotificationChannel);
  if (!may(NotificationService.method.deleteNotificationChannel)) return null;
  return (
    <>
      <Button variant="subtle" onClick={() => setAsking(true)}>
        Delete
      </Button>
      {asking && (
        <Confirm
          title={`Delete ${channel.name}?`}
          deed="Delete it"
          danger
          pending={remove.isPending}
          error={remove.error}
          onConfirm={() =>
            remove.mutate({ channel: channel.name }, { onSuccess: () => navigate('/notifications') })
          }
          onClose={() => setAsking(false)}
        >
          <p>
            What still waits to be delivered there is given up. A channel that rules name can’t be deleted.
          </p>
        </Confirm>
      )}
    </>
  );
}
