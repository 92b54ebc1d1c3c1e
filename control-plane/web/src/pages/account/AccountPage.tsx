// The caller's own account: password, the code besides it, and where they are signed in.
import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { FormEvent, ReactElement } from 'react';

import { useChange, useRead } from '../../api/call';
import { AuthService, SessionKind } from '../../api/gen/dataguardian/v1/auth_pb';
import { useSession } from '../../auth/session';
import { Command } from '../../components/Command';
import { Loaded } from '../../components/Loaded';
import { Mark } from '../../components/Mark';
import { Page, Panel } from '../../components/Page';
import { Note, ProblemNote } from '../../components/Problem';
import { Table } from '../../components/Table';
import { Time } from '../../components/Time';

export default function AccountPage(): ReactElement {
  const { user } = useSession();
  return (
    <Page title="Your account" lead={user.username}>
      <div className="two">
        <Password />
        <Codes />
      </div>
      <SignIns />
    </Page>
  );
}

function Password(): ReactElement {
  const [oldPassword, setOld] = useState('');
  const [newPassword, setNew] = useState('');
  const change = useChange(AuthService.method.changePassword);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    change.mutate(
      { oldPassword, newPassword },
      {
        onSuccess: () => {
          setOld('');
          setNew('');
        },
      },
    );
  };
  return (
    <Panel title="Password">
      <form className="form" onSubmit={submit}>
        <PasswordInput
          label="The one now"
          value={oldPassword}
          onChange={(event) => setOld(event.currentTarget.value)}
          autoComplete="current-password"
          required
        />
        <PasswordInput
          label="The new one"
          description="At least 12 characters. Your other sign-ins end."
          value={newPassword}
          onChange={(event) => setNew(event.currentTarget.value)}
          autoComplete="new-password"
          minLength={12}
          required
        />
        {change.error && <ProblemNote error={change.error} />}
        {change.isSuccess && <Note tone="good" title="The new password counts from now on." />}
        <div className="row">
          <Button type="submit" variant="default" loading={change.isPending}>
            Change it
          </Button>
        </div>
      </form>
    </Panel>
  );
}

/** Enrolling an authenticator app: the secret, then a code that proves that the app has it, then the recovery codes. */
function Codes(): ReactElement {
  const who = useRead(AuthService.method.whoAmI, {});
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const enrol = useChange(AuthService.method.enrolTotp);
  const confirm = useChange(AuthService.method.confirmTotp);
  const disable = useChange(AuthService.method.disableTotp);
  const error = enrol.error ?? confirm.error ?? disable.error;
  const isOn = who.data?.totpEnabled ?? false;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (isOn) disable.mutate({ password }, { onSuccess: () => setPassword('') });
    else if (enrol.data) confirm.mutate({ code: code.trim() });
    else enrol.mutate({ password }, { onSuccess: () => setPassword('') });
  };
  const codes = isOn ? confirm.data?.recoveryCodes : undefined;
  return (
    <Panel title="A code besides the password">
      <Loaded query={who}>
        {() => (
          <form className="form" onSubmit={submit}>
            <div>
              <Mark
                told={
                  isOn
                    ? ['Signing in needs a code of your app', 'good']
                    : ['Signing in needs the password alone', 'quiet']
                }
              />
            </div>
            {codes && (
              <>
                <Note tone="warn" title="Keep these recovery codes where the app is not.">
                  Each signs in once, if the app is lost. They are shown only here.
                </Note>
                <Command text={codes.join('\n')} label="Copy codes" />
              </>
            )}
            {enrol.data && !isOn ? (
              <>
                <p>
                  Enter this secret into your authenticator app by hand, then type the code that it shows.
                </p>
                <Command text={enrol.data.secret} label="Copy secret" />
                <TextInput
                  label="Code of the app"
                  value={code}
                  onChange={(event) => setCode(event.currentTarget.value)}
                  inputMode="numeric"
                  autoComplete="one-time-code"
                  required
                />
              </>
            ) : (
              <PasswordInput
                label="Your password once more"
                value={password}
                onChange={(event) => setPassword(event.currentTarget.value)}
                autoComplete="current-password"
                required
              />
            )}
            {error && <ProblemNote error={error} />}
            <div className="row">
              <Button
                type="submit"
                variant="default"
                loading={enrol.isPending || confirm.isPending || disable.isPending}
              >
                {isOn
                  ? 'Sign in without a code again'
                  : enrol.data
                    ? 'Confirm'
                    : 'Set up an authenticator app'}
              </Button>
            </div>
          </form>
        )}
      </Loaded>
    </Panel>
  );
}

function SignIns(): ReactElement {
  const list = useRead(AuthService.method.listSessions, {});
  const revoke = useChange(AuthService.method.revokeSession);
  return (
    <Panel flush title="Where you are signed in">
      <Loaded query={list}>
        {({ sessions }) => (
          <Table
            label="Sign-ins"
            rows={sessions}
            id={(session) => session.id}
            columns={[
              {
                head: 'Sign-in',
                main: true,
                cell: (session) => (
                  <>
                    <strong>{session.kind === SessionKind.BROWSER ? 'Browser' : 'Program'}</strong>
                    {session.current && <span className="dim"> (this one)</span>}
                    <div className="cell-note clamp">{session.userAgent}</div>
                  </>
                ),
              },
              { head: 'From', cell: (session) => <span className="nowrap">{session.address}</span> },
              { head: 'Began', cell: (session) => <Time at={session.createdAt} /> },
              { head: 'Last used', cell: (session) => <Time at={session.lastUsedAt} /> },
              { head: 'Ends', cell: (session) => <Time at={session.expiresAt} /> },
              {
                head: '',
                align: 'end',
                cell: (session) =>
                  !session.current && (
                    <Button
                      variant="default"
                      size="compact-sm"
                      onClick={() => revoke.mutate({ sessionId: session.id })}
                    >
                      End it
                    </Button>
                  ),
              },
            ]}
          />
        )}
      </Loaded>
      {revoke.error && (
        <div className="cell-pad">
          <ProblemNote error={revoke.error} />
        </div>
      )}
    </Panel>
  );
}
