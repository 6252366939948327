import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type AddressRange,
  type BootOptions,
  type BootPlan,
  checkRequirements,
  type Initramfs,
  planBoot,
  startBoot,
} from '@rowfs/boot';
import { listenMount } from '@rowfs/nfs3';
import {
  type ImageServer,
  type Locator,
  SharedLowers,
  staticLocator,
  type UpgradePolicy,
  type UseRegistry,
} from '@rowfs/proxy';
import { type Command, Option } from 'commander';
import {
  parseIpv4,
  parseLeaseTime,
  parseOneLine,
  parsePort,
  parseRange,
} from '../boot/boot-arguments.ts';
import { checkPorts, type WantedPort } from '../boot/free-ports.ts';
import { newestVersion } from '../boot/machine.ts';
import { MachinePorts } from '../boot/machine-ports.ts';
import { MachineRoots } from '../boot/machine-roots.ts';
import { sharedUses } from '../boot/shared-uses.ts';
import {
  type ApplianceRef,
  applianceRefOf,
  type CommandContext,
  commandContext,
} from '../command-context.ts';
import { CliError } from '../errors.ts';
import { parseImageServer } from '../image-server.ts';
import { NodeOnDemand, throughRegistry } from '../node-on-demand.ts';
import {
  type HostPort,
  listenOption,
  parseDigest,
  parseDuration,
  parseSize,
  RepeatableOption,
} from '../options.ts';
import { restOnDemand } from '../rest-on-demand.ts';
import { imageDirectoryName, machinesDirectory } from '../shadows.ts';
import { stopSignal } from '../stop-signal.ts';

interface BootCommandOptions {
  readonly interface: string;
  readonly server?: readonly ImageServer[];
  readonly digest?: string;
  readonly version?: string;
  readonly upgrade: UpgradePolicy;
  readonly proxyDhcp: boolean;
  readonly range?: AddressRange;
  readonly router?: string;
  readonly nameserver?: readonly string[];
  readonly routerAdvertisements: boolean;
  readonly leaseTime: string;
  readonly httpPort: number;
  readonly nfsPort: number;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly initramfs?: Initramfs;
  readonly append: string;
  readonly upWithin: number;
  readonly quota?: number;
  readonly cacheSize?: number;
  readonly lease: number;
  readonly rest: HostPort;
  readonly dryRun: boolean;
}

/** Where klibc's nfsmount looks for it. */
const PORTMAP_PORT = 111;

