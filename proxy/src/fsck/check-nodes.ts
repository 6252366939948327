import { Ftype3 } from '@rowfs/nfs3';
import {
  bornFileid,
  encodeId,
  encodeNode,
  latin1,
  lowerKey,
  type Node,
  nodeKey,
} from '../shadow/records.ts';
import { visibleLowerNames } from '../inspect/lower-names.ts';
import type { Finding } from './problem.ts';
import type { Scan } from '../inspect/scan.ts';

/** Nodes: counts, limits, and the objects of the lower that they were. */
export function* checkNodes(scan: Scan): Generator<Finding> {
  for (const node of scan.nodes.values()) {
    yield* checkCounts(scan, node);
    yield* checkLimits(node);
    if (node.lower !== undefined) yield* checkLower(scan, node);
  }
  for (const [handle, id] of scan.lowers) {
    if (id === 0 || scan.nodes.get(id) !== undefined) continue;
    const object = Buffer.from(handle, 'latin1').toString('hex');
    yield { code: 'BAD_LOWER', what: `the image's object ${object} is node ${id}, which is lost` };
  }
}

/** A node as it should be, in place of the one on record. */
function mended(node: Node): Pick<Finding, 'mend'> {
  return { mend: { writes: new Map([[nodeKey(node.id), encodeNode(node)]]) } };
}

function* checkCounts(scan: Scan, node: Node): Generator<Finding> {
  const code = 'BAD_NODE';
  const names = scan.namesOf.get(node.id) ?? [];
  if (node.type === Ftype3.DIR) {
    const entries = [...(scan.entriesOf.get(node.id)?.values() ?? [])].filter(({ id }) =>
      scan.nodes.has(id),
    );
    const children = entries.length;
    if (node.children !== children) {
      const what = `node ${node.id} says that ${node.children} names are recorded in it: ${children} are`;
      yield { code, what, ...mended({ ...node, children }) };
    }
    const directories = entries.filter(({ id }) => scan.nodes.get(id)?.type === Ftype3.DIR);
    const nlink = 2 + directories.length;
    if (node.lower === undefined && node.nlink !== nlink) {
      const what = `node ${node.id} says that it has ${node.nlink} links: a directory like it has ${nlink}`;
      yield { code, what, ...mended({ ...node, nlink }) };
    }
    return;
  }
  const visible = visibleLowerNames(scan, node);
  if (visible === undefined) return;
  const nlink = names.length + visible;
  if (nlink === 0) {
    yield { code: 'NODE_WITHOUT_NAME', what: `no name leads to node ${node.id}` };
  } else if (node.nlink !== nlink) {
    const what = `node ${node.id} says that it has ${node.nlink} names: it has ${nlink}`;
    yield { code, what, ...mended({ ...node, nlink }) };
  }
}

function* checkLimits(node: Node): Generator<Finding> {
  const code = 'BAD_NODE';
  const most = node.type === Ftype3.REG ? Math.min(node.size, node.origin?.size ?? 0) : 0;
  if (node.lowerLimit > most) {
    const what = `node ${node.id} shows ${node.lowerLimit} bytes of the image, and can have ${most}`;
    yield { code, what, ...mended({ ...node, lowerLimit: most }) };
  }
  const fileid = bornFileid(node.id);
  if (node.lower === undefined && node.fileid !== fileid) {
    const what = `node ${node.id} has the fileid ${node.fileid}, not its own`;
    yield { code, what, ...mended({ ...node, fileid }) };
  }
}

function* checkLower({ lowers, paths }: Scan, node: Node): Generator<Finding> {
  const { id, lower } = node;
  if (lower === undefined) return;
  const known = lowers.get(latin1(lower));
  if (known === undefined) {
    const mend = { writes: new Map([[lowerKey(lower), encodeId(id)]]) };
    yield { code: 'BAD_LOWER', what: `the image's object of node ${id} does not lead to it`, mend };
  } else if (known !== id) {
    const instead = known === 0 ? 'counts as removed' : `is node ${known} too`;
    yield { code: 'BAD_LOWER', what: `the image's object of node ${id} ${instead}` };
  }
  const inImage = paths?.node(lower);
  if (paths !== undefined && (inImage === undefined || paths.names(inImage) === undefined))
    yield { code: 'BAD_PATH', what: `nothing tells where the image has the object of node ${id}` };
}
