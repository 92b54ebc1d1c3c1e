// How far something is: a bar with its words, or one that only says that it goes on.
import type { ReactElement } from 'react';

import { percent } from '../format/size';

export function Bar({ part, label }: { part: number | undefined; label: string }): ReactElement {
  if (part === undefined) {
    return (
      <div className="bar" data-open role="progressbar" aria-label={label}>
        <div />
      </div>
    );
  }
  const width = `${Math.min(100, part * 100)}%`;
  return (
    <div
      className="bar"
      role="progressbar"
      aria-label={label}
      aria-valuenow={Math.round(part * 100)}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuetext={percent(part)}
    >
      <div style={{ width }} />
    </div>
  );
}
