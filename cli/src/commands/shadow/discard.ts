import { createInterface } from 'node:readline/promises';
import { discardShadow } from '@rowfs/proxy';
import type { Command } from 'commander';
import prettyBytes from 'pretty-bytes';
import { commandContext } from '../../command-context.ts';
import { CliError } from '../../errors.ts';
import { findShadow, type MachineShadow } from '../../shadows.ts';

interface DiscardOptions {
  readonly yes: boolean;
}

export function addShadowDiscardCommand(shadow: Command): void {
  shadow
    .command('discard')
    .description('drops what a machine changed: at its next start it is pristine')
    .argument('[shadow]', 'APPLIANCE/MACHINE/VERSION, or a part that only one has')
    .option('--yes', 'do not ask', false)
    .addHelpText(
      'after',
      `
Refused while a proxy uses it. Interrupted anywhere, the shadow is whole or gone.

Example:
  $ rowfs shadow discard debian/default/12.5 --yes`,
    )
    .action(async (text: string | undefined, { yes }: DiscardOptions, command: Command) => {
      const { state, output } = commandContext(command);
      const found = await findShadow(state, text);
      if (!yes) await confirm(found);
      await discardShadow(found.directory);
      output.result({ discarded: found.id, bytes: found.bytes }, () => `${found.id} is gone`);
    });
}

/** @throws CliError NOT_CONFIRMED, also when there is nobody to ask */
async function confirm({ id, changes, bytes }: MachineShadow): Promise<void> {
  const what = `${id} (${changes ?? 'unknown'} changes, ${prettyBytes(bytes, { binary: true })})`;
  if (!process.stdin.isTTY) throw new CliError('NOT_CONFIRMED', `${what} would be lost: say --yes`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`Drop ${what}? It cannot be undone. [y/N] `);
    if (!/^y(es)?$/i.test(answer.trim()))
      throw new CliError('NOT_CONFIRMED', `${id} was left as it is`);
  } finally {
    terminal.close();
  }
}
