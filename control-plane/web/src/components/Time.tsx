// A moment: how long ago, and when exactly.
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import type { ReactElement } from 'react';

import { absolute, exact, millis, relative } from '../format/time';
import { useNow } from './now';

interface TimeProps {
  at: Timestamp | undefined;
  /** What is said where there is no such moment. */
  none?: string;
  /** Say the date and time beside how long ago it was. */
  both?: boolean;
}

export function Time({ at, none = '–', both = false }: TimeProps): ReactElement {
  const now = useNow();
  if (!at) return <span className="dim">{none}</span>;
  const moment = millis(at);
  return (
    <time dateTime={new Date(moment).toISOString()} title={exact(moment)}>
      {both ? `${absolute(moment, now)} (${relative(moment, now)})` : relative(moment, now)}
    </time>
  );
}
