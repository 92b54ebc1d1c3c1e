// Adding a user.
import { Checkbox, PasswordInput, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { useLocation } from 'wouter';

import { useChange, useRead } from '../../api/call';
import { AccessService } from '../../api/gen/dataguardian/v1/access_pb';
import { fieldErrors, Form } from '../../components/Form';
import { Loaded } from '../../components/Loaded';
import { Page, Panel } from '../../components/Page';

export default function UserForm(): ReactElement {
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [chosen, setChosen] = useState<readonly string[]>(['viewer']);
  const [, navigate] = useLocation();
  const roles = useRead(AccessService.method.listRoles, {});
  const create = useChange(AccessService.method.createUser);
  const fieldError = fieldErrors(create.error);
  const submit = () =>
    create.mutate(
      { username: username.trim(), password, roles: [...chosen] },
      { onSuccess: () => navigate('/users') },
    );
  return (
    <Page title="Add user" back={['/users', 'Users']}>
      <div className="narrow">
        <Panel>
          <Form
            deed="Add user"
            pending={create.isPending}
            error={create.error}
            cancel="/users"
            onSubmit={submit}
          >
            <TextInput
              label="User name"
              value={username}
              onChange={(event) => setUsername(event.currentTarget.value)}
              error={fieldError('username')}
              autoComplete="off"
              autoCapitalize="none"
              required
            />
            <PasswordInput
              label="First password"
              description="At least 12 characters; have it changed at the first sign-in"
              value={password}
              onChange={(event) => setPassword(event.currentTarget.value)}
              error={fieldError('password')}
              autoComplete="new-password"
              required
            />
            <fieldset className="choices">
              <legend>Roles</legend>
              <Loaded query={roles}>
                {(data) => (
                  <div className="stack">
                    {data.roles.map(({ name, description }) => (
                      <Checkbox
                        key={name}
                        label={name}
                        description={description}
                        checked={chosen.includes(name)}
                        onChange={(event) =>
                          setChosen(
                            event.currentTarget.checked
                              ? [...chosen, name]
                              : chosen.filter((each) => each !== name),
                          )
                        }
                      />
                    ))}
                  </div>
                )}
              </Loaded>
            </fieldset>
          </Form>
        </Panel>
      </div>
    </Page>
  );
}
