import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { Image } from '@rowfs/image';
import type { FileContents } from '../image-view/file-contents.ts';

/** The contents of an image, out of the directory that it was built of. */
export function directoryContents(image: Image, directory: string): FileContents {
  return {
    read(fileid, offset, count) {
      const path = Buffer.from(join(directory, ...image.path(fileid)), 'latin1');
      const fd = openSync(path, 'r');
      try {
        const bytes = Buffer.alloc(count);
        const got = readSync(fd, bytes, 0, count, offset);
        if (got !== count) throw new Error(`${path.toString()} has ${got} of ${count} bytes`);
        return [bytes];
      } finally {
        closeSync(fd);
      }
    },
  };
}
