// Tables: dense on wide screens; on phones each row becomes a card, with the columns' names beside the values.
import { Button } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement, ReactNode } from 'react';
import { Link } from 'wouter';

export interface Column<T> {
  head: string;
  cell: (row: T) => ReactNode;
  align?: 'end';
  /** The column that says what the row is: on phones it stands above the others. */
  main?: boolean;
}

interface TableProps<T> {
  /** What the table holds, for those who can't see it. */
  label: string;
  columns: readonly (Column<T> | false)[];
  rows: readonly T[];
  id: (row: T) => string;
  empty?: ReactNode;
}

export function Table<T>({ label, columns, rows, id, empty }: TableProps<T>): ReactElement {
  if (rows.length === 0 && empty) return <>{empty}</>;
  const shown = columns.filter((column) => column !== false);
  // Roles are named, since browsers take them away from what is laid out as cards.
  return (
    <table className="table cards" role="table" aria-label={label}>
      <thead role="rowgroup">
        <tr role="row">
          {shown.map((column, place) => (
            <th key={place} role="columnheader" scope="col" data-align={column.align}>
              {column.head || <span className="hidden">Actions</span>}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr key={id(row)} role="row">
            {shown.map((column, place) => (
              <Cell key={place} column={column} row={row} />
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Cell<T>({ column, row }: { column: Column<T>; row: T }): ReactElement {
  const content = column.cell(row);
  const empty = content === undefined || content === null || content === '' || content === false;
  return (
    <td
      role="cell"
      data-label={column.head}
      data-align={column.align}
      {...(column.main ? { 'data-main': true } : {})}
      {...(empty ? { 'data-empty': true } : {})}
    >
      <div className="cell">{content}</div>
    </td>
  );
}

/** The link that the whole row stands for. */
export function RowLink({ to, children }: { to: string; children: ReactNode }): ReactElement {
  return (
    <Link href={to} className="cover">
      {children}
    </Link>
  );
}

/** The button that the whole row stands for, where what it opens has no address of its own. */
export function RowButton({ onClick, children }: { onClick: () => void; children: ReactNode }): ReactElement {
  return (
    <button type="button" className="cover plain" onClick={onClick}>
      {children}
    </button>
  );
}

export interface Pages {
  token: string;
  isFirst: boolean;
  newer: () => void;
  older: (next: string) => void;
  first: () => void;
}

/** Steps through a list that the server gives page by page. Begins anew whenever `filter` is another one. */
export function usePages(filter = ''): Pages {
  const [state, setState] = useState({ filter, tokens: [''] });
  const tokens = state.filter === filter ? state.tokens : [''];
  return {
    token: tokens.at(-1) ?? '',
    isFirst: tokens.length === 1,
    newer: () => setState({ filter, tokens: tokens.slice(0, -1) }),
    older: (next) => setState({ filter, tokens: [...tokens, next] }),
    first: () => setState({ filter, tokens: [''] }),
  };
}

/** Shown only where there is more than one page. */
export function Pager({
  pages,
  next,
  words = ['Newer', 'Older'],
}: {
  pages: Pages;
  next: string;
  words?: [string, string];
}): ReactElement | null {
  if (pages.isFirst && next === '') return null;
  return (
    <nav className="pager" aria-label="Pages">
      <Button variant="default" size="xs" disabled={pages.isFirst} onClick={pages.newer}>
        {words[0]}
      </Button>
      <Button variant="default" size="xs" disabled={next === ''} onClick={() => pages.older(next)}>
        {words[1]}
      </Button>
    </nav>
  );
}
