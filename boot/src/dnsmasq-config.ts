import type { AddressRange } from './subnet.ts';

/** `server`: gives addresses. `proxy`: another server does, and this one only says where to boot from. */
export type DhcpMode =
  | { readonly kind: 'server'; readonly range: AddressRange; readonly netmask: string }
  | { readonly kind: 'proxy'; readonly network: string };

export interface DnsmasqConfigOptions {
  /** The only one that is listened on. */
  readonly interface: string;
  readonly dhcp: DhcpMode;
  /** Also answers machines that look for a router of IPv6: that there is none here, and nothing to wait for. */
  readonly routerAdvertisements: boolean;
  /** What machines are told to route through and to ask for names, when this server gives addresses. */
  readonly router: string | undefined;
  readonly nameservers: readonly string[];
  /** `12h`, as dnsmasq writes it. */
  readonly leaseTime: string;
  /** Directory of what is given by TFTP: iPXE itself, and its first script. */
  readonly tftpRoot: string;
  /** Which of the loaders below are in it. */
  readonly loaders: readonly Loader[];
  readonly leaseFile: string;
}

/** One build of iPXE for machines whose firmware is none, by the architecture they say (RFC 4578, 2.1). */
export interface Loader {
  readonly file: string;
  readonly architectures: readonly number[];
  /** What pxe-service calls them, which is how a proxy speaks. */
  readonly clientSystems: readonly string[];
}

/** As Debian's package ipxe names them. */
export const LOADERS: readonly Loader[] = [
  { file: 'undionly.kpxe', architectures: [0], clientSystems: ['x86PC'] },
  { file: 'snponly.efi', architectures: [7, 9], clientSystems: ['X86-64_EFI', 'BC_EFI'] },
];

/** The script that iPXE takes by TFTP. */
export const FIRST_SCRIPT = 'boot.ipxe';

/**
 * The configuration of a dnsmasq that answers DHCP and TFTP on one interface, and nothing anywhere else.
 * Firmware gets iPXE, and iPXE gets {@link FIRST_SCRIPT}.
 */
export function dnsmasqConfig(options: DnsmasqConfigOptions): string {
  const { dhcp } = options;
  return [
    '# Made by rowfs boot; changes are lost.',
    'port=0',
    `interface=${options.interface}`,
    'except-interface=lo',
    'bind-interfaces',
    'user=root',
    'log-facility=-',
    'log-dhcp',
    `dhcp-leasefile=${options.leaseFile}`,
    ...(dhcp.kind === 'server' ? serverLines(options, dhcp) : [`dhcp-range=${dhcp.network},proxy`]),
    ...(options.routerAdvertisements ? advertisementLines(options) : []),
    '# iPXE says so in its user class, and in option 175.',
    'dhcp-userclass=set:ipxe,iPXE',
    'dhcp-match=set:ipxe,175',
    ...(dhcp.kind === 'server' ? bootLines(options) : serviceLines(options)),
    'enable-tftp',
    `tftp-root=${options.tftpRoot}`,
    '',
  ].join('\n');
}

function serverLines(
  { router, nameservers, leaseTime }: DnsmasqConfigOptions,
  { range, netmask }: Extract<DhcpMode, { kind: 'server' }>,
): string[] {
  const list = (option: string, values: readonly string[]): string =>
    ['dhcp-option=option:' + option, ...values].join(',');
  return [
    `dhcp-range=${range.first},${range.last},${netmask},${leaseTime}`,
    'dhcp-authoritative',
    '# A ping before each address costs three seconds of every first boot.',
    'no-ping',
    // Without a value: not this machine, as would be the default.
    list('router', router === undefined ? [] : [router]),
    list('dns-server', nameservers),
  ];
}

/** RFC 4861, section 4.2: with a router lifetime of zero, nobody routes through the sender. */
function advertisementLines({ interface: name }: DnsmasqConfigOptions): string[] {
  return ['enable-ra', `ra-param=${name},0,0`, `dhcp-range=::,constructor:${name},ra-only`];
}

function bootLines({ loaders }: DnsmasqConfigOptions): string[] {
  const byArchitecture = loaders.flatMap(({ file, architectures }) =>
    architectures.flatMap((architecture) => [
      `dhcp-match=set:arch${architecture},option:client-arch,${architecture}`,
      `dhcp-boot=tag:!ipxe,tag:arch${architecture},${file}`,
    ]),
  );
  return [...byArchitecture, `dhcp-boot=tag:ipxe,${FIRST_SCRIPT}`];
}

/** A proxy is asked by firmware on a port of its own, and answers as a PXE server. */
function serviceLines({ loaders }: DnsmasqConfigOptions): string[] {
  const systems = LOADERS.flatMap(({ clientSystems }) => clientSystems);
  return [
    ...loaders.flatMap(({ file, clientSystems }) =>
      clientSystems.map((system) => `pxe-service=tag:!ipxe,${system},"iPXE",${file}`),
    ),
    ...systems.map((system) => `pxe-service=tag:ipxe,${system},"rowfs",${FIRST_SCRIPT}`),
    `dhcp-boot=tag:ipxe,${FIRST_SCRIPT}`,
  ];
}
