import { join } from 'node:path';
import { MANIFEST_PATH, readImage } from '@rowfs/image';

/** Of the manifest that a tree has, in hex. */
export async function imageDigest(tree: string): Promise<string> {
  return (await readImage(join(tree, MANIFEST_PATH))).digest.toString('hex');
}
