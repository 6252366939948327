import type { Command } from 'commander';
import { commandContext } from '../../command-context.ts';
import { table } from '../../output.ts';
import { distrustPublisher, trustedPublishers, trustPublisher } from '../../trusted-publishers.ts';

export function addTrustCommand(program: Command): void {
  const trust = program
    .command('trust')
    .description('names of your own for the keys of publishers')
    .addHelpText(
      'after',
      `
An appliance is named by its publisher's key. With a name for the key, debian@acme stands for
debian@12D3KooW..., wherever an appliance is named. Names are kept on this machine, and a name stays with
its key until it is removed.

Examples:
  $ rowfs trust add acme 12D3KooW...
  $ rowfs resolve debian@acme`,
    );
  trust
    .command('add')
    .description('trust a publisher under a name')
    .argument('<name>', 'yours to choose')
    .argument('<key>', "the publisher's id, as rowfs key shows it to its owner")
    .addHelpText('after', '\nExample:\n  $ rowfs trust add acme 12D3KooW...')
    .action(async (name: string, key: string, _options: object, command: Command) => {
      const { state, output } = commandContext(command);
      await trustPublisher(state, { name, key });
      output.result({ name, key }, () => `${name} is ${key}`);
    });
  trust
    .command('ls')
    .description('the publishers that have a name here')
    .addHelpText('after', '\nExample:\n  $ rowfs trust ls')
    .action(async (_options: object, command: Command) => {
      const { state, output } = commandContext(command);
      const publishers = await trustedPublishers(state);
      output.result({ publishers }, () =>
        table(
          ['NAME', 'KEY'],
          publishers.map(({ name, key }) => [name, key]),
        ),
      );
    });
  trust
    .command('rm')
    .description('forget a name')
    .argument('<name>', 'as rowfs trust ls shows it')
    .addHelpText('after', '\nExample:\n  $ rowfs trust rm acme')
    .action(async (name: string, _options: object, command: Command) => {
      const { state, output } = commandContext(command);
      await distrustPublisher(state, name);
      output.result({ name }, () => `${name} is no longer trusted`);
    });
}
