// Who may sign in, and what the roles are that say what they may do.
import { Button } from '@mantine/core';
import type { ReactElement } from 'react';
import { Link } from 'wouter';

import { useRead } from '../../api/call';
import { AccessService, ScopeKind } from '../../api/gen/dataguardian/v1/access_pb';
import type { RoleBinding, UserAccount } from '../../api/gen/dataguardian/v1/access_pb';
import { useMay } from '../../api/permissions';
import { Loaded } from '../../components/Loaded';
import { Mark } from '../../components/Mark';
import { Page, Panel } from '../../components/Page';
import { Pager, RowLink, Table, usePages } from '../../components/Table';
import { Time } from '../../components/Time';
import { plural } from '../../format/size';

export default function UserList(): ReactElement {
  const may = useMay();
  const { method } = AccessService;
  const pages = usePages();
  const users = useRead(
    method.listUsers,
    { pageSize: 50, pageToken: pages.token },
    { keep: true, every: 30_000 },
  );
  const sees = may(method.listRoles);
  const roles = useRead(method.listRoles, {}, { enabled: sees });
  return (
    <Page
      title="Users"
      lead="Who may sign in, and what they may do."
      actions={
        may(method.createUser) && (
          <Button component={Link} href="/users/new">
            Add user
          </Button>
        )
      }
    >
      <Panel flush>
        <Loaded query={users}>
          {({ accounts, nextPageToken }) => (
            <>
              <Table
                label="Users"
                rows={accounts}
                id={({ user }) => user?.id ?? ''}
                columns={[
                  {
                    head: 'User',
                    main: true,
                    cell: ({ user }) => <RowLink to={`/users/${user?.username}`}>{user?.username}</RowLink>,
                  },
                  { head: 'State', cell: (account) => <UserMark account={account} /> },
                  {
                    head: 'Roles',
                    cell: ({ bindings }) =>
                      bindings.map(bindingWords).join(', ') || <span className="dim">none</span>,
                  },
                  { head: 'Code at sign-in', cell: ({ totpEnabled }) => (totpEnabled ? 'yes' : 'no') },
                  { head: 'Made', align: 'end', cell: ({ user }) => <Time at={user?.createdAt} /> },
                ]}
              />
              <Pager pages={pages} next={nextPageToken} words={['Back', 'More']} />
            </>
          )}
        </Loaded>
      </Panel>
      {sees && (
        <Panel flush title="Roles">
          <Loaded query={roles}>
            {(data) => (
              <Table
                label="Roles"
                rows={data.roles}
                id={(role) => role.id}
                columns={[
                  { head: 'Role', main: true, cell: (role) => <strong>{role.name}</strong> },
                  { head: 'What it is for', cell: (role) => role.description },
                  {
                    head: 'May do',
                    cell: (role) =>
                      role.permissions.includes('*') ? (
                        'everything'
                      ) : (
                        <details>
                          <summary>{plural(role.permissions.length, 'thing')}</summary>
                          <span className="mono small">{role.permissions.join(', ')}</span>
                        </details>
                      ),
                  },
                ]}
              />
            )}
          </Loaded>
        </Panel>
      )}
    </Page>
  );
}

export function UserMark({ account }: { account: UserAccount }): ReactElement {
  return <Mark told={account.lockedAt ? ['Locked', 'warn'] : ['May sign in', 'good']} />;
}

const kinds: Partial<Record<ScopeKind, string>> = {
  [ScopeKind.AGENT]: 'agent',
  [ScopeKind.DATASOURCE]: 'datasource',
  [ScopeKind.STORAGE]: 'storage',
  [ScopeKind.JOB]: 'job',
};

/** `operator`, or `operator over job nightly`. */
export function bindingWords({ role, scope }: RoleBinding): string {
  const kind = scope && kinds[scope.kind];
  return kind ? `${role} over ${kind} ${scope.resource}` : role;
}
