// Who is told what: the channels, the rules, and what was told lately.
import { Button } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { Link } from 'wouter';

import { useChange, useRead } from '../../api/call';
import { NotificationService } from '../../api/gen/dataguardian/v1/notification_pb';
import type { NotificationChannel, NotificationRule } from '../../api/gen/dataguardian/v1/notification_pb';
import { useMay } from '../../api/permissions';
import { Sheet } from '../../components/Confirm';
import { Loaded } from '../../components/Loaded';
import { Mark } from '../../components/Mark';
import { Empty, Page, Panel } from '../../components/Page';
import { Note, ProblemNote } from '../../components/Problem';
import { Pager, RowLink, Table, usePages } from '../../components/Table';
import { Time } from '../../components/Time';
import { durationMillis, span } from '../../format/time';
import { delivery, events, phase, severities } from './words';

export default function NotificationList(): ReactElement {
  const channels = useRead(
    NotificationService.method.listNotificationChannels,
    { pageSize: 1000 },
    { every: 10_000 },
  );
  const rules = useRead(
    NotificationService.method.listNotificationRules,
    { pageSize: 1000 },
    { every: 30_000 },
  );
  return (
    <Page title="Notifications" lead="Who is told what goes wrong, and that it is well again.">
      <div className="two">
        <Loaded query={channels}>{(data) => <Channels channels={data.channels} />}</Loaded>
        <Loaded query={rules}>
          {(data) => <Rules rules={data.rules} hasChannels={(channels.data?.channels.length ?? 0) > 0} />}
        </Loaded>
      </div>
      <Told />
    </Page>
  );
}

function Channels({ channels }: { channels: readonly NotificationChannel[] }): ReactElement {
  const may = useMay();
  const { method } = NotificationService;
  const [tested, setTested] = useState<string>();
  const test = useChange(method.testNotificationChannel);
  const add = may(method.createNotificationChannel) && (
    <Button component={Link} href="/notifications/channels/new" variant="default" size="xs">
      Add channel
    </Button>
  );
  return (
    <Panel flush title="Channels" actions={channels.length > 0 && add}>
      <Table
        label="Channels"
        rows={channels}
        id={(channel) => channel.id}
        empty={
          <Empty title="Nobody is told yet" action={add}>
            A channel is a mail address, a webhook as of Slack, Discord or ntfy, or a ping for a watchdog
            outside.
          </Empty>
        }
        columns={[
          {
            head: 'Channel',
            main: true,
            cell: (channel) => (
              <>
                <RowLink to={`/notifications/channels/${channel.name}`}>{channel.name}</RowLink>
                <div className="cell-note">{targetWords(channel)}</div>
              </>
            ),
          },
          { head: 'State', cell: (channel) => <ChannelMark channel={channel} /> },
          may(method.testNotificationChannel) && {
            head: '',
            align: 'end',
            cell: (channel) => (
              <Button
                variant="default"
                size="compact-sm"
                onClick={() => {
                  setTested(channel.name);
                  test.mutate({ channel: channel.name });
                }}
              >
                Test
              </Button>
            ),
          },
        ]}
      />
      {tested !== undefined && (
        <Sheet title={`Test of ${tested}`} onClose={() => setTested(undefined)}>
          {test.isPending && <p role="status">A message is being sent …</p>}
          {test.error && <ProblemNote error={test.error} />}
          {test.data?.ok && (
            <Note tone="good" title="The message was taken.">
              {test.data.took && `It took ${span(durationMillis(test.data.took))}.`} Look whether it has
              arrived.
            </Note>
          )}
          {test.data && !test.data.ok && (
            <Note
              tone="bad"
              title={test.data.problem}
              advice={test.data.advice}
              reason={`${test.data.stage} failed`}
              urgent
            />
          )}
        </Sheet>
      )}
    </Panel>
  );
}

