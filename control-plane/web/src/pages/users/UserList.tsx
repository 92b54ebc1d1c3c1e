// Who may sign in, and which roles they have.
import { Button } from '@mantine/core';
import type { ReactElement } from 'react';
import { Link } from 'wouter';

import { useRead } from '../../api/call';
import { AccessService } from '../../api/gen/dataguardian/v1/access_pb';
import type { UserAccount } from '../../api/gen/dataguardian/v1/access_pb';
import { useMay } from '../../api/permissions';
import { Denied } from '../../components/Denied';
import { Loaded } from '../../components/Loaded';
import { Mark } from '../../components/Mark';
import { Page, Panel } from '../../components/Page';
import { Pager, RowLink, Table, usePages } from '../../components/Table';
import { Time } from '../../components/Time';
import { bindingWords } from '../roles/scopes';
import { useThings } from '../roles/things';

export default function UserList(): ReactElement {
  const may = useMay();
  const { method } = AccessService;
  const pages = usePages();
  const users = useRead(
    method.listUsers,
    { pageSize: 50, pageToken: pages.token },
    { keep: true, every: 30_000, enabled: may(method.listUsers) },
  );
  const isScoped = users.data?.accounts.some(({ bindings }) => bindings.some(({ scope }) => scope?.kind));
  const things = useThings(isScoped ?? false);
  if (!may(method.listUsers)) return <Denied title="Users" method={method.listUsers} />;
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
                      bindings.map((each) => bindingWords(each, things)).join(', ') || (
                        <span className="dim">none</span>
                      ),
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
    </Page>
  );
}

export function UserMark({ account }: { account: UserAccount }): ReactElement {
  return <Mark told={account.lockedAt ? ['Locked', 'warn'] : ['May sign in', 'good']} />;
}
