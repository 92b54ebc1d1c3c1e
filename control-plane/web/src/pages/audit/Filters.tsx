// The fields that narrow the audit log. They live in the address, so that what was found can be passed on.
import { Button, NativeSelect, TextInput } from '@mantine/core';
import type { ReactElement } from 'react';
import { useState } from 'react';

import { filterFields, methodParts, outcomeWords, periods } from './rows';
import type { Filter } from './rows';

const outcomes = ['ok', 'PERMISSION_DENIED', 'WRONG_CREDENTIALS'];
const actors = ['user', 'agent', 'system', 'anonymous'];

interface FiltersProps {
  filter: Filter;
  set: (change: Partial<Filter>) => void;
  clear: () => void;
}

export function Filters({ filter, set, clear }: FiltersProps): ReactElement {
  const [custom, setCustom] = useState(false);
  const isBetween = custom || filter.since !== '' || filter.until !== '';
  const isFiltered = filterFields.some((name) => filter[name] !== '');
  const known = filter.outcome === '' || outcomes.includes(filter.outcome);
  const choosePeriod = (value: string) => {
    setCustom(value === 'between');
    set(value === 'between' ? { period: '' } : { period: value, since: '', until: '' });
  };
  return (
    <div className="toolbar">
      <TextInput
        label="Who"
        placeholder="name, id or kind"
        list="audit-actors"
        value={filter.actor}
        onChange={(event) => set({ actor: event.currentTarget.value })}
        autoCapitalize="none"
        spellCheck={false}
      />
      <datalist id="audit-actors">
        {actors.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <TextInput
        label="Method"
        placeholder="part of it"
        list="audit-methods"
        value={filter.method}
        onChange={(event) => set({ method: event.currentTarget.value })}
        spellCheck={false}
      />
      <datalist id="audit-methods">
        {methodParts.map((part) => (
          <option key={part} value={part} />
        ))}
      </datalist>
      <TextInput
        label="Concerned"
        placeholder="exact name or id"
        value={filter.resource}
        onChange={(event) => set({ resource: event.currentTarget.value })}
        autoCapitalize="none"
        spellCheck={false}
      />
      <NativeSelect
        label="Ended"
        value={filter.outcome}
        onChange={(event) => set({ outcome: event.currentTarget.value })}
      >
        <option value="">In any way</option>
        {[...outcomes, ...(known ? [] : [filter.outcome])].map((outcome) => (
          <option key={outcome} value={outcome}>
            {outcomeWords(outcome)[0]}
          </option>
        ))}
      </NativeSelect>
      <NativeSelect
        label="When"
        value={isBetween ? 'between' : filter.period}
        onChange={(event) => choosePeriod(event.currentTarget.value)}
      >
        <option value="">At any time</option>
        {Object.entries(periods).map(([key, [name]]) => (
          <option key={key} value={key}>
            {name}
          </option>
        ))}
        <option value="between">Between …</option>
      </NativeSelect>
      {isBetween && (
        <>
          <TextInput
            type="datetime-local"
            label="Not before"
            value={filter.since}
            onChange={(event) => set({ since: event.currentTarget.value })}
          />
          <TextInput
            type="datetime-local"
            label="Before"
            value={filter.until}
            onChange={(event) => set({ until: event.currentTarget.value })}
          />
        </>
      )}
      {isFiltered && (
        <Button
          variant="subtle"
          onClick={() => {
            setCustom(false);
            clear();
          }}
        >
          Show all
        </Button>
      )}
    </div>
  );
}
