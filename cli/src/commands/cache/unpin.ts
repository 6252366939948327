import { blockCacheDirectory, pinsIn, unpinImage } from '@rowfs/proxy';
import type { Command } from 'commander';
import { pinNamed } from '../../cached-images.ts';
import { commandContext } from '../../command-context.ts';

export function addCacheUnpinCommand(cache: Command): void {
  cache
    .command('unpin')
    .description('let the blocks of an image go like others')
    .argument('<pin>', 'what it is pinned as, or the first digits of its digest')
    .addHelpText('after', '\nExample:\n  $ rowfs cache unpin 0f3a9c')
    .action(async (text: string, _options: object, command: Command) => {
      const { cache: directory, output } = commandContext(command);
      const blocks = blockCacheDirectory(directory);
      const pin = pinNamed(pinsIn(blocks), text);
      await unpinImage(blocks, pin.image);
      output.result({ unpinned: pin }, () => `${pin.name} is not pinned any more`);
    });
}
