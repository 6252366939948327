import { type ImageServer, SessionFile } from '@rowfs/proxy';
import { type CommandContext, withRegistry } from './command-context.ts';
import { CliError } from './errors.ts';
import { registryLocator } from './registry-fit.ts';
import type { MachineShadow } from './shadows.ts';

/**
 * Who serves the image of a shadow: those of the last run, if that was on this shadow, or those that the
 * registry names for its version.
 *
 * @throws CliError NO_SERVERS; RegistryError
 */
export async function serversOf(
  context: CommandContext,
  { id, name, state, belongsTo }: MachineShadow,
): Promise<readonly ImageServer[]> {
  const session = await new SessionFile(state).read();
  if (session?.shadow === name && session.servers.length > 0) return session.servers;
  const { appliance, version } = belongsTo;
  if (appliance === undefined || version === undefined)
    throw new CliError('NO_SERVERS', `nobody knows who serves the image of ${id}: say --server`);
  return withRegistry(context, async (node) => {
    const signal = AbortSignal.timeout(LOCATE_MS);
    return (await registryLocator(node, appliance).locate({ version }, signal)).servers;
  });
}

const LOCATE_MS = 15_000;