export function addBootCommand(program: Command): void {
  program
    .command('boot')
    .description(
      'boot diskless machines from an appliance: DHCP, iPXE, kernel, root, a shadow each',
    )
    .argument('[appliance]', 'NAME@PUBLISHER[:CHANNEL], or the NAME of one of your own')
    .requiredOption('--interface <name>', 'where machines are; no other is touched')
    .addOption(
      new RepeatableOption(
        '--server <address>',
        'without a registry: an NFSv3 export to boot from, host[:port[,mountport]]:/path; repeat for replicas',
        parseImageServer,
      ),
    )
    .addOption(
      new Option('--digest <hex>', 'of the image; what does not fit it is not taken').argParser(
        parseDigest,
      ),
    )
    .option('--version <version>', 'boot this version, and not the newest')
    .addOption(
      new Option(
        '--upgrade <what>',
        'when a machine boots and a newer version is out: keep the old one, start fresh, or carry changes over',
      )
        .choices(['keep', 'fresh', 'carry'])
        .default('fresh'),
    )
    .option('--proxy-dhcp', 'another server gives addresses: only say where to boot from', false)
    .addOption(
      new Option(
        '--range <first,last>',
        'addresses to give (default: half of the network of the interface)',
      ).argParser(parseRange),
    )
    .addOption(
      new Option('--router <address>', 'what machines route through (default: none)').argParser(
        parseIpv4,
      ),
    )
    .addOption(
      new RepeatableOption(
        '--nameserver <address>',
        'what machines ask for names; repeat for more (default: none)',
        parseIpv4,
      ),
    )
    .option(
      '--router-advertisements',
      'tell machines that no router of IPv6 is to be waited for, as iPXE does for 14 seconds',
      false,
    )
    .addOption(
      new Option('--lease-time <time>', 'of addresses, as dnsmasq has it')
        .argParser(parseLeaseTime)
        .default('12h'),
    )
    .addOption(
      new Option('--http-port <port>', 'of kernels, scripts and signs of life')
        .argParser(parsePort)
        .default(8069),
    )
    .addOption(
      new Option('--nfs-port <port>', "of the first machine's root; the next has the next")
        .argParser(parsePort)
        .default(2049),
    )
    .option('--kernel <path>', 'in the image (default: the newest in /boot)')
    .option('--initrd <path>', 'in the image (default: that of the kernel)')
    .addOption(
      new Option('--initramfs <kind>', 'what made the initrd (default: found out)').choices([
        'initramfs-tools',
        'dracut',
      ]),
    )
    .addOption(
      new Option('--append <text>', "at the end of the kernel's command line")
        .argParser(parseOneLine)
        .default(''),
    )
    .addOption(
      new Option(
        '--up-within <duration>',
        'when a version that is new to a machine takes longer to come up, the machine gets its last one back; 0s: never',
      )
        .argParser(parseDuration)
        .default(300, '5m'),
    )
    .addOption(
      new Option('--quota <size>', 'of the disk for what a machine writes, e.g. 10G').argParser(
        parseSize,
      ),
    )
    .addOption(
      new Option('--cache-size <size>', 'of the disk for blocks of images').argParser(parseSize),
    )
    .addOption(
      new Option('--lease <duration>', 'how long a version counts as used if this process dies')
        .argParser(parseDuration)
        .default(60, '60s'),
    )
    .addOption(listenOption('--rest', "where operators' REST listens", 0))
    .option('--dry-run', 'print the configuration, and start nothing', false)
    .addHelpText(
      'after',
      `
Machines on the interface that boot over the network get an address and iPXE from dnsmasq, kernel and
initrd out of the image by HTTP, and their root over NFS, with a shadow for each by its MAC address.

Examples:
  $ rowfs boot debian@12D3KooW... --interface eth1                   as root
  $ rowfs boot debian@12D3KooW... --interface eth0 --proxy-dhcp
  $ rowfs boot --server 10.0.0.5:/srv/debian --interface eth1 --dry-run`,
    )
    .action(async (text: string | undefined, options: BootCommandOptions, command: Command) => {
      const context = commandContext(command);
      const { server: servers = [] } = options;
      if ((text === undefined) === (servers.length === 0))
        throw new CliError('BAD_USAGE', 'give either an appliance or --server');
      if (options.digest !== undefined && text !== undefined)
        throw new CliError(
          'BAD_USAGE',
          "an appliance's digest is signed: --digest is for --server",
        );
      const directory = join(context.state, 'boot', options.interface);
      const boot = bootOptions(context, options, directory);
      if (options.dryRun) {
        const plan = planBoot(boot);
        context.output.result(plan, planLines);
        return;
      }
      await checkRequirements();
      await checkPorts(planBoot(boot).subnet.address, wantedPorts(options));
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const stopped = stopSignal();
      const ref = text === undefined ? undefined : await applianceRefOf(context, text);
      const bootstrap = ref === undefined ? [] : context.registry;
      const node = new NodeOnDemand(context, join(directory, 'node'), bootstrap);
      try {
        await serveMachines(context, options, { ref, node, boot, stopped, directory });
      } finally {
        await node.close();
      }
    });
}

interface Serving {
  /** Undefined: plain NFS exports. */
  readonly ref: ApplianceRef | undefined;
  readonly node: NodeOnDemand;
  readonly boot: BootOptions;
  readonly stopped: Promise<unknown>;
  readonly directory: string;
}

