import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { execa } from 'execa';
import { CliError, lineOf } from '../errors.ts';
import { beginTree, endTree } from './appliance-tree.ts';

export interface CopiedApplianceOptions {
  /** Where its tree is made: a directory that is empty, or not there. */
  readonly tree: string;
  /** The root of a system that can boot over the network: another directory, or `/`. */
  readonly from: string;
  readonly signal: AbortSignal;
}

/**
 * Makes the tree of an appliance out of a system that is there: all of its file system, with owners, links,
 * times and extended attributes, but nothing that is mounted in it.
 *
 * @throws CliError NEEDS_ROOT, NOT_EMPTY, NO_KERNEL, COPY_FAILED
 */
export async function copyAppliance({ tree, from, signal }: CopiedApplianceOptions): Promise<void> {
  const boot = await readdir(join(from, 'boot')).catch((): string[] => []);
  if (!boot.some((name) => name.startsWith('vmlinuz-')))
    throw new CliError(
      'NO_KERNEL',
      `${from} has no /boot/vmlinuz-VERSION: --from wants the root of a system that boots`,
    );
  await beginTree(tree);
  const inside = relative(from, tree);
  const itself = inside.startsWith('..') ? [] : [`--exclude=./${inside}`];
  const as = ['--xattrs', '--xattrs-include=*', '--acls', '--numeric-owner'];
  const options = { cancelSignal: signal, buffer: false } as const;
  await execa('tar', ['-C', from, '--one-file-system', ...as, ...itself, '-cf', '-', '.'], options)
    .pipe('tar', ['-C', tree, ...as, '-xpf', '-'], { ...options, buffer: { stderr: true } })
    .catch((error: unknown) => {
      throw new CliError('COPY_FAILED', `${from} could not be copied: ${lineOf(error)}`, {
        cause: error,
      });
    });
  await endTree(tree);
}
