// What there is that a role can be given over.
import { useRead } from '../../api/call';
import { ScopeKind } from '../../api/gen/dataguardian/v1/access_pb';
import { AgentService } from '../../api/gen/dataguardian/v1/agent_admin_pb';
import { DatasourceService } from '../../api/gen/dataguardian/v1/datasource_pb';
import { JobService } from '../../api/gen/dataguardian/v1/job_pb';
import { StorageService } from '../../api/gen/dataguardian/v1/storage_pb';
import { useMay } from '../../api/permissions';
import type { Things } from './scopes';

const all = { pageSize: 1000 };

/** The things that a role can be given over, as far as whoever is signed in sees them. */
export function useThings(enabled = true): Things {
  const may = useMay();
  const wanted = (method: Parameters<typeof may>[0]) => ({ enabled: enabled && may(method) });
  const agents = useRead(AgentService.method.listAgents, all, wanted(AgentService.method.listAgents));
  const datasources = useRead(
    DatasourceService.method.listDatasources,
    all,
    wanted(DatasourceService.method.listDatasources),
  );
  const storages = useRead(
    StorageService.method.listStorages,
    all,
    wanted(StorageService.method.listStorages),
  );
  const jobs = useRead(JobService.method.listJobs, all, wanted(JobService.method.listJobs));
  return {
    [ScopeKind.AGENT]: agents.data?.agents ?? [],
    [ScopeKind.DATASOURCE]: datasources.data?.datasources ?? [],
    [ScopeKind.STORAGE]: storages.data?.storages ?? [],
    [ScopeKind.JOB]: jobs.data?.jobs ?? [],
  };
}
