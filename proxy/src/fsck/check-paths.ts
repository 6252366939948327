import { KnownPaths } from '../failover/known-paths.ts';
import {
  CHILD_TABLE,
  childKey,
  decodeNames,
  encodeNodeId,
  nameOfKey,
  NAMES_TABLE,
  type NodeName,
  nodeOfKey,
  RESERVED_KEY,
} from '../failover/path-records.ts';
import { printableName } from '../inspect/printable-name.ts';
import type { Finding } from './problem.ts';
import type { Scan } from '../inspect/scan.ts';

/** The path table, which only shadows over plain exports have: a node's names and the names' nodes say the same, and ids are reserved. */
export function* checkPaths({ records }: Scan): Generator<Finding> {
  const paths = KnownPaths.of(records);
  if (paths === undefined) return;
  const code = 'BAD_PATH';
  let highest = 0;
  for (const { key, value } of records.range(NAMES_TABLE)) {
    const node = nodeOfKey(key);
    highest = Math.max(highest, node);
    const names = namesOf(value);
    if (names === undefined) {
      yield { code, what: `the names of the path table's node ${node} cannot be read` };
      continue;
    }
    for (const { parent, name } of names) {
      const child = paths.child(parent, name);
      if (child === node) continue;
      const what = `'${printableName(name)}' in ${parent} does not lead to the path table's node ${node}`;
      if (child !== undefined) yield { code, what };
      else
        yield {
          code,
          what,
          mend: { writes: new Map([[childKey(parent, name), encodeNodeId(node)]]) },
        };
    }
  }
  for (const { key, value } of records.range(CHILD_TABLE)) {
    const [parent, name] = [nodeOfKey(key), nameOfKey(key)];
    const node = value.length === 6 ? value.readUIntBE(0, 6) : 0;
    const stored = records.get(NAMES_TABLE + encodeNodeId(node).toString('latin1'));
    const names = stored && namesOf(stored);
    if (names?.some((each) => each.parent === parent && each.name === name) !== true)
      yield {
        code,
        what: `'${printableName(name)}' in ${parent} leads to no node of the path table`,
      };
  }
  const reserved = Number(records.get(RESERVED_KEY)?.toString() ?? '0');
  if (!(reserved > highest)) {
    const writes = new Map([[RESERVED_KEY, Buffer.from(String(highest + 1))]]);
    yield {
      code,
      what: `ids of the path table up to ${highest} are given, and not reserved`,
      mend: { writes },
    };
  }
}

function namesOf(value: Buffer): readonly NodeName[] | undefined {
  try {
    const names: unknown = decodeNames(value);
    return Array.isArray(names) && names.length > 0 ? (names as NodeName[]) : undefined;
  } catch {
    return undefined;
  }
}
