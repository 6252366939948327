import { createResolver, formatServerAddress } from '@rowfs/registry';
import type { Command } from 'commander';
import { applianceOf, commandContext, withRegistry } from '../command-context.ts';
import { table } from '../output.ts';
import { hexOf } from '../published-image.ts';

export function addResolveCommand(program: Command): void {
  program
    .command('resolve')
    .description('find the newest version of an appliance, and who serves it')
    .argument('<appliance>', 'NAME@PEERID, or the NAME of one of your own')
    .option('--version <version>', 'this version instead of the newest')
    .option('--channel <channel>', 'the version that this channel is at')
    .addHelpText(
      'after',
      `
Examples:
  $ rowfs resolve debian@12D3KooW...
  $ rowfs resolve debian@12D3KooW... --channel beta --json`,
    )
    .action(
      async (text: string, options: { version?: string; channel?: string }, command: Command) => {
        const context = commandContext(command);
        const appliance = await applianceOf(context, text);
        const found = await withRegistry(context, (node) =>
          createResolver(node).resolve(appliance, {
            ...(options.version === undefined ? {} : { version: options.version }),
            ...(options.channel === undefined ? {} : { channel: options.channel }),
          }),
        );
        const result = {
          appliance,
          version: found.version,
          manifest: found.manifest === null ? null : hexOf(found.manifest),
          bootProfile: found.bootProfile === null ? null : hexOf(found.bootProfile),
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
        context.output.result(result, ({ version, manifest, staleSince, servers }) =>
          [
            appliance,
            `version ${version}${staleSince === null ? '' : `, stale since ${staleSince}`}`,
            `image ${manifest ?? 'without a manifest: nobody can verify it'}`,
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
      },
    );
}
