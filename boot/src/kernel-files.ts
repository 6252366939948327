import { BootError } from './boot-error.ts';
import type { Initramfs } from './kernel-command-line.ts';
import type { ImageFiles } from './machines.ts';

/** What of an image a machine is started with. */
export interface KernelFiles {
  /** Absolute paths in the image. */
  readonly kernel: string;
  readonly initrd: string;
  readonly initramfs: Initramfs;
}

/** What an administrator said; the rest is found. */
export type KernelChoice = Partial<KernelFiles>;

/** The names that distributions give the initrd of the kernel `vmlinuz-VERSION`. */
const INITRD_NAMES = [
  (version: string): string => `initrd.img-${version}`, // Debian
  (version: string): string => `initramfs-${version}.img`, // Fedora
  (version: string): string => `initrd-${version}`, // openSUSE
];

/**
 * Finds the kernel of an image: the newest in its `/boot` that has an initrd beside it.
 *
 * @throws BootError NO_KERNEL
 */
export async function findKernel(files: ImageFiles, choice: KernelChoice): Promise<KernelFiles> {
  const initramfs = choice.initramfs ?? (await initramfsOf(files));
  if (choice.kernel !== undefined && choice.initrd !== undefined)
    return { kernel: choice.kernel, initrd: choice.initrd, initramfs };
  const names = await files.list('/boot');
  const versions = names.flatMap((name) => /^vmlinuz-(?<version>.+)$/.exec(name)?.[1] ?? []);
  for (const version of versions.toSorted(byVersion).toReversed()) {
    const initrd = INITRD_NAMES.map((nameOf) => nameOf(version)).find((name) =>
      names.includes(name),
    );
    if (initrd === undefined) continue;
    return {
      kernel: choice.kernel ?? `/boot/vmlinuz-${version}`,
      initrd: choice.initrd ?? `/boot/${initrd}`,
      initramfs,
    };
  }
  throw new BootError(
    'NO_KERNEL',
    'the image has no /boot/vmlinuz-VERSION with an initrd of the same version beside it: say with --kernel and --initrd where they are, or build an image that boots with rowfs image build --debian',
  );
}

const byVersion = new Intl.Collator('en', { numeric: true }).compare;

async function initramfsOf(files: ImageFiles): Promise<Initramfs> {
  const [tools, dracut] = await Promise.all([
    files.list('/usr/share/initramfs-tools'),
    files.list('/usr/lib/dracut'),
  ]);
  // Other packages leave hooks for either, whether it is there or not.
  const isDracut = dracut.includes('dracut-functions.sh') && !tools.includes('init');
  return isDracut ? 'dracut' : 'initramfs-tools';
}
