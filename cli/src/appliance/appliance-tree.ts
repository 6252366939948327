import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CliError } from '../errors.ts';
import { installHeartbeat } from './heartbeat.ts';

/**
 * Begins the tree of an appliance, in a directory that is empty or not there.
 *
 * @throws CliError NEEDS_ROOT, NOT_EMPTY
 */
export async function beginTree(tree: string): Promise<void> {
  if (process.geteuid?.() !== 0)
    throw new CliError('NEEDS_ROOT', 'the files of an appliance belong to many users: be root');
  await mkdir(tree, { recursive: true });
  if ((await readdir(tree)).length > 0)
    throw new CliError('NOT_EMPTY', `${tree} is not empty: name a directory that is not there yet`);
}

/** Ends it: it forgets the machine that it was made on, and tells `rowfs boot` when it is up. */
export async function endTree(tree: string): Promise<void> {
  for (const [path, text] of [
    ['etc/machine-id', ''],
    ['etc/hostname', 'localhost\n'],
    // The root comes from the kernel's command line, and is not mounted again.
    ['etc/fstab', ''],
  ] as const)
    await writeFile(join(tree, path), text);
  // In a machine with a resolver of its own it is a link to somewhere else.
  if (existsSync(join(tree, 'etc/resolv.conf'))) await writeFile(join(tree, 'etc/resolv.conf'), '');
  await installHeartbeat(tree);
}
