// Which databases of a backup, and what they are to be called.
import { Checkbox, TextInput } from '@mantine/core';
import type { ReactElement } from 'react';

import type { Backup } from '../../api/gen/dataguardian/v1/backup_pb';
import type { Choice } from './plan';

interface DatabasesProps {
  backup: Backup;
  choice: Choice;
  set: (change: Partial<Choice>) => void;
  error: string | undefined;
}

export function Databases({ backup, choice, set, error }: DatabasesProps): ReactElement {
  const renames = choice.where === 'create';
  const toggle = (name: string, on: boolean) => {
    const { [name]: _, ...others } = choice.databases;
    set({ databases: on ? { ...others, [name]: `${name}_restored` } : others });
  };
  return (
    <fieldset className="choices">
      <legend>Databases</legend>
      <div className="stack">
        {backup.databases.map((name) => {
          const chosen = name in choice.databases;
          return (
            <div key={name} className="database-choice">
              <Checkbox
                checked={chosen}
                onChange={(event) => toggle(name, event.currentTarget.checked)}
                label={<span className="mono">{name}</span>}
              />
              {renames && chosen && (
                <TextInput
                  size="xs"
                  aria-label={`New name of ${name}`}
                  leftSection={<span aria-hidden="true">→</span>}
                  value={choice.databases[name] ?? ''}
                  onChange={(event) =>
                    set({ databases: { ...choice.databases, [name]: event.currentTarget.value } })
                  }
                  spellCheck={false}
                />
              )}
            </div>
          );
        })}
      </div>
      {error && (
        <p className="field-error" role="alert">
          {error}
        </p>
      )}
    </fieldset>
  );
}
