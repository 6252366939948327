import { SHADOW_ID_BYTES } from '../shadow/handle.ts';
import { ID_KEY, NEXT_ID_KEY, OWNER_KEY, ROOT_KEY } from '../shadow/make-shadow.ts';
import { decodeId, encodeId } from '../shadow/records.ts';
import type { Finding } from './problem.ts';
import type { Scan } from '../inspect/scan.ts';

/** The shadow's own facts: id, owner, root, and the next node id, which is above all that were given. */
export function* checkFacts({ records, nodes, lowers }: Scan): Generator<Finding> {
  const code = 'BAD_FACT';
  if (records.get(ID_KEY)?.length !== SHADOW_ID_BYTES)
    yield { code, what: "the shadow's id is missing: no client's handle can be read" };
  if (!isJson(records.get(OWNER_KEY)))
    yield { code, what: 'what the shadow belongs to is not on record' };
  const root = records.get(ROOT_KEY);
  if (root === undefined && lowers.size > 0)
    yield { code, what: "the image's root is not on record, though objects of the image are" };
  const next = records.get(NEXT_ID_KEY);
  const wanted = Math.max(0, ...nodes.keys(), ...lowers.values()) + 1;
  if (next?.length !== 6 || decodeId(next) < wanted) {
    const mend = { writes: new Map([[NEXT_ID_KEY, encodeId(wanted)]]) };
    yield { code, what: `the next node id is not above ${wanted - 1}, which is given`, mend };
  }
}

function isJson(bytes: Buffer | undefined): boolean {
  try {
    JSON.parse(bytes?.toString() ?? '');
    return true;
  } catch {
    return false;
  }
}
