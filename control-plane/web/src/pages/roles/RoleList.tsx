// The roles: what each may do, and how many have it.
import { Button } from '@mantine/core';
import type { ReactElement } from 'react';
import { Link } from 'wouter';

import { useRead } from '../../api/call';
import { AccessService } from '../../api/gen/dataguardian/v1/access_pb';
import { useMay } from '../../api/permissions';
import { Denied } from '../../components/Denied';
import { Loaded } from '../../components/Loaded';
import { Page, Panel } from '../../components/Page';
import { RowLink, Table } from '../../components/Table';
import { plural } from '../../format/size';

export default function RoleList(): ReactElement {
  const may = useMay();
  const { method } = AccessService;
  const allowed = may(method.listRoles);
  const roles = useRead(method.listRoles, {}, { enabled: allowed });
  const bindings = useRead(method.listRoleBindings, {}, { enabled: allowed });
  if (!allowed) return <Denied title="Roles" method={method.listRoles} />;
  const holders = (role: string) => bindings.data?.bindings.filter((each) => each.role === role) ?? [];
  return (
    <Page
      title="Roles"
      lead="A role is a set of permissions. It is given to users and to API tokens, over everything or over one thing."
      actions={
        may(method.createRole) && (
          <Button component={Link} href="/roles/new">
            Add role
          </Button>
        )
      }
    >
      <Panel flush>
        <Loaded query={roles}>
          {(data) => (
            <Table
              label="Roles"
              rows={data.roles}
              id={(role) => role.id}
              columns={[
                {
                  head: 'Role',
                  main: true,
                  cell: (role) => (
                    <>
                      <RowLink to={`/roles/${role.name}`}>{role.name}</RowLink>
                      <div className="cell-note">{role.description}</div>
                    </>
                  ),
                },
                {
                  head: 'May do',
                  cell: (role) => (
                    <span className="nowrap">
                      {role.permissions.includes('*')
                        ? 'everything'
                        : plural(role.permissions.length, 'thing')}
                    </span>
                  ),
                },
                {
                  head: 'Made',
                  cell: (role) => (
                    <span className="dim nowrap">{role.seeded ? 'with the program' : 'here'}</span>
                  ),
                },
                { head: 'Given', align: 'end', cell: (role) => `${holders(role.name).length} ×` },
              ]}
            />
          )}
        </Loaded>
      </Panel>
    </Page>
  );
}
