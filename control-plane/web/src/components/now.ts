// One clock for all that tells how long ago something was.
import { useSyncExternalStore } from 'react';

let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const readers = new Set<() => void>();

function subscribe(reader: () => void): () => void {
  readers.add(reader);
  timer ??= setInterval(() => {
    now = Date.now();
    readers.forEach((each) => each());
  }, 1000);
  return () => {
    readers.delete(reader);
    if (readers.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** The time now, in steps of `step` ms: who shows minutes need not be drawn each second. */
export function useNow(step = 1000): number {
  return useSyncExternalStore(subscribe, () => Math.ceil(now / step) * step);
}
