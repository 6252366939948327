import { Ftype3 } from '@rowfs/nfs3';
import { NameHash } from '../shadow/cookies.ts';
import { SHADOW_ID_BYTES } from '../shadow/handle.ts';
import { ID_KEY } from '../shadow/make-shadow.ts';
import { encodeEntry, entryKey, type Node } from '../shadow/records.ts';
import { printableName } from '../inspect/printable-name.ts';
import type { Finding } from './problem.ts';
import type { Scan, ScannedEntry } from '../inspect/scan.ts';

/** Recorded names: in a directory, where READDIR and LOOKUP look for them, and for a node. */
export function* checkEntries(scan: Scan): Generator<Finding> {
  const id = scan.records.get(ID_KEY);
  const hash = id?.length === SHADOW_ID_BYTES ? new NameHash(id) : undefined;
  for (const entry of scan.entries) {
    const directory = scan.nodes.get(entry.directory);
    const name = `the name '${printableName(entry.name)}' in node ${entry.directory}`;
    if (directory?.type !== Ftype3.DIR) {
      const where = directory === undefined ? 'which is not there' : 'which is no directory';
      yield { code: 'MISPLACED_NAME', what: `${name}, ${where}` };
      continue;
    }
    if (hash !== undefined) {
      const key = entryKey(entry.directory, hash.position(entry.name), entry.name);
      if (key !== entry.key) {
        yield { code: 'MISPLACED_NAME', what: `${name} is not where it is looked for`, ...moved() };
        continue;
      }
      function moved(): Pick<Finding, 'mend'> {
        if (scan.records.get(key) !== undefined) return {};
        const writes = new Map([
          [entry.key, undefined],
          [key, encodeEntry(entry)],
        ]);
        return { mend: { writes } };
      }
    }
    yield* checkCover(scan, directory, entry, name);
    if (entry.id !== 0 && !scan.nodes.has(entry.id)) {
      // The node is lost for certain, and so is the name: as after its removal.
      const value = entry.coversLower ? encodeEntry({ id: 0, coversLower: true }) : undefined;
      const what = `${name} is for node ${entry.id}, which is not there`;
      yield { code: 'NAME_WITHOUT_NODE', what, mend: { writes: new Map([[entry.key, value]]) } };
    }
  }
}

/** Whether an entry hides a name of the lower: what it says, and what the path table knows. */
function* checkCover(
  { paths }: Scan,
  directory: Node,
  entry: ScannedEntry,
  name: string,
): Generator<Finding> {
  const code = 'MISPLACED_NAME';
  const lower = directory.lower && paths?.node(directory.lower);
  const isBelow = lower !== undefined && paths?.child(lower, entry.name) !== undefined;
  if (!entry.coversLower && isBelow) {
    const writes = new Map([[entry.key, encodeEntry({ id: entry.id, coversLower: true })]]);
    yield { code, what: `${name} does not say that the image has it too`, mend: { writes } };
  } else if (entry.id === 0 && (!entry.coversLower || directory.lower === undefined)) {
    const writes = new Map([[entry.key, undefined]]);
    yield { code, what: `${name} is a whiteout of nothing`, mend: { writes } };
  } else if (entry.coversLower && directory.lower === undefined) {
    const writes = new Map([[entry.key, encodeEntry({ id: entry.id, coversLower: false })]]);
    yield { code, what: `${name} says that the image has it too`, mend: { writes } };
  }
}
