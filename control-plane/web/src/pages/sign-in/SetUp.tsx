// Makes the first administrator, with the token that the server has left in a file.
import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { FormEvent, ReactElement } from 'react';

import { call } from '../../api/call';
import { AuthService } from '../../api/gen/dataguardian/v1/auth_pb';
import { problemOf } from '../../api/problem';
import type { Door } from '../../auth/session';
import { signInOptions } from '../../auth/transport';
import { ProblemNote } from '../../components/Problem';
import { Alone } from './SignIn';

/** Characters that a password has at least. */
const SHORTEST = 12;

export function SetUp({ enter, onBack }: Door & { onBack: () => void }): ReactElement {
  const [setupToken, setSetupToken] = useState('');
  const [username, setUsername] = useState('admin');
  const [password, setPassword] = useState('');
  const [pending, setPending] = useState(false);
  const [error, setError] = useState<unknown>();
  const fields = error === undefined ? {} : problemOf(error).fields;

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setPending(true);
    setError(undefined);
    try {
      const request = { setupToken: setupToken.trim(), username, password, ...signInOptions };
      await call(AuthService.method.setup, request);
      await enter();
    } catch (thrown) {
      setPending(false);
      setError(thrown);
    }
  };

  return (
    <Alone
      title="Welcome"
      lead="This control plane has no user yet. Make the first administrator; your first backup comes right after."
    >
      <form className="form" onSubmit={(event) => void submit(event)}>
        <TextInput
          label="Set-up token"
          description={
            <>
              The server left it in the file <code>setup-token</code> of its data directory, and printed the
              path when it started.
            </>
          }
          value={setupToken}
          onChange={(event) => setSetupToken(event.currentTarget.value)}
          error={fields['setup_token']}
          autoComplete="off"
          spellCheck={false}
          autoFocus
          required
        />
        <TextInput
          label="User name"
          value={username}
          onChange={(event) => setUsername(event.currentTarget.value)}
          error={fields['username']}
          autoComplete="username"
          autoCapitalize="none"
          required
        />
        <PasswordInput
          label="Password"
          description={`At least ${SHORTEST} characters`}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          error={fields['password']}
          autoComplete="new-password"
          minLength={SHORTEST}
          required
        />
        {error !== undefined && <ProblemNote error={error} />}
        <Button type="submit" loading={pending} fullWidth>
          Create administrator
        </Button>
      </form>
      <Button variant="subtle" onClick={onBack}>
        I have an account: sign in
      </Button>
    </Alone>
  );
}
