// A rule: what is told, of what, by which channels.
import { Button, Checkbox, NativeSelect, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { useLocation, useParams } from 'wouter';

import { useChange, useRead } from '../../api/call';
import { DatasourceService } from '../../api/gen/dataguardian/v1/datasource_pb';
import { NotificationService, Severity } from '../../api/gen/dataguardian/v1/notification_pb';
import type { NotificationEvent, NotificationRule } from '../../api/gen/dataguardian/v1/notification_pb';
import { useMay } from '../../api/permissions';
import { requestId } from '../../api/requestId';
import { Confirm } from '../../components/Confirm';
import { fieldErrors, Form } from '../../components/Form';
import { Loaded } from '../../components/Loaded';
import { Page, Panel } from '../../components/Page';
import { events, severities } from './words';

export default function RuleForm(): ReactElement {
  const { name } = useParams();
  const isNew = name === undefined;
  const known = useRead(
    NotificationService.method.getNotificationRule,
    { rule: name ?? '' },
    { enabled: !isNew },
  );
  const channels = useRead(NotificationService.method.listNotificationChannels, { pageSize: 1000 });
  return (
    <Page
      title={isNew ? 'Add rule' : name}
      back={['/notifications', 'Notifications']}
      actions={known.data?.rule && <Delete rule={known.data.rule} />}
    >
      <div className="narrow">
        <Panel>
          <Loaded query={channels}>
            {(list) => {
              const names = list.channels.map((channel) => channel.name);
              if (isNew) return <Fields channels={names} />;
              return (
                <Loaded query={known}>{({ rule }) => rule && <Fields rule={rule} channels={names} />}</Loaded>
              );
            }}
          </Loaded>
        </Panel>
      </div>
    </Page>
  );
}

function Fields({ rule, channels }: { rule?: NotificationRule; channels: readonly string[] }): ReactElement {
  const [draft, setDraft] = useState({
    name: rule?.name ?? 'all-troubles',
    minSeverity: rule?.minSeverity ?? Severity.WARNING,
    events: rule?.events ?? [],
    datasource: rule?.datasource ?? '',
    channels: rule?.channels ?? [],
  });
  const [id] = useState(requestId);
  const [, navigate] = useLocation();
  const may = useMay();
  const sources = useRead(
    DatasourceService.method.listDatasources,
    { pageSize: 1000 },
    { enabled: may(DatasourceService.method.listDatasources) },
  );
  const create = useChange(NotificationService.method.createNotificationRule);
  const update = useChange(NotificationService.method.updateNotificationRule);
  const change = rule ? update : create;
  const fieldError = fieldErrors(change.error);
  const leave = () => navigate('/notifications');
  const submit = () => {
    const { name, ...fields } = draft;
    if (!rule) return create.mutate({ ...fields, name: name.trim(), requestId: id }, { onSuccess: leave });
    const paths = ['min_severity', 'events', 'datasource', 'channels'];
    update.mutate(
      { ...fields, rule: rule.name, etag: rule.etag, updateMask: { paths } },
      { onSuccess: leave },
    );
  };
  const toggle = <T,>(list: readonly T[], one: T, on: boolean): T[] =>
    on ? [...list, one] : list.filter((each) => each !== one);
  return (
    <Form
      deed={rule ? 'Save' : 'Add rule'}
      pending={change.isPending}
      error={change.error}
      cancel="/notifications"
      onSubmit={submit}
    >
      {!rule && (
        <TextInput
          label="Name"
          value={draft.name}
          onChange={(event) => setDraft({ ...draft, name: event.currentTarget.value })}
          error={fieldError('name')}
          required
        />
      )}
      <NativeSelect
        label="How grave"
        value={String(draft.minSeverity)}
        onChange={(event) => setDraft({ ...draft, minSeverity: Number(event.currentTarget.value) })}
        data={Object.entries(severities).map(([value, label]) => ({ value, label }))}
      />
      <NativeSelect
        label="Of which datasource"
        value={draft.datasource}
        onChange={(event) => setDraft({ ...draft, datasource: event.currentTarget.value })}
        error={fieldError('datasource')}
      >
        <option value="">Any</option>
        {[...new Set([draft.datasource, ...(sources.data?.datasources.map(({ name }) => name) ?? [])])]
          .filter(Boolean)
          .map((name) => (
            <option key={name}>{name}</option>
          ))}
      </NativeSelect>
      <fieldset className="choices">
        <legend>By which channels (none ticked: every one)</legend>
        <div className="stack">
          {channels.map((name) => (
            <Checkbox
              key={name}
              label={name}
              checked={draft.channels.includes(name)}
              onChange={(event) =>
                setDraft({ ...draft, channels: toggle(draft.channels, name, event.currentTarget.checked) })
              }
            />
          ))}
        </div>
      </fieldset>
      <details open={draft.events.length > 0}>
        <summary>Only some kinds of trouble</summary>
        <fieldset className="choices">
          <legend className="hidden">Kinds of trouble (none ticked: all)</legend>
          <div className="stack">
            {Object.entries(events).map(([value, label]) => (
              <Checkbox
                key={value}
                label={label}
                checked={draft.events.includes(Number(value) as NotificationEvent)}
                onChange={(event) =>
                  setDraft({
                    ...draft,
                    events: toggle(
                      draft.events,
                      Number(value) as NotificationEvent,
                      event.currentTarget.checked,
                    ),
                  })
                }
              />
            ))}
          </div>
        </fieldset>
      </details>
    </Form>
  );
}

function Delete({ rule }: { rule: NotificationRule }): ReactElement | null {
  const may = useMay();
  const [asking, setAsking] = useState(false);
  const [, navigate] = useLocation();
  const remove = useChange(NotificationService.method.deleteNotificationRule);
  if (!may(NotificationService.method.deleteNotificationRule)) return null;
  return (
    <>
      <Button variant="subtle" onClick={() => setAsking(true)}>
        Delete
      </Button>
      {asking && (
        <Confirm
          title={`Delete ${rule.name}?`}
          deed="Delete it"
          danger
          pending={remove.isPending}
          error={remove.error}
          onConfirm={() =>
            remove.mutate({ rule: rule.name }, { onSuccess: () => navigate('/notifications') })
          }
          onClose={() => setAsking(false)}
        >
          <p>What only this rule tells of is told to nobody any more.</p>
        </Confirm>
      )}
    </>
  );
}
