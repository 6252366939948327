import type { Initramfs } from '@rowfs/boot';
import { execa } from 'execa';
import { CliError, codeOf, lineOf } from '../errors.ts';
import { beginTree, endTree } from './appliance-tree.ts';
import { sourcesOfSuite } from './apt-sources.ts';

export interface DebianApplianceOptions {
  /** Where its tree is made: a directory that is empty, or not there. */
  readonly tree: string;
  /** `bookworm`. */
  readonly suite: string;
  /** Besides what every appliance needs. */
  readonly packages: readonly string[];
  /** The package of the kernel; by default Debian's own for this architecture. */
  readonly kernel: string | undefined;
  readonly initramfs: Initramfs;
  readonly signal: AbortSignal;
}

/** What makes a tree boot, with systemd. */
const NEEDED = ['systemd-sysv', 'udev', 'kmod', 'iproute2', 'login'] as const;

/** What makes an initial ram disk that mounts NFS. */
const INITRAMFS: Readonly<Record<Initramfs, readonly string[]>> = {
  // By klibc, always.
  'initramfs-tools': ['initramfs-tools'],
  // By mount.nfs, which takes /etc/protocols; dracut asks for the others too.
  dracut: ['dracut', 'dracut-network', 'nfs-common', 'netbase', 'procps'],
};

/**
 * For any machine, with NFS. dracut would leave the network to systemd-networkd, which does not mount a root
 * in Debian's version of it.
 */
const DRACUT_CONF = 'hostonly="no"\nadd_dracutmodules+=" nfs network-legacy "\n';

/** There when the kernel is installed, which is when its initial ram disk is made. Of mmdebstrap, `$1` is the tree. */
const WRITE_DRACUT_CONF = `mkdir -p "$1/etc/dracut.conf.d" && printf '%s' '${DRACUT_CONF}' >"$1/etc/dracut.conf.d/nfs-root.conf"`;

/**
 * Makes the tree of a Debian that boots over the network.
 *
 * @throws CliError NEEDS_ROOT, NOT_EMPTY, MMDEBSTRAP_MISSING, MMDEBSTRAP_FAILED, NO_APT_SOURCES
 */
export async function makeDebianAppliance(options: DebianApplianceOptions): Promise<void> {
  const { tree, suite, packages, initramfs, signal } = options;
  await beginTree(tree);
  const kernel = options.kernel ?? (await kernelPackage());
  const include = [kernel, ...NEEDED, ...INITRAMFS[initramfs], ...packages].join(',');
  await execa(
    'mmdebstrap',
    [
      ...['--quiet', '--mode=root', '--variant=minbase', `--include=${include}`],
      ...(initramfs === 'dracut' ? [`--setup-hook=${WRITE_DRACUT_CONF}`] : []),
      ...[suite, tree, '-'],
    ],
    { input: await sourcesOfSuite(suite), cancelSignal: signal },
  ).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT')
      throw new CliError('MMDEBSTRAP_MISSING', 'mmdebstrap is missing: apt install mmdebstrap');
    throw new CliError('MMDEBSTRAP_FAILED', `mmdebstrap failed: ${lineOf(error)}`, {
      cause: error,
    });
  });
  await endTree(tree);
}

async function kernelPackage(): Promise<string> {
  const { stdout } = await execa('dpkg', ['--print-architecture']);
  return `linux-image-${stdout.trim()}`;
}
