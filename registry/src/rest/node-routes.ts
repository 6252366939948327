import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { RegistryNode } from '../node.ts';
import { responses } from './responses.ts';
import { countSchema, isoTime, peerIdSchema, timeSchema } from './schemas.ts';

const modeSchema = z.enum(['server', 'client']);

const healthSchema = z
  .object({
    status: z.enum(['ok', 'alone', 'cut-off']).meta({
      description:
        'ok: part of a network. alone: told of no other node; a server is a complete registry by itself. cut-off: reaches none of the nodes it was told of.',
    }),
    peerId: peerIdSchema,
    mode: modeSchema,
    version: z.string(),
    startedAt: timeSchema,
    uptimeSeconds: z.number().min(0),
    connected: z.boolean().meta({ description: 'Whether it reaches another node.' }),
    peers: countSchema.meta({ description: 'How many nodes its routing table has.' }),
    records: z
      .object({ latest: countSchema, servers: countSchema, sharers: countSchema })
      .meta({ description: 'How many records it stores for others, by table.' }),
  })
  .meta({ id: 'Health' });

const peerSchema = z.object({
  id: peerIdSchema,
  addresses: z.array(z.string()).meta({ description: 'Multiaddrs.' }),
});

const peersSchema = z
  .object({
    self: peerSchema.extend({ mode: modeSchema }),
    peers: z.array(peerSchema).meta({ description: 'The routing table.' }),
  })
  .meta({ id: 'Peers' });

/** How this node does, and whom it knows. */
export function nodeRoutes(node: RegistryNode, version: string): FastifyPluginAsyncZod {
  const startedAt = node.clock.now();
  const count = (table: string): number => node.store.entries(`${table}/`).length;

  return async (app) => {
    app.get(
      '/health',
      {
        schema: {
          operationId: 'getHealth',
          summary: 'How this node does',
          tags: ['node'],
          response: responses('Always, while the process answers: see `status`.', healthSchema),
        },
      },
      async () => ({
        status: statusOf(node),
        peerId: node.peerId,
        mode: node.mode,
        version,
        startedAt: isoTime(startedAt),
        uptimeSeconds: (node.clock.now() - startedAt) / 1000,
        connected: node.isConnected,
        peers: (await node.peers()).length,
        records: { latest: count('latest'), servers: count('servers'), sharers: count('sharers') },
      }),
    );

    app.get(
      '/peers',
      {
        schema: {
          operationId: 'listPeers',
          summary: 'This node and its routing table',
          tags: ['node'],
          response: responses('Whom it knows.', peersSchema),
        },
      },
      async () => ({
        self: { id: node.peerId, addresses: node.addresses(), mode: node.mode },
        peers: [...(await node.peers())],
      }),
    );
  };
}

function statusOf(node: RegistryNode): z.infer<typeof healthSchema>['status'] {
  if (node.isConnected) return 'ok';
  return node.tables.isCutOff ? 'cut-off' : 'alone';
}
