// What went wrong, with the reason's name and what to do next.
import { Button } from '@mantine/core';
import type { ReactElement, ReactNode } from 'react';

import type { Failure } from '../api/gen/dataguardian/v1/common_pb';
import { problemOf } from '../api/problem';
import type { Tone } from '../format/words';

interface NoteProps {
  tone: Tone;
  title?: ReactNode;
  advice?: ReactNode;
  reason?: string;
  children?: ReactNode;
  /** Whether it is to be read out at once. */
  urgent?: boolean;
}

/** A framed remark in the tone of a state. */
export function Note({ tone, title, advice, reason, children, urgent = false }: NoteProps): ReactElement {
  return (
    <div className="note" data-tone={tone} {...(urgent ? { role: 'alert' } : {})}>
      {title && <strong>{title}</strong>}
      {children && <div>{children}</div>}
      {advice && <div className="advice">{advice}</div>}
      {reason && <div className="reason mono">{reason}</div>}
    </div>
  );
}

/** A call that failed. */
export function ProblemNote({ error, retry }: { error: unknown; retry?: () => void }): ReactElement {
  const problem = problemOf(error);
  return (
    <Note tone="bad" title={problem.message} reason={problem.reason} urgent>
      {retry && (
        <Button size="compact-sm" variant="default" mt={8} onClick={retry}>
          Try again
        </Button>
      )}
    </Note>
  );
}

/** A failure that the server wrote down. */
export function FailureNote({ failure, tone = 'bad' }: { failure: Failure; tone?: Tone }): ReactElement {
  return <Note tone={tone} title={failure.message} advice={failure.advice} reason={failure.reason} />;
}
