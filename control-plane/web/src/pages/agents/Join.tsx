// A new agent: a name, one line to paste on its host, and the wait until it is here.
import { Button, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';

import { useChange, useRead } from '../../api/call';
import { AgentService } from '../../api/gen/dataguardian/v1/agent_admin_pb';
import type { Agent } from '../../api/gen/dataguardian/v1/agent_admin_pb';
import { Command } from '../../components/Command';
import { fieldErrors } from '../../components/Form';
import { Icon } from '../../components/Icon';
import { Note, ProblemNote } from '../../components/Problem';
import { Time } from '../../components/Time';

interface JoinProps {
  /** The agent whose host was rebuilt, if it is to become that one again. */
  forAgent?: string;
  onJoined: (agent: Agent) => void;
}

export function Join({ forAgent, onJoined }: JoinProps): ReactElement {
  const [name, setName] = useState('');
  const create = useChange(AgentService.method.createJoinToken);
  const fieldError = fieldErrors(create.error);
  const make = () => create.mutate(forAgent ? { forAgent } : { name: name.trim() });
  if (create.data) {
    const { token, installCommand, expiresAt } = create.data;
    return (
      <div className="form">
        <p>
          On the database’s host, with <code>dataguardian-agent</code> there, paste this line. It enrolls the
          host, sets up and starts the agent’s service, and shows how to back up the databases that it finds:
        </p>
        <Command text={`printf %s '${token}' | sudo ${installCommand}`} />
        <p className="dim small">
          The token works once, until <Time at={expiresAt} both />, and is shown only here.
        </p>
        <Waiting name={forAgent ?? name.trim()} onJoined={onJoined} />
      </div>
    );
  }
  return (
    <form
      className="form"
      onSubmit={(event) => {
        event.preventDefault();
        make();
      }}
    >
      {!forAgent && (
        <TextInput
          label="Name of the agent"
          description="As you will find it everywhere; blank for the host’s own name"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={fieldError('name')}
          autoComplete="off"
          spellCheck={false}
        />
      )}
      {create.error && <ProblemNote error={create.error} />}
      <div className="row">
        <Button type="submit" loading={create.isPending}>
          Make a join token
        </Button>
      </div>
    </form>
  );
}

/** Looks for the agent until it is connected. */
function Waiting({ name, onJoined }: { name: string; onJoined: (agent: Agent) => void }): ReactElement {
  // Those that were connected before are not the one that is waited for.
  const [since] = useState(() => Date.now() - 2000);
  const list = useRead(AgentService.method.listAgents, { pageSize: 1000 }, { every: 1000 });
  const isNew = (agent: Agent) => Number(agent.enrolledAt?.seconds ?? 0n) * 1000 >= since - 60_000;
  const found = list.data?.agents.filter((agent) => (name === '' ? isNew(agent) : agent.name === name));
  const agent = found?.find((each) => each.connected);
  if (agent) {
    return (
      <Note tone="good" title={`${agent.name} is here.`}>
        <div className="row between">
          <span>It runs on {agent.hostname}.</span>
          <Button size="xs" onClick={() => onJoined(agent)}>
            Go on
          </Button>
        </div>
      </Note>
    );
  }
  return (
    <div className="note" data-tone="busy" role="status">
      <span className="mark">
        <Icon name="spin" size={14} />
        {found && found.length > 0 ? 'It has enrolled; waiting until it connects' : 'Waiting for the agent'}
      </span>
    </div>
  );
}
