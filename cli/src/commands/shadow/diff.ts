import { type Change, changesOf, printableName, readShadow } from '@rowfs/proxy';
import type { Command } from 'commander';
import prettyBytes from 'pretty-bytes';
import { commandContext } from '../../command-context.ts';
import { findShadow } from '../../shadows.ts';

export function addShadowDiffCommand(shadow: Command): void {
  shadow
    .command('diff')
    .description('what a machine changed against its image; asks neither image nor servers')
    .argument('[shadow]', 'APPLIANCE/MACHINE/VERSION, or a part that only one has')
    .addHelpText(
      'after',
      `
+ is added, - removed, ~ changed, > renamed, = one more name of the same file. What is in a directory
that was renamed is not told again. Of a shadow in use it tells what is on stable storage by now.

Example:
  $ rowfs shadow diff`,
    )
    .action(async (text: string | undefined, _options: object, command: Command) => {
      const { state, output } = commandContext(command);
      const { id, directory } = await findShadow(state, text);
      const changes = await readShadow(directory, changesOf);
      const bytes = changes.reduce((sum, change) => sum + change.bytes, 0);
      output.result({ shadow: id, bytes, changes: changes.map(changeResult) }, () =>
        [
          ...changes.map(changeLine),
          `${changes.length} changes, ${prettyBytes(bytes, { binary: true })} here`,
        ].join('\n'),
      );
    });
}

/** A change as scripts see it. */
function changeResult(change: Change): object {
  const { path, kind, type, from, replaces, attributes, contents, bytes } = change;
  return {
    path: path === '' ? '/' : printableName(path),
    kind,
    type: type ?? null,
    from: from === undefined ? null : printableName(from),
    replaces: replaces === undefined ? null : printableName(replaces),
    attributes,
    contents: contents ?? null,
    bytes,
  };
}

const signs: Readonly<Record<Change['kind'], string>> = {
  added: '+',
  changed: '~',
  renamed: '>',
  linked: '=',
  removed: '-',
};

/** A change as people see it. */
function changeLine(change: Change): string {
  const { path, kind, type, from, replaces, attributes, contents, bytes } = change;
  const details = [
    ...(from === undefined ? [] : [`${kind === 'renamed' ? 'was' : 'is'} ${printableName(from)}`]),
    ...(replaces === undefined ? [] : [`in place of the image's`]),
    ...attributes,
    ...(contents === undefined ? [] : [contentsText(contents)]),
    ...(bytes === 0 ? [] : [`${prettyBytes(bytes, { binary: true })} here`]),
  ].join(', ');
  const slash = type === 'directory' ? '/' : '';
  return `${signs[kind]} ${printableName(path)}${slash}${details === '' ? '' : `  (${details})`}`;
}

function contentsText({ blocks, sizeBefore, sizeAfter }: NonNullable<Change['contents']>): string {
  const redirected = `${blocks} ${blocks === 1 ? 'block' : 'blocks'} redirected`;
  return sizeBefore === sizeAfter
    ? redirected
    : `${redirected}, ${sizeBefore} to ${sizeAfter} bytes`;
}
