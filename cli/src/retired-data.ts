import { lstat, open, opendir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CliError } from './errors.ts';

/** `st_blocks` counts in these, whatever the file system's own blocks are. */
const STAT_BLOCK_BYTES = 512;

/**
 * Deletes a directory and all below it; resolves to the bytes of the disk that are free again. It is
 * moved aside first, so that a crash leaves no half of it to be served.
 *
 * @param directory without symbolic links, and not a mount point.
 */
export async function deleteDirectory(directory: string): Promise<number> {
  const aside = asideOf(directory);
  await rm(aside, { recursive: true, force: true });
  await rename(directory, aside);
  const parent = await open(dirname(directory), 'r');
  try {
    await parent.sync();
  } finally {
    await parent.close();
  }
  const bytes = await bytesFreedBy(aside);
  await rm(aside, { recursive: true });
  return bytes;
}

/** Deletes what a deletion that was interrupted left of `directory`. */
export async function finishDeletion(directory: string): Promise<void> {
  await rm(asideOf(directory), { recursive: true, force: true });
}

/**
 * @param directory without symbolic links.
 * @param own directories of this program.
 * @throws CliError BAD_USAGE for a directory that holds more than an image.
 */
export function checkDeletable(directory: string, own: readonly string[]): void {
  const holds = (path: string): boolean => `${path}/`.startsWith(`${directory}/`);
  const held = directory === '/' ? '/' : own.find(holds);
  if (held === undefined) return;
  throw new CliError(
    'BAD_USAGE',
    `--delete-retired would delete ${directory}, which holds ${held}: serve a directory of the image's own`,
  );
}

function asideOf(directory: string): string {
  return join(dirname(directory), `.${basename(directory)}.rowfs-deleted`);
}

/** What the disk gets back when the tree goes: files that are linked from elsewhere too stay there. */
async function bytesFreedBy(root: string): Promise<number> {
  let bytes = 0;
  const linksLeft = new Map<string, bigint>();
  const visit = async (path: string): Promise<void> => {
    const stats = await lstat(path, { bigint: true });
    const own = Number(stats.blocks) * STAT_BLOCK_BYTES;
    if (stats.isDirectory()) {
      bytes += own;
      for await (const { name } of await opendir(path)) await visit(join(path, name));
      return;
    }
    const inode = `${stats.dev}:${stats.ino}`;
    const left = (linksLeft.get(inode) ?? stats.nlink) - 1n;
    linksLeft.set(inode, left);
    if (left === 0n) {
      bytes += own;
      linksLeft.delete(inode);
    }
  };
  await visit(root);
  return bytes;
}
