// Who is signed in. Everything below the provider may ask; it is shown only to somebody who is.
import { Code } from '@connectrpc/connect';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { createContext, useContext } from 'react';
import type { ReactElement, ReactNode } from 'react';

import { call } from '../api/call';
import { AuthService } from '../api/gen/dataguardian/v1/auth_pb';
import type { User } from '../api/gen/dataguardian/v1/auth_pb';
import { Permissions } from '../api/permissions';
import { problemOf } from '../api/problem';
import { queryClient } from '../api/query';
import { drop, hold, mayBeSignedIn, whenSignInEnds } from './transport';

export interface Session {
  user: User;
  signOut: () => void;
}

interface Who {
  user: User;
  permissions: ReadonlySet<string> | undefined;
}

type State = { is: 'asking' } | { is: 'out'; ended: boolean } | { is: 'in'; who: Who };

/** What the door shows to somebody who is not signed in. */
export interface Door {
  /** Whether a sign-in has just come to its end. */
  ended: boolean;
  /** Goes in, after `Login` or `Setup`. */
  enter: () => Promise<void>;
}

const Current = createContext<Session | undefined>(undefined);

/** Who is signed in, below the provider. */
export function useSession(): Session {
  const session = useContext(Current);
  if (!session) throw new Error('nobody is signed in here');
  return session;
}

async function ask(): Promise<Who> {
  const answer = await call(AuthService.method.whoAmI, {});
  if (!answer.user) throw new Error('the server does not say who is signed in');
  // A server that tells no permissions leaves it to each call.
  const permissions = answer.permissions.length > 0 ? new Set(answer.permissions) : undefined;
  return { user: answer.user, permissions };
}

export function SessionProvider({
  door,
  children,
}: {
  door: (door: Door) => ReactNode;
  children: ReactNode;
}): ReactElement | null {
  const [state, setState] = useState<State>(() =>
    mayBeSignedIn() ? { is: 'asking' } : { is: 'out', ended: false },
  );

  useEffect(() => whenSignInEnds(() => setState({ is: 'out', ended: true })), []);
  useEffect(() => {
    if (state.is !== 'asking') return;
    ask().then(
      (who) => {
        hold();
        setState({ is: 'in', who });
      },
      (error: unknown) => {
        if (problemOf(error).code === Code.Unauthenticated) drop();
        setState({ is: 'out', ended: false });
      },
    );
  }, [state.is]);

  const enter = useCallback(async () => {
    const who = await ask();
    hold();
    // What another user read is not shown to this one.
    queryClient.clear();
    setState({ is: 'in', who });
  }, []);
  const signOut = useCallback(() => {
    const leave = () => {
      drop();
      queryClient.clear();
      setState({ is: 'out', ended: false });
    };
    // A sign-in that is over already is as good as ended.
    call(AuthService.method.logout, {}).then(leave, (error: unknown) => {
      if (problemOf(error).reason !== 'NO_ANSWER') leave();
    });
  }, []);

  const who = state.is === 'in' ? state.who : undefined;
  const session = useMemo(() => who && { user: who.user, signOut }, [who, signOut]);
  if (state.is === 'asking') return null;
  if (state.is === 'out') return <>{door({ ended: state.ended, enter })}</>;
  return (
    <Current.Provider value={session}>
      <Permissions.Provider value={state.who.permissions}>{children}</Permissions.Provider>
    </Current.Provider>
  );
}
