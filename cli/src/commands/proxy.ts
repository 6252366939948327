import { join } from 'node:path';
import {
  type CarryReport,
  createProxy,
  type ImageServer,
  printableName,
  type Proxy,
  type ProxyOptions,
  staticLocator,
  type UpgradePolicy,
} from '@rowfs/proxy';
import type { Session } from '@rowfs/registry';
import { type Command, Option } from 'commander';
import { applianceRefOf, type CommandContext, commandContext } from '../command-context.ts';
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
  wholeNumber,
} from '../options.ts';
import { restOnDemand } from '../rest-on-demand.ts';
import { sessionOf } from '../session.ts';
import { imageDirectoryName, machinesDirectory } from '../shadows.ts';
import {
  anonymousOption,
  type SquashCommandOptions,
  squashOf,
  squashOption,
} from '../squash-options.ts';
import { stopSignal } from '../stop-signal.ts';

interface ProxyCommandOptions extends SquashCommandOptions {
  readonly server?: readonly ImageServer[];
  readonly digest?: string;
  readonly version?: string;
  readonly channel?: string;
  readonly name?: string;
  readonly upgrade: UpgradePolicy;
  readonly ephemeral: boolean;
  readonly listen: HostPort;
  readonly portmap?: number;
  readonly quota?: number;
  readonly reserve?: number;
  readonly cacheSize?: number;
  readonly lease: number;
  readonly rest: HostPort;
}

export function addProxyCommand(program: Command): void {
  program
    .command('proxy')
    .description('mount an appliance here: reads on demand from its servers, writes stay local')
    .argument('[appliance]', 'NAME@PUBLISHER[:CHANNEL], or the NAME of one of your own')
    .addOption(
      new RepeatableOption(
        '--server <address>',
        'without a registry: an NFSv3 export to stand before, host[:port[,mountport]]:/path; repeat for replicas',
        parseImageServer,
      ),
    )
    .addOption(
      new Option(
        '--digest <hex>',
        'run this image and nothing else, as rowfs image info shows it; with --server, of the image they have',
      ).argParser(parseDigest),
    )
    .option('--version <version>', 'run this version, and not the newest')
    .option('--channel <channel>', 'run what this channel is at (default: stable)')
    .option('--name <name>', 'tells machines that run the same appliance here apart')
    .addOption(
      new Option(
        '--upgrade <what>',
        'when a newer version is out: keep the old one, start fresh, or carry changes over',
      )
        .choices(['keep', 'fresh', 'carry'])
        .default('fresh'),
    )
    .option('--ephemeral', 'what is written here is gone at the clean end', false)
    .addOption(listenOption('--listen', 'where the NFS client mounts', 2049))
    .addOption(
      new Option(
        '--portmap <port>',
        'answer as a portmapper too, for clients that cannot be told ports: they ask 111',
      ).argParser(wholeNumber(0)),
    )
    .addOption(squashOption("not root's by default: to a diskless machine, its root is root"))
    .addOption(anonymousOption())
    .addOption(
      new Option(
        '--quota <size>',
        'of the disk for what is written here, e.g. 10G; clients see it as the size of the file system',
      ).argParser(parseSize),
    )
    .addOption(
      new Option(
        '--reserve <size>',
        'of the disk, kept free: with less, nothing new is taken (default: 1 %, at least 64M and at most 1G)',
      ).argParser(parseSize),
    )
    .addOption(
      new Option(
        '--cache-size <size>',
        'of the disk for blocks of images, for all proxies here (default: a quarter of it, at most 20G)',
      ).argParser(parseSize),
    )
    .addOption(
      new Option('--lease <duration>', 'how long this version counts as used if this process dies')
        .argParser(parseDuration)
        .default(60, '60s'),
    )
    .addOption(listenOption('--rest', "where operators' REST listens", 0))
    .addHelpText(
      'after',
      `
What the client writes is kept in the state directory, in a shadow for each machine (--name) and version.
After a crash the version that is mounted goes on. After a clean end --upgrade decides: keep goes on with
the version of the last run; fresh takes the newest, pristine; carry takes the newest, with all that was
changed over the old one and that the new one left alone, and names the rest. Old shadows stay: see
rowfs shadow.

Examples:
  $ rowfs proxy debian@12D3KooW...
  $ rowfs proxy debian@acme:beta        a publisher that rowfs trust knows, and its channel
  $ rowfs proxy --server 10.0.0.5:/srv/debian --server 10.0.0.6:/srv/debian`,
    )
    .action(async (text: string | undefined, options: ProxyCommandOptions, command: Command) => {
      const context = commandContext(command);
      const { server: servers = [] } = options;
      if ((text === undefined) === (servers.length === 0)) {
        throw new CliError(
          'BAD_USAGE',
          'give either an appliance or --server, see rowfs proxy --help',
        );
      }
      const stopped = stopSignal();
      const ref = text === undefined ? undefined : await applianceRefOf(context, text);
      const appliance = ref?.appliance;
      const machine = join(
        machinesDirectory(context.state),
        machineName(appliance, servers, options),
      );
      const bootstrap = appliance === undefined ? [] : context.registry;
      const node = new NodeOnDemand(context, join(machine, 'node'), bootstrap);
      try {
        const outside =
          ref === undefined
            ? { locator: staticLocator(servers, options.digest) }
            : await throughRegistry(
                node,
                { ...ref, channel: options.channel ?? ref.channel, digest: options.digest },
                options.lease,
              );
        await runProxy(context, node, options, stopped, {
          ...outside,
          stateDirectory: machine,
          cacheDirectory: context.cache,
          cacheLimits: options.cacheSize === undefined ? {} : { maxBytes: options.cacheSize },
          listen: {
            ...options.listen,
            ...(options.portmap === undefined ? {} : { portmapPort: options.portmap }),
          },
          squash: squashOf(options),
          space: {
            ...(options.quota === undefined ? {} : { quota: options.quota }),
            ...(options.reserve === undefined ? {} : { reserve: options.reserve }),
          },
          ...(options.version === undefined ? {} : { version: options.version }),
          upgrade: options.upgrade,
          ephemeral: options.ephemeral,
          logger: context.logger,
        });
      } finally {
        await node.close();
      }
    });
}

