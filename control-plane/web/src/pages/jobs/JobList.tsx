// The jobs: what is backed up, when, to where.
import { Button } from '@mantine/core';
import type { ReactElement } from 'react';
import { Link } from 'wouter';

import { useRead } from '../../api/call';
import { JobService } from '../../api/gen/dataguardian/v1/job_pb';
import { useMay } from '../../api/permissions';
import { Loaded } from '../../components/Loaded';
import { Empty, Page, Panel } from '../../components/Page';
import { Pager, usePages } from '../../components/Table';
import { JobTable } from './JobTable';

export default function JobList(): ReactElement {
  const may = useMay();
  const pages = usePages();
  const list = useRead(
    JobService.method.listJobs,
    { pageSize: 50, pageToken: pages.token },
    { every: 10_000, keep: true },
  );
  const add = may(JobService.method.createJob) && (
    <Button component={Link} href="/jobs/new">
      Add job
    </Button>
  );
  return (
    <Page title="Jobs" lead="What is backed up, when, and to where." actions={add}>
      <Panel flush>
        <Loaded query={list}>
          {({ jobs, nextPageToken }) => (
            <>
              <JobTable
                jobs={jobs}
                empty={
                  <Empty title="No job yet" action={add}>
                    A job takes a datasource, one or more storages and a schedule; from then on the backups
                    come by themselves.
                  </Empty>
                }
              />
              <Pager pages={pages} next={nextPageToken} words={['Back', 'More']} />
            </>
          )}
        </Loaded>
      </Panel>
    </Page>
  );
}
