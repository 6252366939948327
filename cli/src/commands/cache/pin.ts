import { mkdir } from 'node:fs/promises';
import { blockCacheDirectory, keepManifest, keptManifestPath, pinImage } from '@rowfs/proxy';
import type { Command } from 'commander';
import { imageNamed } from '../../cached-images.ts';
import { commandContext } from '../../command-context.ts';

interface PinOptions {
  readonly version?: string;
}

export function addCachePinCommand(cache: Command): void {
  cache
    .command('pin')
    .description('keep the blocks of an image: they are not dropped when the cache is full')
    .argument('<image>', "a manifest's file, the first digits of a digest, or an appliance")
    .option('--version <version>', 'of the appliance, if not the newest')
    .addHelpText(
      'after',
      `
It says only what stays: rowfs cache warm fetches what is not here yet. Pinned blocks count for the size
of the cache; when they fill it, nothing else is stored.

Example:
  $ rowfs cache pin /srv/debian-12.5/.rowfs/manifest`,
    )
    .action(async (text: string, { version }: PinOptions, command: Command) => {
      const context = commandContext(command);
      const { image, name } = await imageNamed(context, text, version);
      const directory = blockCacheDirectory(context.cache);
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const digest = image.digest.toString('hex');
      await keepManifest(keptManifestPath(context.cache, digest), image);
      const pin = await pinImage(directory, image, name);
      context.output.result(pin, () => `${name} (${digest.slice(0, 12)}) is pinned`);
    });
}
