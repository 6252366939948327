import type { Image } from '@rowfs/image';
import {
  BlockCache,
  blockCacheDirectory,
  type CachedImage,
  keptDigests,
  type Pin,
  pinsIn,
  readKeptImage,
} from '@rowfs/proxy';
import type { Command } from 'commander';
import prettyBytes from 'pretty-bytes';
import { commandContext } from '../../command-context.ts';
import { table } from '../../output.ts';

interface ImageLine {
  readonly digest: string;
  /** As what it is pinned. */
  readonly pinned: string | null;
  readonly blocks: number;
  readonly blocksHere: number;
}

export function addCacheLsCommand(cache: Command): void {
  cache
    .command('ls')
    .description('what is in the cache, and of which images')
    .addHelpText(
      'after',
      `
Blocks that images have in common are there once, and count for each of them. Used are blocks that were
read since they were stored: they stay when others go.

Example:
  $ rowfs cache ls --json`,
    )
    .action(async (_options: object, command: Command) => {
      const { cache: directory, logger, output } = commandContext(command);
      const blocks = await BlockCache.open({ directory: blockCacheDirectory(directory), logger });
      try {
        const pins = pinsIn(blocks.directory);
        const images: ImageLine[] = [];
        for (const digest of await keptDigests(directory)) {
          const image = await readKeptImage(directory, digest);
          if (image === undefined) continue;
          const cached = blocks.attach(image);
          images.push(lineOf(image, cached, pins));
          blocks.detach(cached);
        }
        const usage = blocks.usage();
        const result = { directory: blocks.directory, ...usage, images, pins };
        output.result(result, () =>
          [
            `${prettyBytes(usage.bytes, { binary: true })} in ${blocks.directory}`,
            `${usage.blocks} blocks, ${usage.usedBlocks} of them used since they were stored`,
            ...(images.length === 0 ? [] : ['', imageTable(images)]),
          ].join('\n'),
        );
      } finally {
        await blocks.close();
      }
    });
}

function lineOf(image: Image, cached: CachedImage, pins: readonly Pin[]): ImageLine {
  const digest = image.digest.toString('hex');
  return {
    digest,
    pinned: pins.find((pin) => pin.image === digest)?.name ?? null,
    blocks: image.blockCount,
    blocksHere: cached.countStored(),
  };
}

function imageTable(images: readonly ImageLine[]): string {
  return table(
    ['IMAGE', 'BLOCKS', 'HERE', 'PINNED AS'],
    images.map(({ digest, blocks, blocksHere, pinned }) => [
      digest.slice(0, 12),
      String(blocks),
      `${blocks === 0 ? 100 : Math.floor((100 * blocksHere) / blocks)} %`,
      pinned ?? '',
    ]),
  );
}
