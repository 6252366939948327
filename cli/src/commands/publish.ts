import {
  createPublisher,
  formatServerAddress,
  loadOrCreateKey,
  parseServerAddress,
  type ServerAddress,
} from '@rowfs/registry';
import { type Command, Option } from 'commander';
import { commandContext, publisherKeyPath, withRegistry } from '../command-context.ts';
import { CliError } from '../errors.ts';
import { parseDuration, RepeatableOption } from '../options.ts';
import { sameTree, verifyServer } from '../verify-server.ts';

interface PublishOptions {
  readonly version: string;
  readonly server: readonly ServerAddress[];
  readonly channel?: readonly string[];
  readonly validFor: number;
}

export function addPublishCommand(program: Command): void {
  program
    .command('publish')
    .description('announce a version of your appliance, after checking that its servers have it')
    .argument('<name>', 'the NAME of your appliance')
    .requiredOption('--version <version>', 'the version to announce')
    .addOption(
      new RepeatableOption(
        '--server <address>',
        'an NFSv3 server that has it: host[:port[,mountport]]:/path; repeat for more',
        parseServerAddress,
      ).makeOptionMandatory(),
    )
    .option('--channel <channel...>', 'channels to move to it')
    .addOption(
      new Option('--valid-for <duration>', 'how long readers take the record for fresh')
        .argParser(parseDuration)
        .default(30 * 86_400, '30d'),
    )
    .addHelpText(
      'after',
      `
Each server is mounted and read before anything is announced, and all must show the same tree. The
servers are announced first and read back through the registry, and only then the version. Running it
again goes on where it was interrupted, or refreshes what is there; a server that is not named again
is withdrawn.

Example:
  $ rowfs publish debian --version 12.5 --server nfs1.example:/srv/debian --server nfs2.example:/srv/debian`,
    )
    .action(async (name: string, options: PublishOptions, command: Command) => {
      const context = commandContext(command);
      const key = await loadOrCreateKey(publisherKeyPath(context));
      await withRegistry(context, async (node) => {
        const odd = await sameTree(options.server);
        if (odd !== undefined) {
          throw new CliError(
            'DIFFERENT_TREES',
            `${formatServerAddress(odd.server)} serves another tree than the first server: ${odd.difference}`,
          );
        }
        const publisher = createPublisher({ node, key, stateDir: context.state, verifyServer });
        const report = await publisher.publish({
          name,
          version: options.version,
          servers: options.server,
          ...(options.channel === undefined ? {} : { channels: options.channel }),
          validForSeconds: options.validFor,
        });
        context.output.result(
          report,
          ({ appliance, version, servers, withdrawn, holders, replicas, refreshed }) =>
            [
              `${refreshed ? 'refreshed' : 'published'} ${appliance}`,
              `version ${version}, held by ${holders} of ${replicas} registry nodes`,
              ...servers.map((server) => `  from ${server}`),
              ...withdrawn.map((server) => `  no longer from ${server}`),
            ].join('\n'),
        );
      });
    });
}
