/**
 * The one table of Debian packages the tests need: a capability, the packages that give it, and the
 * command that proves it works. Installed by `tools/install-debian-packages.ts`; asked by the tests
 * through `test/support/requirements.ts`.
 */
import { spawnSync } from 'node:child_process';

export type DebianCapability = {
  /** What the tests do with it, for the message that says what will be skipped. */
  readonly purpose: string;
  readonly packages: readonly string[];
  /** Ends with status 0 when the capability is there. */
  readonly proof: readonly [command: string, ...args: string[]];
  readonly needsRoot: boolean;
};

export const debianCapabilities = {
  ganesha: {
    purpose: 'an unmodified NFSv3 server',
    // The compiler builds the two-function preload that spares ganesha an rpcbind.
    packages: ['nfs-ganesha', 'nfs-ganesha-vfs', 'gcc', 'libc6-dev'],
    proof: ['sh', '-c', 'ganesha.nfsd -v && gcc --version && ls /usr/lib/*/ganesha/libfsalvfs.so'],
    // Its VFS backend opens files by handle (CAP_DAC_READ_SEARCH).
    needsRoot: true,
  },
  libnfs: {
    purpose: 'unmodified user-level NFSv3 clients (nfs-ls, nfs-cat, nfs-cp)',
    packages: ['libnfs-utils'],
    proof: ['sh', '-c', 'command -v nfs-ls && command -v nfs-cat && command -v nfs-cp'],
    needsRoot: false,
  },
  qemu: {
    purpose: 'guests in software emulation',
    packages: ['qemu-system-x86', 'seabios'],
    proof: ['qemu-system-x86_64', '--version'],
    needsRoot: false,
  },
  'network-boot': {
    purpose: 'a machine that boots over the network (iPXE)',
    packages: ['qemu-system-x86', 'seabios', 'ipxe-qemu'],
    proof: ['sh', '-c', 'qemu-system-x86_64 --version && ls /usr/lib/ipxe/qemu/pxe-virtio.rom'],
    needsRoot: false,
  },
  'diskless-boot': {
    purpose: 'machines without a disk in a network with DHCP and TFTP',
    packages: ['qemu-system-x86', 'seabios', 'ipxe-qemu', 'dnsmasq-base', 'iproute2', 'util-linux'],
    proof: [
      'sh',
      '-c',
      'qemu-system-x86_64 --version && ls /usr/lib/ipxe/qemu/pxe-virtio.rom /dev/net/tun && dnsmasq --version && unshare --net ip link add br0 type bridge',
    ],
    // Their images' files belong to many users.
    needsRoot: true,
  },
  uefi: {
    purpose: 'firmware that knows PXE, and the iPXE that it is given',
    packages: ['ovmf', 'ipxe'],
    proof: ['ls', '/usr/share/ovmf/OVMF.fd', '/usr/lib/ipxe/snponly.efi'],
    needsRoot: false,
  },
  undionly: {
    purpose: 'the iPXE that a BIOS with PXE is given',
    packages: ['ipxe'],
    proof: ['ls', '/usr/lib/ipxe/undionly.kpxe'],
    needsRoot: false,
  },
  'network-namespace': {
    purpose: 'a network of its own, with a portmapper on port 111',
    packages: ['util-linux', 'iproute2'],
    proof: ['unshare', '--user', '--map-root-user', '--net', 'ip', 'link', 'set', 'lo', 'up'],
    needsRoot: false,
  },
  'mount-namespace': {
    purpose: 'a disk of a few MiB in memory',
    packages: ['util-linux'],
    proof: ['unshare', '--user', '--map-root-user', '--mount', 'mount', '-t', 'tmpfs', 't', '/mnt'],
    needsRoot: false,
  },
  'loop-disk': {
    purpose: 'a disk of a few MiB with a real file system',
    packages: ['util-linux', 'mount', 'e2fsprogs'],
    proof: ['sh', '-c', 'mkfs.ext4 -V && unshare --mount losetup --find'],
    needsRoot: true,
  },
  'disk-boot': {
    purpose: 'a disk with a Debian and its boot loader, as it is and as qcow2',
    packages: ['mmdebstrap', 'e2fsprogs', 'extlinux', 'mount', 'util-linux', 'qemu-utils'],
    proof: [
      'sh',
      '-c',
      'mmdebstrap --version && mke2fs -V && extlinux --version && qemu-img --version && unshare --mount losetup --find',
    ],
    // Its files belong to many users, and the boot loader is put on it where it is mounted.
    needsRoot: true,
  },
  'nfs-tools': {
    purpose: "clients of MOUNT and the portmapper (showmount, rpcinfo), and QEMU's NFS driver",
    packages: ['nfs-common', 'rpcbind', 'qemu-utils', 'qemu-block-extra', 'libnfs-utils'],
    proof: [
      'sh',
      '-c',
      'ls /usr/sbin/showmount /usr/sbin/rpcinfo /usr/lib/*/qemu/block-nfs.so && command -v nfs-cat',
    ],
    needsRoot: false,
  },
  strace: {
    purpose: 'a log of every system call, from which power cuts are made',
    packages: ['strace'],
    proof: ['strace', '-D', '-f', '-qq', '-e', 'trace=fsync', 'true'],
    needsRoot: false,
  },
  'oci-tools': {
    purpose: 'an independent tool that applies layers of OCI images (umoci)',
    packages: ['umoci', 'tar'],
    proof: ['umoci', '--version'],
    // Files of many users are unpacked.
    needsRoot: true,
  },
  'debian-tree': {
    purpose: 'a Debian tree as the image, on a disk of its own and served',
    // The compiler makes the programs that run in the guest.
    packages: ['mmdebstrap', 'e2fsprogs', 'gcc', 'libc6-dev'],
    proof: ['sh', '-c', 'mmdebstrap --version && mke2fs -V && gcc --version'],
    // Its files belong to many users.
    needsRoot: true,
  },
  rsync: {
    purpose: 'the usual way to bring a tree from one version to the next, to compare with',
    packages: ['rsync'],
    proof: ['rsync', '--version'],
    needsRoot: false,
  },
  'guest-image': {
    purpose:
      "a Linux guest with the kernel's own NFS client (its packages are unpacked, not installed)",
    packages: ['apt', 'dpkg', 'tar'],
    proof: ['apt-cache', 'show', 'linux-image-cloud-amd64', 'busybox-static', 'tcc'],
    needsRoot: false,
  },
} as const satisfies Record<string, DebianCapability>;

export type DebianCapabilityName = keyof typeof debianCapabilities;

export const debianCapabilityNames = Object.keys(
  debianCapabilities,
) as readonly DebianCapabilityName[];

/** What keeps a test from using the capability on this machine, now: `undefined` when nothing does. */
export function whatIsLacking(name: DebianCapabilityName): 'packages' | 'root' | undefined {
  const { proof, needsRoot } = debianCapabilities[name];
  const [command, ...args] = proof;
  if (spawnSync(command, args, { stdio: 'ignore' }).status !== 0) return 'packages';
  return needsRoot && process.getuid?.() !== 0 ? 'root' : undefined;
}

/** The command a person would type to get these capabilities. */
export function installCommand(names: readonly DebianCapabilityName[]): string {
  const packages = new Set(names.flatMap((name) => [...debianCapabilities[name].packages]));
  return `sudo apt-get update && sudo apt-get install --yes --no-install-recommends ${[...packages].join(' ')}`;
}
