import { channelsOf, countSharers, createResolver, RegistryError } from '@rowfs/registry';
import type { Command } from 'commander';
import { applianceOf, commandContext, withRegistry } from '../command-context.ts';
import { table } from '../output.ts';
import { inHex } from '../published-image.ts';

/** Hex digits that tell images apart for people. */
const SHORT_DIGEST = 12;

export function addLsCommand(program: Command): void {
  program
    .command('ls')
    .description('the versions of an appliance, with their servers and sharers')
    .argument('<appliance>', 'NAME@PEERID, or the NAME of one of your own')
    .addHelpText('after', '\nExample:\n  $ rowfs ls debian')
    .action(async (text: string, _options: object, command: Command) => {
      const context = commandContext(command);
      const appliance = await applianceOf(context, text);
      const versions = await withRegistry(context, async (node) => {
        const resolver = createResolver(node);
        const { latest } = await resolver.resolve(appliance);
        return Promise.all(
          latest.history.map(async ({ version, published, manifest }) => {
            const servers = await resolver.resolve(appliance, { version }).then(
              (found) => found.servers.length,
              (error: unknown) => {
                if (error instanceof RegistryError && error.code === 'NO_SERVERS') return 0;
                throw error;
              },
            );
            const { count, complete } = await countSharers(node, { appliance, version });
            return {
              version,
              published: new Date(published).toISOString(),
              manifest: manifest && inHex(manifest),
              current: version === latest.version,
              channels: Object.entries(channelsOf(latest)).flatMap(([c, at]) =>
                at === version ? [c] : [],
              ),
              servers,
              sharers: count,
              sharersComplete: complete,
            };
          }),
        );
      });
      context.output.result({ appliance, versions }, () =>
        table(
          ['VERSION', 'PUBLISHED', 'IMAGE', 'SERVERS', 'SHARERS', ''],
          versions.map((each) => [
            each.version,
            each.published,
            each.manifest?.digest.slice(0, SHORT_DIGEST) ?? 'plain',
            String(each.servers),
            `${each.sharers}${each.sharersComplete ? '' : '+'}`,
            each.channels.join(', '),
          ]),
        ),
      );
    });
}
