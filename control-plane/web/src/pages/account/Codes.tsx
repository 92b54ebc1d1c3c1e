// Enrolling an authenticator app: a picture for its camera, a code that proves that the app has the secret, then the recovery codes.
import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { FormEvent, ReactElement } from 'react';

import { useChange, useRead } from '../../api/call';
import { saveFile } from '../../api/file';
import { AuthService } from '../../api/gen/dataguardian/v1/auth_pb';
import type { EnrolTotpResponse } from '../../api/gen/dataguardian/v1/auth_pb';
import { useSession } from '../../auth/session';
import { Command } from '../../components/Command';
import { Loaded } from '../../components/Loaded';
import { Mark } from '../../components/Mark';
import { Panel } from '../../components/Page';
import { Note, ProblemNote } from '../../components/Problem';
import { QrCode } from '../../components/QrCode';

export function Codes(): ReactElement {
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
    if (isOn) {
      const onSuccess = () => {
        setPassword('');
        enrol.reset();
        confirm.reset();
      };
      disable.mutate({ password }, { onSuccess });
    } else if (enrol.data)
      confirm.mutate({ code: code.replaceAll(' ', '') }, { onSuccess: () => setCode('') });
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
            {codes && <RecoveryCodes codes={codes} onDone={() => confirm.reset()} />}
            {enrol.data && !isOn ? (
              <>
                <Enrolment enrolment={enrol.data} />
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
              !codes && (
                <PasswordInput
                  label="Your password once more"
                  value={password}
                  onChange={(event) => setPassword(event.currentTarget.value)}
                  autoComplete="current-password"
                  required
                />
              )
            )}
            {error && <ProblemNote error={error} />}
            {!codes && (
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
                {enrol.data && !isOn && (
                  <Button
                    variant="subtle"
                    onClick={() => {
                      enrol.reset();
                      confirm.reset();
                    }}
                  >
                    Cancel
                  </Button>
                )}
              </div>
            )}
          </form>
        )}
      </Loaded>
    </Panel>
  );
}

function Enrolment({ enrolment }: { enrolment: EnrolTotpResponse }): ReactElement {
  return (
    <>
      <p>Scan this with your authenticator app, then type the code that it shows.</p>
      <QrCode text={enrolment.uri} label="QR code of the secret, for an authenticator app" />
      <details>
        <summary>The app has no camera</summary>
        <div className="stack">
          <p className="dim">Type this secret into it: six digits, every 30 seconds.</p>
          <Command text={enrolment.secret} label="Copy secret" />
        </div>
      </details>
    </>
  );
}

function RecoveryCodes({ codes, onDone }: { codes: readonly string[]; onDone: () => void }): ReactElement {
  const { user } = useSession();
  const save = () =>
    saveFile('dataguardian-recovery-codes.txt', [
      `Recovery codes of ${user.username} for DataGuardian. Each signs in once in place of a code of the app.\n\n`,
      ...codes.map((each) => `${each}\n`),
    ]);
  return (
    <>
      <Note tone="warn" title="Keep these recovery codes where the app is not.">
        Each signs in once, if the app is lost. They are shown only here.
      </Note>
      <Command text={codes.join('\n')} label="Copy codes" />
      <div className="row">
        <Button variant="default" onClick={save}>
          Save as a file
        </Button>
        <Button onClick={onDone}>I have kept them</Button>
      </div>
    </>
  );
}
