// The agents beside the databases: which are there, which need attention.
import { Button } from '@mantine/core';
import type { ReactElement } from 'react';
import { Link } from 'wouter';

import { useRead } from '../../api/call';
import { AgentService } from '../../api/gen/dataguardian/v1/agent_admin_pb';
import { useMay } from '../../api/permissions';
import { Loaded } from '../../components/Loaded';
import { Mark } from '../../components/Mark';
import { Empty, Page, Panel } from '../../components/Page';
import { Pager, RowLink, Table, usePages } from '../../components/Table';
import { Time } from '../../components/Time';
import { agentState } from '../../format/words';

export default function AgentList(): ReactElement {
  const may = useMay();
  const pages = usePages();
  const list = useRead(
    AgentService.method.listAgents,
    { pageSize: 50, pageToken: pages.token },
    { every: 5000, keep: true },
  );
  const add = may(AgentService.method.createJoinToken) && (
    <Button component={Link} href="/agents/new">
      Add agent
    </Button>
  );
  return (
    <Page title="Agents" lead="The programs beside your databases that do the work." actions={add}>
      <Panel flush>
        <Loaded query={list}>
          {({ agents, nextPageToken }) => (
            <>
              <Table
                label="Agents"
                rows={agents}
                id={(agent) => agent.id}
                empty={
                  <Empty title="No agent yet" action={add}>
                    An agent is one small program beside a database. It connects here by itself; no port is
                    opened on its host.
                  </Empty>
                }
                columns={[
                  {
                    head: 'Agent',
                    main: true,
                    cell: (agent) => (
                      <>
                        <RowLink to={`/agents/${agent.name}`}>{agent.name}</RowLink>
                        <div className="cell-note">{agent.hostname}</div>
                      </>
                    ),
                  },
                  {
                    head: 'State',
                    cell: (agent) => <Mark told={agentState(agent.state, agent.connected)} />,
                  },
                  {
                    head: 'Needs attention',
                    cell: (agent) =>
                      agent.notices[0] && <span className="clamp">{agent.notices[0].message}</span>,
                  },
                  {
                    head: 'Last heard of',
                    cell: (agent) => (agent.connected ? 'now' : <Time at={agent.lastSeenAt} none="never" />),
                  },
                  { head: 'Version', cell: (agent) => agent.version },
                  {
                    head: 'Client programs',
                    cell: (agent) =>
                      [...new Set(agent.clients.map(({ engine, version }) => `${engine} ${version}`))].join(
                        ', ',
                      ),
                  },
                ]}
              />
              <Pager pages={pages} next={nextPageToken} words={['Back', 'More']} />
            </>
          )}
        </Loaded>
      </Panel>
    </Page>
  );
}
