// A backup's script, piece by piece, into a file. Where the browser can write to one directly nothing is kept in memory.
import { BackupService } from './gen/dataguardian/v1/backup_pb';
import { transport } from './transport';

export interface Wanted {
  backup: string;
  /** The roles and users instead of a database. */
  globals: boolean;
  database: string;
}

interface Sink {
  write: (piece: Uint8Array<ArrayBuffer>) => Promise<void> | void;
  close: () => Promise<void> | void;
  abort: () => Promise<void> | void;
}

type SaveFilePicker = (options: { suggestedName: string }) => Promise<{
  createWritable: () => Promise<{
    write: (piece: Uint8Array<ArrayBuffer>) => Promise<void>;
    close: () => Promise<void>;
    abort: () => Promise<void>;
  }>;
}>;

/** Asks where to save, or gathers the pieces and hands them to the browser at the end. */
export async function openFile(name: string): Promise<Sink> {
  const picker = (window as unknown as { showSaveFilePicker?: SaveFilePicker }).showSaveFilePicker;
  if (picker && window.isSecureContext) return (await picker({ suggestedName: name })).createWritable();
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  return {
    write: (piece) => void pieces.push(piece),
    close: () => {
      const address = URL.createObjectURL(new Blob(pieces, { type: 'application/sql' }));
      const link = Object.assign(document.createElement('a'), { href: address, download: name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(address), 60_000);
    },
    abort: () => void pieces.splice(0),
  };
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
