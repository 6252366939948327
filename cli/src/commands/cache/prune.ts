import {
  BlockCache,
  blockCacheDirectory,
  forgetManifest,
  keptDigests,
  pinsIn,
  readKeptImage,
} from '@rowfs/proxy';
import { type Command, Option } from 'commander';
import prettyBytes from 'pretty-bytes';
import { commandContext } from '../../command-context.ts';
import { parseSize } from '../../options.ts';

interface PruneOptions {
  readonly max: number;
}

export function addCachePruneCommand(cache: Command): void {
  cache
    .command('prune')
    .description('drop blocks, the oldest first; without --max all that is not pinned')
    .addOption(
      new Option('--max <size>', 'drop only until the cache takes no more than this, e.g. 5G')
        .argParser(parseSize)
        .default(0, '0'),
    )
    .addHelpText(
      'after',
      `
Proxies that run go on, and fetch again what they need; the part of the cache that one writes to stays
until it is full. Manifests of images of which no block is left go too.

Example:
  $ rowfs cache prune --max 5G`,
    )
    .action(async ({ max }: PruneOptions, command: Command) => {
      const { cache: directory, logger, output } = commandContext(command);
      const blocks = await BlockCache.open({ directory: blockCacheDirectory(directory), logger });
      try {
        const before = blocks.usage();
        await blocks.prune(max);
        await forgetUnused(directory, blocks);
        const after = blocks.usage();
        const dropped = { bytes: before.bytes - after.bytes, blocks: before.blocks - after.blocks };
        output.result({ dropped, bytes: after.bytes, blocks: after.blocks }, () =>
          [
            `dropped ${dropped.blocks} blocks, ${prettyBytes(dropped.bytes, { binary: true })}`,
            `left    ${after.blocks} blocks, ${prettyBytes(after.bytes, { binary: true })}`,
          ].join('\n'),
        );
      } finally {
        await blocks.close();
      }
    });
}

async function forgetUnused(directory: string, blocks: BlockCache): Promise<void> {
  const pinned = new Set(pinsIn(blocks.directory).map(({ image }) => image));
  for (const digest of await keptDigests(directory)) {
    if (pinned.has(digest)) continue;
    const image = await readKeptImage(directory, digest);
    const cached = image && blocks.attach(image);
    if (cached === undefined || cached.countStored() === 0) await forgetManifest(directory, digest);
    if (cached !== undefined) blocks.detach(cached);
  }
}
