// The log of an execution: it follows what comes, until somebody scrolls back, and can be searched.
import { Button, Checkbox, TextInput } from '@mantine/core';
import { useLayoutEffect, useRef, useState } from 'react';
import type { ReactElement, UIEvent } from 'react';

import { LogLevel } from '../../api/gen/dataguardian/v1/execution_pb';
import type { LogLine } from '../../api/gen/dataguardian/v1/execution_pb';
import { useLog } from '../../api/live';
import { Panel } from '../../components/Page';
import { clock, exact, millis } from '../../format/time';
import { visibleLines } from './window';
import './log.css';

/** The height of a line in CSS pixels; lines do not wrap, so that any number of them scrolls smoothly. */
const LINE = 20;
/** The height of the log in CSS pixels: so much is kept free while lines may come. */
const TALL = 400;

export function LogView({ executionId, ended }: { executionId: string; ended: boolean }): ReactElement {
  const { log, line, found } = useLog(executionId, ended);
  const [search, setSearch] = useState('');
  const [current, setCurrent] = useState(0);
  const [follows, setFollows] = useState(true);
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: TALL });
  const hits = found(search);
  const hit = hits[Math.min(current, hits.length - 1)];

  useLayoutEffect(() => {
    if (follows && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [log.lines.length, follows]);

  const onScroll = (event: UIEvent<HTMLDivElement>) => {
    const { scrollTop, clientHeight, scrollHeight } = event.currentTarget;
    setView({ top: scrollTop, height: clientHeight });
    setFollows(scrollTop + clientHeight >= scrollHeight - LINE);
  };
  const goTo = (place: number) => {
    const next = (place + hits.length) % Math.max(1, hits.length);
    setCurrent(next);
    setFollows(false);
    const number = hits[next];
    if (box.current && number !== undefined)
      box.current.scrollTop = number * LINE - box.current.clientHeight / 2;
  };

  const { first, last } = visibleLines(view.top, view.height, LINE, log.lines.length);
  const isOver = line === 'over' || ended;
  return (
    <Panel
      flush
      title="Log"
      actions={
        <form
          className="row"
          role="search"
          onSubmit={(event) => {
            event.preventDefault();
            goTo(current + 1);
          }}
        >
          {search !== '' && (
            <span className="dim small" role="status">
              {hits.length === 0
                ? 'not found'
                : `${Math.min(current, hits.length - 1) + 1} of ${hits.length}`}
            </span>
          )}
          <TextInput
            size="xs"
            aria-label="Search in the log"
            placeholder="Search"
            value={search}
            onChange={(event) => {
              setSearch(event.currentTarget.value);
              setCurrent(-1);
            }}
          />
          <Button size="xs" variant="default" type="submit" disabled={hits.length === 0}>
            Next
          </Button>
          {!isOver && (
            <Checkbox
              size="xs"
              label="Follow"
              checked={follows}
              onChange={(event) => setFollows(event.currentTarget.checked)}
            />
          )}
        </form>
      }
    >
      <div
        className="log"
        style={{ height: isOver ? Math.min(TALL, Math.max(3, log.lines.length + 1) * LINE) : TALL }}
        ref={box}
        onScroll={onScroll}
        tabIndex={0}
        role="log"
        aria-label="Log lines"
        aria-live="off"
      >
        {log.lines.length === 0 ? (
          <p className="dim log-none">
            {isOver ? 'It wrote nothing.' : 'Lines appear here as soon as the agent begins.'}
          </p>
        ) : (
          <div style={{ height: log.lines.length * LINE, position: 'relative' }}>
            <div style={{ position: 'absolute', top: first * LINE, left: 0, minWidth: '100%' }}>
              {log.lines.slice(first, last).map((each, place) => (
                <Row key={first + place} line={each} isHit={first + place === hit} />
              ))}
            </div>
          </div>
        )}
      </div>
      {line === 'lost' && (
        <p className="log-note small" role="status">
          The line broke off; it is tried again by itself.
        </p>
      )}
    </Panel>
  );
}

const levels: Record<number, string> = { [LogLevel.WARN]: 'warn', [LogLevel.ERROR]: 'bad' };

function Row({ line, isHit }: { line: LogLine; isHit: boolean }): ReactElement {
  const at = line.time ? millis(line.time) : 0;
  const tone = levels[line.level];
  return (
    <div
      className="log-line"
      {...(tone ? { 'data-tone': tone } : {})}
      {...(isHit ? { 'data-hit': true } : {})}
    >
      <span className="dim" title={exact(at)}>
        {clock(at)}
      </span>{' '}
      {tone && <span className="log-level">{tone === 'bad' ? 'ERROR ' : 'WARN '}</span>}
      {line.message}
    </div>
  );
}
