import { type ChannelReport, channelsOf, createResolver } from '@rowfs/registry';
import type { Command } from 'commander';
import { applianceOf, commandContext, withRegistry } from '../../command-context.ts';
import { CliError } from '../../errors.ts';
import { table } from '../../output.ts';
import { withOwnAppliance } from '../../own-appliance.ts';

export function addChannelCommand(program: Command): void {
  const channel = program
    .command('channel')
    .description('which version each channel of an appliance is at; move one')
    .addHelpText(
      'after',
      `
Machines run the channel stable unless they are told another one. A new version that was published with
--channel beta becomes stable when stable is moved to where beta is.

Examples:
  $ rowfs channel ls debian@12D3KooW...
  $ rowfs channel set debian beta 13.1
  $ rowfs channel set debian stable beta      what was tried is for everybody now`,
    );
  addLs(channel);
  addSet(channel);
  addRm(channel);
}

function addLs(channel: Command): void {
  channel
    .command('ls')
    .description('the channels of an appliance, and the version of each')
    .argument('<appliance>', 'NAME@PUBLISHER, or the NAME of one of your own')
    .addHelpText('after', '\nExample:\n  $ rowfs channel ls debian@12D3KooW...')
    .action(async (text: string, _options: object, command: Command) => {
      const context = commandContext(command);
      const appliance = await applianceOf(context, text);
      const channels = await withRegistry(context, async (node) =>
        channelsOf((await createResolver(node).latest(appliance)).latest),
      );
      context.output.result({ appliance, channels }, () =>
        table(['CHANNEL', 'VERSION'], Object.entries(channels)),
      );
    });
}

function addSet(channel: Command): void {
  channel
    .command('set')
    .description('point a channel of your appliance at a version, or to where another one is')
    .argument('<name>', 'the NAME of your appliance')
    .argument('<channel>', 'e.g. stable or beta; it is made if there is none')
    .argument('<version>', 'a version that is kept, or the name of a channel')
    .addHelpText('after', '\nExample:\n  $ rowfs channel set debian stable beta')
    .action(async (name: string, moved: string, to: string, _options: object, command: Command) => {
      const context = commandContext(command);
      checkChannelName(moved);
      const report = await withOwnAppliance(context, name, async (own) => {
        const version = channelsOf(await own.latest())[to] ?? to;
        return own.publisher.moveChannels(own.appliance, { [moved]: version });
      });
      context.output.result(report, channelLines);
    });
}

function addRm(channel: Command): void {
  channel
    .command('rm')
    .description('take a channel of your appliance away')
    .argument('<name>', 'the NAME of your appliance')
    .argument('<channel>', 'any but stable')
    .addHelpText('after', '\nExample:\n  $ rowfs channel rm debian beta')
    .action(async (name: string, removed: string, _options: object, command: Command) => {
      const context = commandContext(command);
      checkChannelName(removed);
      const report = await withOwnAppliance(context, name, ({ appliance, publisher }) =>
        publisher.moveChannels(appliance, { [removed]: null }),
      );
      context.output.result(report, channelLines);
    });
}

/** What a move did, for people. */
export function channelLines({ appliance, seq, channels, before }: ChannelReport): string {
  return [
    `${appliance}, record ${seq}`,
    ...Object.entries(before).map(
      ([name, was]) => `  ${name}: ${was ?? 'new'} -> ${channels[name] ?? 'none'}`,
    ),
  ].join('\n');
}

/** @throws CliError BAD_USAGE */
export function checkChannelName(name: string): void {
  if (/^[a-z][a-z0-9-]{0,31}$/.test(name)) return;
  throw new CliError('BAD_USAGE', `'${name}' is no channel: a-z, 0-9 and '-', a letter first`);
}
