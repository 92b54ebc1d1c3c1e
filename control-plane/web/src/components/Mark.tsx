// A state: a word, a shape and a colour that say the same.
import type { ReactElement } from 'react';

import type { Told, Tone } from '../format/words';
import { Icon } from './Icon';
import type { IconName } from './Icon';

const shapes: Record<Tone, IconName> = {
  good: 'check',
  warn: 'alert',
  bad: 'cross',
  busy: 'spin',
  quiet: 'dash',
};

export function Mark({ told, pill = false }: { told: Told; pill?: boolean }): ReactElement {
  const [text, tone] = told;
  return (
    <span className={pill ? 'mark pill' : 'mark'} data-tone={tone}>
      <Icon name={shapes[tone]} size={14} />
      {text}
    </span>
  );
}
