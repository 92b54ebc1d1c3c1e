// All that runs, ran or waits to run, the newest first.
import { NativeSelect } from '@mantine/core';
import type { ReactElement } from 'react';
import { useSearchParams } from 'wouter';

import { useRead } from '../../api/call';
import { DatasourceService } from '../../api/gen/dataguardian/v1/datasource_pb';
import { ExecutionService, ExecutionState } from '../../api/gen/dataguardian/v1/execution_pb';
import { useMay } from '../../api/permissions';
import { Loaded } from '../../components/Loaded';
import { Empty, Page, Panel } from '../../components/Page';
import { Pager, usePages } from '../../components/Table';
import { unended } from '../../format/words';
import { ExecutionTable } from './ExecutionTable';

const filters: Record<string, readonly [name: string, states: ExecutionState[]]> = {
  all: ['All', []],
  active: ['At work or waiting', unended],
  failed: ['Failed', [ExecutionState.FAILED]],
  completed: ['Completed', [ExecutionState.COMPLETED]],
  cancelled: ['Cancelled', [ExecutionState.CANCELLED]],
  skipped: ['Skipped', [ExecutionState.SKIPPED]],
};

export default function ExecutionList(): ReactElement {
  const may = useMay();
  const [search, setSearch] = useSearchParams();
  const state = search.get('state') ?? 'all';
  const datasource = search.get('datasource') ?? '';
  const job = search.get('job') ?? '';
  const pages = usePages(`${state} ${datasource} ${job}`);
  const states = filters[state]?.[1] ?? [];
  const request = { pageSize: 50, pageToken: pages.token, states, datasource, job };
  const list = useRead(ExecutionService.method.listExecutions, request, { every: 4000, keep: true });
  const named = useRead(
    DatasourceService.method.listDatasources,
    { pageSize: 1000 },
    { enabled: may(DatasourceService.method.listDatasources) },
  );
  const set = (name: string, value: string) =>
    setSearch((old) => {
      const next = new URLSearchParams(old);
      if (value === '' || value === 'all') next.delete(name);
      else next.set(name, value);
      return next;
    });
  const isFiltered = state !== 'all' || datasource !== '' || job !== '';

  return (
    <Page title="Executions" lead="Every backup, restore and verification, the newest first.">
      <Panel flush>
        <div className="toolbar">
          <NativeSelect
            label="State"
            value={state}
            onChange={(event) => set('state', event.currentTarget.value)}
          >
            {Object.entries(filters).map(([key, [name]]) => (
              <option key={key} value={key}>
                {name}
              </option>
            ))}
          </NativeSelect>
          <NativeSelect
            label="Datasource"
            value={datasource}
            onChange={(event) => set('datasource', event.currentTarget.value)}
          >
            <option value="">All</option>
            {named.data?.datasources.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </NativeSelect>
          {job && (
            <NativeSelect label="Job" value={job} onChange={(event) => set('job', event.currentTarget.value)}>
              <option value="">All</option>
              <option>{job}</option>
            </NativeSelect>
          )}
        </div>
        <div className="flush">
          <Loaded query={list} lines={10}>
            {({ executions, nextPageToken }) => (
              <>
                <ExecutionTable
                  executions={executions}
                  empty={
                    isFiltered ? (
                      <Empty title="Nothing like this">
                        No execution is in this state and of this datasource.
                      </Empty>
                    ) : (
                      <Empty title="Nothing has run yet">
                        What jobs run by their schedules, and what you start, appears here.
                      </Empty>
                    )
                  }
                />
                <Pager pages={pages} next={nextPageToken} />
              </>
            )}
          </Loaded>
        </div>
      </Panel>
    </Page>
  );
}
