import { countSharers, createResolver } from '@rowfs/registry';
import type { Command } from 'commander';
import { applianceOf, commandContext, withRegistry } from '../command-context.ts';

export function addSharersCommand(program: Command): void {
  program
    .command('sharers')
    .description('who uses a version now')
    .argument('<appliance>', 'NAME@PEERID, or the NAME of one of your own')
    .option('--version <version>', 'this version instead of all that the publisher keeps')
    .addHelpText('after', '\nExample:\n  $ rowfs sharers debian --version 12.5')
    .action(async (text: string, options: { version?: string }, command: Command) => {
      const context = commandContext(command);
      const appliance = await applianceOf(context, text);
      const versions = await withRegistry(context, async (node) => {
        const { latest } = await createResolver(node).resolve(appliance);
        const wanted =
          options.version === undefined
            ? latest.history.map(({ version }) => version)
            : [options.version];
        return Promise.all(
          wanted.map(async (version) => ({
            version,
            ...(await countSharers(node, { appliance, version })),
          })),
        );
      });
      context.output.result({ appliance, versions }, () =>
        versions
          .flatMap(({ version, count, exact, complete, sharers }) => [
            `${version}: ${exact ? '' : 'about '}${count} sharer(s)${complete ? '' : ', perhaps more: not all nodes answered'}`,
            ...sharers.map(({ client, lease }) => `  ${client} (${lease})`),
          ])
          .join('\n'),
      );
    });
}
