/**
 * A machine whose disk is a file of an image: Debian with a boot loader of its own on the disk, so that nothing but the
 * disk is needed to switch it on.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { cachedDirectory } from './cache-directory.ts';
import { debianAppliance } from './debian-appliance.ts';
import { KERNEL_OPTIONS } from './diskless-network.ts';
import { type Guest, startMachine } from './guest.ts';
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

export type DiskMachineOptions = {
  readonly directory: string;
  /** What goes before QEMU, to run it in another network. */
  readonly enter: readonly string[];
  /** As QEMU is told: a path, or the URL of an NFS server. */
  readonly disk: string;
  readonly format: DiskFormat;
};

/** Under emulation, on a busy machine, over a long link. */
const BOOT_TIMEOUT_MS = 400_000;

/** A machine with a disk and nothing else, to be switched on any number of times. */
export class DiskMachine {
  readonly #options: DiskMachineOptions;
  #runs = 0;

  constructor(options: DiskMachineOptions) {
    this.#options = options;
  }

  /** Its firmware finds the boot loader on the disk. `booted` of what is returned resolves when its userland is up. */
  async switchOn(): Promise<Guest> {
    const { directory, enter, disk, format } = this.#options;
    this.#runs += 1;
    return startMachine(
      {
        ...{ directory, name: 'vm', memoryMiB: 512, cpus: 1, enter },
        arguments: ['-drive', `file=${disk},format=${format},if=virtio`],
        bootTimeoutMs: BOOT_TIMEOUT_MS,
      },
      this.#runs,
    );
  }
}

/** As its user would; it is gone when this resolves. */
export async function switchOff(guest: Guest): Promise<void> {
  await guest.run('systemctl --no-block poweroff');
  await guest.ended;
  await guest.close();
}
