import { FleetFiles } from '@rowfs/registry';
import type { Command } from 'commander';
import { commandContext } from '../../command-context.ts';

export function addFleetStatusCommand(group: Command): void {
  group
    .command('status')
    .description('which fleet this machine is in, and as whom')
    .addHelpText('after', '\nExample:\n  $ rowfs fleet status')
    .action(async (_options: object, command: Command) => {
      const { state, output } = commandContext(command);
      const files = new FleetFiles(state);
      const membership = await files.membership();
      if (membership === undefined) {
        output.result({ fleet: null }, () => 'in no fleet: the registry is open');
        return;
      }
      const result = {
        fleet: membership.fleet,
        member: (await files.memberKey()).peerId,
        expires: new Date(membership.expires).toISOString(),
        invites: membership.redeem !== undefined,
        revoked: membership.revokedMembers,
      };
      output.result(result, ({ fleet, member, expires, revoked }) =>
        [
          `fleet ${fleet}`,
          `  this machine is ${member}, until ${expires}`,
          ...revoked.map((each) => `  revoked ${each}`),
        ].join('\n'),
      );
    });
}
