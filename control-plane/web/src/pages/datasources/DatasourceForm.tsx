// Adding a datasource, or changing one.
import { Button } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { Link, useLocation, useParams } from 'wouter';

import { useChange, useRead } from '../../api/call';
import { AgentService, AgentState } from '../../api/gen/dataguardian/v1/agent_admin_pb';
import { DatasourceService } from '../../api/gen/dataguardian/v1/datasource_pb';
import type { Datasource } from '../../api/gen/dataguardian/v1/datasource_pb';
import { requestId } from '../../api/requestId';
import { fieldErrors, Form } from '../../components/Form';
import { Loaded } from '../../components/Loaded';
import { Empty, Page, Panel } from '../../components/Page';
import { DatasourceFields } from './DatasourceFields';
import { changedFields, draftOf, emptyDraft, fieldsOf } from './draft';

export default function DatasourceForm(): ReactElement {
  const { name } = useParams();
  const isNew = name === undefined;
  const agents = useRead(AgentService.method.listAgents, { pageSize: 1000 });
  const known = useRead(
    DatasourceService.method.getDatasource,
    { datasource: name ?? '' },
    { enabled: !isNew },
  );
  const back: [string, string] = isNew ? ['/datasources', 'Datasources'] : [`/datasources/${name}`, name];
  return (
    <Page title={isNew ? 'Add datasource' : `Edit ${name}`} back={back}>
      <div className="narrow">
        <Panel>
          <Loaded query={agents} lines={8}>
            {(list) => {
              const names = list.agents
                .filter(({ state }) => state !== AgentState.REVOKED)
                .map((agent) => agent.name);
              if (isNew && names.length === 0) return <NoAgent />;
              if (isNew) return <New agents={names} />;
              return (
                <Loaded query={known} lines={8}>
                  {({ datasource }) => datasource && <Edit datasource={datasource} agents={names} />}
                </Loaded>
              );
            }}
          </Loaded>
        </Panel>
      </div>
    </Page>
  );
}

function NoAgent(): ReactElement {
  return (
    <Empty
      title="An agent comes first"
      action={
        <Button component={Link} href="/agents/new">
          Add an agent
        </Button>
      }
    >
      Agents sit beside your databases and read them. Install one on the database’s host, or on any that
      reaches it.
    </Empty>
  );
}

function New({ agents }: { agents: readonly string[] }): ReactElement {
  const [draft, setDraft] = useState({ ...emptyDraft, agent: agents[0] ?? '' });
  const [id] = useState(requestId);
  const [, navigate] = useLocation();
  const create = useChange(DatasourceService.method.createDatasource);
  const submit = () =>
    create.mutate(
      { ...fieldsOf(draft), name: draft.name.trim(), engine: draft.engine, requestId: id },
      { onSuccess: ({ datasource }) => datasource && navigate(`/datasources/${datasource.name}`) },
    );
  return (
    <Form
      deed="Add datasource"
      pending={create.isPending}
      error={create.error}
      cancel="/datasources"
      onSubmit={submit}
    >
      <DatasourceFields
        draft={draft}
        set={(change) => setDraft((old) => ({ ...old, ...change }))}
        fieldError={fieldErrors(create.error)}
        agents={agents}
        isNew
      />
    </Form>
  );
}

function Edit({ datasource, agents }: { datasource: Datasource; agents: readonly string[] }): ReactElement {
  // As it was when the form was opened: what somebody else changes meanwhile is refused by its etag.
  const [before] = useState(datasource);
  const [draft, setDraft] = useState(() => draftOf(datasource));
  const [, navigate] = useLocation();
  const update = useChange(DatasourceService.method.updateDatasource);
  const leave = () => navigate(`/datasources/${before.name}`);
  const submit = () => {
    const paths = changedFields(draftOf(before), draft);
    if (paths.length === 0) return leave();
    update.mutate(
      { ...fieldsOf(draft), datasource: before.name, etag: before.etag, updateMask: { paths } },
      { onSuccess: leave },
    );
  };
  const choices = agents.includes(before.agent) ? agents : [before.agent, ...agents];
  return (
    <Form
      deed="Save"
      pending={update.isPending}
      error={update.error}
      cancel={`/datasources/${before.name}`}
      onSubmit={submit}
    >
      <DatasourceFields
        draft={draft}
        set={(change) => setDraft((old) => ({ ...old, ...change }))}
        fieldError={fieldErrors(update.error)}
        agents={choices}
        isNew={false}
      />
    </Form>
  );
}
