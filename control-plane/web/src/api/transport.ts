// The line to the control plane: grpc-web beside the page, whatever path a proxy has put before both.
import { createGrpcWebTransport } from '@connectrpc/connect-web';

import { root } from '../app/base';
import { proof } from '../auth/transport';

export const transport = createGrpcWebTransport({
  baseUrl: root.href.replace(/\/$/, ''),
  interceptors: [proof],
  // A call that takes longer is given up; streams are not bound by it.
  defaultTimeoutMs: undefined,
});
