import { announceRevocation, loadKey, revokedMandate, writeMandate } from '@rowfs/registry';
import type { Command } from 'commander';
import { commandContext, withRegistry } from '../../command-context.ts';
import { CliError } from '../../errors.ts';
import { loadPublisherKey, mandatePath, publishedAppliances } from '../../publisher-key.ts';

interface RevokeOptions {
  readonly recovery?: string;
  readonly appliance?: readonly string[];
  readonly yes: boolean;
}

export function addKeyRevokeCommand(key: Command): void {
  key
    .command('revoke')
    .description('end the key that publishes, for ever: nothing of it is run by who hears of it')
    .option('--recovery <file>', 'the recovery key, if one was named')
    .option('--appliance <name...>', 'also of these, which were published from elsewhere')
    .option('--yes', 'really: this cannot be undone', false)
    .addHelpText(
      'after',
      `
Machines that run a version go on with it, and start nothing of this publisher again. When the key is only
to be changed, see rowfs key rotate.

Example:
  $ rowfs key revoke --recovery /media/usb/recovery.key --yes`,
    )
    .action(async (options: RevokeOptions, command: Command) => {
      const context = commandContext(command);
      if (!options.yes) throw new CliError('BAD_USAGE', 'this cannot be undone: say --yes');
      const { key: signer, mandate: before } = await loadPublisherKey(context);
      if (before.recovery !== undefined && options.recovery === undefined) {
        throw new CliError(
          'NO_KEY',
          'a recovery key was named for this key: give it with --recovery',
        );
      }
      const by = options.recovery === undefined ? signer : await loadKey(options.recovery);
      const mandate = revokedMandate({ mandate: before, by, at: Date.now() });
      const named = (options.appliance ?? []).map((name) => `${name}@${mandate.publisher}`);
      const appliances = [...new Set([...(await publishedAppliances(context)), ...named])];
      if (appliances.length > 0) {
        await withRegistry(context, async (node) => {
          for (const each of appliances) await announceRevocation(node, by, mandate, each);
        });
      }
      await writeMandate(mandatePath(context), mandate);
      context.output.result({ publisher: mandate.publisher, appliances }, () =>
        [
          `the key of ${mandate.publisher} is revoked`,
          ...appliances.map((each) => `  announced for ${each}`),
        ].join('\n'),
      );
    });
}
