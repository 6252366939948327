import { readFile } from 'node:fs/promises';
import type { Image } from '@rowfs/image';
import {
  blocksOfProfile,
  decodeProfile,
  type ImageServer,
  serverOpener,
  warmCache,
} from '@rowfs/proxy';
import { type Command, Option } from 'commander';
import prettyMs from 'pretty-ms';
import { imageNamed } from '../../cached-images.ts';
import { commandContext } from '../../command-context.ts';
import { CliError, lineOf } from '../../errors.ts';
import { parseImageServer } from '../../image-server.ts';
import { type CommonOptions, parseSize, RepeatableOption } from '../../options.ts';
import { progressBar } from '../../progress-bar.ts';
import { stopSignal } from '../../stop-signal.ts';

interface WarmOptions {
  readonly version?: string;
  readonly server?: readonly ImageServer[];
  readonly from?: string;
  readonly profile?: string;
  readonly cacheSize?: number;
}

export function addCacheWarmCommand(cache: Command): void {
  cache
    .command('warm')
    .description('fetch the blocks of an image before any machine asks for them')
    .argument('<image>', "an appliance, a manifest's file, or the first digits of a digest")
    .option('--version <version>', 'of the appliance, if not the newest')
    .addOption(
      new RepeatableOption(
        '--server <address>',
        'of a manifest: who serves its tree, host[:port[,mountport]]:/path; repeat for replicas',
        parseImageServer,
      ),
    )
    .option('--from <directory>', 'of a manifest: a copy of its tree on this machine')
    .option('--profile <file>', 'only what a boot profile names, in its order')
    .addOption(
      new Option('--cache-size <size>', 'how large the cache may become, e.g. 10G').argParser(
        parseSize,
      ),
    )
    .addHelpText(
      'after',
      `
Every block is compared with its digest before it is stored. Interrupted, it goes on where it was when it
is run again.

Examples:
  $ rowfs cache warm debian@12D3KooW...
  $ rowfs cache warm debian.manifest --server 10.0.0.5:/srv/debian
  $ rowfs cache warm debian.manifest --from /mnt/usb/debian`,
    )
    .action(async (text: string, options: WarmOptions, command: Command) => {
      const context = commandContext(command);
      const { logger, output } = context;
      const started = performance.now();
      const { image, name, servers } = await imageNamed(context, text, options.version);
      const blocks = await blocksToWarm(image, options.profile);
      const interrupted = new AbortController();
      void stopSignal().then(() => interrupted.abort());
      const bar = progressBar('fetching', !command.opts<CommonOptions>().json);
      const result = await warmCache({
        image,
        source: sourceOf(name, servers, options),
        openServer: serverOpener(logger),
        cacheDirectory: context.cache,
        cacheLimits: options.cacheSize === undefined ? {} : { maxBytes: options.cacheSize },
        blocks,
        signal: interrupted.signal,
        logger,
        onProgress: (done) =>
          bar.update({ done: done * image.blockSize, total: blocks.length * image.blockSize }),
      }).finally(() => bar.end());
      const { present, fetched, failed, blocksHere } = result;
      const milliseconds = Math.round(performance.now() - started);
      output.result({ image: image.digest.toString('hex'), ...result, milliseconds }, () =>
        [
          `fetched ${fetched} blocks of ${name} in ${prettyMs(milliseconds)}; ${present} were here`,
          `${blocksHere} of its ${image.blockCount} blocks are here now`,
        ].join('\n'),
      );
      if (failed > 0)
        throw new CliError('NOT_FETCHED', `${failed} blocks of ${name} could not be fetched`);
      if (interrupted.signal.aborted)
        throw new CliError('INTERRUPTED', 'interrupted: run it again');
    });
}

async function blocksToWarm(image: Image, profile: string | undefined): Promise<number[]> {
  if (profile === undefined) return Array.from({ length: image.blockCount }, (_, i) => i);
  const bytes = await readFile(profile).catch((error: unknown) => {
    throw new CliError('NO_PROFILE', `cannot read ${profile}: ${lineOf(error)}`, { cause: error });
  });
  return [...blocksOfProfile(decodeProfile(bytes, image))];
}

/** @throws CliError BAD_USAGE */
function sourceOf(
  name: string,
  known: readonly ImageServer[],
  { server, from }: WarmOptions,
): { servers: readonly ImageServer[] } | { directory: string } {
  if (from !== undefined) return { directory: from };
  const servers = server ?? known;
  if (servers.length > 0) return { servers };
  throw new CliError('BAD_USAGE', `say with --server or --from where the blocks of ${name} are`);
}
