// The frame of every page: where to go, who is signed in, and what concerns all pages.
import { ActionIcon, Button, Menu, useMantineColorScheme } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement, ReactNode } from 'react';
import { Link, useLocation } from 'wouter';

import { useRead } from '../api/call';
import type { DescMethod } from '@bufbuild/protobuf';
import { AccessService } from '../api/gen/dataguardian/v1/access_pb';
import { AgentService } from '../api/gen/dataguardian/v1/agent_admin_pb';
import { AuditService } from '../api/gen/dataguardian/v1/audit_pb';
import { AuthService } from '../api/gen/dataguardian/v1/auth_pb';
import { BackupService } from '../api/gen/dataguardian/v1/backup_pb';
import { DatasourceService } from '../api/gen/dataguardian/v1/datasource_pb';
import { ExecutionService } from '../api/gen/dataguardian/v1/execution_pb';
import { JobService } from '../api/gen/dataguardian/v1/job_pb';
import { NotificationService } from '../api/gen/dataguardian/v1/notification_pb';
import { StorageService } from '../api/gen/dataguardian/v1/storage_pb';
import { SystemService } from '../api/gen/dataguardian/v1/system_pb';
import { useMay } from '../api/permissions';
import { problemOf } from '../api/problem';
import { useSession } from '../auth/session';
import { Icon } from '../components/Icon';
import type { IconName } from '../components/Icon';

/** A page, and the method without which there is nothing to see on it. */
type Entry = readonly [path: string, name: string, icon: IconName, method: DescMethod];

const groups: readonly (readonly Entry[])[] = [
  [
    ['/', 'Overview', 'home', AuthService.method.whoAmI],
    ['/backups', 'Backups', 'archive', BackupService.method.listBackups],
    ['/executions', 'Executions', 'runs', ExecutionService.method.listExecutions],
  ],
  [
    ['/jobs', 'Jobs', 'calendar', JobService.method.listJobs],
    ['/datasources', 'Datasources', 'database', DatasourceService.method.listDatasources],
    ['/storages', 'Storages', 'disk', StorageService.method.listStorages],
    ['/agents', 'Agents', 'agent', AgentService.method.listAgents],
  ],
  [
    ['/notifications', 'Notifications', 'bell', NotificationService.method.listNotifications],
    ['/users', 'Users', 'people', AccessService.method.listUsers],
    ['/roles', 'Roles', 'key', AccessService.method.listRoles],
    ['/audit', 'Audit', 'list', AuditService.method.listAuditLogs],
    ['/system', 'System', 'gear', SystemService.method.getSystemInfo],
  ],
];

export function Shell({ children }: { children: ReactNode }): ReactElement {
  const [location] = useLocation();
  // The menu of phones is open for one page only.
  const [openAt, setOpenAt] = useState<string>();
  const isOpen = openAt === location;
  return (
    <div className="frame">
      <a className="skip" href="#main" onClick={(event) => skip(event)}>
        Skip to content
      </a>
      <header className="top">
        <Brand />
        <ActionIcon
          variant="subtle"
          size="lg"
          aria-label="Menu"
          aria-expanded={isOpen}
          aria-controls="side"
          onClick={() => setOpenAt(isOpen ? undefined : location)}
        >
          <Icon name="menu" size={20} />
        </ActionIcon>
      </header>
      <nav
        className="side"
        id="side"
        aria-label="Pages of DataGuardian"
        {...(isOpen ? { 'data-open': true } : {})}
      >
        <Brand />
        <Navigation location={location} />
        <Account />
      </nav>
      <div className="content">
        <Banner />
        <main id="main" tabIndex={-1} style={{ outline: 'none' }}>
          {children}
        </main>
      </div>
    </div>
  );
}

/** The address has a base, which a plain fragment would be resolved against. */
function skip(event: { preventDefault: () => void }): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

function Brand(): ReactElement {
  return (
    <Link href="/" className="brand">
      <Icon name="shield" size={20} />
      DataGuardian
    </Link>
  );
}

function Navigation({ location }: { location: string }): ReactElement {
  const may = useMay();
  const isHere = (path: string) =>
    path === '/' ? location === '/' : location === path || location.startsWith(`${path}/`);
  return (
    <div className="nav">
      {groups.map((group, place) => (
        <ul key={place}>
          {group
            .filter(([, , , method]) => may(method))
            .map(([path, name, icon]) => (
              <li key={path}>
                <Link href={path} aria-current={isHere(path) ? 'page' : undefined}>
                  <Icon name={icon} />
                  {name}
                </Link>
              </li>
            ))}
        </ul>
      ))}
    </div>
  );
}

const schemes = [
  ['auto', 'As the system'],
  ['light', 'Light'],
  ['dark', 'Dark'],
] as const;

function Account(): ReactElement {
  const { user, signOut } = useSession();
  const [, navigate] = useLocation();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <div className="account">
      <Menu position="top-start" withinPortal={false} transitionProps={{ duration: 0 }}>
        <Menu.Target>
          <Button variant="subtle" fullWidth leftSection={<Icon name="person" />}>
            {user.username}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>Appearance</Menu.Label>
          {schemes.map(([scheme, name]) => (
            <Menu.Item
              key={scheme}
              onClick={() => setColorScheme(scheme)}
              rightSection={colorScheme === scheme ? <Icon name="check" size={14} /> : undefined}
            >
              {name}
            </Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Item onClick={() => navigate('/account')}>Your account</Menu.Item>
          <Menu.Item onClick={signOut}>Sign out</Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </div>
  );
}

/** What stands in the way of everything: no answer, or a queue that is offline. */
function Banner(): ReactElement | null {
  const may = useMay();
  const enabled = may(SystemService.method.getSystemInfo);
  const info = useRead(SystemService.method.getSystemInfo, {}, { every: 10_000, enabled });
  // Who may not see the system still learns when nothing answers.
  const alive = useRead(AuthService.method.whoAmI, {}, { every: 10_000, enabled: !enabled });
  const error = info.error ?? alive.error;
  if (error && problemOf(error).reason === 'NO_ANSWER') {
    return (
      <div className="banner" role="status">
        <strong>The control plane does not answer.</strong> What you see may be old. Running backups go on;
        this page comes back by itself.
      </div>
    );
  }
  const queue = info.data?.queue;
  if (!queue || queue.online) return null;
  return (
    <div className="banner" role="status">
      <strong>The queue is offline.</strong>
      <span>
        No backup or restore begins until it is back. What runs goes on, and everything resumes by itself.{' '}
        {queue.reason}
      </span>
      <Link href="/system">See what it says</Link>
    </div>
  );
}
