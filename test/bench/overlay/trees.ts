import { execFile } from 'node:child_process';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** How large the image is. */
export interface TreeSize {
  readonly directories: number;
  readonly filesPerDirectory: number;
  readonly imageFileBytes: number;
}

/** Names in the image. */
export const SMALL_FILES = 'tree';
export const IMAGE_FILE = 'image';
export const WORK = 'work';
/** As WORK, where the local file system makes changes of names durable before it answers. */
export const DURABLE_WORK = 'work-durable';

const run = promisify(execFile);
const MIB = 2 ** 20;

/** The image: a large file, and small ones of 100 bytes in directories of their own. */
export async function makeImage(root: string, size: TreeSize): Promise<void> {
  for (const name of [SMALL_FILES, WORK, DURABLE_WORK])
    await mkdir(join(root, name), { recursive: true });
  const piece = Buffer.alloc(MIB);
  for (let i = 0; i < MIB; i += 1) piece[i] = (i * 0x9e3779b1) >>> 24;
  const image = await open(join(root, IMAGE_FILE), 'wx');
  for (let at = 0; at < size.imageFileBytes; at += MIB) await image.write(piece);
  await image.close();
  for (let d = 0; d < size.directories; d += 1) {
    const directory = join(root, SMALL_FILES, `dir-${String(d).padStart(4, '0')}`);
    await mkdir(directory);
    const names = Array.from({ length: size.filesPerDirectory }, (_, f) => `file-${f}.conf`);
    await Promise.all(
      names.map((name) => writeFile(join(directory, name), piece.subarray(0, 100))),
    );
  }
}

/** A copy that may be written to, with a directory that keeps what RFC 1813 asks of a server. */
export async function copyForWriting(image: string, copy: string): Promise<void> {
  await run('cp', ['-a', image, copy]);
  // Changes of names in it are on the disk before the call returns; see chattr(1), attribute D.
  await run('chattr', ['+D', join(copy, DURABLE_WORK)]);
}

/** Bytes of disk that everything in a directory takes. */
export async function diskBytes(directory: string): Promise<number> {
  const { stdout } = await run('du', ['--block-size=1', '--summarize', directory]);
  return Number.parseInt(stdout, 10);
}
