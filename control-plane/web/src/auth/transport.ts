// How calls prove who makes them. The one place to change when the proof changes.
import type { Interceptor } from '@connectrpc/connect';
import { Code, ConnectError } from '@connectrpc/connect';

// Kept in memory alone: a token that outlives the page could be stolen from where it lies.
let bearer: string | undefined;
const onEnd = new Set<() => void>();

/** What `Login` and `Setup` are asked besides. */
export const signInOptions = {};

/** From now on calls are made with what `Login` or `Setup` answered. */
export function hold(answer: { apiToken: string }): void {
  bearer = answer.apiToken;
}

/** From now on calls prove nothing. */
export function drop(): void {
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
      drop();
      onEnd.forEach((then) => then());
    }
    throw error;
  }
};

/** What the caller may do, if the server tells. */
export function permissionsOf(answer: object): ReadonlySet<string> | undefined {
  const told = 'permissions' in answer ? answer.permissions : undefined;
  return Array.isArray(told) && told.length > 0 ? new Set(told.map(String)) : undefined;
}
