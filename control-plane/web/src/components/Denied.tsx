// In place of a page that whoever is signed in may not see: what they lack, and who can give it.
import { getOption } from '@bufbuild/protobuf';
import type { DescMethod } from '@bufbuild/protobuf';
import type { ReactElement } from 'react';

import { permission } from '../api/gen/dataguardian/v1/options_pb';
import { Empty, Page, Panel } from './Page';

export function Denied({ title, method }: { title: string; method: DescMethod }): ReactElement {
  return (
    <Page title={title}>
      <Panel>
        <Empty title="You may not see this">
          It needs the permission <code>{getOption(method, permission)}</code>, which none of your roles has
          over everything. Who manages users can give you one that does.
        </Empty>
      </Panel>
    </Page>
  );
}
