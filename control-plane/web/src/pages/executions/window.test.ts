// However long a log is, only what is in sight is drawn.
import { expect, it } from 'vitest';

import { visibleLines } from './window';

it('draws what is in sight and a little around it', () => {
  expect(visibleLines(10_000, 400, 20, 100_000)).toEqual({ first: 480, last: 540 });
  expect(visibleLines(0, 400, 20, 5)).toEqual({ first: 0, last: 5 });
  expect(visibleLines(0, 400, 20, 0)).toEqual({ first: 0, last: 0 });
});

it('draws the end when the list has become shorter than the place looked at', () => {
  expect(visibleLines(10_000, 400, 20, 100)).toEqual({ first: 79, last: 100 });
});
