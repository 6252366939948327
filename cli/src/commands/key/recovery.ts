import { announceKey, loadOrCreateKey, protectedMandate, writeMandate } from '@rowfs/registry';
import type { Command } from 'commander';
import { commandContext, withRegistry } from '../../command-context.ts';
import { loadPublisherKey, mandatePath, publishedAppliances } from '../../publisher-key.ts';

export function addKeyRecoveryCommand(key: Command): void {
  key
    .command('recovery')
    .description('name the key that alone may replace or revoke the one that publishes')
    .argument('<file>', 'where the recovery key is, or is to be made: take it off this machine')
    .addHelpText(
      'after',
      `
Readers hold to the first recovery key that they see: it cannot be changed, except that rowfs key rotate
hands it on to the successor.

Example:
  $ rowfs key recovery /media/usb/recovery.key`,
    )
    .action(async (file: string, _options: object, command: Command) => {
      const context = commandContext(command);
      const { key: signer, mandate: before } = await loadPublisherKey(context);
      const { peerId } = await loadOrCreateKey(file);
      const mandate = protectedMandate(before, signer, peerId);
      await writeMandate(mandatePath(context), mandate);
      const appliances = await publishedAppliances(context);
      if (appliances.length > 0) {
        await withRegistry(context, async (node) => {
          for (const each of appliances) await announceKey({ node, key: signer, mandate }, each);
        });
      }
      context.output.result({ recovery: peerId, file, appliances }, () =>
        [
          `${peerId} alone may replace or revoke your key`,
          ...appliances.map((each) => `  announced for ${each}`),
          `Take ${file} to a safe place, away from this machine.`,
        ].join('\n'),
      );
    });
}
