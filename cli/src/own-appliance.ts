import {
  createPublisher,
  createResolver,
  type Latest,
  type Publisher,
  type RegistryNode,
} from '@rowfs/registry';
import { applianceOf, type CommandContext, withRegistry } from './command-context.ts';
import { CliError } from './errors.ts';
import { loadPublisherKey } from './publisher-key.ts';
import { verifyExport } from './verify-export.ts';

/** One of this user's appliances, to be changed. */
export interface OwnAppliance {
  readonly appliance: string;
  readonly publisher: Publisher;
  readonly node: RegistryNode;
  /** What is published of it now. */
  latest(): Promise<Latest>;
}

/** @throws CliError NOT_PUBLISHER; RegistryError KEY_UNREADABLE, REGISTRY_UNREACHABLE */
export async function withOwnAppliance<T>(
  context: CommandContext,
  name: string,
  use: (own: OwnAppliance) => Promise<T>,
): Promise<T> {
  const { key, mandate } = await loadPublisherKey(context);
  const appliance = await applianceOf(context, name);
  if (!appliance.endsWith(`@${mandate.publisher}`)) {
    throw new CliError('NOT_PUBLISHER', `${appliance} is not yours: only its publisher changes it`);
  }
  return withRegistry(context, async (node) => {
    const stateDir = context.state;
    const publisher = createPublisher({
      node,
      key,
      mandate,
      stateDir,
      verifyServer: verifyExport,
    });
    const latest = async (): Promise<Latest> =>
      (await createResolver(node).latest(appliance)).latest;
    return use({ appliance, publisher, node, latest });
  });
}
