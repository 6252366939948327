import { channelsOf, createResolver, formatServerAddress } from '@rowfs/registry';
import { type Command, Option } from 'commander';
import { applianceRefOf, commandContext, withRegistry } from '../command-context.ts';
import { parseDigest } from '../options.ts';
import { table } from '../output.ts';
import { inHex } from '../published-image.ts';

interface ResolveCommandOptions {
  readonly version?: string;
  readonly channel?: string;
  readonly digest?: string;
}

export function addResolveCommand(program: Command): void {
  program
    .command('resolve')
    .description('find the newest version of an appliance, and who serves it')
    .argument('<appliance>', 'NAME@PUBLISHER[:CHANNEL], or the NAME of one of your own')
    .option('--version <version>', 'this version instead of the newest')
    .option('--channel <channel>', 'the version that this channel is at (default: stable)')
    .addOption(
      new Option('--digest <hex>', 'the version that is this image, and no other').argParser(
        parseDigest,
      ),
    )
    .addHelpText(
      'after',
      `
Examples:
  $ rowfs resolve debian@12D3KooW...
  $ rowfs resolve debian@12D3KooW...:beta --json`,
    )
    .action(async (text: string, options: ResolveCommandOptions, command: Command) => {
      const context = commandContext(command);
      const { appliance, channel = options.channel } = await applianceRefOf(context, text);
      const { version, digest } = options;
      const found = await withRegistry(context, (node) =>
        createResolver(node).resolve(appliance, {
          ...(version !== undefined && { version }),
          ...(channel !== undefined && { channel }),
          ...(digest !== undefined && { manifest: Buffer.from(digest, 'hex') }),
        }),
      );
      const result = {
        appliance,
        version: found.version,
        manifest: found.manifest && inHex(found.manifest),
        bootProfile: found.bootProfile && inHex(found.bootProfile),
        channels: channelsOf(found.latest),
        seq: found.latest.seq,
        published: new Date(found.latest.published).toISOString(),
        validUntil: new Date(found.latest.validUntil).toISOString(),
        staleSince: found.staleSince?.toISOString() ?? null,
        servers: found.servers.map(({ address, holdings, load, endorsed }) => ({
          address: formatServerAddress(address),
          holdings,
          load,
          endorsed,
        })),
      };
      context.output.result(result, ({ manifest, staleSince, servers }) =>
        [
          appliance,
          `version ${found.version}${staleSince === null ? '' : `, stale since ${staleSince}`}`,
          `image ${manifest?.digest ?? 'without a manifest: nobody can verify it'}`,
          table(
            ['SERVER', 'HOLDINGS', 'LOAD', 'VOUCHED FOR BY'],
            servers.map((server) => [
              server.address,
              server.holdings,
              `${server.load} %`,
              server.endorsed ? 'publisher' : 'itself',
            ]),
          ),
        ].join('\n'),
      );
    });
}
