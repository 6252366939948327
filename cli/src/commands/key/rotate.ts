import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import {
  announceKey,
  loadKey,
  loadOrCreateKey,
  type Mandate,
  readMandate,
  successorMandate,
  writeMandate,
} from '@rowfs/registry';
import type { Command } from 'commander';
import { type CommandContext, commandContext, withRegistry } from '../../command-context.ts';
import { CliError } from '../../errors.ts';
import {
  loadPublisherKey,
  mandatePath,
  publishedAppliances,
  publisherKeyPath,
} from '../../publisher-key.ts';

interface RotateOptions {
  readonly recovery?: string;
  readonly keep?: readonly string[];
  readonly appliance?: readonly string[];
}

export function addKeyRotateCommand(key: Command): void {
  key
    .command('rotate')
    .description('replace the key that publishes; your appliances keep their ids')
    .option('--recovery <file>', 'the recovery key, if one was named')
    .option('--appliance <name...>', 'also of these, which were published from elsewhere')
    .option('--keep <version...>', 'only these versions stay: what a thief published goes')
    .addHelpText(
      'after',
      `
The new key's records count before all that the old one ever signs: machines that have seen one of them
refuse the old key for ever. Interrupted, it is run again. The old key is deleted here.

Examples:
  $ rowfs key rotate
  $ rowfs key rotate --recovery /media/usb/recovery.key --keep 12.5 12.6`,
    )
    .action(async (options: RotateOptions, command: Command) => {
      const context = commandContext(command);
      const next = await loadOrCreateKey(`${publisherKeyPath(context)}.next`);
      const mandate = await nextMandate(context, options, next.peerId);
      const own = await publishedAppliances(context);
      const named = (options.appliance ?? []).map((name) => `${name}@${mandate.publisher}`);
      const appliances = [...new Set([...own, ...named])];
      if (appliances.length > 0) {
        await withRegistry(context, async (node) => {
          for (const each of appliances) {
            await announceKey({ node, key: next, mandate }, each, options.keep);
          }
        });
      }
      await rename(`${mandatePath(context)}.next`, mandatePath(context));
      await rename(`${publisherKeyPath(context)}.next`, publisherKeyPath(context));
      context.output.result({ publisher: mandate.publisher, key: next.peerId, appliances }, () =>
        [
          `${next.peerId} signs for ${mandate.publisher} now`,
          ...appliances.map((each) => `  announced for ${each}`),
        ].join('\n'),
      );
    });
}

/**
 * What was begun is gone on with: a second proof of a succession would contradict the first.
 *
 * @throws CliError NO_KEY
 */
async function nextMandate(
  context: CommandContext,
  { recovery }: RotateOptions,
  next: string,
): Promise<Mandate> {
  const path = `${mandatePath(context)}.next`;
  if (existsSync(path)) return readMandate(path, next);
  const { key, mandate } = await loadPublisherKey(context);
  if (mandate.recovery !== undefined && recovery === undefined) {
    throw new CliError('NO_KEY', 'a recovery key was named for this key: give it with --recovery');
  }
  const by = recovery === undefined ? key : await loadKey(recovery);
  const successor = await loadKey(`${publisherKeyPath(context)}.next`);
  const made = successorMandate({ mandate, by, at: Date.now() }, successor);
  await writeMandate(path, made);
  return made;
}
