import {
  type ImageServer,
  type Location,
  type Locator,
  ProxyError,
  type UseRegistry,
} from '@rowfs/proxy';
import {
  createResolver,
  holdLease,
  RegistryError,
  type RegistryNode,
  type ResolveOptions,
  type ServerAddress,
} from '@rowfs/registry';
import { hexOf, inHex } from './published-image.ts';

/**
 * The registry as the proxy wants it: where the servers of an appliance's version are. A channel counts
 * when no version is asked for; a digest that is pinned, always.
 */
export function registryLocator(
  node: RegistryNode,
  appliance: string,
  { channel, manifest }: Pick<ResolveOptions, 'channel' | 'manifest'> = {},
): Locator {
  const resolver = createResolver(node);
  return {
    async locate({ version }): Promise<Location> {
      const found = await resolver
        .resolve(appliance, {
          ...(version !== undefined && { version }),
          ...(version === undefined && channel !== undefined && { channel }),
          ...(manifest !== undefined && { manifest }),
        })
        .catch((error: unknown) => {
          throw refusalOf(error) ?? error;
        });
      return {
        appliance,
        version: found.version,
        ...(found.manifest !== null && {
          digest: hexOf(found.manifest.digest),
          manifestBytes: found.manifest.bytes,
        }),
        ...(found.bootProfile !== null && { bootProfile: inHex(found.bootProfile) }),
        servers: found.servers.map(({ address }) => imageServer(address)),
        ...(found.staleSince === undefined ? {} : { staleSince: found.staleSince }),
      };
    },
  };
}

/** What a revoked key has signed is not started again, and nothing takes the place of a pinned image. */
function refusalOf(error: unknown): ProxyError | undefined {
  if (!(error instanceof RegistryError)) return undefined;
  if (error.code !== 'KEY_REVOKED' && error.code !== 'ANOTHER_IMAGE') return undefined;
  return new ProxyError('IMAGE_REFUSED', error.message, { cause: error });
}

/** The registry as the proxy wants it: where it says that it uses a version. */
export function registryUses(node: RegistryNode, ttlSeconds: number): UseRegistry {
  return {
    async hold({ appliance, version }) {
      if (appliance === undefined || version === undefined) {
        return { release: () => Promise.resolve() };
      }
      return holdLease(node, { appliance, version, ttlSeconds });
    },
  };
}

/** A server as the proxy knows it. */
export function imageServer({ host, port, mountPort, exportPath }: ServerAddress): ImageServer {
  return { host, port, export: exportPath, ...(mountPort === undefined ? {} : { mountPort }) };
}
