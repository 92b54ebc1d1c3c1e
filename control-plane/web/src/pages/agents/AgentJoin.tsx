// Adding an agent, or having a rebuilt host become one again.
import type { ReactElement } from 'react';
import { useLocation, useSearchParams } from 'wouter';

import { Page, Panel } from '../../components/Page';
import { Join } from './Join';

export default function AgentJoin(): ReactElement {
  const [search] = useSearchParams();
  const [, navigate] = useLocation();
  const forAgent = search.get('for');
  return (
    <Page
      title={forAgent ? `Enroll the rebuilt host of ${forAgent}` : 'Add agent'}
      lead={
        forAgent ? 'Whoever enrolls with the token becomes that agent, and the old host is out at once.' : ''
      }
      back={forAgent ? [`/agents/${forAgent}`, forAgent] : ['/agents', 'Agents']}
    >
      <div className="narrow">
        <Panel>
          <Join {...(forAgent ? { forAgent } : {})} onJoined={(agent) => navigate(`/agents/${agent.name}`)} />
        </Panel>
      </div>
    </Page>
  );
}
