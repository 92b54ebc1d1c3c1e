// The last weeks at a glance: on which days backups were made, and on which none.
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import type { ReactElement } from 'react';

import { useNow } from '../../components/now';
import { plural } from '../../format/size';
import { weeks } from './calendar';
import './calendar.css';

const WEEKS = 5;
const names = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

export function Calendar({ made }: { made: readonly (Timestamp | undefined)[] }): ReactElement {
  const now = useNow(60_000);
  const label = new Intl.DateTimeFormat('en-GB', { weekday: 'long', day: 'numeric', month: 'long' });
  return (
    <table className="calendar" aria-label={`Backups of the last ${WEEKS} weeks by day`}>
      <thead>
        <tr>
          {names.map((name) => (
            <th key={name} scope="col">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {weeks(made, now, WEEKS).map((week) => (
          <tr key={week[0]?.start.toDateString()}>
            {week.map((day) => (
              <td
                key={day.start.toDateString()}
                title={day.isFuture ? '' : `${label.format(day.start)}: ${plural(day.backups, 'backup')}`}
                {...(day.backups > 0 ? { 'data-made': true } : {})}
                {...(day.isFuture ? { 'data-future': true } : {})}
              >
                <span className="day">{day.start.getDate()}</span>
                <span className="made">{day.isFuture ? '' : day.backups > 0 ? day.backups : '–'}</span>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
