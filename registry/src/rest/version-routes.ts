import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { RegistryError } from '../errors.ts';
import type { RegistryNode } from '../node.ts';
import { formatServerAddress } from '../records/server-address.ts';
import { createResolver, type Resolution } from '../resolver.ts';
import { countSharers } from '../sharer-lease.ts';
import { serversSchema, sharersSchema, versionParams } from './appliance-schemas.ts';
import { ProblemError } from './problem.ts';
import { responses } from './responses.ts';
import { isoTimeOf } from './schemas.ts';

/** Who serves one version of an appliance, and who uses it. */
export function versionRoutes(node: RegistryNode): FastifyPluginAsyncZod {
  const resolver = createResolver(node);

  return async (app) => {
    app.get(
      '/appliances/:appliance/versions/:version/servers',
      {
        schema: {
          operationId: 'listServers',
          summary: 'Who serves a version',
          tags: ['appliances'],
          params: versionParams,
          response: responses('None, if nobody does now.', serversSchema, [400, 404, 502, 503]),
        },
      },
      async ({ params: { appliance, version } }) => {
        const found = await noneIfNoServers(resolver.resolve(appliance, { version }));
        const servers = found.servers.map(({ address, ...server }) => ({
          ...server,
          address: formatServerAddress(address),
        }));
        return { appliance, version, servers, staleSince: isoTimeOf(found.staleSince) };
      },
    );

    app.get(
      '/appliances/:appliance/versions/:version/sharers',
      {
        schema: {
          operationId: 'listSharers',
          summary: 'Who uses a version',
          description: 'Also answers for a version that is no longer kept, while somebody uses it.',
          tags: ['appliances'],
          params: versionParams,
          response: responses('The leases held.', sharersSchema, [400, 404, 502, 503]),
        },
      },
      async ({ params: { appliance, version } }) => {
        const { latest } = await resolver.latest(appliance);
        const kept = latest.history.some((entry) => entry.version === version);
        const { count, complete, sharers } = await countSharers(node, { appliance, version });
        if (!kept && complete && count === 0) {
          const detail = `${appliance} has no version ${version}, and nobody uses it`;
          throw new ProblemError(404, 'VERSION_NOT_FOUND', detail);
        }
        return { appliance, version, kept, count, complete, sharers: [...sharers] };
      },
    );
  };
}

/** That nobody serves a version is an answer for whoever watches, not a failure. */
async function noneIfNoServers(
  resolution: Promise<Resolution>,
): Promise<Pick<Resolution, 'servers' | 'staleSince'>> {
  try {
    return await resolution;
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'NO_SERVERS') return { servers: [] };
    throw error;
  }
}
