// Streams that open themselves again when they break off, until their reader has all or goes away.
import type {
  DescMessage,
  DescMethodServerStreaming,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { useEffect, useEffectEvent, useState } from 'react';

import { backoff, pause } from './backoff';
import { transport } from './transport';

/** How a stream is: `live` while it is open, `lost` while it is tried again, `over` when nothing more comes. */
export type Line = 'opening' | 'live' | 'lost' | 'over';

export interface Reader<I extends DescMessage, O extends DescMessage> {
  /** What to ask for now: after a break, only what is not there yet. */
  request: () => MessageInitShape<I>;
  take: (message: MessageShape<O>) => void;
  /** Whether all is there, so that an end is the end and no break. */
  isDone: () => boolean;
}

const final: Code[] = [
  Code.NotFound,
  Code.PermissionDenied,
  Code.Unauthenticated,
  Code.InvalidArgument,
  Code.Unimplemented,
];

/** Reads a stream to its end, through breaks. */
export async function follow<I extends DescMessage, O extends DescMessage>(
  method: DescMethodServerStreaming<I, O>,
  reader: Reader<I, O>,
  signal: AbortSignal,
  tell: (line: Line) => void,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    try {
      const request = reader.request();
      const one = (async function* () {
        yield request;
      })();
      const answer = await transport.stream(method, signal, undefined, undefined, one);
      tell('live');
      for await (const message of answer.message) {
        failures = 0;
        reader.take(message);
      }
      if (reader.isDone()) return tell('over');
    } catch (error) {
      if (signal.aborted) return;
      if (final.includes(ConnectError.from(error).code)) return tell('over');
    }
    failures += 1;
    if (failures > 1) tell('lost');
    await pause(backoff(failures), signal);
  }
}

/** Reads a stream as long as the component is shown; `key` says when it is another one. */
export function useStream<I extends DescMessage, O extends DescMessage>(
  method: DescMethodServerStreaming<I, O>,
  key: string,
  reader: Reader<I, O>,
  enabled = true,
): Line {
  const [line, setLine] = useState<Line>('opening');
  const request = useEffectEvent(() => reader.request());
  const take = useEffectEvent((message: MessageShape<O>) => reader.take(message));
  const isDone = useEffectEvent(() => reader.isDone());
  useEffect(() => {
    if (!enabled) return;
    const stop = new AbortController();
    void follow(
      method,
      { request: () => request(), take: (m) => take(m), isDone: () => isDone() },
      stop.signal,
      setLine,
    );
    return () => stop.abort();
  }, [method, key, enabled]);
  return line;
}
