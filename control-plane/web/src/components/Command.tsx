// A line to copy and paste.
import { Button } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';

import { Icon } from './Icon';

export function Command({ text, label = 'Copy' }: { text: string; label?: string }): ReactElement {
  const [copied, setCopied] = useState(false);
  const copy = () => {
    // Not there on pages that are not served securely: then it is selected by hand.
    void navigator.clipboard?.writeText(text).then(() => {
      setCopied(true);
      setTimeout(() => setCopied(false), 2000);
    });
  };
  return (
    <div className="command">
      <code>{text}</code>
      {'clipboard' in navigator && (
        <Button
          variant="default"
          size="compact-sm"
          onClick={copy}
          leftSection={<Icon name={copied ? 'check' : 'copy'} size={14} />}
        >
          {copied ? 'Copied' : label}
        </Button>
      )}
    </div>
  );
}
