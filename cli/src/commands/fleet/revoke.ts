import { FleetFiles, isEd25519PeerId } from '@rowfs/registry';
import type { Command } from 'commander';
import { commandContext, withRegistry } from '../../command-context.ts';
import { CliError, lineOf } from '../../errors.ts';

export function addFleetRevokeCommand(fleet: Command): void {
  fleet
    .command('revoke')
    .description('let machines in no more: all members hang up on them')
    .argument('<member...>', 'as rowfs fleet status shows it on that machine')
    .addHelpText('after', '\nExample:\n  $ rowfs fleet revoke 12D3KooW...')
    .action(async (members: readonly string[], _options: object, command: Command) => {
      const context = commandContext(command);
      const wrong = members.find((member) => !isEd25519PeerId(member));
      if (wrong !== undefined) throw new CliError('BAD_USAGE', `'${wrong}' is no member's id`);
      await new FleetFiles(context.state).revoke(members);
      // Whoever it connects to takes the list, and passes it on.
      const told = await withRegistry(context, async (node) => (await node.peers()).length).catch(
        (error: unknown) => {
          context.logger.warn({ reason: lineOf(error) }, 'no member was reached');
          return 0;
        },
      );
      context.output.result({ members, told: told > 0 }, () =>
        [
          ...members.map((member) => `${member} is let in no more`),
          ...(told > 0 ? [] : ['NO MEMBER HEARD OF IT YET: they will when one connects from here']),
        ].join('\n'),
      );
    });
}
