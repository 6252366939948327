import type { Locator, UseRegistry } from '@rowfs/proxy';
import type { RegistryNode } from '@rowfs/registry';
import type { CommandContext } from './command-context.ts';

/**
 * The proxy's node of the registry, begun when somebody first asks for it: before plain NFS exports
 * that is who looks at the operators' REST, and until then its memory is saved.
 */
export class NodeOnDemand {
  readonly #start: () => Promise<RegistryNode>;
  #node: Promise<RegistryNode> | undefined;

  constructor(context: CommandContext, dataDir: string, bootstrap: readonly string[]) {
    this.#start = async () => {
      const { createRegistryNode } = await import('@rowfs/registry');
      // A machine boots from what it knew when the registry is down.
      const how = { listen: [], mode: 'client', allowOffline: true } as const;
      return createRegistryNode({ ...how, dataDir, bootstrap, ...(await context.node()) });
    };
  }

  get(): Promise<RegistryNode> {
    return (this.#node ??= this.#start());
  }

  async close(): Promise<void> {
    const node = await this.#node?.catch(() => undefined);
    await node?.close();
  }
}

/** What of an appliance is to be run; without a channel, or a digest, the newest version. */
export interface WantedImage {
  readonly appliance: string;
  readonly channel?: string | undefined;
  /** Of the manifest, in hex. */
  readonly digest?: string | undefined;
}

/** How a proxy finds an appliance, and says that it uses it. */
export async function throughRegistry(
  node: NodeOnDemand,
  { appliance, channel, digest }: WantedImage,
  leaseSeconds: number,
): Promise<{ readonly locator: Locator; readonly uses: UseRegistry }> {
  const { registryLocator, registryUses } = await import('./registry-fit.ts');
  const started = await node.get();
  return {
    locator: registryLocator(started, appliance, {
      ...(channel !== undefined && { channel }),
      ...(digest !== undefined && { manifest: Buffer.from(digest, 'hex') }),
    }),
    uses: registryUses(started, leaseSeconds),
  };
}
