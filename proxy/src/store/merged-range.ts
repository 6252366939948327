import { isFileWrite } from './file-writes.ts';

/** A record and its key, as lmdb gives them. */
export interface Entry {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** What was written to records with keys from `from` on that begin with `prefix`, in order. */
export function journaledFrom(
  journaled: ReadonlyMap<string, Buffer | undefined>,
  from: string,
  prefix: string,
): [Buffer, Buffer | undefined][] {
  const found: [Buffer, Buffer | undefined][] = [];
  for (const [key, value] of journaled)
    if (key.startsWith(prefix) && key >= from && !isFileWrite(key))
      found.push([Buffer.from(key, 'latin1'), value]);
  return found.sort(([a], [b]) => a.compare(b));
}

/** The records of lmdb that begin with `prefix`, with what was journaled in their place, in order. */
export function* merged(
  inLmdb: Iterable<Entry>,
  prefix: Buffer,
  journaled: readonly [Buffer, Buffer | undefined][],
): Generator<Entry> {
  let at = 0;
  const journaledBefore = function* (end: Buffer | undefined): Generator<Entry> {
    for (; at < journaled.length; at += 1) {
      const [key, value] = journaled[at] ?? [];
      if (key === undefined || (end !== undefined && key.compare(end) >= 0)) return;
      if (value !== undefined) yield { key, value };
    }
  };
  for (const entry of inLmdb) {
    if (!prefix.equals(entry.key.subarray(0, prefix.length))) break;
    yield* journaledBefore(entry.key);
    const [key, value] = journaled[at] ?? [];
    if (key?.equals(entry.key) === true) {
      at += 1;
      if (value !== undefined) yield { key, value };
    } else yield entry;
  }
  yield* journaledBefore(undefined);
}
