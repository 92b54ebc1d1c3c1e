// Calls as React sees them: what is read is cached by method and request, what is changed makes what was read stale.
import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { UseMutationResult, UseQueryResult } from '@tanstack/react-query';

import { transport } from './transport';

/** Calls a method once. */
export async function call<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  input: MessageInitShape<I>,
  signal?: AbortSignal,
): Promise<MessageShape<O>> {
  const answer = await transport.unary(method, signal, 60_000, undefined, input);
  return answer.message;
}

/** The key of what a method answers to a request. */
export function keyOf<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  input?: MessageInitShape<I>,
): unknown[] {
  const whole = [method.parent.typeName, method.name];
  return input === undefined ? whole : [...whole, input];
}

export interface ReadOptions {
  /** Read anew each so many milliseconds; for what no stream tells of. */
  every?: number | undefined;
  enabled?: boolean;
  /** Show the last answer while that to another request is on its way. */
  keep?: boolean;
}

/** What a method answers, kept fresh. */
export function useRead<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  input: MessageInitShape<I>,
  options: ReadOptions = {},
): UseQueryResult<MessageShape<O>> {
  return useQuery({
    queryKey: keyOf(method, input),
    queryFn: ({ signal }) => call(method, input, signal),
    refetchInterval: options.every ?? false,
    enabled: options.enabled ?? true,
    ...(options.keep ? { placeholderData: keepPreviousData } : {}),
  });
}

/** Calls a method that changes something; all that is shown is read anew afterwards. */
export function useChange<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
): UseMutationResult<MessageShape<O>, Error, MessageInitShape<I>> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (input: MessageInitShape<I>) => call(method, input),
    onSuccess: () => {
      void client.invalidateQueries();
    },
  });
}
