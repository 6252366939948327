import type { Command } from 'commander';
import { addFleetInitCommand } from './init.ts';
import { addFleetInviteCommand } from './invite.ts';
import { addFleetJoinCommand } from './join.ts';
import { addFleetRevokeCommand } from './revoke.ts';
import { addFleetStatusCommand } from './status.ts';

export function addFleetCommand(program: Command): void {
  const fleet = program
    .command('fleet')
    .description('a registry for machines that were let in, and for nobody else')
    .addHelpText(
      'after',
      `
Without a fleet the registry is open to whoever reaches it. A machine of a fleet has a certificate, signed by
the fleet's key, for all rowfs commands with this --state; its nodes answer nothing to others. Restart
what runs after init and join.

Examples:
  $ rowfs fleet init                          on the machine that lets others in
  $ rowfs fleet invite --at /ip4/10.0.0.1/tcp/4711
  $ rowfs fleet join rowfs-invite-...         on the machine that comes in
  $ rowfs fleet revoke 12D3KooW...`,
    );
  addFleetInitCommand(fleet);
  addFleetInviteCommand(fleet);
  addFleetJoinCommand(fleet);
  addFleetRevokeCommand(fleet);
  addFleetStatusCommand(fleet);
}
