import { FileType } from './format.ts';
import type { Image } from './image.ts';

/**
 * The inode that these names lead to, from the root on; undefined when there is none. Symbolic links
 * are not followed.
 */
export function lookupPath(image: Image, names: readonly string[]): number | undefined {
  let fileid: number | undefined = image.root;
  for (const name of names) {
    if (image.attributes(fileid).type !== FileType.DIR) return undefined;
    fileid = image.lookup(fileid, name);
    if (fileid === undefined) return undefined;
  }
  return fileid;
}
