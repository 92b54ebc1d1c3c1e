// The second step: how the agent reaches the server; then the databases that it finds there, to be ticked.
import { Button, Checkbox } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';

import { useChange, useRead } from '../../api/call';
import { DatasourceService } from '../../api/gen/dataguardian/v1/datasource_pb';
import type { Datasource } from '../../api/gen/dataguardian/v1/datasource_pb';
import { requestId } from '../../api/requestId';
import { fieldErrors } from '../../components/Form';
import { Loaded } from '../../components/Loaded';
import { FailureNote, Note, ProblemNote } from '../../components/Problem';
import { bytes } from '../../format/size';
import { DatasourceFields } from '../datasources/DatasourceFields';
import { changedFields, draftOf, emptyDraft, fieldsOf } from '../datasources/draft';
import type { Draft } from '../datasources/draft';

export function DatabaseStep({
  agent,
  onDone,
}: {
  agent: string;
  onDone: (datasource: string) => void;
}): ReactElement {
  const [draft, setDraft] = useState<Draft>({ ...emptyDraft, name: 'main', agent });
  const [id, setId] = useState(requestId);
  const [made, setMade] = useState<Datasource>();
  const { method } = DatasourceService;
  const create = useChange(method.createDatasource);
  const update = useChange(method.updateDatasource);
  const test = useChange(method.testDatasource);
  const error = create.error ?? update.error ?? test.error;
  const pending = create.isPending || update.isPending || test.isPending;

  // Made once; what does not work is changed until it does.
  const connect = async () => {
    try {
      const fields = fieldsOf(draft);
      let current = made;
      if (!current) {
        const answer = await create.mutateAsync({
          ...fields,
          name: draft.name.trim(),
          engine: draft.engine,
          requestId: id,
        });
        current = answer.datasource;
      } else {
        const paths = changedFields(draftOf(current), draft);
        if (paths.length > 0) {
          current = (await update.mutateAsync({ ...fields, datasource: current.name, updateMask: { paths } }))
            .datasource;
        }
      }
      setMade(current);
      if (current) await test.mutateAsync({ datasource: current.name });
    } catch {
      // It is shown by `error`. Another try is another request.
      setId(requestId());
    }
  };

  if (made && test.data?.ok && !pending) return <Pick datasource={made} onDone={() => onDone(made.name)} />;
  return (
    <form
      className="form"
      onSubmit={(event) => {
        event.preventDefault();
        void connect();
      }}
    >
      <DatasourceFields
        draft={draft}
        set={(change) => setDraft((old) => ({ ...old, ...change }))}
        fieldError={fieldErrors(error)}
        agents={[agent]}
        isNew={!made}
        brief
      />
      {error && <ProblemNote error={error} />}
      {!pending && test.data?.problems.map((problem, place) => <FailureNote key={place} failure={problem} />)}
      <div className="row">
        <Button type="submit" loading={pending}>
          {made ? 'Try again' : 'Connect'}
        </Button>
      </div>
    </form>
  );
}

function Pick({ datasource, onDone }: { datasource: Datasource; onDone: () => void }): ReactElement {
  const found = useRead(DatasourceService.method.discoverDatabases, { datasource: datasource.name });
  const update = useChange(DatasourceService.method.updateDatasource);
  const [left, setLeft] = useState<readonly string[]>([]);
  const finish = (names: readonly string[]) => {
    if (left.length === 0) return onDone();
    const chosen = names.filter((name) => !left.includes(name));
    const databases = { selection: { case: 'named' as const, value: { names: chosen } } };
    update.mutate(
      { datasource: datasource.name, databases, updateMask: { paths: ['databases'] } },
      { onSuccess: onDone },
    );
  };
  return (
    <div className="form">
      <Note tone="good" title="It works: a backup could run now." />
      <Loaded query={found}>
        {({ databases }) => (
          <>
            <fieldset className="choices">
              <legend>Databases to back up</legend>
              <div className="stack">
                {databases.map((database) => (
                  <Checkbox
                    key={database.name}
                    checked={!left.includes(database.name)}
                    onChange={(event) =>
                      setLeft(
                        event.currentTarget.checked
                          ? left.filter((name) => name !== database.name)
                          : [...left, database.name],
                      )
                    }
                    label={
                      <>
                        <span className="mono">{database.name}</span>{' '}
                        <span className="dim">{bytes(database.sizeBytes)}</span>
                      </>
                    }
                  />
                ))}
              </div>
            </fieldset>
            <p className="dim">
              {left.length === 0
                ? 'Databases that come later are backed up too.'
                : 'Only these, whatever comes later.'}
            </p>
            {update.error && <ProblemNote error={update.error} />}
            <div className="row">
              <Button
                onClick={() => finish(databases.map(({ name }) => name))}
                loading={update.isPending}
                disabled={databases.length > 0 && left.length === databases.length}
              >
                Go on
              </Button>
            </div>
          </>
        )}
      </Loaded>
    </div>
  );
}
