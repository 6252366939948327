import { FleetFiles } from '@rowfs/registry';
import type { Command } from 'commander';
import { commandContext } from '../../command-context.ts';
import { CliError } from '../../errors.ts';

export function addFleetInitCommand(fleet: Command): void {
  fleet
    .command('init')
    .description("make a fleet: its key, and this machine's certificate")
    .addHelpText('after', '\nExample:\n  $ rowfs fleet init')
    .action(async (_options: object, command: Command) => {
      const { state, output } = commandContext(command);
      const files = new FleetFiles(state);
      const held = await files.membership();
      if (held !== undefined && held.redeem === undefined) {
        throw new CliError('IN_A_FLEET', `this machine is in the fleet ${held.fleet} already`);
      }
      const id = await files.init();
      const { peerId: member } = await files.memberKey();
      output.result({ fleet: id, member, key: files.fleetKeyPath }, () =>
        [`fleet ${id}`, `  this machine is ${member}`, `  its key: ${files.fleetKeyPath}`].join(
          '\n',
        ),
      );
    });
}
