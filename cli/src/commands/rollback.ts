import { channelsOf, STABLE, versionBefore } from '@rowfs/registry';
import type { Command } from 'commander';
import { commandContext } from '../command-context.ts';
import { CliError } from '../errors.ts';
import { withOwnAppliance } from '../own-appliance.ts';
import { channelLines, checkChannelName } from './channel/command.ts';

interface RollbackOptions {
  readonly to?: string;
  readonly channel: string;
}

export function addRollbackCommand(program: Command): void {
  program
    .command('rollback')
    .description('point your appliance back at an older version, in a new record')
    .argument('<name>', 'the NAME of your appliance')
    .option('--to <version>', 'this version (default: the one published before the current one)')
    .option('--channel <channel>', 'the channel to move', STABLE)
    .addHelpText(
      'after',
      `
Nobody can make machines go back by showing them an old record: they refuse it. This signs a new one, with
a higher sequence number, that names the old version. The version left behind stays in the history
until rowfs gc lets it go.

Example:
  $ rowfs rollback debian --to 12.5`,
    )
    .action(async (name: string, { to, channel }: RollbackOptions, command: Command) => {
      const context = commandContext(command);
      checkChannelName(channel);
      const report = await withOwnAppliance(context, name, async (own) => {
        const latest = await own.latest();
        const current = channelsOf(latest)[channel];
        const version = to ?? (current === undefined ? undefined : versionBefore(latest, current));
        if (version === undefined) {
          throw new CliError(
            'VERSION_NOT_FOUND',
            current === undefined
              ? `${own.appliance} has no channel ${channel}`
              : `${own.appliance} keeps no version that is older than ${current}`,
          );
        }
        return own.publisher.moveChannels(own.appliance, { [channel]: version });
      });
      context.output.result(report, channelLines);
    });
}
