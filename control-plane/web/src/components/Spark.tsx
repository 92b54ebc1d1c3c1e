// A small line over time, without axes: what it ends with stands beside it in words.
import type { ReactElement } from 'react';

interface SparkProps {
  values: readonly number[];
  /** What the top of the picture stands for; the greatest value if absent. */
  top?: number;
  label: string;
}

export function Spark({ values, top, label }: SparkProps): ReactElement {
  const high = Math.max(top ?? 0, ...values, 1e-9);
  const x = (place: number) => (values.length < 2 ? 100 : (place / (values.length - 1)) * 100);
  const y = (value: number) => 30 - (value / high) * 28;
  const line = values
    .map((value, place) => `${place === 0 ? 'M' : 'L'}${x(place).toFixed(2)} ${y(value).toFixed(2)}`)
    .join('');
  return (
    <svg className="spark" viewBox="0 0 100 32" preserveAspectRatio="none" role="img" aria-label={label}>
      {values.length > 1 && (
        <>
          <path className="area" d={`${line}L100 32L0 32Z`} />
          <path d={line} />
        </>
      )}
    </svg>
  );
}
