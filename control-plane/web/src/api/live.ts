// What one execution is, live: read once, then told by a stream at each change.
import { useQueryClient } from '@tanstack/react-query';
import type { UseQueryResult } from '@tanstack/react-query';
import { useRef, useState } from 'react';

import { hasEnded } from '../format/words';
import { keyOf, useRead } from './call';
import { ExecutionService } from './gen/dataguardian/v1/execution_pb';
import type { Execution, GetExecutionResponse } from './gen/dataguardian/v1/execution_pb';
import { findLines, noLog, withLines } from './log';
import type { Log } from './log';
import { rate, remaining, withSample } from './rate';
import type { Sample } from './rate';
import { useStream } from './stream';
import type { Line } from './stream';

export interface LiveExecution {
  query: UseQueryResult<GetExecutionResponse>;
  line: Line;
  /** Bytes of the database in a second. */
  rate: number | undefined;
  /** Milliseconds it will still take at that rate. */
  remaining: number | undefined;
}

export function useExecution(id: string): LiveExecution {
  const client = useQueryClient();
  const query = useRead(ExecutionService.method.getExecution, { id }, { enabled: id !== '' });
  const [speeds, setSpeeds] = useState<{ id: string; samples: Sample[] }>({ id, samples: [] });
  const known = query.data?.execution;
  const done = known !== undefined && hasEnded(known.state);
  const line = useStream(
    ExecutionService.method.watchExecution,
    id,
    {
      request: () => ({ id }),
      take: ({ execution }) => {
        if (!execution) return;
        const key = keyOf(ExecutionService.method.getExecution, { id });
        const before = client.getQueryData<GetExecutionResponse>(key);
        client.setQueryData<GetExecutionResponse>(key, {
          $typeName: 'dataguardian.v1.GetExecutionResponse',
          ...before,
          execution: newer(before?.execution, execution),
        });
        const bytes = Number(execution.progress?.rawBytes ?? 0n);
        const sample = { at: Date.now(), bytes };
        setSpeeds((old) => ({ id, samples: withSample(old.id === id ? old.samples : [], sample) }));
        // Lists and the overview show it as well.
        if (hasEnded(execution.state) && before?.execution && !hasEnded(before.execution.state))
          void client.invalidateQueries();
      },
      isDone: () => {
        const last = client.getQueryData<GetExecutionResponse>(
          keyOf(ExecutionService.method.getExecution, { id }),
        );
        return last?.execution !== undefined && hasEnded(last.execution.state);
      },
    },
    id !== '' && query.isSuccess && !done,
  );
  const whole = known?.progress?.expectedRawBytes;
  return {
    query,
    line: done ? 'over' : line,
    rate: done ? undefined : rate(speeds.samples),
    remaining: done || whole === undefined ? undefined : remaining(speeds.samples, Number(whole)),
  };
}

/** Of two reports the later one, whichever came first. */
export function newer(one: Execution | undefined, other: Execution): Execution {
  return one !== undefined && one.revision > other.revision ? one : other;
}

export interface LiveLog {
  log: Log;
  line: Line;
  found: (text: string) => number[];
}

/** The log of an execution as it grows. Mount it anew for another execution. */
export function useLog(executionId: string, ended: boolean): LiveLog {
  const [log, setLog] = useState<Log>(noLog);
  const latest = useRef<Log>(noLog);
  const line = useStream(ExecutionService.method.tailLogs, executionId, {
    request: () => ({ executionId, offset: BigInt(latest.current.lines.length), follow: true }),
    take: (message) => {
      latest.current = withLines(latest.current, message);
      setLog(latest.current);
    },
    isDone: () => ended,
  });
  return { log, line, found: (text) => findLines(log, text) };
}
