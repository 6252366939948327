/** A disk of a few MiB that only a test and the processes it runs on it see. */
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { startProcess } from './process.ts';

/** `ext4` is on a loop device, which takes root; `tmpfs` needs no privileges. */
export type SmallDiskKind = 'ext4' | 'tmpfs';

export type SmallDiskOptions = {
  readonly kind: SmallDiskKind;
  readonly bytes: number;
  /** Where it is mounted; made. */
  readonly mountpoint: string;
  /** The test's own, for logs and the disk's image. */
  readonly directory: string;
};

export type SmallDisk = {
  /** What goes before a command, and before its arguments, to run it where the disk is mounted. */
  readonly enter: readonly [command: string, ...args: string[]];
  /** Runs a shell script there. */
  readonly run: (script: string) => Promise<string>;
  /** The disk is gone with the last process in there. */
  close(): Promise<void>;
};

export async function smallDisk(options: SmallDiskOptions): Promise<SmallDisk> {
  const { kind, directory, mountpoint } = options;
  await mkdir(mountpoint, { recursive: true });
  const namespaces = kind === 'ext4' ? ['--mount'] : ['--user', '--mount'];
  const asRoot = kind === 'ext4' ? [] : ['--map-root-user'];
  const mount = `${await mountCommand(options)} "$1" && echo mounted && exec sleep infinity`;
  const holder = await startProcess(
    'unshare',
    [...namespaces, ...asRoot, '--', 'sh', '-c', mount, 'sh', mountpoint],
    { name: `small disk (${kind})`, logFile: join(directory, 'small-disk.log') },
  );
  await holder.waitForLine(/^mounted$/m);
  const before = [
    ...(kind === 'ext4' ? [] : ['--preserve-credentials']),
    ...[...namespaces, '--target', String(holder.pid), '--'],
    // Entering made the kernel forget that the process is to die with its parent.
    ...['setpriv', '--pdeathsig', 'KILL'],
  ];
  return {
    enter: ['nsenter', ...before],
    run: async (script) => (await execa('nsenter', [...before, 'sh', '-ec', script])).stdout,
    close: () => holder.close(),
  };
}

async function mountCommand({ kind, bytes, directory }: SmallDiskOptions): Promise<string> {
  if (kind === 'tmpfs') return `mount -t tmpfs -o size=${bytes},mode=0700 tmpfs`;
  const image = join(directory, 'small-disk.ext4');
  await writeFile(image, '');
  await truncate(image, bytes);
  await execa('/usr/sbin/mkfs.ext4', ['-q', '-m', '0', image]);
  return `mount -o loop '${image}'`;
}
