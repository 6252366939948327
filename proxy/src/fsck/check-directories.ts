import { Ftype3 } from '@rowfs/nfs3';
import { ROOT_KEY } from '../shadow/make-shadow.ts';
import { encodeNode, latin1, type Node, nodeKey } from '../shadow/records.ts';
import { isHidden } from '../inspect/lower-names.ts';
import type { Finding } from './problem.ts';
import type { Scan } from '../inspect/scan.ts';

/** Directories: each has one name, in the parent that it says, and leads up to the root. */
export function* checkDirectories(scan: Scan): Generator<Finding> {
  const root = scan.records.get(ROOT_KEY);
  const rooted = new Set<number>();
  for (const node of scan.nodes.values()) {
    if (node.type !== Ftype3.DIR) continue;
    if (node.lower !== undefined && root !== undefined && latin1(node.lower) === latin1(root)) {
      rooted.add(node.id);
      continue;
    }
    yield* checkName(scan, node);
  }
  for (const node of scan.nodes.values())
    if (node.type === Ftype3.DIR && !leadsUp(scan, node, rooted))
      yield {
        code: 'BAD_DIRECTORY',
        what: `the directory node ${node.id} does not lead to the root`,
      };
}

function* checkName(scan: Scan, node: Node): Generator<Finding> {
  const names = scan.namesOf.get(node.id) ?? [];
  const [name] = names;
  if (names.length > 1) {
    yield {
      code: 'BAD_DIRECTORY',
      what: `the directory node ${node.id} has ${names.length} names`,
    };
  } else if (name !== undefined && name.directory !== node.parent) {
    const writes = new Map([[nodeKey(node.id), encodeNode({ ...node, parent: name.directory })]]);
    const what = `the directory node ${node.id} is in node ${name.directory}, and says ${node.parent}`;
    yield { code: 'BAD_DIRECTORY', what, mend: { writes } };
  } else if (name === undefined && (node.parent !== 0 || !showsInImage(scan, node))) {
    yield { code: 'NODE_WITHOUT_NAME', what: `no name leads to the directory node ${node.id}` };
  }
}

/** Whether a directory that was not moved still has its name from the image. */
function showsInImage(scan: Scan, { lower }: Node): boolean {
  if (lower === undefined) return false;
  const inImage = scan.paths?.node(lower);
  const [name] = (inImage === undefined ? undefined : scan.paths?.names(inImage)) ?? [];
  // Without the image it cannot be told.
  return name === undefined || !isHidden(scan, name.parent, name.name);
}

/** Climbs from a directory; `rooted` are those that are known to lead up, and grows. */
function leadsUp({ nodes, lowers, paths }: Scan, from: Node, rooted: Set<number>): boolean {
  const climbed = new Set<number>();
  let node: Node | undefined = from;
  while (!rooted.has(node.id)) {
    if (climbed.has(node.id)) return false;
    climbed.add(node.id);
    let parent: Node | undefined;
    if (node.parent !== 0) {
      parent = nodes.get(node.parent);
      if (parent === undefined) return false;
    } else {
      // Up through directories of the image that nobody changed.
      let above: number | undefined = node.lower && paths?.node(node.lower);
      while (above !== undefined && above !== paths?.root && parent === undefined) {
        const next: number | undefined = paths?.names(above)?.[0]?.parent;
        above = next !== undefined && next < above ? next : undefined;
        const handle = above === undefined ? undefined : paths?.handle(above);
        parent = handle && nodes.get(lowers.get(latin1(handle)) ?? 0);
      }
    }
    if (parent === undefined) break;
    node = parent;
  }
  for (const id of climbed) rooted.add(id);
  return true;
}