async function runProxy(
  context: CommandContext,
  node: NodeOnDemand,
  { rest: at, digest }: ProxyCommandOptions,
  stopped: Promise<unknown>,
  proxyOptions: ProxyOptions,
): Promise<void> {
  const proxy = await createProxy(proxyOptions);
  try {
    await checkPinned(proxy, digest);
    const sessions = async (): Promise<Session[]> => [sessionOf(proxy, await proxy.status())];
    const rest = await restOnDemand(context, 'proxy', { node: () => node.get(), at, sessions });
    try {
      const { appliance, version, staleSince, image } = await proxy.status();
      const ready = {
        appliance: appliance ?? null,
        version: version ?? null,
        digest: image?.digest ?? null,
        staleSince: staleSince ?? null,
        ...proxy.address,
        mountCommand: proxy.mountCommand,
        notices: proxy.notices,
        carried: carriedResult(proxy.carried),
        rest: rest.url,
      };
      context.output.result(ready, () =>
        [
          `${appliance ?? (image === undefined ? 'plain NFS' : `image ${image.digest}`)}${version === undefined ? '' : ` ${version}`} at ${proxy.address.host}:${proxy.address.port}`,
          ...proxy.notices.map((notice) => `  note        ${notice}`),
          `  mount it    ${proxy.mountCommand}`,
          `  operators   ${rest.url}/docs`,
          'Ctrl-C ends it.',
        ].join('\n'),
      );
      await stopped;
    } finally {
      await rest.close();
    }
  } finally {
    await proxy.close();
  }
}

/**
 * With no answer from the registry the proxy goes on with what it ran before, which may be another image.
 *
 * @throws CliError ANOTHER_IMAGE
 */
async function checkPinned(proxy: Proxy, digest: string | undefined): Promise<void> {
  if (digest === undefined) return;
  const { image } = await proxy.status();
  if (image?.digest === digest) return;
  throw new CliError(
    'ANOTHER_IMAGE',
    `this would run ${image === undefined ? 'no verified image' : `the image ${image.digest}`}, and not ${digest}`,
  );
}

/** What was carried over, as scripts see it. */
function carriedResult(report: CarryReport | undefined): object | null {
  if (report === undefined) return null;
  const conflicts = report.conflicts.map((each) => ({ ...each, path: printableName(each.path) }));
  return { ...report, conflicts };
}

/** The directory of one machine's shadows: an appliance, or a set of servers, and a name. */
function machineName(
  appliance: string | undefined,
  servers: readonly ImageServer[],
  { name = 'default', digest }: ProxyCommandOptions,
): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
    throw new CliError('BAD_USAGE', `--name '${name}': letters, digits, '.', '_' and '-' only`);
  }
  return join(imageDirectoryName(appliance, servers, digest), name);
}
