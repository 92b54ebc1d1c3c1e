// Sizes and counts for people.

const steps = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** `1.4 GiB`: three digits at most, units of 1024. */
export function bytes(size: bigint | number): string {
  let value = Number(size);
  let step = 0;
  while (value >= 1023.5 && step < steps.length - 1) {
    value /= 1024;
    step += 1;
  }
  const digits = step === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${steps[step]}`;
}

/** `1,234,567`. */
export function count(value: bigint | number): string {
  return new Intl.NumberFormat('en').format(value);
}

/** `1 table`, `3 tables`. */
export function plural(value: bigint | number, one: string, many = `${one}s`): string {
  return `${count(value)} ${Number(value) === 1 ? one : many}`;
}

/** `42 %`, and never 100 before all is done. */
export function percent(part: number): string {
  const hundred = part * 100;
  return `${hundred >= 100 ? 100 : Math.min(99, Math.floor(hundred))} %`;
}
