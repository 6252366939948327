import { fsck, type Problem } from '@rowfs/proxy';
import type { Command } from 'commander';
import { commandContext } from '../../command-context.ts';
import { CliError } from '../../errors.ts';
import { findShadow } from '../../shadows.ts';

interface FsckCommandOptions {
  readonly repair: boolean;
}

export function addShadowFsckCommand(shadow: Command): void {
  shadow
    .command('fsck')
    .description('checks a shadow through and through; --repair mends what needs no guess')
    .argument('[shadow]', 'APPLIANCE/MACHINE/VERSION, or a part that only one has')
    .option('--repair', 'mend what can be mended without a guess', false)
    .addHelpText(
      'after',
      `
Refused while a proxy uses it. The image is not needed. What a crash leaves, and the next start of the proxy
clears away, is told and is no damage.

Exit status: 0 when no damage is left, 1 when there is some, or it could not be checked; 2 for a command
line that was not understood.

Example:
  $ rowfs shadow fsck --repair`,
    )
    .action(async (text: string | undefined, { repair }: FsckCommandOptions, command: Command) => {
      const { state, output } = commandContext(command);
      const { id, directory } = await findShadow(state, text);
      const problems = await fsck(directory, { repair });
      const left = problems.filter(({ mended, leftover }) => !mended && !leftover).length;
      output.result({ shadow: id, damaged: left > 0, problems }, () =>
        problems.length === 0
          ? `${id}: as it should be`
          : [...problems.map(problemLine), `${id}: ${summary(problems, left)}`].join('\n'),
      );
      if (left > 0)
        throw new CliError('SHADOW_DAMAGED', `${left} of its problems could not be mended`);
    });
}

function problemLine({ code, what, leftover, mended }: Problem): string {
  const state = mended ? 'mended' : leftover ? 'left by a crash' : 'NOT mended';
  return `${code}: ${what} (${state})`;
}

function summary(problems: readonly Problem[], left: number): string {
  const mended = problems.filter((problem) => problem.mended).length;
  return `${problems.length} found, ${mended} mended, ${left === 0 ? 'no damage is left' : `${left} left`}`;
}
