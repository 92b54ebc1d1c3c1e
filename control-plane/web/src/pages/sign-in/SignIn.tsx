// The door: a user name and a password, or the making of the first administrator.
import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useEffect, useState } from 'react';
import type { FormEvent, ReactElement, ReactNode } from 'react';

import { call } from '../../api/call';
import { AuthService } from '../../api/gen/dataguardian/v1/auth_pb';
import { problemOf } from '../../api/problem';
import { wantsSetup } from '../../app/base';
import type { Door } from '../../auth/session';
import { signInOptions } from '../../auth/transport';
import { Icon } from '../../components/Icon';
import { Note, ProblemNote } from '../../components/Problem';
import { SetUp } from './SetUp';

/** Signs in, or sets up where nobody is there yet. */
export function SignIn(door: Door): ReactElement {
  const [settingUp, setSettingUp] = useState(wantsSetup && !door.ended);
  return settingUp ? (
    <SetUp {...door} onBack={() => setSettingUp(false)} />
  ) : (
    <PasswordForm {...door} onSetUp={() => setSettingUp(true)} />
  );
}

function PasswordForm({ ended, enter, onSetUp }: Door & { onSetUp: () => void }): ReactElement {
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const [wantsCode, setWantsCode] = useState(false);
  const [pending, setPending] = useState(false);
  const [error, setError] = useState<unknown>();

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setPending(true);
    setError(undefined);
    try {
      const request = {
        username,
        password,
        ...(wantsCode ? { totpCode: code.trim() } : {}),
        ...signInOptions,
      };
      await call(AuthService.method.login, request);
      await enter();
    } catch (thrown) {
      setPending(false);
      if (problemOf(thrown).reason === 'TOTP_REQUIRED' && !wantsCode) setWantsCode(true);
      else setError(thrown);
    }
  };

  return (
    <Alone title="Sign in">
      {ended && (
        <Note tone="warn" title="Your sign-in has ended." urgent>
          Sign in again: you go on where you were.
        </Note>
      )}
      <form className="form" onSubmit={(event) => void submit(event)}>
        <TextInput
          label="User name"
          value={username}
          onChange={(event) => setUsername(event.currentTarget.value)}
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          autoFocus
          required
        />
        <PasswordInput
          label="Password"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          autoComplete="current-password"
          required
        />
        {wantsCode && (
          <TextInput
            label="Code of your authenticator"
            description="Six digits, or one of your recovery codes"
            value={code}
            onChange={(event) => setCode(event.currentTarget.value)}
            inputMode="text"
            autoComplete="one-time-code"
            autoFocus
            required
          />
        )}
        {error !== undefined && <ProblemNote error={error} />}
        <Button type="submit" loading={pending} fullWidth>
          Sign in
        </Button>
      </form>
      {wantsSetup && (
        <Button variant="subtle" onClick={onSetUp}>
          Set up the first administrator
        </Button>
      )}
    </Alone>
  );
}

/** A page before anybody is signed in. */
export function Alone({
  title,
  lead,
  children,
}: {
  title: string;
  lead?: ReactNode;
  children: ReactNode;
}): ReactElement {
  useEffect(() => {
    document.title = `${title} · DataGuardian`;
  }, [title]);
  return (
    <main className="alone">
      <div className="brand">
        <Icon name="shield" size={22} />
        DataGuardian
      </div>
      <div className="stack loose">
        <div>
          <h1>{title}</h1>
          {lead && <p className="dim">{lead}</p>}
        </div>
        {children}
      </div>
    </main>
  );
}
