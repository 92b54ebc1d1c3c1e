// One role: what it may do in words, and who has it over what.
import { Button } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { Link, useLocation, useParams } from 'wouter';

import { useChange, useRead } from '../../api/call';
import { AccessService } from '../../api/gen/dataguardian/v1/access_pb';
import type { Role, RoleBinding } from '../../api/gen/dataguardian/v1/access_pb';
import { useMay } from '../../api/permissions';
import { Confirm } from '../../components/Confirm';
import { Loaded } from '../../components/Loaded';
import { Empty, Page, Panel } from '../../components/Page';
import { RowLink, Table } from '../../components/Table';
import { Time } from '../../components/Time';
import { grouped, permissionWords } from './permissions';
import './roles.css';
import { scopeWords } from './scopes';
import { useThings } from './things';

export default function RolePage(): ReactElement {
  const { name = '' } = useParams();
  const query = useRead(AccessService.method.getRole, { role: name });
  const role = query.data?.role;
  return (
    <Page
      key={name}
      title={name}
      lead={role?.description}
      back={['/roles', 'Roles']}
      actions={role && <Deeds role={role} />}
    >
      <Loaded query={query} lines={10}>
        {() =>
          role && (
            <>
              <Holders role={role} />
              <Allowed role={role} />
            </>
          )
        }
      </Loaded>
    </Page>
  );
}

/** The role admin has all permissions, and nobody can change it. */
export const isFixed = (role: Role): boolean => role.permissions.includes('*');

function Deeds({ role }: { role: Role }): ReactElement | null {
  const may = useMay();
  const [, navigate] = useLocation();
  const [asking, setAsking] = useState(false);
  const { method } = AccessService;
  const remove = useChange(method.deleteRole);
  if (isFixed(role)) return null;
  return (
    <>
      {may(method.deleteRole) && (
        <Button variant="subtle" onClick={() => setAsking(true)}>
          Delete
        </Button>
      )}
      {may(method.updateRole) && (
        <Button component={Link} href={`/roles/${role.name}/edit`} variant="default">
          Edit
        </Button>
      )}
      {asking && (
        <Confirm
          title={`Delete the role ${role.name}?`}
          deed="Delete"
          danger
          pending={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate({ role: role.name }, { onSuccess: () => navigate('/roles') })}
          onClose={() => setAsking(false)}
        >
          <p>Only a role that nobody has can be deleted.</p>
        </Confirm>
      )}
    </>
  );
}

function Holders({ role }: { role: Role }): ReactElement {
  const may = useMay();
  const { method } = AccessService;
  const bindings = useRead(method.listRoleBindings, {});
  const unbind = useChange(method.deleteRoleBinding);
  const [asked, setAsked] = useState<RoleBinding>();
  const seesUsers = may(method.getUser);
  const rows = bindings.data?.bindings.filter((each) => each.role === role.name) ?? [];
  const things = useThings(rows.some(({ scope }) => scope?.kind));
  return (
    <Panel flush title="Who has it">
      <Loaded query={bindings}>
        {() => (
          <Table
            label="Who has it"
            rows={rows}
            id={(binding) => binding.id}
            empty={
              <Empty title="Nobody has it">A role is given on the page of a user, or with a new token.</Empty>
            }
            columns={[
              {
                head: 'Who',
                main: true,
                cell: (binding) =>
                  binding.user && seesUsers ? (
                    <RowLink to={`/users/${binding.user}`}>{binding.user}</RowLink>
                  ) : binding.user ? (
                    <strong>{binding.user}</strong>
                  ) : (
                    <>
                      API token <span className="mono small">{binding.apiTokenId}</span>
                    </>
                  ),
              },
              { head: 'Over', cell: (binding) => scopeWords(binding.scope, things) },
              { head: 'Since', cell: (binding) => <Time at={binding.createdAt} both /> },
              may(method.deleteRoleBinding) && {
                head: '',
                align: 'end',
                cell: (binding) => (
                  <Button variant="default" size="compact-sm" onClick={() => setAsked(binding)}>
                    Take away<span className="hidden"> from {binding.user || binding.apiTokenId}</span>
                  </Button>
                ),
              },
            ]}
          />
        )}
      </Loaded>
      {asked && (
        <Confirm
          title={`Take ${role.name} away?`}
          deed="Take it away"
          danger
          pending={unbind.isPending}
          error={unbind.error}
          onConfirm={() => unbind.mutate({ bindingId: asked.id }, { onSuccess: () => setAsked(undefined) })}
          onClose={() => setAsked(undefined)}
        >
          <p>
            {asked.user || 'The token'} loses it over {scopeWords(asked.scope, things)}, at once.
          </p>
        </Confirm>
      )}
    </Panel>
  );
}

function Allowed({ role }: { role: Role }): ReactElement {
  const { method } = AccessService;
  const list = useRead(method.listPermissions, {}, { enabled: !isFixed(role) });
  if (isFixed(role)) {
    return (
      <Panel title="What it may do">
        <p>Everything that there is and will be. It can’t be changed.</p>
      </Panel>
    );
  }
  return (
    <Panel title="What it may do">
      <Loaded query={list} lines={8}>
        {({ permissions }) => {
          const has = permissions.filter(({ name }) => role.permissions.includes(name));
          return has.length === 0 ? (
            <Empty title="Nothing yet">Edit it to say what it may do.</Empty>
          ) : (
            <div className="permission-groups">
              {grouped(has).map((group) => (
                <section key={group.title}>
                  <h3>{group.title}</h3>
                  <ul>
                    {group.permissions.map(({ name }) => (
                      <li key={name} title={name}>
                        {permissionWords(name)}
                      </li>
                    ))}
                  </ul>
                </section>
              ))}
            </div>
          );
        }}
      </Loaded>
    </Panel>
  );
}
