import type { Command } from 'commander';
import { addKeyRecoveryCommand } from './recovery.ts';
import { addKeyRevokeCommand } from './revoke.ts';
import { addKeyRotateCommand } from './rotate.ts';
import { addKeyShowCommand } from './show.ts';

export function addKeyCommand(program: Command): void {
  const key = program
    .command('key')
    .description('the key that names your appliances: show, protect, replace, revoke it')
    .addHelpText(
      'after',
      `
Name a recovery key before you need it, and keep it off this machine: from then on only it can replace or
revoke the key that publishes. Without one, a thief of the key can do so as well as you.

Examples:
  $ rowfs key                                    your publisher id; made at first use
  $ rowfs key recovery /media/usb/recovery.key
  $ rowfs key rotate --recovery /media/usb/recovery.key`,
    );
  addKeyShowCommand(key);
  addKeyRecoveryCommand(key);
  addKeyRotateCommand(key);
  addKeyRevokeCommand(key);
}
