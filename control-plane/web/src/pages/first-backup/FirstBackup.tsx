// From nothing to the first backup, step by step: agent, database server, storage, schedule; then the run to watch.
import { useState } from 'react';
import type { ReactElement, ReactNode } from 'react';

import { useRead } from '../../api/call';
import { AgentService, AgentState } from '../../api/gen/dataguardian/v1/agent_admin_pb';
import type { Agent } from '../../api/gen/dataguardian/v1/agent_admin_pb';
import { Icon } from '../../components/Icon';
import { Loaded } from '../../components/Loaded';
import { Page, Panel } from '../../components/Page';
import { AgentStep } from './AgentStep';
import { DatabaseStep } from './DatabaseStep';
import { JobStep } from './JobStep';
import { StorageStep } from './StorageStep';
import './first-backup.css';

interface Made {
  agent?: string;
  datasource?: string;
  storage?: string;
}

const names = ['Agent', 'Databases', 'Storage', 'Schedule'];

export default function FirstBackup(): ReactElement {
  const [made, setMade] = useState<Made>({});
  const agents = useRead(AgentService.method.listAgents, { pageSize: 1000 }, { every: 5000 });
  const step = !made.agent ? 0 : !made.datasource ? 1 : !made.storage ? 2 : 3;
  const usable = (list: readonly Agent[]) =>
    list.filter((agent) => agent.connected && agent.state === AgentState.ACTIVE);
  return (
    <Page
      title="First backup"
      lead="A few minutes: an agent beside the database, a place for backups, and a schedule."
    >
      <div className="narrow wide">
        <ol className="steps" aria-label="Steps">
          {names.map((name, place) => (
            <li
              key={name}
              {...(place === step ? { 'aria-current': 'step' } : {})}
              {...(place < step ? { 'data-done': true } : {})}
            >
              <span className="step-number">
                {place < step ? <Icon name="check" size={13} /> : place + 1}
              </span>
              {name}
              {place < step && <span className="hidden">, done</span>}
            </li>
          ))}
        </ol>
        {step === 0 && (
          <Step title="An agent beside the database">
            <Loaded query={agents}>
              {({ agents: list }) => (
                <AgentStep agents={usable(list)} onDone={(agent) => setMade({ agent })} />
              )}
            </Loaded>
          </Step>
        )}
        {step === 1 && (
          <Step title="The database server that it reaches">
            <DatabaseStep
              agent={made.agent ?? ''}
              onDone={(datasource) => setMade((old) => ({ ...old, datasource }))}
            />
          </Step>
        )}
        {step === 2 && (
          <Step title="A place for backups">
            <StorageStep
              agent={made.agent ?? ''}
              onDone={(storage) => setMade((old) => ({ ...old, storage }))}
            />
          </Step>
        )}
        {step === 3 && (
          <Step title="When it runs">
            <JobStep datasource={made.datasource ?? ''} storage={made.storage ?? ''} />
          </Step>
        )}
      </div>
    </Page>
  );
}

function Step({ title, children }: { title: string; children: ReactNode }): ReactElement {
  return <Panel title={title}>{children}</Panel>;
}
