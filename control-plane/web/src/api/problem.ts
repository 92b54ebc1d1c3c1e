// What went wrong with a call, as people are shown it: the server's reason, its sentence and the fields it names.
import { Code, ConnectError } from '@connectrpc/connect';

import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from './gen/google/rpc/error_details_pb';

export interface Problem {
  /** A stable name, such as `JOB_NOT_FOUND`. */
  reason: string;
  /** One sentence, with the next step where there is one. */
  message: string;
  /** What is wrong with which field, by the field's path in the request. */
  fields: Record<string, string>;
  code: Code;
  /** After so many seconds trying again may help. */
  retryAfter?: number;
}

const byCode: Partial<Record<Code, [string, string]>> = {
  [Code.Unauthenticated]: ['SIGNED_OUT', 'Your sign-in is over. Sign in again.'],
  [Code.PermissionDenied]: [
    'PERMISSION_DENIED',
    'You are not allowed to do this. An administrator can change that.',
  ],
};

/** Reads whatever a call threw. */
export function problemOf(thrown: unknown): Problem {
  const error = ConnectError.from(thrown);
  const info = error.findDetails(ErrorInfoSchema)[0];
  const bad = error.findDetails(BadRequestSchema)[0];
  const retry = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  const fields: Record<string, string> = {};
  for (const { field, description } of bad?.fieldViolations ?? []) fields[field] ??= description;
  const unreached = info === undefined && isUnreached(error);
  const [reason, message] = unreached
    ? ['NO_ANSWER', 'The control plane does not answer. This page goes on by itself as soon as it does.']
    : [
        info?.reason || byCode[error.code]?.[0] || Code[error.code].toUpperCase(),
        error.rawMessage || byCode[error.code]?.[1] || 'The server gave no particulars; its log has them.',
      ];
  return {
    reason,
    message,
    fields,
    code: error.code,
    ...(retry ? { retryAfter: Math.max(1, Number(retry.seconds)) } : {}),
  };
}

/** Whether the call did not come to a server of ours: the network is down, or a proxy answered. */
function isUnreached(error: ConnectError): boolean {
  return error.code === Code.Unavailable || error.code === Code.Unknown || error.code === Code.Internal;
}

/** Whether the same call may succeed later without anybody changing anything. */
export function isPassing(thrown: unknown): boolean {
  const { code } = ConnectError.from(thrown);
  return code === Code.Unavailable || code === Code.Unknown || code === Code.DeadlineExceeded;
}
