// Making an API token: its name, how long it is good, what it may do and over what; then its secret, this once.
import { Button, Checkbox, NativeSelect, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { Link } from 'wouter';

import { useChange, useRead } from '../../api/call';
import { AccessService } from '../../api/gen/dataguardian/v1/access_pb';
import type { CreateApiTokenResponse } from '../../api/gen/dataguardian/v1/access_pb';
import { useMay, usePermissions } from '../../api/permissions';
import { Command } from '../../components/Command';
import { fieldErrors, Form } from '../../components/Form';
import { Loaded } from '../../components/Loaded';
import { Page, Panel } from '../../components/Page';
import { Note } from '../../components/Problem';
import { Time } from '../../components/Time';
import { toDuration } from '../../format/time';
import { lacking } from '../roles/permissions';
import { everything, ScopeFields, toScope } from '../roles/ScopeFields';
import { useThings } from '../roles/things';

const DAY = 86_400_000;
const lives: readonly (readonly [days: number, name: string])[] = [
  [1, 'A day'],
  [7, 'A week'],
  [30, '30 days'],
  [90, '90 days'],
  [180, '180 days'],
  [365, 'A year'],
];

export default function TokenForm(): ReactElement {
  const may = useMay();
  const { method } = AccessService;
  const [name, setName] = useState('');
  const [days, setDays] = useState(90);
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const [typed, setTyped] = useState('');
  const [scope, setScope] = useState(everything);
  const things = useThings();
  const sees = may(method.listRoles);
  const create = useChange(method.createApiToken);
  const fieldError = fieldErrors(create.error);
  const roles = sees ? chosen : typed.split(/[\s,]+/).filter(Boolean);
  const submit = () =>
    create.mutate({ name: name.trim(), ttl: toDuration(days * DAY), roles: [...roles], ...toScope(scope) });
  if (create.data) return <Made made={create.data} />;
  return (
    <Page
      title="Add API token"
      back={['/account', 'Your account']}
      lead="For a program. It may do what its roles say, and never more than you, now and later."
    >
      <div className="narrow">
        <Panel>
          <Form
            deed="Make the token"
            pending={create.isPending}
            error={create.error}
            cancel="/account"
            onSubmit={submit}
          >
            <TextInput
              label="What it is for"
              description="Letters, digits and ._-"
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
              error={fieldError('name')}
              autoComplete="off"
              autoCapitalize="none"
              spellCheck={false}
              required
            />
            <NativeSelect
              label="Good for"
              value={days}
              error={fieldError('ttl')}
              onChange={(event) => setDays(Number(event.currentTarget.value))}
            >
              {lives.map(([each, words]) => (
                <option key={each} value={each}>
                  {words}
                </option>
              ))}
            </NativeSelect>
            {sees ? (
              <Roles chosen={chosen} set={setChosen} error={fieldError('roles')} />
            ) : (
              <TextInput
                label="Roles"
                description="Their names; you may not list them, and can name those that you have"
                value={typed}
                onChange={(event) => setTyped(event.currentTarget.value)}
                error={fieldError('roles')}
                autoCapitalize="none"
                spellCheck={false}
                required
              />
            )}
            <ScopeFields
              choice={scope}
              things={things}
              set={setScope}
              error={fieldError('scope') ?? fieldError('scope.resource')}
            />
          </Form>
        </Panel>
      </div>
    </Page>
  );
}

interface RolesProps {
  chosen: readonly string[];
  set: (chosen: readonly string[]) => void;
  error: string | undefined;
}

/** All roles; those with rights that the caller lacks can't be chosen. */
function Roles({ chosen, set, error }: RolesProps): ReactElement {
  const own = usePermissions();
  const list = useRead(AccessService.method.listRoles, {});
  return (
    <fieldset className="choices">
      <legend>What it may do</legend>
      <Loaded query={list}>
        {({ roles }) => (
          <div className="stack">
            {roles.map(({ name, description, permissions }) => {
              const exceeds = lacking(permissions, own).length > 0;
              return (
                <Checkbox
                  key={name}
                  label={name}
                  description={exceeds ? 'It has rights that you lack' : description}
                  disabled={exceeds}
                  checked={chosen.includes(name)}
                  onChange={(event) =>
                    set(
                      event.currentTarget.checked
                        ? [...chosen, name]
                        : chosen.filter((each) => each !== name),
                    )
                  }
                />
              );
            })}
          </div>
        )}
      </Loaded>
      {error && <p className="field-error">{error}</p>}
    </fieldset>
  );
}

function Made({ made }: { made: CreateApiTokenResponse }): ReactElement {
  return (
    <Page title={`Token ${made.token?.name ?? ''}`} back={['/account', 'Your account']}>
      <div className="narrow">
        <Panel>
          <div className="stack">
            <Note tone="warn" title="Copy it now. It is shown only this once.">
              Whoever has it can do what it may, until it ends <Time at={made.token?.expiresAt} both />.
            </Note>
            <Command text={made.secret} label="Copy token" />
            <p className="dim">
              Programs send it as <code>authorization: Bearer …</code>; dgctl takes it from{' '}
              <code>DATAGUARDIAN_TOKEN</code>.
            </p>
            <div>
              <Button component={Link} href="/account">
                I have copied it
              </Button>
            </div>
          </div>
        </Panel>
      </div>
    </Page>
  );
}
