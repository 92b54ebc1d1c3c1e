// A page's head and its parts.
import { useEffect, useRef } from 'react';
import type { ReactElement, ReactNode } from 'react';
import { Link } from 'wouter';

import { Icon } from './Icon';

interface PageProps {
  title: string;
  /** In place of the title where it is more than text. */
  head?: ReactNode;
  lead?: ReactNode;
  /** Where this page is a part of: path and name. */
  back?: readonly [path: string, name: string];
  actions?: ReactNode;
  children: ReactNode;
}

// Whoever goes back finds the page where it was left; a new one begins at its top.
let wentBack = false;
window.addEventListener('popstate', () => {
  wentBack = true;
});

export function Page({ title, head, lead, back, actions, children }: PageProps): ReactElement {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · DataGuardian`;
  }, [title]);
  // Whoever goes to another page by keyboard starts at its top.
  useEffect(() => {
    heading.current?.focus({ preventScroll: true });
    if (!wentBack) window.scrollTo(0, 0);
    wentBack = false;
  }, []);
  return (
    <>
      {back && (
        <Link href={back[0]} className="back">
          <Icon name="left" size={14} />
          {back[1]}
        </Link>
      )}
      <div className="page-head">
        <div className="grow">
          <h1 ref={heading} tabIndex={-1}>
            {head ?? title}
          </h1>
          {lead && <div className="lead">{lead}</div>}
        </div>
        {actions && <div className="row">{actions}</div>}
      </div>
      {children}
    </>
  );
}

interface PanelProps {
  title?: ReactNode;
  actions?: ReactNode;
  /** Without a margin around its content, as for tables. */
  flush?: boolean;
  children: ReactNode;
}

export function Panel({ title, actions, flush = false, children }: PanelProps): ReactElement {
  return (
    <section className="panel">
      {(title || actions) && (
        <header>
          <h2>{title}</h2>
          {actions}
        </header>
      )}
      <div className={flush ? 'flush' : 'body'}>{children}</div>
    </section>
  );
}

/** Names and values; what has no value is left out. */
export function Facts({ of }: { of: readonly (readonly [name: string, value: ReactNode])[] }): ReactElement {
  const shown = of.filter(
    ([, value]) => value !== undefined && value !== null && value !== '' && value !== false,
  );
  return (
    <dl className="facts">
      {shown.map(([name, value]) => (
        <div key={name} style={{ display: 'contents' }}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** In place of a list that is empty: what would be here, and how it gets here. */
export function Empty({
  title,
  children,
  action,
}: {
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}): ReactElement {
  return (
    <div className="empty">
      <strong>{title}</strong>
      {children && <p>{children}</p>}
      {action}
    </div>
  );
}
