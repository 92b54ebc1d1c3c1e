// The caller's own account: password, the code besides it, API tokens, and where they are signed in.
import { Button, PasswordInput } from '@mantine/core';
import { useState } from 'react';
import type { FormEvent, ReactElement } from 'react';

import { useChange, useRead } from '../../api/call';
import { AuthService, SessionKind } from '../../api/gen/dataguardian/v1/auth_pb';
import { useSession } from '../../auth/session';
import { Loaded } from '../../components/Loaded';
import { Page, Panel } from '../../components/Page';
import { Note, ProblemNote } from '../../components/Problem';
import { Table } from '../../components/Table';
import { Time } from '../../components/Time';
import { Codes } from './Codes';
import { Tokens } from './Tokens';

export default function AccountPage(): ReactElement {
  const { user } = useSession();
  return (
    <Page title="Your account" lead={user.username}>
      <div className="two">
        <Password />
        <Codes />
      </div>
      <Tokens />
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
