import { existsSync } from 'node:fs';
import { createPublisher, keepRenewed, type RegistryNode } from '@rowfs/registry';
import type { CommandContext } from './command-context.ts';
import { CliError } from './errors.ts';
import { loadPublisherKey, publishedAppliances, publisherKeyPath } from './publisher-key.ts';

/**
 * Signs what was published from this state directory again before it grows stale, as long as a node
 * runs here. Looked at anew each time: the key may have been made, or replaced, since.
 */
export function startRenewal(
  context: CommandContext,
  node: RegistryNode,
): { stop(): Promise<void> } {
  return keepRenewed(node, async () => {
    if (!existsSync(publisherKeyPath(context))) return { appliances: [] };
    const { key, mandate } = await loadPublisherKey(context);
    const publisher = createPublisher({
      node,
      key,
      mandate,
      stateDir: context.state,
      // Only what was published before is signed again; and a node need not load an NFS client.
      verifyServer: () => Promise.reject(new CliError('NOT_VERIFIED', 'renewing adds no server')),
    });
    return { publisher, appliances: await publishedAppliances(context) };
  });
}
