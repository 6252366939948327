import type { XdrReader, XdrWriter } from '@rowfs/xdr';

/** dirpath: an absolute path on the server, one character per byte (latin1). */
export type Dirpath = string;

/** MNTPATHLEN and MNTNAMLEN, RFC 1813 appendix I section 5.1.3, in bytes. */
export const MNTPATHLEN = 1024;
export const MNTNAMLEN = 255;

export function readDirpath(reader: XdrReader): Dirpath {
  return reader.string(MNTPATHLEN);
}

export function writeDirpath(writer: XdrWriter, dirpath: Dirpath): void {
  writer.string(dirpath);
}

/** Reads a linked list: each item after a true, the end after a false. */
export function readList<Item>(reader: XdrReader, readItem: (reader: XdrReader) => Item): Item[] {
  const items: Item[] = [];
  while (reader.bool()) items.push(readItem(reader));
  return items;
}

export function writeList<Item>(
  writer: XdrWriter,
  items: readonly Item[],
  writeItem: (writer: XdrWriter, item: Item) => void,
): void {
  for (const item of items) writer.optional(item, writeItem);
  writer.bool(false);
}
