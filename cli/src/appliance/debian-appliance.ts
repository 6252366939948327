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
  readonly signal: AbortSignal;
}

/** What makes a tree boot over the network, with systemd: the stock initial ram disk mounts NFS by klibc. */
const NEEDED = ['initramfs-tools', 'systemd-sysv', 'udev', 'kmod', 'iproute2', 'login'] as const;

/**
 * Makes the tree of a Debian that boots over the network.
 *
 * @throws CliError NEEDS_ROOT, NOT_EMPTY, MMDEBSTRAP_MISSING, MMDEBSTRAP_FAILED, NO_APT_SOURCES
 */
export async function makeDebianAppliance(options: DebianApplianceOptions): Promise<void> {
  const { tree, suite, packages, signal } = options;
  await beginTree(tree);
  const kernel = options.kernel ?? (await kernelPackage());
  const include = [kernel, ...NEEDED, ...packages].join(',');
  await execa(
    'mmdebstrap',
    ['--quiet', '--mode=root', '--variant=minbase', `--include=${include}`, suite, tree, '-'],
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
