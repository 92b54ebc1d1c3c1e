// One agent: its host, its certificate, what needs attention, and the load of its machine.
import { Button } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { Link, useParams } from 'wouter';

import { useChange, useRead } from '../../api/call';
import { AgentService, AgentState } from '../../api/gen/dataguardian/v1/agent_admin_pb';
import type { Agent } from '../../api/gen/dataguardian/v1/agent_admin_pb';
import { SystemService } from '../../api/gen/dataguardian/v1/system_pb';
import { useMay } from '../../api/permissions';
import { Confirm } from '../../components/Confirm';
import { Loaded } from '../../components/Loaded';
import { Mark } from '../../components/Mark';
import { Empty, Facts, Page, Panel } from '../../components/Page';
import { Note, ProblemNote } from '../../components/Problem';
import { Table } from '../../components/Table';
import { Time } from '../../components/Time';
import { durationMillis, span } from '../../format/time';
import { agentState } from '../../format/words';
import { Node } from '../overview/Machines';

export default function AgentPage(): ReactElement {
  const { name = '' } = useParams();
  const may = useMay();
  const query = useRead(AgentService.method.getAgent, { agent: name }, { every: 5000 });
  const dashboard = useRead(
    SystemService.method.getDashboard,
    { historySize: 120 },
    { every: 5000, enabled: may(SystemService.method.getDashboard) },
  );
  const agent = query.data?.agent;
  if (!agent) {
    return (
      <Page title={name} back={['/agents', 'Agents']}>
        <Panel>
          <Loaded query={query}>{() => null}</Loaded>
        </Panel>
      </Page>
    );
  }
  const node = dashboard.data?.performance.find((each) => each.agent === agent.name);
  return (
    <Page
      key={name}
      title={agent.name}
      head={
        <span className="row">
          {agent.name}
          <span className="small">
            <Mark told={agentState(agent.state, agent.connected)} pill />
          </span>
        </span>
      }
      lead={[agent.hostname, agent.operatingSystem].filter(Boolean).join(' · ')}
      back={['/agents', 'Agents']}
      actions={<Deeds agent={agent} />}
    >
      <Notices agent={agent} />
      <Panel>
        <div className="two">
          <Facts
            of={[
              ['Last heard of', agent.connected ? 'now' : <Time at={agent.lastSeenAt} both none="never" />],
              ['Version', agent.version],
              ['Enrolled', <Time at={agent.enrolledAt} both />],
              ['Certificate until', <Time at={agent.certificateExpiresAt} both />],
            ]}
          />
          <Facts
            of={[
              ['Clock', agent.clockSkew && skewWords(durationMillis(agent.clockSkew))],
              [
                'Recovery approved',
                agent.recoveryApprovedUntil && <Time at={agent.recoveryApprovedUntil} both />,
              ],
              ['Id', <span className="mono">{agent.id}</span>],
            ]}
          />
        </div>
      </Panel>
      {node && (
        <Panel flush title="Machine">
          <Node node={node} />
        </Panel>
      )}
      <Panel flush title="Client programs">
        <Table
          label="Client programs"
          rows={agent.clients}
          id={(client) => `${client.engine} ${client.directory}`}
          empty={
            <Empty title="None found">
              On its host, dataguardian-agent doctor says what is missing for which engine.
            </Empty>
          }
          columns={[
            { head: 'Engine', main: true, cell: (client) => client.engine },
            { head: 'Version', cell: (client) => client.version },
            { head: 'Folder', cell: (client) => <span className="mono">{client.directory}</span> },
          ]}
        />
      </Panel>
    </Page>
  );
}

function skewWords(milliseconds: number): string {
  if (Math.abs(milliseconds) < 1000) return 'right';
  return `${span(Math.abs(milliseconds))} ${milliseconds > 0 ? 'ahead' : 'behind'}`;
}

