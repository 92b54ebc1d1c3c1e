// Which address shows which page. Each page is code of its own, loaded when it is first needed.
import { lazy, Suspense } from 'react';
import type { ComponentType, ReactElement } from 'react';
import { Route, Switch } from 'wouter';

import { Empty, Page } from '../components/Page';
import { Loading } from '../components/Loaded';
import { Overview } from '../pages/overview/Overview';

type Loader = () => Promise<{ default: ComponentType }>;

const pages: readonly (readonly [path: string, load: Loader])[] = [
  ['/first-backup', () => import('../pages/first-backup/FirstBackup')],
  ['/executions', () => import('../pages/executions/ExecutionList')],
  ['/executions/:id', () => import('../pages/executions/ExecutionPage')],
  ['/backups', () => import('../pages/backups/BackupList')],
  ['/backups/:id', () => import('../pages/backups/BackupPage')],
  ['/restore', () => import('../pages/restore/RestorePage')],
  ['/jobs', () => import('../pages/jobs/JobList')],
  ['/jobs/new', () => import('../pages/jobs/JobForm')],
  ['/jobs/:name', () => import('../pages/jobs/JobPage')],
  ['/jobs/:name/edit', () => import('../pages/jobs/JobForm')],
  ['/datasources', () => import('../pages/datasources/DatasourceList')],
  ['/datasources/new', () => import('../pages/datasources/DatasourceForm')],
  ['/datasources/:name', () => import('../pages/datasources/DatasourcePage')],
  ['/datasources/:name/edit', () => import('../pages/datasources/DatasourceForm')],
  ['/storages', () => import('../pages/storages/StorageList')],
  ['/storages/new', () => import('../pages/storages/StorageForm')],
  ['/storages/:name', () => import('../pages/storages/StoragePage')],
  ['/storages/:name/edit', () => import('../pages/storages/StorageEdit')],
  ['/agents', () => import('../pages/agents/AgentList')],
  ['/agents/new', () => import('../pages/agents/AgentJoin')],
  ['/agents/:name', () => import('../pages/agents/AgentPage')],
  ['/notifications', () => import('../pages/notifications/NotificationList')],
  ['/notifications/channels/new', () => import('../pages/notifications/ChannelForm')],
  ['/notifications/channels/:name', () => import('../pages/notifications/ChannelForm')],
  ['/notifications/rules/new', () => import('../pages/notifications/RuleForm')],
  ['/notifications/rules/:name', () => import('../pages/notifications/RuleForm')],
  ['/users', () => import('../pages/users/UserList')],
  ['/users/new', () => import('../pages/users/UserForm')],
  ['/users/:name', () => import('../pages/users/UserPage')],
  ['/roles', () => import('../pages/roles/RoleList')],
  ['/roles/new', () => import('../pages/roles/RoleForm')],
  ['/roles/:name', () => import('../pages/roles/RolePage')],
  ['/roles/:name/edit', () => import('../pages/roles/RoleForm')],
  ['/audit', () => import('../pages/audit/AuditPage')],
  ['/account', () => import('../pages/account/AccountPage')],
  ['/account/tokens/new', () => import('../pages/account/TokenForm')],
  ['/system', () => import('../pages/system/SystemPage')],
];

const lazily = pages.map(([path, load]) => [path, lazy(load)] as const);

export function Pages(): ReactElement {
  return (
    <Suspense fallback={<Loading lines={6} />}>
      <Switch>
        <Route path="/" component={Overview} />
        {lazily.map(([path, Shown]) => (
          <Route key={path} path={path} component={Shown} />
        ))}
        <Route>
          <NotHere />
        </Route>
      </Switch>
    </Suspense>
  );
}

function NotHere(): ReactElement {
  return (
    <Page title="There is no such page">
      <Empty title="This address leads nowhere">Choose a page from the menu.</Empty>
    </Page>
  );
}
