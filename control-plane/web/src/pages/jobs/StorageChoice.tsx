// Which storages a job uses, in which order, and how several are used.
import { ActionIcon, Checkbox, Radio } from '@mantine/core';
import type { ReactElement } from 'react';

import { Strategy } from '../../api/gen/dataguardian/v1/common_pb';
import type { Draft } from './draft';

interface StorageChoiceProps {
  names: readonly string[];
  draft: Draft;
  set: (change: Partial<Draft>) => void;
  error: string | undefined;
}

export function StorageChoice({ names, draft, set, error }: StorageChoiceProps): ReactElement {
  const { storages } = draft;
  const others = names.filter((name) => !storages.includes(name));
  const toggle = (name: string, on: boolean) => {
    const next = on ? [...storages, name] : storages.filter((each) => each !== name);
    set({
      storages: next,
      ...(next.length > 1 && storages.length < 2 ? { strategy: Strategy.REPLICATE } : {}),
    });
  };
  const raise = (place: number) => {
    const next = [...storages];
    const [moved] = next.splice(place, 1);
    if (moved !== undefined) next.splice(place - 1, 0, moved);
    set({ storages: next });
  };
  return (
    <>
      <fieldset className="choices">
        <legend>Storages</legend>
        <div className="stack">
          {[...storages, ...others].map((name) => {
            const place = storages.indexOf(name);
            return (
              <div key={name} className="row">
                <Checkbox
                  checked={place >= 0}
                  onChange={(event) => toggle(name, event.currentTarget.checked)}
                  label={place >= 0 && storages.length > 1 ? `${place + 1}. ${name}` : name}
                />
                {place > 0 && (
                  <ActionIcon
                    variant="subtle"
                    size="sm"
                    aria-label={`Use ${name} earlier`}
                    onClick={() => raise(place)}
                  >
                    ↑
                  </ActionIcon>
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
      {storages.length > 1 && (
        <Radio.Group
          label="How they are used"
          value={String(draft.strategy || Strategy.FALLBACK)}
          onChange={(value) => set({ strategy: Number(value) })}
        >
          <div className="stack" style={{ marginTop: 8 }}>
            <Radio
              value={String(Strategy.REPLICATE)}
              label="A copy in every one"
              description="Dumped and compressed once, sent to each. What fails is copied later."
            />
            <Radio
              value={String(Strategy.FALLBACK)}
              label="The first one that works"
              description="In this order."
            />
          </div>
        </Radio.Group>
      )}
    </>
  );
}
