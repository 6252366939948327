import { createInvitation, FleetFiles, loadKey } from '@rowfs/registry';
import { type Command, Option } from 'commander';
import { commandContext } from '../../command-context.ts';
import { parseDuration } from '../../options.ts';

interface InviteOptions {
  readonly at?: readonly string[];
  readonly expires: number;
}

export function addFleetInviteCommand(fleet: Command): void {
  fleet
    .command('invite')
    .description('print an invitation: it lets one machine in, once')
    .option(
      '--at <multiaddr...>',
      'where the rowfs node of this machine is reached (default: --registry)',
    )
    .addOption(
      new Option('--expires <duration>', 'how long it is good')
        .argParser(parseDuration)
        .default(3600, '1h'),
    )
    .addHelpText(
      'after',
      `
Whoever has the text may come in: send it as you would a password. It is taken by a rowfs node that runs with
the state of this machine, where the fleet's key is.

Example:
  $ rowfs fleet invite --at /ip4/10.0.0.1/tcp/4711 --expires 10m`,
    )
    .action(async ({ at, expires }: InviteOptions, command: Command) => {
      const { state, registry, output } = commandContext(command);
      const key = await loadKey(new FleetFiles(state).fleetKeyPath);
      const until = new Date(Date.now() + expires * 1000);
      const invitation = createInvitation(key, until.getTime(), at ?? registry);
      output.result({ invitation, expires: until.toISOString() }, () => invitation);
    });
}
