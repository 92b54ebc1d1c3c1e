// The choices of a restore from one backup, its rehearsal, and its start.
import { Button, Checkbox, NativeSelect, Radio, Textarea, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { useLocation } from 'wouter';

import { useChange } from '../../api/call';
import type { Backup } from '../../api/gen/dataguardian/v1/backup_pb';
import type { Datasource } from '../../api/gen/dataguardian/v1/datasource_pb';
import { RestoreService } from '../../api/gen/dataguardian/v1/restore_pb';
import { problemOf } from '../../api/problem';
import { requestId } from '../../api/requestId';
import { Confirm } from '../../components/Confirm';
import { Panel } from '../../components/Page';
import { ProblemNote } from '../../components/Problem';
import { Databases } from './Databases';
import { Rehearsal } from './Rehearsal';
import { firstChoice, gaps, tableNotation, toRequest } from './plan';
import type { Choice, Where } from './plan';

const places: readonly (readonly [Where, string, string])[] = [
  [
    'create',
    'Beside what is there',
    'New databases under names of your choice. Nothing that exists is touched.',
  ],
  [
    'scratch',
    'Only to prove it',
    'Under fresh names, compared row by row with the backup, and dropped again.',
  ],
  [
    'replace',
    'In place of the live databases',
    'Restored beside them first; swapped in one short moment when all is whole. What is live now is lost.',
  ],
  ['into', 'Some tables into a database that exists', 'They are added to it; nothing else in it is changed.'],
];

interface RestoreFormProps {
  backup: Backup;
  targets: readonly Datasource[];
}

export function RestoreForm({ backup, targets }: RestoreFormProps): ReactElement {
  const [choice, setChoice] = useState<Choice>(() => firstChoice(backup));
  const [touched, setTouched] = useState(false);
  const [asking, setAsking] = useState(false);
  const [rehearsed, setRehearsed] = useState<{ id: string; choice: Choice }>();
  const [, navigate] = useLocation();
  const rehearse = useChange(RestoreService.method.startRestore);
  const start = useChange(RestoreService.method.startRestore);
  const set = (change: Partial<Choice>) => setChoice((old) => ({ ...old, ...change }));
  const missing = gaps(choice, backup);
  const shown = touched ? missing : {};
  const fields = rehearse.error
    ? problemOf(rehearse.error).fields
    : start.error
      ? problemOf(start.error).fields
      : {};
  const isReady = Object.keys(missing).length === 0;
  // Only engines of a kind understand each other's backups.
  const fitting = targets.filter((each) => each.engine === backup.engine);

  const begin = (deed: () => void) => {
    setTouched(true);
    if (isReady) deed();
  };
  const onRehearse = () =>
    rehearse.mutate(toRequest(choice, backup, true, requestId()), {
      onSuccess: ({ execution }) => execution && setRehearsed({ id: execution.id, choice }),
    });
  const onStart = () =>
    start.mutate(toRequest(choice, backup, false, requestId()), {
      onSuccess: ({ execution }) => execution && navigate(`/executions/${execution.id}`),
    });

  return (
    <>
      <Panel title="2. To where">
        <div className="form">
          <Radio.Group
            value={choice.where}
            onChange={(where) => set({ where: where as Where })}
            aria-label="To where"
          >
            <div className="stack">
              {places.map(([value, label, description]) => (
                <Radio key={value} value={value} label={label} description={description} />
              ))}
            </div>
          </Radio.Group>
          <NativeSelect
            label="Server"
            description="The datasource that is restored into"
            value={choice.target}
            onChange={(event) => set({ target: event.currentTarget.value })}
            data={fitting.length > 0 ? fitting.map(({ name }) => name) : [choice.target]}
            error={fields['target_datasource']}
          />
        </div>
      </Panel>
      <Panel title="3. What">
        <div className="form">
          <Databases
            backup={backup}
            choice={choice}
            set={set}
            error={shown.databases ?? fields['databases']}
          />
          {choice.where !== 'replace' && (
            <Textarea
              label={choice.where === 'into' ? 'Tables' : 'Only some tables'}
              description={`One a line: ${tableNotation(backup.engine)}; * stands for any characters.${choice.where === 'into' ? '' : ' Blank for all.'}`}
              rows={choice.where === 'into' ? 4 : 2}
              value={choice.tables}
              onChange={(event) => set({ tables: event.currentTarget.value })}
              error={shown.tables ?? fields['tables']}
              spellCheck={false}
            />
          )}
          {choice.where === 'into' && (
            <TextInput
              label="Database that they are added to"
              value={choice.intoDatabase}
              onChange={(event) => set({ intoDatabase: event.currentTarget.value })}
              error={shown.intoDatabase ?? fields['into_database']}
              spellCheck={false}
            />
          )}
          <details>
            <summary>Roles, owners and what a failed restore leaves</summary>
            <Options choice={choice} set={set} />
          </details>
        </div>
      </Panel>
      <Panel title="4. Check, then restore">
        <div className="form">
          <p className="dim">
            The check opens the backup, looks for what was chosen and at the target, and says what would come
            back. It restores nothing, and fails as the restore would.
          </p>
          {rehearsed && (
            <Rehearsal
              key={rehearsed.id}
              executionId={rehearsed.id}
              isCurrent={rehearsed.choice === choice}
            />
          )}
          {rehearse.error && <ProblemNote error={rehearse.error} />}
          {start.error && !asking && <ProblemNote error={start.error} />}
          <div className="row">
            <Button
              variant={rehearsed ? 'default' : 'filled'}
              onClick={() => begin(onRehearse)}
              loading={rehearse.isPending}
            >
              Check first
            </Button>
            <Button
              variant={rehearsed ? 'filled' : 'default'}
              className={rehearsed && choice.where === 'replace' ? 'danger' : ''}
              loading={start.isPending}
              onClick={() => begin(choice.where === 'replace' ? () => setAsking(true) : onStart)}
            >
              {choice.where === 'scratch'
                ? 'Prove it now'
                : choice.where === 'replace'
                  ? 'Replace the live databases'
                  : 'Restore now'}
            </Button>
          </div>
        </div>
      </Panel>
      {asking && (
        <Confirm
          title="Replace live databases?"
          deed="Replace them"
          danger
          typed={choice.target}
          pending={start.isPending}
          error={start.error}
          onConfirm={onStart}
          onClose={() => setAsking(false)}
        >
          <p>
            On <strong>{choice.target}</strong> the live{' '}
            {Object.keys(choice.databases).length === 1 ? 'database' : 'databases'}{' '}
            <strong>{Object.keys(choice.databases).join(', ')}</strong> will be as in the backup. Whatever was
            written since is lost, and programs that are connected are cut off for a moment.
          </p>
        </Confirm>
      )}
    </>
  );
}

function Options({ choice, set }: { choice: Choice; set: (change: Partial<Choice>) => void }): ReactElement {
  const box = (
    key: 'createMissingRoles' | 'noOwner' | 'keepScratch' | 'keepUnfinished',
    label: string,
    description: string,
  ) => (
    <Checkbox
      checked={choice[key]}
      onChange={(event) => set({ [key]: event.currentTarget.checked })}
      label={label}
      description={description}
    />
  );
  return (
    <div className="stack">
      {box(
        'createMissingRoles',
        'Create roles that the server lacks',
        'Without a password and unable to log in.',
      )}
      {box('noOwner', 'Everything belongs to the restoring user', 'Owners and grants are left out.')}
      {choice.where === 'scratch' &&
        box('keepScratch', 'Leave the scratch databases there', 'They are not dropped after the comparison.')}
      {box(
        'keepUnfinished',
        'If it fails, leave what was made',
        'For a person to look into, under a name that is told.',
      )}
    </div>
  );
}
