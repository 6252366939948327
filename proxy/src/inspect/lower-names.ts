import { decodeId, lowerKey, type Node } from '../shadow/records.ts';
import type { Scan } from './scan.ts';

/**
 * How many of the names that a node has in the image still show. A name that nobody ever asked for
 * shows, since only what is asked for can be hidden. Undefined when it cannot be told without the
 * image: there is no path table.
 */
export function visibleLowerNames(scan: Scan, node: Node): number | undefined {
  const { lower, origin } = node;
  if (lower === undefined || origin === undefined) return 0;
  const inImage = scan.paths?.node(lower);
  const names = inImage === undefined ? undefined : scan.paths?.names(inImage);
  if (names === undefined) return undefined;
  const hidden = names.filter(({ parent, name }) => isHidden(scan, parent, name));
  return origin.nlink - hidden.length;
}

/** Whether a name of the image, in the path table's directory `parent`, shows no longer. */
export function isHidden(
  { paths, records, entriesOf }: Scan,
  parent: number,
  name: string,
): boolean {
  const handle = paths?.handle(parent);
  const record = handle && records.get(lowerKey(handle));
  if (record === undefined) return false;
  const directory = decodeId(record);
  // With a directory all names in it have gone.
  if (directory === 0) return true;
  return entriesOf.get(directory)?.has(name) ?? false;
}
