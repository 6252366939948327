import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Logger, pino } from 'pino';
import { bootServer } from './boot-server.ts';
import { endLeftBehind, startDnsmasq } from './dnsmasq.ts';
import {
  type DhcpMode,
  dnsmasqConfig,
  FIRST_SCRIPT,
  type Loader,
  LOADERS,
} from './dnsmasq-config.ts';
import { checkCanAdvertise, subnetOf } from './interface-subnet.ts';
import { firstScript } from './ipxe-script.ts';
import type { KernelChoice } from './kernel-files.ts';
import type { Machines } from './machines.ts';
import { NetbootFiles } from './netboot-files.ts';
import { checkOtherServers } from './preflight.ts';
import { type AddressRange, checkRange, defaultRange, networkOf, type Subnet } from './subnet.ts';

export interface BootOptions {
  /** Nothing is listened on but this interface. */
  readonly interface: string;
  /** Another server gives addresses; this one says where to boot from. */
  readonly proxyDhcp: boolean;
  /** Default: the half of the interface's network in which this machine is not. */
  readonly range: AddressRange | undefined;
  readonly router: string | undefined;
  readonly nameservers: readonly string[];
  /** Answers iPXE when it looks for a router of IPv6, for which it waits otherwise. */
  readonly routerAdvertisements: boolean;
  readonly leaseTime: string;
  /** TCP port of HTTP. */
  readonly httpPort: number;
  readonly kernel: KernelChoice;
  /** For the end of the kernel's command line. */
  readonly append: string;
  /** What is kept between runs: leases, kernels. Made when missing. */
  readonly stateDirectory: string;
  readonly logger?: Logger;
}

/** What {@link startBoot} would start. */
export interface BootPlan {
  readonly subnet: Subnet;
  readonly http: string;
  readonly dnsmasqConfig: string;
  readonly firstScript: string;
  /** What an operator should know; one sentence each. */
  readonly notices: readonly string[];
}

/** A boot server that serves. */
export interface Boot extends BootPlan {
  /** Machines that run go on; none can be started any more. */
  close(): Promise<void>;
}

/** Where Debian's package ipxe puts its builds. */
const LOADERS_DIRECTORY = '/usr/lib/ipxe';

/** @throws BootError INTERFACE_UNUSABLE, BAD_SUBNET, BAD_RANGE */
export function planBoot(options: BootOptions): BootPlan {
  const subnet = subnetOf(options.interface);
  if (options.routerAdvertisements) checkCanAdvertise(options.interface);
  const loaders = LOADERS.filter(({ file }) => existsSync(join(LOADERS_DIRECTORY, file)));
  const http = `http://${subnet.address}:${options.httpPort}`;
  return {
    subnet,
    http,
    dnsmasqConfig: dnsmasqConfig({
      ...options,
      dhcp: dhcpMode(options, subnet),
      tftpRoot: tftpRootOf(options),
      loaders,
      leaseFile: join(options.stateDirectory, 'leases'),
    }),
    firstScript: firstScript(http),
    notices: loaderNotices(loaders),
  };
}

/**
 * Answers machines that boot over the network: DHCP and TFTP by a dnsmasq that is watched over, everything
 * else by HTTP. This machine fulfils {@link checkRequirements}.
 *
 * @throws BootError; what listening throws. Nothing stays open.
 */
export async function startBoot(options: BootOptions, machines: Machines): Promise<Boot> {
  const { logger = pino({ level: 'silent' }), stateDirectory } = options;
  const plan = planBoot(options);
  const configFile = join(stateDirectory, 'dnsmasq.conf');
  await endLeftBehind(configFile);
  const other = await checkOtherServers(options.interface, plan.subnet, options.proxyDhcp);
  const tftpRoot = tftpRootOf(options);
  await mkdir(tftpRoot, { recursive: true });
  await writeFile(join(tftpRoot, FIRST_SCRIPT), plan.firstScript);
  for (const { file } of LOADERS) {
    const loader = join(LOADERS_DIRECTORY, file);
    if (existsSync(loader)) await copyFile(loader, join(tftpRoot, file));
  }
  const server = bootServer({
    machines,
    files: new NetbootFiles(tftpRoot, options.kernel),
    http: plan.http,
    tftp: `tftp://${plan.subnet.address}`,
    append: options.append,
    logger,
  });
  try {
    await server.listen({ host: plan.subnet.address, port: options.httpPort });
    const dnsmasq = await startDnsmasq({
      configFile,
      config: plan.dnsmasqConfig,
      logger,
    });
    return {
      ...plan,
      notices: [...plan.notices, ...(other === undefined ? [] : [other])],
      async close() {
        await dnsmasq.close();
        await server.close();
      },
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}

const tftpRootOf = ({ stateDirectory }: BootOptions): string => join(stateDirectory, 'tftp');

function dhcpMode({ proxyDhcp, range }: BootOptions, subnet: Subnet): DhcpMode {
  if (proxyDhcp) return { kind: 'proxy', network: networkOf(subnet) };
  if (range !== undefined) checkRange(range, subnet);
  return { kind: 'server', range: range ?? defaultRange(subnet), netmask: subnet.netmask };
}

function loaderNotices(found: readonly Loader[]): string[] {
  const missing = LOADERS.filter((loader) => !found.includes(loader)).map(({ file }) => file);
  if (missing.length === 0) return [];
  return [
    `only machines whose firmware is iPXE can boot: ${missing.join(' and ')} not found in ${LOADERS_DIRECTORY} (apt install ipxe)`,
  ];
}
