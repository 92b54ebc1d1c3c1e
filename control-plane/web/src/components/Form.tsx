// What forms have in common: fields that show the server's word about them, and an end with its button.
import { Button } from '@mantine/core';
import type { FormEvent, ReactElement, ReactNode } from 'react';
import { Link } from 'wouter';

import { problemOf } from '../api/problem';
import { ProblemNote } from './Problem';

interface FormProps {
  /** What the button says. */
  deed: string;
  pending: boolean;
  error: unknown;
  /** Where to go without doing it. */
  cancel: string;
  onSubmit: () => void;
  children: ReactNode;
}

export function Form({ deed, pending, error, cancel, onSubmit, children }: FormProps): ReactElement {
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!pending) onSubmit();
  };
  return (
    <form className="form" onSubmit={submit}>
      {children}
      {error ? <ProblemNote error={error} /> : null}
      <div className="row">
        <Button type="submit" loading={pending}>
          {deed}
        </Button>
        <Button component={Link} href={cancel} variant="subtle">
          Cancel
        </Button>
      </div>
    </form>
  );
}

/** What the server says about a field of the last request. */
export function fieldErrors(error: unknown): (field: string) => string | undefined {
  const fields = error ? problemOf(error).fields : {};
  return (field) => fields[field];
}
