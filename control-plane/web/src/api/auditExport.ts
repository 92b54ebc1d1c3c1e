// Rows of the audit log as JSON Lines, row by row into a file, as `dgctl audit export` writes them.
import { toJson } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';

import type { Sink } from './file';
import { AuditLogSchema, AuditService } from './gen/dataguardian/v1/audit_pb';
import type { AuditFilterSchema } from './gen/dataguardian/v1/audit_pb';
import { transport } from './transport';

/** So many characters are gathered before they are written. */
const PIECE = 64 * 1024;

/** Writes all rows that fit, the oldest first; `tell` hears how many are there. */
export async function exportAudit(
  filter: MessageInitShape<typeof AuditFilterSchema>,
  file: Sink,
  signal: AbortSignal,
  tell: (rows: number) => void,
): Promise<void> {
  const request = (async function* () {
    yield { filter };
  })();
  const encoder = new TextEncoder();
  let gathered = '';
  let rows = 0;
  const write = async () => {
    await file.write(encoder.encode(gathered));
    gathered = '';
    tell(rows);
  };
  try {
    const { method } = AuditService;
    const answer = await transport.stream(method.exportAuditLogs, signal, undefined, undefined, request);
    for await (const { auditLog } of answer.message) {
      if (!auditLog) continue;
      gathered += `${JSON.stringify(toJson(AuditLogSchema, auditLog, { alwaysEmitImplicit: true }))}\n`;
      rows += 1;
      if (gathered.length >= PIECE) await write();
    }
    await write();
    await file.close();
  } catch (error) {
    await file.abort();
    throw error;
  }
}
