// How far an execution is: its stage, how much of how much, and how fast.
import type { ReactElement } from 'react';

import type { Execution } from '../../api/gen/dataguardian/v1/execution_pb';
import { Bar } from '../../components/Bar';
import { bytes, count, percent } from '../../format/size';
import { span } from '../../format/time';
import { humanize } from '../../format/words';

/** The part that is done, 0 to 1, if it can be told. */
export function partDone(execution: Execution): number | undefined {
  const { expectedRawBytes: whole, rawBytes, unmeasured } = execution.progress ?? {};
  if (whole === undefined || whole === 0n || rawBytes === undefined || unmeasured) return undefined;
  return Math.min(1, Number(rawBytes) / Number(whole));
}

interface ProgressProps {
  execution: Execution;
  rate?: number | undefined;
  remaining?: number | undefined;
  /** One line only, for lists. */
  brief?: boolean;
}

export function ProgressLine({ execution, rate, remaining, brief = false }: ProgressProps): ReactElement {
  const { progress } = execution;
  const part = partDone(execution);
  const stage = progress?.stage ? humanize(progress.stage) : 'Beginning';
  const parts = [
    part !== undefined && percent(part),
    progress && progress.rawBytes > 0n && amount(progress.rawBytes, progress.expectedRawBytes),
    !brief && progress && progress.rows > 0n && `${count(progress.rows)} rows`,
    !brief &&
      progress?.streamsTotal &&
      `${count(progress.streamsDone)} of ${count(progress.streamsTotal)} streams`,
    rate !== undefined && !progress?.unmeasured && `${bytes(rate)}/s`,
    remaining !== undefined && !progress?.unmeasured && `about ${span(remaining)} left`,
  ].filter((each) => typeof each === 'string');
  return (
    <div className="stack tight">
      <div className="row between small">
        <span>{stage}</span>
        <span className="dim">{parts.join(' · ')}</span>
      </div>
      <Bar part={part} label={`Progress: ${stage}`} />
    </div>
  );
}

function amount(done: bigint, whole: bigint | undefined): string {
  return whole !== undefined && whole >= done ? `${bytes(done)} of about ${bytes(whole)}` : bytes(done);
}
