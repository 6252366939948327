import { type MacAddress, withColons } from './mac-address.ts';

/** What mounts the root: they take their options in different words. */
export type Initramfs = 'initramfs-tools' | 'dracut';

/** Where a machine's root is. */
export interface NfsRoot {
  /** IPv4: klibc knows no other. */
  readonly host: string;
  readonly port: number;
  readonly mountPort: number;
  readonly path: string;
}

export interface CommandLineOptions {
  readonly initramfs: Initramfs;
  readonly root: NfsRoot;
  readonly mac: MacAddress;
  /** Where the machine says that it is up; see `rowfs.heartbeat` in docs/boot.md. */
  readonly heartbeat: string;
  /** As the administrator gave them. */
  readonly extra: string;
}

/** A panic, and an initial ram disk that gives up, ends in another attempt, of the version before perhaps. */
const PANIC_SECONDS = 10;

/**
 * The kernel's command line, in a script of iPXE: `${ip}` and its like are what DHCP gave, so that the initial
 * ram disk need not ask again. The card is the one that was booted from, by its address, whatever its name.
 *
 * `nocto`: nobody else writes to this machine's tree, so what it knows of a file is still so when it is
 * opened again.
 */
export function kernelCommandLine(options: CommandLineOptions): string {
  const { initramfs, heartbeat, extra } = options;
  const root = initramfs === 'dracut' ? dracut(options) : initramfsTools(options);
  return [
    ...root,
    'rw',
    `panic=${PANIC_SECONDS}`,
    `rowfs.heartbeat=${heartbeat}`,
    ...(extra === '' ? [] : [extra]),
  ].join(' ');
}

/** klibc's nfsmount: no `mountport=`, `proto=` or `vers=`; it asks the portmapper for MOUNT. */
function initramfsTools({ root: { host, port, path }, mac }: CommandLineOptions): string[] {
  return [
    'root=/dev/nfs',
    'boot=nfs',
    `nfsroot=${host}:${path},port=${port},v3,tcp,nolock,hard,nocto`,
    'ip=${ip}::${gateway}:${netmask}:::none',
    `BOOTIF=01-${mac}`,
  ];
}

/**
 * dracut names the card that an address is for, so it is given a name first. No BOOTIF: with it, NetworkManager
 * would ask DHCP for another address. When it gives up it would wait for somebody at the console.
 */
function dracut({ root, mac }: CommandLineOptions): string[] {
  const { host, port, mountPort, path } = root;
  return [
    `root=nfs:${host}:${path}:vers=3,proto=tcp,nolock,hard,nocto,port=${port},mountport=${mountPort}`,
    `ifname=bootnet:${withColons(mac)}`,
    'ip=${ip}::${gateway}:${netmask}::bootnet:none',
    'rd.neednet=1',
    'rd.shell=0 rd.emergency=reboot',
  ];
}
