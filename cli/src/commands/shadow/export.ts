import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import {
  changesOf,
  exportLayer,
  type ImageServer,
  openMergedTree,
  printableName,
  readShadow,
} from '@rowfs/proxy';
import type { Command } from 'commander';
import { commandContext } from '../../command-context.ts';
import { CliError } from '../../errors.ts';
import { RepeatableOption } from '../../options.ts';
import { parseImageServer } from '../../image-server.ts';
import { findShadow } from '../../shadows.ts';
import { serversOf } from '../../shadow-servers.ts';

interface ExportCommandOptions {
  readonly output?: string;
  readonly server?: readonly ImageServer[];
}

export function addShadowExportCommand(shadow: Command): void {
  shadow
    .command('export')
    .description('writes what a machine changed as a layer of an OCI image: a tar')
    .argument('[shadow]', 'APPLIANCE/MACHINE/VERSION, or a part that only one has')
    .option('-o, --output <file>', 'where to write it; standard output when not given')
    .addOption(
      new RepeatableOption(
        '--server <address>',
        'who serves the image, host[:port[,mountport]]:/path; by default as last known, or as the registry says',
        parseImageServer,
      ),
    )
    .addHelpText(
      'after',
      `
Unpacked over the image it gives the machine's tree. Removed names are empty files .wh.NAME; a directory
in place of another one holds .wh..wh..opq (OCI image specification, layers). Changed files are in it
whole, so the image's servers are needed. A tar has no sockets: they are left out, and named.
Refused while a proxy uses the shadow.

Examples:
  $ rowfs shadow export -o changes.tar
  $ rowfs shadow export debian/default/12.5 | zstd > changes.tar.zst`,
    )
    .action(async (text: string | undefined, options: ExportCommandOptions, command: Command) => {
      const context = commandContext(command);
      const { output: file } = options;
      if (file === undefined && process.stdout.isTTY)
        throw new CliError('BAD_USAGE', 'a terminal has no use for a tar: say --output FILE');
      const found = await findShadow(context.state, text);
      const servers = options.server ?? (await serversOf(context, found));
      const { directory, belongsTo } = found;
      const skipped: string[] = [];
      const changes = await readShadow(directory, (scan) =>
        changesOf(scan, { directoryTimes: true }),
      );
      const tree = await openMergedTree({
        directory,
        belongsTo,
        servers,
        cacheDirectory: context.cache,
        logger: context.logger,
      });
      try {
        const layer = exportLayer(tree, changes, { onSkipped: (path) => skipped.push(path) });
        if (file === undefined) await pipeline(layer, process.stdout, { end: false });
        else await writeWhole(layer, file);
      } finally {
        await tree.close();
      }
      const names = skipped.map(printableName);
      if (names.length > 0)
        context.logger.warn(`sockets, which a tar cannot hold, were left out: ${names.join(', ')}`);
      if (file !== undefined)
        context.output.result(
          { shadow: found.id, output: file, changes: changes.length, skipped: names },
          () => `${file}: ${changes.length} changes of ${found.id}`,
        );
    });
}

/** A file that is there is complete. */
async function writeWhole(layer: AsyncIterable<Uint8Array>, file: string): Promise<void> {
  const partial = `${file}.partial`;
  try {
    await pipeline(layer, createWriteStream(partial, { flush: true }));
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}
