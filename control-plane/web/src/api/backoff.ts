// How long to wait before a stream is opened again.

/** Milliseconds before try number `failures`, counted from 1: half a second, doubled up to 15 s, a fifth more or less by `chance`. */
export function backoff(failures: number, chance: number = Math.random()): number {
  const plain = Math.min(500 * 2 ** Math.max(0, failures - 1), 15_000);
  return Math.round(plain * (0.8 + 0.4 * chance));
}

/** Waits, unless told to stop. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
