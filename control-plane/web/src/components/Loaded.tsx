// What was read, or in its place that it is on its way or why it did not come.
import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactElement, ReactNode } from 'react';

import { ProblemNote } from './Problem';

interface LoadedProps<T> {
  query: UseQueryResult<T>;
  /** Lines to keep free while it is on its way, so that nothing jumps. */
  lines?: number;
  children: (data: T) => ReactNode;
}

export function Loaded<T>({ query, lines = 4, children }: LoadedProps<T>): ReactElement {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  if (query.error) {
    return (
      <div style={{ padding: 16 }}>
        <ProblemNote error={query.error} retry={() => void query.refetch()} />
      </div>
    );
  }
  return <Loading lines={lines} />;
}

const widths = ['60%', '85%', '45%', '70%', '55%'];

export function Loading({ lines = 4 }: { lines?: number }): ReactElement {
  return (
    <div className="loading" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, line) => (
        <div key={line} style={{ width: widths[line % widths.length] }} />
      ))}
    </div>
  );
}
