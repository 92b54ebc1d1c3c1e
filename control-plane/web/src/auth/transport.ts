// How calls prove who makes them. The one place to change when the proof changes.
import type { Interceptor } from '@connectrpc/connect';
import { Code, ConnectError } from '@connectrpc/connect';

// Kept in memory alone: a token that outlives the page could be stolen from where it lies.
let bearer: string | undefined;
const onEnd = new Set<() => void>();

/** From now on calls are made with this token. */
export function holdToken(token: string): void {
  bearer = token;
}

/** From now on calls prove nothing. */
export function dropToken(): void {
  bearer = undefined;
}

/** Whether calls could be proven without asking anybody to sign in. */
export function mayBeSignedIn(): boolean {
  return bearer !== undefined;
}

/** Calls `then` whenever the server says that the sign-in is over; the answer takes it off again. */
export function whenSignInEnds(then: () => void): () => void {
  onEnd.add(then);
  return () => onEnd.delete(then);
}

/** Proves each call, and notices when the proof counts no more. */
export const proof: Interceptor = (next) => async (request) => {
  const held = bearer;
  if (held !== undefined) request.header.set('authorization', `Bearer ${held}`);
  try {
    return await next(request);
  } catch (error) {
    const over = ConnectError.from(error).code === Code.Unauthenticated;
    if (over && held !== undefined && held === bearer) {
      dropToken();
      onEnd.forEach((then) => then());
    }
    throw error;
  }
};
