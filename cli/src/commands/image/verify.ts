import { diffImages, readImage } from '@rowfs/image';
import type { Command } from 'commander';
import { commandContext } from '../../command-context.ts';
import { CliError } from '../../errors.ts';
import { buildFrom, sourceKind } from '../../image-source.ts';
import type { CommonOptions } from '../../options.ts';
import { progressBar } from '../../progress-bar.ts';
import { stopSignal } from '../../stop-signal.ts';
import { changeLine, changeResult } from './diff.ts';

export function addImageVerifyCommand(image: Command): void {
  image
    .command('verify')
    .description(
      'read a directory, a disk image or an archive whole, and compare it with a manifest',
    )
    .argument('<manifest>', "a manifest's file, or the directory that it is in")
    .argument('<source>', 'what it should be the manifest of')
    .addHelpText(
      'after',
      `
Every byte is read again. The exit status is 1 when anything differs.

Example:
  $ rowfs image verify debian.manifest /srv/debian-12.5`,
    )
    .action(async (manifest: string, source: string, _options: object, command: Command) => {
      const { output } = commandContext(command);
      const expected = await readImage(manifest);
      const kind = await sourceKind(source);
      const interrupted = new AbortController();
      void stopSignal().then(() => interrupted.abort());
      const bar = progressBar('verifying', !command.opts<CommonOptions>().json);
      // A disk image may have been given another name where it is now.
      const [only] = expected.readdir(expected.root, 0, 2);
      const found = await buildFrom(
        source,
        kind,
        {
          blockSize: expected.blockSize,
          signal: interrupted.signal,
          onProgress: (progress) => bar.update(progress),
        },
        only?.name,
      ).finally(() => bar.end());
      const { changes } = diffImages(expected, found.image);
      const isSame = found.image.digest.equals(expected.digest);
      output.result(
        {
          same: isSame,
          digest: expected.digest.toString('hex'),
          differences: changes.map(changeResult),
        },
        () =>
          isSame
            ? `${source} is ${expected.digest.toString('hex')}, every name, attribute and byte`
            : changes.map(changeLine).join('\n'),
      );
      if (!isSame) {
        throw new CliError(
          'NOT_THE_SAME',
          `${source} differs from ${manifest} in ${changes.length} ${changes.length === 1 ? 'place' : 'places'}`,
        );
      }
    });
}
