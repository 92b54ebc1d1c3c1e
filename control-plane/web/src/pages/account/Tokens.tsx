// The caller's API tokens: what each may do, when it was last used, and its end.
import { Button } from '@mantine/core';
import { useState } from 'react';
import type { ReactElement } from 'react';
import { Link } from 'wouter';

import { useChange, useRead } from '../../api/call';
import { AccessService } from '../../api/gen/dataguardian/v1/access_pb';
import type { ApiToken } from '../../api/gen/dataguardian/v1/access_pb';
import { Confirm } from '../../components/Confirm';
import { Loaded } from '../../components/Loaded';
import { Mark } from '../../components/Mark';
import { Empty, Panel } from '../../components/Page';
import { Table } from '../../components/Table';
import { Time } from '../../components/Time';
import { useNow } from '../../components/now';
import { millis } from '../../format/time';
import { bindingWords } from '../roles/scopes';
import { useThings } from '../roles/things';

/** Who has less time left than this is told. */
const SOON = 7 * 86_400_000;

export function Tokens(): ReactElement {
  const { method } = AccessService;
  const list = useRead(method.listApiTokens, {}, { every: 30_000 });
  const revoke = useChange(method.revokeApiToken);
  const [asked, setAsked] = useState<ApiToken>();
  const isScoped = list.data?.tokens.some(({ bindings }) => bindings.some(({ scope }) => scope?.kind));
  const things = useThings(isScoped ?? false);
  const add = (
    <Button component={Link} href="/account/tokens/new" variant="default" size="xs">
      Add token
    </Button>
  );
  return (
    <Panel flush title="API tokens" actions={(list.data?.tokens.length ?? 0) > 0 && add}>
      <Loaded query={list}>
        {({ tokens }) => (
          <Table
            label="API tokens"
            rows={tokens}
            id={(token) => token.id}
            empty={
              <Empty title="No token yet" action={add}>
                A program, such as dgctl in a pipeline, proves with a token who it is. It may do what its
                roles say, and never more than you.
              </Empty>
            }
            columns={[
              {
                head: 'Token',
                main: true,
                cell: (token) => (
                  <>
                    <strong>{token.name}</strong>
                    <div className="cell-note">
                      {token.bindings.map((each) => bindingWords(each, things)).join(', ') ||
                        'no role any more'}
                    </div>
                  </>
                ),
              },
              { head: 'Made', cell: (token) => <Time at={token.createdAt} /> },
              { head: 'Last used', cell: (token) => <Time at={token.lastUsedAt} none="never" /> },
              { head: 'Ends', cell: (token) => <End token={token} /> },
              {
                head: '',
                align: 'end',
                cell: (token) => (
                  <Button variant="default" size="compact-sm" onClick={() => setAsked(token)}>
                    Revoke<span className="hidden"> {token.name}</span>
                  </Button>
                ),
              },
            ]}
          />
        )}
      </Loaded>
      {asked && (
        <Confirm
          title={`Revoke ${asked.name}?`}
          deed="Revoke it"
          danger
          typed={asked.name}
          pending={revoke.isPending}
          error={revoke.error}
          onConfirm={() => revoke.mutate({ apiTokenId: asked.id }, { onSuccess: () => setAsked(undefined) })}
          onClose={() => setAsked(undefined)}
        >
          <p>
            Whatever uses it is refused from now on. It was last used{' '}
            <Time at={asked.lastUsedAt} none="never" />.
          </p>
        </Confirm>
      )}
    </Panel>
  );
}

function End({ token }: { token: ApiToken }): ReactElement {
  const now = useNow(60_000);
  const left = token.expiresAt ? millis(token.expiresAt) - now : Infinity;
  if (left <= 0) return <Mark told={['Has ended', 'bad']} />;
  return (
    <>
      <Time at={token.expiresAt} />
      {left < SOON && (
        <div>
          <Mark told={['Ends soon', 'warn']} />
        </div>
      )}
    </>
  );
}
