import type { Command } from 'commander';
import prettyBytes from 'pretty-bytes';
import { commandContext } from '../../command-context.ts';
import { table } from '../../output.ts';
import { type MachineShadow, machineShadows } from '../../shadows.ts';

export function addShadowLsCommand(shadow: Command): void {
  shadow
    .command('ls')
    .description('the shadows on this machine, and who uses them')
    .addHelpText(
      'after',
      `
Of a shadow in use it tells what is on stable storage by now.

Example:
  $ rowfs shadow ls --json`,
    )
    .action(async (_options: object, command: Command) => {
      const { state, output } = commandContext(command);
      const shadows = await machineShadows(state);
      output.result({ shadows: shadows.map(shadowResult) }, () =>
        shadows.length === 0
          ? `no machine has a shadow in ${state}`
          : table(
              ['APPLIANCE', 'MACHINE', 'VERSION', 'STATE', 'CHANGES', 'SIZE', 'LAST CHANGED'],
              shadows.map((each) => [
                each.appliance,
                each.machine,
                each.belongsTo.version ?? each.name,
                each.pid === undefined ? 'idle' : `in use by ${each.pid}`,
                each.error ?? String(each.changes),
                prettyBytes(each.bytes, { binary: true }),
                each.lastChanged,
              ]),
            ),
      );
    });
}

function shadowResult(shadow: MachineShadow): object {
  const { id, appliance, machine, name, directory, belongsTo, pid, changes, bytes } = shadow;
  return {
    id,
    appliance,
    machine,
    name,
    version: belongsTo.version ?? null,
    directory,
    pid: pid ?? null,
    changes: changes ?? null,
    bytes,
    lastChanged: shadow.lastChanged,
    error: shadow.error ?? null,
  };
}
