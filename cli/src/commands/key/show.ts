import { formatApplianceId, loadOrCreateKey } from '@rowfs/registry';
import type { Command } from 'commander';
import { commandContext } from '../../command-context.ts';
import { loadMandate, publisherKeyPath } from '../../publisher-key.ts';

export function addKeyShowCommand(group: Command): void {
  group
    .command('show', { isDefault: true })
    .description('show the key that names your appliances; make it first if there is none')
    .option('--name <name>', 'show the id of the appliance of this name')
    .addHelpText(
      'after',
      `
Examples:
  $ rowfs key                      your publisher id
  $ rowfs key show --name debian   the id that others run your appliance by`,
    )
    .action(async (options: { name?: string }, command: Command) => {
      const context = commandContext(command);
      const file = publisherKeyPath(context);
      await loadOrCreateKey(file);
      const { publisher } = await loadMandate(context);
      const id =
        options.name === undefined
          ? publisher
          : formatApplianceId({ name: options.name, publisher });
      context.output.result({ id, publisher, file }, (key) => key.id);
    });
}
