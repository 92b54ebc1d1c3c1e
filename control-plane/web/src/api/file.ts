// A file that is written piece by piece. Where the browser can write to one directly nothing is kept in memory.

export interface Sink {
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
export async function openFile(name: string, type = 'application/sql'): Promise<Sink> {
  const picker = (window as unknown as { showSaveFilePicker?: SaveFilePicker }).showSaveFilePicker;
  if (picker && window.isSecureContext) return (await picker({ suggestedName: name })).createWritable();
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  return {
    write: (piece) => void pieces.push(piece),
    close: () => saveFile(name, pieces, type),
    abort: () => void pieces.splice(0),
  };
}

/** Hands what is there already to the browser, to be saved. */
export function saveFile(name: string, content: BlobPart[], type = 'text/plain'): void {
  const address = URL.createObjectURL(new Blob(content, { type }));
  const link = Object.assign(document.createElement('a'), { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
