import type { Command } from 'commander';
import { addCacheLsCommand } from './ls.ts';
import { addCachePinCommand } from './pin.ts';
import { addCachePruneCommand } from './prune.ts';
import { addCacheUnpinCommand } from './unpin.ts';
import { addCacheWarmCommand } from './warm.ts';

export function addCacheCommand(program: Command): void {
  const cache = program
    .command('cache')
    .description('the blocks of images on this machine: look, keep, fetch ahead, drop')
    .addHelpText(
      'after',
      `
All proxies of a machine share the blocks of images that they fetched. An image is named by its
manifest's file, by the first digits of its digest, or as an appliance and a version.

Examples:
  $ rowfs cache ls
  $ rowfs cache warm debian@12D3KooW...           before the first machine asks for it
  $ rowfs cache pin debian@12D3KooW... --version 12.5
  $ rowfs cache prune --max 5G`,
    );
  addCacheLsCommand(cache);
  addCacheWarmCommand(cache);
  addCachePinCommand(cache);
  addCacheUnpinCommand(cache);
  addCachePruneCommand(cache);
}
