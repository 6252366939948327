import { everyProcedure, type Nfs3Service, type Procedures } from '@rowfs/nfs3';
import type { OpenServer } from '../failover/replica.ts';

interface Connection {
  readonly service: ReturnType<OpenServer>;
  /** Bytes that READs wait for on it. */
  waiting: number;
}

/**
 * Opens each server as `count` connections: each call goes where the fewest bytes are waited for.
 * One TCP connection holds no more than the buffers of its two ends, some 3 MB with Linux's
 * defaults, which is a third of what 1 Gbit/s over 68 ms needs; and a lost packet stops all that is
 * behind it.
 */
export function severalConnections(openServer: OpenServer, count: number): OpenServer {
  return (server) => {
    const connections = Array.from({ length: count }, (): Connection => ({
      service: openServer(server),
      waiting: 0,
    }));
    const leastWaiting = (): Connection =>
      connections.reduce((a, b) => (b.waiting < a.waiting ? b : a));
    const service: Nfs3Service = {
      ...everyProcedure((procedure, args, ctx) => {
        const below: Procedures = leastWaiting().service;
        return below[procedure](args, ctx);
      }),
      async read(args, ctx) {
        const connection = leastWaiting();
        connection.waiting += args.count;
        try {
          return await connection.service.read(args, ctx);
        } finally {
          connection.waiting -= args.count;
        }
      },
      null: (ctx) => leastWaiting().service.null(ctx),
      /** All connections are made while one mounts: the first reads find them open. */
      mount(dirpath, ctx) {
        // One that cannot be made is noticed by who uses it.
        for (const each of connections) each.service.null(ctx).catch(() => undefined);
        return leastWaiting().service.mount(dirpath, ctx);
      },
    };
    return {
      ...service,
      close: async () => {
        await Promise.all(connections.map((connection) => connection.service.close()));
      },
    };
  };
}
