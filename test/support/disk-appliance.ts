/** An image with the disk of a machine in it: Debian, and a boot loader, so that nothing else is needed to switch it on. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { cachedDirectory } from './cache-directory.ts';
import { debianAppliance } from './debian-appliance.ts';
import { KERNEL_OPTIONS } from './diskless-network.ts';
import { askRowfs } from './rowfs.ts';

export type DiskAppliance = {
  /** What is published: the disk in each format, and the manifest. */
  readonly tree: string;
  readonly digest: string;
};

export type DiskFormat = 'raw' | 'qcow2';

/** Where it is in the tree. */
export const diskPath = (format: DiskFormat): string => `disks/debian.${format}`;

/** About what the tree in it takes, twice. */
const DISK_MIB = 768;

/** It finds kernel and initrd by the links that Debian's packages leave in the root for boot loaders. */
const LOADER_CONFIGURATION = `DEFAULT debian
LABEL debian
LINUX /vmlinuz
INITRD /initrd.img
APPEND root=/dev/vda rw panic=10 ${KERNEL_OPTIONS}
`;

/** From the cache; it must not be changed. Needs root. */
export async function diskAppliance(): Promise<DiskAppliance> {
  const root = await debianAppliance();
  const inputs = [
    root,
    String(DISK_MIB),
    LOADER_CONFIGURATION,
    await readFile(import.meta.filename),
  ];
  const directory = await cachedDirectory('disk-appliance', inputs, async (empty) => {
    const tree = join(empty, 'tree');
    await mkdir(join(tree, 'disks'), { recursive: true });
    const raw = join(tree, diskPath('raw'));
    await makeBootableDisk(raw, root);
    await execa('qemu-img', ['convert', '-O', 'qcow2', raw, join(tree, diskPath('qcow2'))]);
    const builder = { directory: empty, owner: 'builder', timeoutMs: 300_000 };
    const { digest } = await askRowfs<{ digest: string }>(['image', 'build', tree], builder);
    await writeFile(join(empty, 'digest'), digest);
  });
  return {
    tree: join(directory, 'tree'),
    digest: await readFile(join(directory, 'digest'), 'utf8'),
  };
}

/** Of one file system, with the boot loader in its first sector, where the firmware looks. */
async function makeBootableDisk(disk: string, root: string): Promise<void> {
  // The boot loader reads no newer ext4.
  const features = '^64bit,^metadata_csum';
  await execa('mke2fs', [
    ...['-q', '-t', 'ext4', '-O', features, '-d', root, disk, `${DISK_MIB}M`],
  ]);
  const mountpoint = await mkdtemp(`${disk}-`);
  const install = [
    'mount -o loop "$1" "$2"',
    'mkdir "$2/boot/extlinux"',
    'printf %s "$3" >"$2/boot/extlinux/extlinux.conf"',
    'extlinux --install "$2/boot/extlinux"',
    'umount "$2"',
  ].join('\n');
  await execa('unshare', [
    ...['--mount', 'sh', '-ec', install, 'sh', disk, mountpoint, LOADER_CONFIGURATION],
  ]);
  await rm(mountpoint, { recursive: true });
}
