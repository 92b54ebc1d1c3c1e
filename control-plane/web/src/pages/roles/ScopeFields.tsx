// Over what a role is to be given: everything, or one thing.
import { NativeSelect } from '@mantine/core';
import type { ReactElement } from 'react';

import { ScopeKind } from '../../api/gen/dataguardian/v1/access_pb';
import { scopeKinds } from './scopes';
import type { Things } from './scopes';

export interface ScopeChoice {
  kind: ScopeKind;
  /** The thing's name. */
  resource: string;
}

export const everything: ScopeChoice = { kind: ScopeKind.UNSPECIFIED, resource: '' };

interface ScopeFieldsProps {
  choice: ScopeChoice;
  things: Things;
  set: (choice: ScopeChoice) => void;
  error?: string | undefined;
}

export function ScopeFields({ choice, things, set, error }: ScopeFieldsProps): ReactElement {
  const choose = (kind: ScopeKind) => set({ kind, resource: things[kind]?.[0]?.name ?? '' });
  const kinds = Object.entries(scopeKinds).filter(
    ([kind]) => (things[Number(kind) as ScopeKind]?.length ?? 0) > 0,
  );
  return (
    <>
      <NativeSelect
        label="Over"
        value={choice.kind}
        error={choice.kind ? undefined : error}
        onChange={(event) => choose(Number(event.currentTarget.value) as ScopeKind)}
      >
        <option value={ScopeKind.UNSPECIFIED}>Everything</option>
        {kinds.map(([kind, name]) => (
          <option key={kind} value={kind}>
            One {name}
          </option>
        ))}
      </NativeSelect>
      {choice.kind !== ScopeKind.UNSPECIFIED && (
        <NativeSelect
          label="Which one"
          value={choice.resource}
          error={error}
          onChange={(event) => set({ ...choice, resource: event.currentTarget.value })}
          data={(things[choice.kind] ?? []).map(({ name }) => name)}
        />
      )}
    </>
  );
}

/** The same as the API takes it: nothing for everything. */
export function toScope(choice: ScopeChoice): { scope?: ScopeChoice } {
  return choice.kind === ScopeKind.UNSPECIFIED ? {} : { scope: choice };
}
