// The first step: take an agent that is here, or have one join.
import { Button } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';

import type { Agent } from '../../api/gen/dataguardian/v1/agent_admin_pb';
import { Mark } from '../../components/Mark';
import { Join } from '../agents/Join';

export function AgentStep({
  agents,
  onDone,
}: {
  agents: readonly Agent[];
  onDone: (agent: string) => void;
}): ReactElement {
  // Who has begun to add one goes on with that, also when it has come.
  const [joining, setJoining] = useState(agents.length === 0);
  if (joining) return <Join onJoined={(agent) => onDone(agent.name)} />;
  return (
    <div className="stack">
      {agents.map((agent) => (
        <div key={agent.id} className="row between">
          <span className="row">
            <strong>{agent.name}</strong>
            <span className="dim">{agent.hostname}</span>
            <Mark told={['Connected', 'good']} />
          </span>
          <Button onClick={() => onDone(agent.name)} variant={agents.length === 1 ? 'filled' : 'default'}>
            Use {agent.name}
          </Button>
        </div>
      ))}
      <div>
        <Button variant="subtle" onClick={() => setJoining(true)}>
          Add another agent
        </Button>
      </div>
    </div>
  );
}
