// Small pictures, drawn here so that nothing is loaded for them. They say nothing that a word beside them does not say.
import type { ReactElement } from 'react';

const paths = {
  check: 'm5 12.5 4.5 4.5L19 7.5',
  cross: 'M7 7l10 10M17 7 7 17',
  alert: 'M12 8v5m0 3.2v.1M12 3.5 2.8 19.5h18.4z',
  clock: 'M12 7.5V12l3 2M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z',
  spin: 'M12 3.5a8.5 8.5 0 1 0 8.5 8.5',
  dash: 'M7 12h10',
  home: 'M4 11 12 4l8 7v8.5h-5.5v-6h-5v6H4z',
  runs: 'M4 6h16M4 12h16M4 18h10',
  archive: 'M4 8.5h16V20H4zM3 4h18v4.5H3zM10 12.5h4',
  calendar: 'M4 6h16v14H4zM4 10.5h16M8.5 3.5V7M15.5 3.5V7',
  database: 'M5 6.5c0-4 14-4 14 0v11c0 4-14 4-14 0zM5 6.5c0 4 14 4 14 0M5 12c0 4 14 4 14 0',
  disk: 'M4 14.5 7 5h10l3 9.5V20H4zM4 14.5h16M16 17.3h.1',
  agent: 'M5 4.5h14v6H5zM5 13.5h14v6H5zM8.5 7.5h.1M8.5 16.5h.1',
  bell: 'M6 17V11a6 6 0 0 1 12 0v6l1.5 1.5h-15zM10 21h4',
  list: 'M8.5 6H20M8.5 12H20M8.5 18H20M4 6h.1M4 12h.1M4 18h.1',
  gear: 'M12 8.8a3.2 3.2 0 1 0 0 6.4 3.2 3.2 0 0 0 0-6.4zM12 3v3m0 12v3M3 12h3m12 0h3M5.6 5.6l2.2 2.2m8.4 8.4 2.2 2.2M5.6 18.4l2.2-2.2m8.4-8.4 2.2-2.2',
  people:
    'M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c0-4 2.5-6 6.5-6s6.5 2 6.5 6M16 4.8a3.5 3.5 0 0 1 0 6.4M18 14.3c2.3.7 3.5 2.7 3.5 5.7',
  key: 'M8 19a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM11 12l8.5-8.5M16 7l3 3',
  shield: 'M12 3 4.5 6v5.5c0 4.6 3 8 7.5 9.7 4.5-1.7 7.5-5.1 7.5-9.700V6zM8.5 12l2.7 2.700L16 9.5',
  menu: 'M4 7h16M4 12h16M4 17h16',
  left: 'm14.5 6-6 6 6 6',
  copy: 'M9 9h11v11H9zM15 9V4H4v11h5',
  down: 'M12 4v11m-5-4.5 5 5 5-5M5 20h14',
  pin: 'M9 4h6l-.7 6 3.2 3.500H6.500L9.7 10zM12 13.500V21',
  more: 'M5.5 12h.1M12 12h.1M18.5 12h.1',
  person: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.500c0-4.5 3-6.5 7.5-6.500s7.5 2 7.5 6.5',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }): ReactElement {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="2"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      className={name === 'spin' ? 'turning' : undefined}
    >
      <path d={paths[name]} />
    </svg>
  );
}
