// A question before something that can't be taken back. The gravest ones want a word typed.
import { Button, Modal, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement, ReactNode } from 'react';

import { ProblemNote } from './Problem';

interface ConfirmProps {
  title: string;
  children: ReactNode;
  /** What the button says: the deed itself. */
  deed: string;
  danger?: boolean;
  /** What has to be typed first. */
  typed?: string;
  pending: boolean;
  error: unknown;
  onConfirm: () => void;
  onClose: () => void;
}

export function Confirm(props: ConfirmProps): ReactElement {
  const [text, setText] = useState('');
  const ready = props.typed === undefined || text.trim() === props.typed;
  return (
    <Sheet title={props.title} onClose={props.onClose}>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault();
          if (ready && !props.pending) props.onConfirm();
        }}
      >
        <div className="stack">{props.children}</div>
        {props.typed !== undefined && (
          <TextInput
            label={
              <>
                Type <code>{props.typed}</code> to confirm
              </>
            }
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            autoComplete="off"
            data-autofocus
          />
        )}
        {props.error ? <ProblemNote error={props.error} /> : null}
        <div className="row" style={{ justifyContent: 'flex-end' }}>
          <Button variant="default" onClick={props.onClose}>
            Leave it
          </Button>
          <Button
            type="submit"
            className={props.danger ? 'danger' : ''}
            disabled={!ready}
            loading={props.pending}
          >
            {props.deed}
          </Button>
        </div>
      </form>
    </Sheet>
  );
}

/** A dialog over the page. */
export function Sheet({
  title,
  onClose,
  children,
}: {
  title: string;
  onClose: () => void;
  children: ReactNode;
}): ReactElement {
  // The page behind stays scrollable: locking it would need a style put in by a script.
  return (
    <Modal
      opened
      onClose={onClose}
      title={<strong>{title}</strong>}
      lockScroll={false}
      centered
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      {children}
    </Modal>
  );
}
