// Making a role, or changing one: what it may do, ticked by what it is about.
import { Button, Checkbox, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { useLocation, useParams } from 'wouter';

import { useChange, useRead } from '../../api/call';
import { AccessService } from '../../api/gen/dataguardian/v1/access_pb';
import type { Permission, Role } from '../../api/gen/dataguardian/v1/access_pb';
import { usePermissions } from '../../api/permissions';
import { fieldErrors, Form } from '../../components/Form';
import { Loaded } from '../../components/Loaded';
import { Page, Panel } from '../../components/Page';
import { plural } from '../../format/size';
import { grouped, lacking, looks, permissionWords } from './permissions';
import './roles.css';

export default function RoleForm(): ReactElement {
  const { name = '' } = useParams();
  const { method } = AccessService;
  const isNew = name === '';
  const role = useRead(method.getRole, { role: name }, { enabled: !isNew });
  const permissions = useRead(method.listPermissions, {});
  return (
    <Page
      key={name}
      title={isNew ? 'Add role' : `Edit ${name}`}
      back={isNew ? ['/roles', 'Roles'] : [`/roles/${name}`, name]}
    >
      <Loaded query={permissions} lines={10}>
        {(list) =>
          isNew ? (
            <Fields permissions={list.permissions} />
          ) : (
            <Loaded query={role} lines={10}>
              {(answer) => answer.role && <Fields permissions={list.permissions} role={answer.role} />}
            </Loaded>
          )
        }
      </Loaded>
    </Page>
  );
}

function Fields({ permissions, role }: { permissions: readonly Permission[]; role?: Role }): ReactElement {
  const { method } = AccessService;
  const [name, setName] = useState('');
  const [description, setDescription] = useState(role?.description ?? '');
  const [chosen, setChosen] = useState<ReadonlySet<string>>(() => new Set(role?.permissions));
  const [, navigate] = useLocation();
  const own = usePermissions();
  const create = useChange(method.createRole);
  const update = useChange(method.updateRole);
  const { isPending, error } = role ? update : create;
  const fieldError = fieldErrors(error);
  const address = `/roles/${role?.name ?? name.trim()}`;
  const done = { onSuccess: () => navigate(address) };
  const submit = () =>
    role
      ? update.mutate({ role: role.name, description, permissions: [...chosen], etag: role.etag }, done)
      : create.mutate({ name: name.trim(), description, permissions: [...chosen] }, done);
  const set = (names: readonly string[], on: boolean) =>
    setChosen((old) => {
      const next = new Set(old);
      names.forEach((each) => (on ? next.add(each) : next.delete(each)));
      return next;
    });
  const reading = permissions.filter((each) => looks(each.name)).map((each) => each.name);
  return (
    <Form
      deed={role ? 'Save' : 'Add role'}
      pending={isPending}
      error={error}
      cancel={role ? `/roles/${role.name}` : '/roles'}
      onSubmit={submit}
    >
      <Panel>
        <div className="form narrow">
          {!role && (
            <TextInput
              label="Name"
              description="Letters, digits and ._-"
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
              error={fieldError('name')}
              autoComplete="off"
              autoCapitalize="none"
              required
            />
          )}
          <TextInput
            label="What it is for"
            value={description}
            onChange={(event) => setDescription(event.currentTarget.value)}
            error={fieldError('description')}
          />
        </div>
      </Panel>
      <Panel
        title="What it may do"
        actions={
          <span className="row">
            <span className="dim small" role="status">
              {plural(chosen.size, 'thing')}
            </span>
            <Button variant="default" size="xs" onClick={() => set(lackingNone(reading, own), true)}>
              Tick all that only looks
            </Button>
          </span>
        }
      >
        {fieldError('permissions') && <p className="field-error">{fieldError('permissions')}</p>}
        <div className="permission-groups">
          {grouped(permissions).map((group) => (
            <fieldset key={group.title} className="choices">
              <legend>{group.title}</legend>
              <div className="stack tight">
                {group.permissions.map((permission) => {
                  const isLacking = lacking([permission.name], own).length > 0;
                  return (
                    <Checkbox
                      key={permission.name}
                      label={permissionWords(permission.name)}
                      description={
                        isLacking
                          ? 'You lack it, and nobody gives away more than they have'
                          : permission.scopable
                            ? undefined
                            : 'Counts only over everything'
                      }
                      disabled={isLacking && !chosen.has(permission.name)}
                      checked={chosen.has(permission.name)}
                      onChange={(event) => set([permission.name], event.currentTarget.checked)}
                    />
                  );
                })}
              </div>
            </fieldset>
          ))}
        </div>
      </Panel>
    </Form>
  );
}

/** Of these, what whoever is signed in has. */
function lackingNone(names: readonly string[], own: ReadonlySet<string> | undefined): string[] {
  const without = lacking(names, own);
  return names.filter((name) => !without.includes(name));
}
