import { diffImages, type ImageChange, readImage } from '@rowfs/image';
import type { Command } from 'commander';
import prettyBytes from 'pretty-bytes';
import { commandContext } from '../../command-context.ts';
import { printablePath } from '../../image-names.ts';

export function addImageDiffCommand(image: Command): void {
  image
    .command('diff')
    .description('what changed from one image to another, and how much of it is new')
    .argument('<old>', 'the manifest of one version, or the directory that it is in')
    .argument('<new>', 'that of the other')
    .addHelpText(
      'after',
      `
+ is added, - removed, ~ changed. New blocks are what a machine that has the old version fetches for
the new one.

Example:
  $ rowfs image diff debian-12.5.manifest debian-12.6.manifest`,
    )
    .action(async (oldPath: string, newPath: string, _options: object, command: Command) => {
      const { output } = commandContext(command);
      const before = await readImage(oldPath);
      const after = await readImage(newPath);
      const { changes, newBlocks } = diffImages(before, after);
      const count = (kind: ImageChange['kind']): number =>
        changes.filter((change) => change.kind === kind).length;
      const result = {
        added: count('added'),
        removed: count('removed'),
        changed: count('changed'),
        changedBytes: changes.reduce((sum, { bytes }) => sum + bytes, 0),
        newBlocks,
        blocks: after.blockCount,
        changes: changes.map(changeResult),
      };
      output.result(result, () =>
        [
          ...changes.map(changeLine),
          `${result.added} added, ${result.removed} removed, ${result.changed} changed, ${prettyBytes(result.changedBytes)} in changed blocks`,
          `${newBlocks.count} of ${after.blockCount} blocks are new, ${prettyBytes(newBlocks.bytes)} to fetch`,
        ].join('\n'),
      );
    });
}

/** A change as scripts see it. */
export function changeResult({ kind, names, parts, bytes }: ImageChange): object {
  return { kind, path: printablePath(names), parts, bytes };
}

const signs: Readonly<Record<ImageChange['kind'], string>> = {
  added: '+',
  removed: '-',
  changed: '~',
};

/** A change as people see it. */
export function changeLine({ kind, names, parts, bytes }: ImageChange): string {
  const why = [...parts, ...(bytes > 0 ? [prettyBytes(bytes)] : [])].join(', ');
  return `${signs[kind]} ${printablePath(names)}${why === '' ? '' : ` (${why})`}`;
}
