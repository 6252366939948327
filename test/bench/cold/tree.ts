import { randomFillSync } from 'node:crypto';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Random } from '../../support/random.ts';

/** Directories of the image, each for one question. */
export const WALKED = 'walked';
export const READ = 'read';
export const LARGE_FILE = 'large';

export interface ColdTreeSize {
  /** Walked: directories, and empty files in each. */
  readonly directories: number;
  readonly filesPerDirectory: number;
  /** Read whole, at random. */
  readonly files: number;
  readonly largeBytes: number;
}

export interface ColdTree {
  /** Paths of the files that are read, in a random order, and their bytes in all. */
  readonly files: readonly string[];
  readonly fileBytes: number;
}

const FILES_READ_EACH = 20;
/** As sizes are in a root file system: most are small, and most bytes are in the few that are not. */
const MAX_FILE_BYTES = 250_000;
const MIB = 2 ** 20;

export async function makeColdTree(root: string, size: ColdTreeSize): Promise<ColdTree> {
  const random = new Random(1);
  for (let d = 0; d < size.directories; d += 1) {
    const directory = join(root, WALKED, `directory-${d % 20}`, `directory-${d}`);
    await mkdir(directory, { recursive: true });
    const names = Array.from({ length: size.filesPerDirectory }, (_, f) => `file-${f}.conf`);
    await Promise.all(names.map((name) => writeFile(join(directory, name), '')));
  }
  const files: string[] = [];
  let fileBytes = 0;
  for (let f = 0; f < size.files; f += 1) {
    const directory = join(READ, `directory-${Math.floor(f / FILES_READ_EACH)}`);
    await mkdir(join(root, directory), { recursive: true });
    const path = join(directory, `file-${f}`);
    const length = 1 + Math.floor((random.uint32() / 2 ** 32) ** 4 * MAX_FILE_BYTES);
    await writeFile(join(root, path), randomFillSync(Buffer.alloc(length)));
    files.splice(random.below(files.length + 1), 0, path);
    fileBytes += length;
  }
  const large = await open(join(root, LARGE_FILE), 'wx');
  const piece = Buffer.alloc(MIB);
  for (let at = 0; at < size.largeBytes; at += MIB) await large.write(randomFillSync(piece));
  await large.close();
  return { files, fileBytes };
}
