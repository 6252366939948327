import type { XdrReader, XdrWriter } from '@rowfs/xdr';

/** Reads the linked list in which READDIR and READDIRPLUS send their entries. */
export function readDirList<Entry>(
  r: XdrReader,
  readEntry: (r: XdrReader) => Entry,
): { entries: Entry[]; eof: boolean } {
  const entries: Entry[] = [];
  while (r.bool()) entries.push(readEntry(r));
  return { entries, eof: r.bool() };
}

export function writeDirList<Entry>(
  w: XdrWriter,
  list: { readonly entries: readonly Entry[]; readonly eof: boolean },
  writeEntry: (w: XdrWriter, entry: Entry) => void,
): void {
  for (const entry of list.entries) {
    w.bool(true);
    writeEntry(w, entry);
  }
  w.bool(false);
  w.bool(list.eof);
}