export function targetWords({ target }: NotificationChannel): string {
  if (target.case === 'email') return `mail to ${target.value.to.join(', ')}`;
  if (target.case === 'webhook') return `webhook at ${target.value.url}`;
  if (target.case === 'ping') return `ping of ${target.value.url}`;
  return '';
}

function ChannelMark({ channel }: { channel: NotificationChannel }): ReactElement {
  if (channel.disabled) return <Mark told={['Switched off', 'quiet']} />;
  if (channel.failedAt) {
    return (
      <>
        <Mark told={['Nothing arrives', 'bad']} />
        <div className="cell-note clamp">{channel.failure}</div>
      </>
    );
  }
  if (channel.deliveredAt) return <Mark told={['Works', 'good']} />;
  return <Mark told={['Not used yet', 'quiet']} />;
}

function Rules({
  rules,
  hasChannels,
}: {
  rules: readonly NotificationRule[];
  hasChannels: boolean;
}): ReactElement {
  const may = useMay();
  const add = hasChannels && may(NotificationService.method.createNotificationRule) && (
    <Button component={Link} href="/notifications/rules/new" variant="default" size="xs">
      Add rule
    </Button>
  );
  return (
    <Panel flush title="Rules" actions={rules.length > 0 && add}>
      <Table
        label="Rules"
        rows={rules}
        id={(rule) => rule.id}
        empty={
          <Empty title="No rule yet" action={add}>
            A rule says what is told, and by which channels. {hasChannels ? '' : 'Add a channel first.'}
          </Empty>
        }
        columns={[
          {
            head: 'Rule',
            main: true,
            cell: (rule) => (
              <>
                <RowLink to={`/notifications/rules/${rule.name}`}>{rule.name}</RowLink>
                <div className="cell-note">
                  {[rule.datasource && `of ${rule.datasource}`, rule.job && `by ${rule.job}`]
                    .filter(Boolean)
                    .join(', ')}
                </div>
              </>
            ),
          },
          {
            head: 'Tells of',
            cell: (rule) =>
              rule.events.length === 0
                ? severities[rule.minSeverity]
                : rule.events.map((event) => events[event] ?? '').join('; '),
          },
          {
            head: 'By',
            cell: (rule) => (rule.channels.length === 0 ? 'every channel' : rule.channels.join(', ')),
          },
        ]}
      />
    </Panel>
  );
}

function Told(): ReactElement {
  const pages = usePages();
  const list = useRead(
    NotificationService.method.listNotifications,
    { pageSize: 30, pageToken: pages.token },
    { every: 10_000, keep: true },
  );
  return (
    <Panel flush title="What was told">
      <Loaded query={list}>
        {({ notifications, nextPageToken }) => (
          <>
            <Table
              label="What was told"
              rows={notifications}
              id={(each) => each.id}
              empty={
                <Empty title="Nothing had to be told yet">
                  What rules tell of appears here, with what became of it in each channel.
                </Empty>
              }
              columns={[
                {
                  head: 'What',
                  main: true,
                  cell: (each) => (
                    <>
                      {each.execution ? (
                        <RowLink to={`/executions/${each.execution}`}>{each.title}</RowLink>
                      ) : (
                        <strong>{each.title}</strong>
                      )}
                      <div className="cell-note clamp">{each.details}</div>
                    </>
                  ),
                },
                { head: 'State', cell: (each) => <Mark told={phase(each.phase, each.severity)} /> },
                { head: 'When', cell: (each) => <Time at={each.createdAt} /> },
                {
                  head: 'Channels',
                  cell: (each) =>
                    each.deliveries.map((one) => (
                      <div key={one.channel} className="row">
                        {one.channel}
                        <Mark told={delivery(one.state)} />
                        {one.failure && <span className="cell-note">{one.failure}</span>}
                      </div>
                    )),
                },
              ]}
            />
            <Pager pages={pages} next={nextPageToken} />
          </>
        )}
      </Loaded>
    </Panel>
  );
}