async function serveMachines(
  context: CommandContext,
  options: BootCommandOptions,
  { ref, node, boot, stopped, directory }: Serving,
): Promise<void> {
  const { logger } = context;
  const { subnet } = planBoot(boot);
  const appliance = ref?.appliance;
  const outside = await outsideOf(node, ref, options);
  const ports = await MachinePorts.open(join(directory, 'ports.json'), options.nfsPort);
  const roots = new MachineRoots({
    proxy: {
      ...outside,
      cacheDirectory: context.cache,
      cacheLimits: options.cacheSize === undefined ? {} : { maxBytes: options.cacheSize },
      space: options.quota === undefined ? {} : { quota: options.quota },
      ...(options.version === undefined ? {} : { version: options.version }),
      upgrade: options.upgrade,
      lowers: new SharedLowers({ logger }),
    },
    host: subnet.address,
    upWithinMs: options.upWithin * 1000,
    ports,
    directory: join(
      machinesDirectory(context.state),
      imageDirectoryName(appliance, options.server ?? [], options.digest),
    ),
    logger,
  });
  try {
    await roots.resume();
    const mount = await listenMount({
      service: roots.mount,
      exports: ['/'],
      host: subnet.address,
      portmapPort: PORTMAP_PORT,
      logger,
    });
    roots.setMountPort(mount.port);
    try {
      const [started, unpublished] = await Promise.all([
        startBoot(boot, roots),
        noticeOfNothing(ref, ports, outside.locator),
      ]);
      const notices = [...started.notices, ...unpublished];
      try {
        const rest = await restOnDemand(context, 'boot', {
          node: () => node.get(),
          at: options.rest,
          sessions: () => roots.sessions(),
        });
        try {
          const ready = {
            appliance: appliance ?? null,
            interface: options.interface,
            address: subnet.address,
            http: started.http,
            notices,
            rest: rest.url,
          };
          context.output.result(ready, () =>
            [
              `machines on ${options.interface} boot ${appliance ?? 'plain NFS'} from ${subnet.address}`,
              ...notices.map((notice) => `  note        ${notice}`),
              `  operators   ${rest.url}/docs`,
              'Ctrl-C ends it.',
            ].join('\n'),
          );
          await stopped;
        } finally {
          await rest.close();
        }
      } finally {
        await started.close();
      }
    } finally {
      await mount.close();
    }
  } finally {
    await roots.close();
  }
}

function wantedPorts({ httpPort, nfsPort }: BootCommandOptions): WantedPort[] {
  return [
    {
      port: PORTMAP_PORT,
      purpose: 'the portmapper',
      remedy:
        'stop rpcbind (systemctl stop rpcbind.socket rpcbind.service), or the rowfs that has it',
    },
    { port: httpPort, purpose: 'HTTP', remedy: 'choose another one with --http-port' },
    { port: nfsPort, purpose: 'NFS', remedy: 'choose another one with --nfs-port' },
  ];
}

/** Machines ask until there is something; a name that is written wrong looks the same. */
async function noticeOfNothing(
  ref: ApplianceRef | undefined,
  ports: MachinePorts,
  locator: Locator,
): Promise<string[]> {
  // Where machines booted before, the name is right; and those that run do not wait for this.
  if (ref === undefined || ports.machines.length > 0) return [];
  if ((await newestVersion(locator)) !== undefined) return [];
  return [`no version of ${ref.appliance} is found now: machines wait until there is one`];
}

async function outsideOf(
  node: NodeOnDemand,
  ref: ApplianceRef | undefined,
  { server = [], digest, lease }: BootCommandOptions,
): Promise<{ readonly locator: Locator; readonly uses?: UseRegistry }> {
  if (ref === undefined) return { locator: staticLocator(server, digest) };
  const { locator, uses } = await throughRegistry(node, { ...ref, digest }, lease);
  return { locator, uses: sharedUses(uses) };
}

function bootOptions(
  { logger }: CommandContext,
  options: BootCommandOptions,
  directory: string,
): BootOptions {
  const { kernel, initrd, initramfs } = options;
  return {
    interface: options.interface,
    proxyDhcp: options.proxyDhcp,
    range: options.range,
    router: options.router,
    nameservers: options.nameserver ?? [],
    routerAdvertisements: options.routerAdvertisements,
    leaseTime: options.leaseTime,
    httpPort: options.httpPort,
    kernel: {
      ...(kernel === undefined ? {} : { kernel }),
      ...(initrd === undefined ? {} : { initrd }),
      ...(initramfs === undefined ? {} : { initramfs }),
    },
    append: options.append,
    stateDirectory: directory,
    logger,
  };
}

function planLines({ dnsmasqConfig, firstScript, notices }: BootPlan): string {
  return [
    ...notices.map((notice) => `# ${notice}`),
    '# dnsmasq.conf',
    dnsmasqConfig,
    '# the first script of iPXE',
    firstScript,
  ].join('\n');
}
