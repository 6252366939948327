import type { Command } from 'commander';
import { addShadowDiffCommand } from './diff.ts';
import { addShadowDiscardCommand } from './discard.ts';
import { addShadowExportCommand } from './export.ts';
import { addShadowFsckCommand } from './fsck.ts';
import { addShadowLsCommand } from './ls.ts';

export function addShadowCommand(program: Command): void {
  const shadow = program
    .command('shadow')
    .description('what machines changed against their images: look, check, export, drop')
    .addHelpText(
      'after',
      `
A shadow holds all that one machine changed over one version. It is named APPLIANCE/MACHINE/VERSION; any
part that only one has will do, and nothing when there is only one.

Examples:
  $ rowfs shadow ls
  $ rowfs shadow diff debian/default/12.5
  $ rowfs shadow export 12.5 -o changes.tar   a layer for OCI tools
  $ rowfs shadow discard 12.5                 pristine at the next start`,
    );
  addShadowLsCommand(shadow);
  addShadowDiffCommand(shadow);
  addShadowExportCommand(shadow);
  addShadowDiscardCommand(shadow);
  addShadowFsckCommand(shadow);
}
