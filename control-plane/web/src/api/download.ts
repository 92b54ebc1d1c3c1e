// A backup's script, piece by piece, into a file.
import type { Sink } from './file';
import { BackupService } from './gen/dataguardian/v1/backup_pb';
import { transport } from './transport';

export interface Wanted {
  backup: string;
  /** The roles and users instead of a database. */
  globals: boolean;
  database: string;
}

/** Writes the script into the file; `tell` hears how many bytes of how many are there. */
export async function download(
  wanted: Wanted,
  file: Sink,
  signal: AbortSignal,
  tell: (done: number, whole: number) => void,
): Promise<void> {
  const request = (async function* () {
    yield wanted;
  })();
  let done = 0;
  let whole = 0;
  try {
    const answer = await transport.stream(
      BackupService.method.downloadBackup,
      signal,
      undefined,
      undefined,
      request,
    );
    for await (const { message } of answer.message) {
      if (message.case === 'start') whole = Number(message.value.bytes);
      if (message.case !== 'piece') continue;
      await file.write(message.value as Uint8Array<ArrayBuffer>);
      done += message.value.length;
      tell(done, whole);
    }
    // A stream that ends early without an error would leave half a script.
    if (done !== whole) throw new Error(`the script ended after ${done} of ${whole} bytes`);
    await file.close();
  } catch (error) {
    await file.abort();
    throw error;
  }
}
