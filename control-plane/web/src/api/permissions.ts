// What the caller may do. Each method says in its own options which permission it needs, so a button asks by the method it calls.
import { getOption } from '@bufbuild/protobuf';
import type { DescMethod } from '@bufbuild/protobuf';
import { createContext, useContext } from 'react';

import { permission } from './gen/dataguardian/v1/options_pb';

/** The caller's permissions; undefined where the server does not tell, and then everything is shown. */
export const Permissions = createContext<ReadonlySet<string> | undefined>(undefined);

/** What whoever is signed in may do; undefined where the server does not tell. */
export function usePermissions(): ReadonlySet<string> | undefined {
  return useContext(Permissions);
}

/** Whether somebody with these permissions may call the method. */
export function mayCall(granted: ReadonlySet<string> | undefined, method: DescMethod): boolean {
  const needed = getOption(method, permission);
  return (
    granted === undefined ||
    needed === 'open' ||
    needed === 'auth.self' ||
    granted.has(needed) ||
    granted.has('*')
  );
}

/** Tells of methods whether the caller may call them. */
export function useMay(): (method: DescMethod) => boolean {
  const granted = useContext(Permissions);
  return (method) => mayCall(granted, method);
}