function Notices({ agent }: { agent: Agent }): ReactElement | null {
  const away = !agent.connected && agent.state !== AgentState.REVOKED;
  if (!away && agent.notices.length === 0) return null;
  return (
    <div className="stack" style={{ marginBottom: 20 }}>
      {away && (
        <Note
          tone="bad"
          title="It is not connected."
          advice={
            <>
              On its host, look whether it runs: <code>systemctl status dataguardian-agent</code>. What it is
              at work on may go on; its backups wait until it is back.
            </>
          }
        />
      )}
      {agent.notices.map((notice) => (
        <Note
          key={notice.reason}
          tone="warn"
          title={notice.message}
          advice={notice.advice}
          reason={notice.reason}
        >
          {notice.since && <Time at={notice.since} both />}
        </Note>
      ))}
    </div>
  );
}

type Deed = 'lock' | 'revoke' | 'approve' | 'clear';

function Deeds({ agent }: { agent: Agent }): ReactElement {
  const may = useMay();
  const [open, setOpen] = useState<Deed>();
  const { method } = AgentService;
  const lock = useChange(method.lockAgent);
  const unlock = useChange(method.unlockAgent);
  const revoke = useChange(method.revokeAgent);
  const approve = useChange(method.approveAgentRecovery);
  const clear = useChange(method.clearAgentAlert);
  const close = () => setOpen(undefined);
  const has = (reason: string) => agent.notices.some((notice) => notice.reason === reason);
  const gone = agent.state === AgentState.REVOKED;
  const question = {
    lock: {
      deed: 'Lock it',
      change: lock,
      title: `Lock ${agent.name}?`,
      text: 'It gets no new work from now on. It stays connected, and what runs goes on.',
    },
    revoke: {
      deed: 'Revoke it',
      change: revoke,
      title: `Revoke ${agent.name}?`,
      text: 'Its identity ends for good and its work breaks off. Its host has to be enrolled anew.',
    },
    approve: {
      deed: 'Approve',
      change: approve,
      title: 'Approve its recovery?',
      text: 'Within 24 hours it may fetch a new certificate, though its last one ended long ago. Be sure that it is your host.',
    },
    clear: {
      deed: 'It is looked into',
      change: clear,
      title: 'Take the alert away?',
      text: 'Somebody else held its identity. Only go on if you know who.',
    },
  }[open ?? 'lock'];
  return (
    <>
      {unlock.error && <ProblemNote error={unlock.error} />}
      {!gone && may(method.revokeAgent) && (
        <Button variant="subtle" onClick={() => setOpen('revoke')}>
          Revoke
        </Button>
      )}
      {!gone && may(method.createJoinToken) && (
        <Button component={Link} href={`/agents/new?for=${agent.name}`} variant="subtle">
          Host was rebuilt
        </Button>
      )}
      {has('RECOVERY_NEEDS_APPROVAL') && may(method.approveAgentRecovery) && (
        <Button onClick={() => setOpen('approve')}>Approve recovery</Button>
      )}
      {(has('IDENTITY_COPIED') || has('IDENTITY_SHARED')) && may(method.clearAgentAlert) && (
        <Button variant="default" onClick={() => setOpen('clear')}>
          Clear alert
        </Button>
      )}
      {agent.state === AgentState.ACTIVE && may(method.lockAgent) && (
        <Button variant="default" onClick={() => setOpen('lock')}>
          Lock
        </Button>
      )}
      {agent.state === AgentState.LOCKED && may(method.unlockAgent) && (
        <Button
          variant="default"
          loading={unlock.isPending}
          onClick={() => unlock.mutate({ agent: agent.name })}
        >
          Unlock
        </Button>
      )}
      {open && (
        <Confirm
          title={question.title}
          deed={question.deed}
          danger={open === 'revoke'}
          {...(open === 'revoke' ? { typed: agent.name } : {})}
          pending={question.change.isPending}
          error={question.change.error}
          onConfirm={() => question.change.mutate({ agent: agent.name }, { onSuccess: close })}
          onClose={close}
        >
          <p>{question.text}</p>
        </Confirm>
      )}
    </>
  );
}
