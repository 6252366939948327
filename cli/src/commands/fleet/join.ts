import { FleetFiles, redeemInvitation } from '@rowfs/registry';
import type { Command } from 'commander';
import { commandContext } from '../../command-context.ts';

export function addFleetJoinCommand(group: Command): void {
  group
    .command('join')
    .description('join a fleet by an invitation')
    .argument('<invitation>', 'as rowfs fleet invite printed it')
    .addHelpText('after', '\nExample:\n  $ rowfs fleet join rowfs-invite-...')
    .action(async (invitation: string, _options: object, command: Command) => {
      const { state, output } = commandContext(command);
      const files = new FleetFiles(state);
      const { peerId: member } = await files.memberKey();
      const { fleet, certificate } = await redeemInvitation(invitation, member);
      await files.keepMembership(fleet, certificate);
      output.result({ fleet, member }, () => `joined the fleet ${fleet}\n  as ${member}`);
    });
}
