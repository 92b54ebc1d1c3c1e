// How calls prove who makes them: by a cookie that no script can read. The one place to change when the proof changes.
import type { Interceptor } from '@connectrpc/connect';
import { Code, ConnectError } from '@connectrpc/connect';

/** Remembers, for this browser, only whether somebody has signed in: it saves a question whose answer is known. */
const MARK = 'dataguardian-signed-in';
const onEnd = new Set<() => void>();
let signedIn = false;

/** What `Login` and `Setup` are asked besides: to answer with a cookie. */
export const signInOptions = { cookie: true };

/** From now on the browser sends the cookie that `Login` or `Setup` has set. */
export function hold(): void {
  signedIn = true;
  remember('1');
}

/** From now on calls prove nothing: the cookie is gone or counts no more. */
export function drop(): void {
  signedIn = false;
  remember(undefined);
}

/** Whether calls could be proven without asking anybody to sign in. */
export function mayBeSignedIn(): boolean {
  try {
    return localStorage.getItem(MARK) !== null;
  } catch {
    return true;
  }
}

function remember(value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(MARK);
    else localStorage.setItem(MARK, value);
  } catch {
    // Where a browser keeps nothing, the server is asked each time.
  }
}

/** Calls `then` whenever the server says that the sign-in is over; the answer takes it off again. */
export function whenSignInEnds(then: () => void): () => void {
  onEnd.add(then);
  return () => onEnd.delete(then);
}

/** Lets the cookie count, which it does only with this header, and notices when it counts no more. */
export const proof: Interceptor = (next) => async (request) => {
  request.header.set('x-dg-csrf', '1');
  try {
    return await next(request);
  } catch (error) {
    if (ConnectError.from(error).code === Code.Unauthenticated && signedIn) {
      drop();
      onEnd.forEach((then) => then());
    }
    throw error;
  }
};
