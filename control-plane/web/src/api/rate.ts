// How fast an execution goes, from what it has reported so far, and how long it will still take at that rate.

export interface Sample {
  /** Milliseconds since 1970. */
  at: number;
  bytes: number;
}

/** Samples of so long ago count no more. */
const WINDOW = 30_000;

/** The samples with one more. One that goes back, as another attempt's first, begins anew. */
export function withSample(samples: readonly Sample[], next: Sample): Sample[] {
  const last = samples.at(-1);
  if (last && next.bytes < last.bytes) return [next];
  if (last && next.bytes === last.bytes && next.at - last.at < 1000) return [...samples];
  return [...samples, next].filter((sample) => next.at - sample.at <= WINDOW);
}

/** Bytes in a second; undefined before there is anything to tell. */
export function rate(samples: readonly Sample[]): number | undefined {
  const [first, last] = [samples[0], samples.at(-1)];
  if (!first || !last || last.at - first.at < 1000) return undefined;
  return ((last.bytes - first.bytes) / (last.at - first.at)) * 1000;
}

/** Milliseconds until `whole` at this rate; undefined if it can't be told. */
export function remaining(samples: readonly Sample[], whole: number): number | undefined {
  const [speed, done] = [rate(samples), samples.at(-1)?.bytes];
  if (!speed || done === undefined || done >= whole) return undefined;
  return ((whole - done) / speed) * 1000;
}
