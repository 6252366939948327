import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { debianAppliance } from '../../support/debian-appliance.ts';

/** What people install on a machine to work on: some 900 MB in all, as the image of the ROW-FS paper (section 4.2). */
const PACKAGES = [
  ...['openssh-server', 'locales', 'cron', 'rsyslog', 'logrotate', 'ca-certificates', 'nfs-common'],
  ...['build-essential', 'gdb', 'git', 'strace', 'python3', 'python3-venv', 'perl', 'sqlite3'],
  ...[
    'apache2',
    'rsync',
    'curl',
    'wget',
    'vim',
    'tmux',
    'less',
    'man-db',
    'groff-base',
    'file',
    'bc',
    'time',
  ],
];

export const richAppliance = (): Promise<string> => debianAppliance(PACKAGES);

/** In bytes, of all files: what copying it would move. */
export async function sizeOfTree(directory: string): Promise<number> {
  const inodes = new Map<number, number>();
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const { ino, size } = await lstat(join(entry.parentPath, entry.name));
    inodes.set(ino, size);
  }
  return [...inodes.values()].reduce((sum, size) => sum + size, 0);
}
