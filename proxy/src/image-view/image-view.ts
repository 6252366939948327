import type { Image } from '@rowfs/image';
import type { Nfs3Service } from '@rowfs/nfs3';
import { type Logger, pino } from 'pino';
import type { LowerTree } from '../row/lower-tree.ts';
import { directoryProcedures } from './directories.ts';
import type { FileContents } from './file-contents.ts';
import { fileSystemProcedures } from './file-system.ts';
import { ImageTree } from './image-tree.ts';
import { lookupProcedures } from './lookup.ts';
import { lowerTree } from './lower-tree.ts';
import { readProcedures } from './read.ts';
import { refusingProcedures } from './refusing.ts';

export interface ImageViewOptions {
  readonly logger?: Logger;
}

/** An image as a service, and as what a layer over it may ask at once. */
export interface ImageView extends Nfs3Service {
  readonly tree: LowerTree;
}

/**
 * An image as a read-only NFSv3 service. Everything but the bytes of files is answered from the
 * manifest, at once and without asking anybody; the bytes come from `contents`, and when it has not
 * got them, that READ is answered NFS3ERR_IO, and the reason logged.
 *
 * Handles, fileids and cookies are the image's own: they are the same wherever and whenever it is
 * served, so that a shadow over it fits after every restart. A handle of another image is STALE.
 * Callers get what the mode bits grant them.
 */
export function imageView(
  image: Image,
  contents: FileContents,
  { logger = pino({ level: 'silent' }) }: ImageViewOptions = {},
): ImageView {
  const tree = new ImageTree(image);
  return {
    ...fileSystemProcedures(tree),
    ...lookupProcedures(tree),
    ...directoryProcedures(tree),
    ...readProcedures(tree, contents, logger),
    ...refusingProcedures(tree),
    tree: lowerTree(tree),
  };
}
