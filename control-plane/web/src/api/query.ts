// The cache of what was read, and when a read is tried again.
import { QueryClient } from '@tanstack/react-query';

import { isPassing } from './problem';

/** The text that a request is known by; 64-bit numbers are no JSON. */
function hash(key: readonly unknown[]): string {
  return JSON.stringify(key, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));
}

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      queryKeyHashFn: hash,
      staleTime: 2_000,
      retry: (count, error) => count < 2 && isPassing(error),
      retryDelay: (count) => 500 * 2 ** count,
      // What fails is asked again as long as it is looked at, by those that read from time to time.
      refetchOnWindowFocus: true,
    },
    mutations: { retry: false },
  },
});
