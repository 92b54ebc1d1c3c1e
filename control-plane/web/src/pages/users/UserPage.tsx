// One user: the roles they have, a new password, and whether they may sign in.
import { Button, NativeSelect, PasswordInput } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { useLocation, useParams } from 'wouter';

import { useChange, useRead } from '../../api/call';
import { AccessService } from '../../api/gen/dataguardian/v1/access_pb';
import type { UserAccount } from '../../api/gen/dataguardian/v1/access_pb';
import { useMay } from '../../api/permissions';
import { Confirm } from '../../components/Confirm';
import { Loaded } from '../../components/Loaded';
import { Empty, Page, Panel } from '../../components/Page';
import { ProblemNote } from '../../components/Problem';
import { Table } from '../../components/Table';
import { Time } from '../../components/Time';
import { everything, ScopeFields, toScope } from '../roles/ScopeFields';
import { scopeWords } from '../roles/scopes';
import { useThings } from '../roles/things';
import { UserMark } from './UserList';

export default function UserPage(): ReactElement {
  const { name = '' } = useParams();
  const query = useRead(AccessService.method.getUser, { user: name });
  const account = query.data?.account;
  return (
    <Page
      key={name}
      title={name}
      head={
        <span className="row">
          {name}
          <span className="small">{account && <UserMark account={account} />}</span>
        </span>
      }
      back={['/users', 'Users']}
      actions={account && <Deeds name={name} account={account} />}
    >
      <Loaded query={query}>{() => account && <Roles name={name} account={account} />}</Loaded>
    </Page>
  );
}

function Roles({ name, account }: { name: string; account: UserAccount }): ReactElement {
  const may = useMay();
  const { method } = AccessService;
  const roles = useRead(method.listRoles, {}, { enabled: may(method.listRoles) });
  const bind = useChange(method.createRoleBinding);
  const unbind = useChange(method.deleteRoleBinding);
  const things = useThings();
  const [scope, setScope] = useState(everything);
  const has = account.bindings.filter((each) => !each.scope?.kind).map(({ role }) => role);
  const others = roles.data?.roles.filter((role) => !has.includes(role.name)) ?? [];
  const [chosen, setChosen] = useState('');
  const role = others.some((each) => each.name === chosen) ? chosen : (others[0]?.name ?? '');
  const error = bind.error ?? unbind.error;
  return (
    <Panel flush title="Roles">
      <Table
        label="Roles"
        rows={account.bindings}
        id={(binding) => binding.id}
        empty={<Empty title="No role">Without a role they can sign in, and see nothing.</Empty>}
        columns={[
          { head: 'Role', main: true, cell: (binding) => <strong>{binding.role}</strong> },
          { head: 'Over', cell: (binding) => scopeWords(binding.scope, things) },
          { head: 'Since', cell: (binding) => <Time at={binding.createdAt} both /> },
          may(method.deleteRoleBinding) && {
            head: '',
            align: 'end',
            cell: (binding) => (
              <Button
                variant="default"
                size="compact-sm"
                onClick={() => unbind.mutate({ bindingId: binding.id })}
              >
                Take away<span className="hidden"> {binding.role}</span>
              </Button>
            ),
          },
        ]}
      />
      {may(method.createRoleBinding) && others.length > 0 && (
        <div className="toolbar">
          <NativeSelect
            label="Another role"
            value={role}
            onChange={(event) => setChosen(event.currentTarget.value)}
            data={others.map((each) => each.name)}
          />
          <ScopeFields choice={scope} things={things} set={setScope} />
          <Button
            variant="default"
            loading={bind.isPending}
            onClick={() =>
              bind.mutate({ role, user: name, ...toScope(scope) }, { onSuccess: () => setScope(everything) })
            }
          >
            Give it
          </Button>
        </div>
      )}
      {error && (
        <div className="cell-pad">
          <ProblemNote error={error} />
        </div>
      )}
    </Panel>
  );
}

function Deeds({ name, account }: { name: string; account: UserAccount }): ReactElement {
  const may = useMay();
  const [, navigate] = useLocation();
  const [open, setOpen] = useState<'password' | 'delete'>();
  const [password, setPassword] = useState('');
  const { method } = AccessService;
  const lock = useChange(method.updateUser);
  const change = useChange(method.updateUser);
  const remove = useChange(method.deleteUser);
  const close = () => setOpen(undefined);
  const isLocked = account.lockedAt !== undefined;
  return (
    <>
      {lock.error && <ProblemNote error={lock.error} />}
      {may(method.deleteUser) && (
        <Button variant="subtle" onClick={() => setOpen('delete')}>
          Delete
        </Button>
      )}
      {may(method.updateUser) && (
        <>
          <Button variant="default" onClick={() => setOpen('password')}>
            New password
          </Button>
          <Button
            variant="default"
            loading={lock.isPending}
            onClick={() => lock.mutate({ user: name, locked: !isLocked })}
          >
            {isLocked ? 'Unlock' : 'Lock'}
          </Button>
        </>
      )}
      {open === 'password' && (
        <Confirm
          title={`New password for ${name}`}
          deed="Set it"
          pending={change.isPending}
          error={change.error}
          onConfirm={() => change.mutate({ user: name, newPassword: password }, { onSuccess: close })}
          onClose={close}
        >
          <PasswordInput
            label="Password"
            description="At least 12 characters. Their sign-ins end."
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            autoComplete="new-password"
            data-autofocus
          />
        </Confirm>
      )}
      {open === 'delete' && (
        <Confirm
          title={`Delete ${name}?`}
          deed="Delete"
          danger
          pending={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate({ user: name }, { onSuccess: () => navigate('/users') })}
          onClose={close}
        >
          <p>They are signed out at once, and their tokens count no more.</p>
        </Confirm>
      )}
    </>
  );
}
