import { createFailover } from '../failover/failover.ts';
import type { ServerStatus } from '../failover/replica.ts';
import type { Lower, LowerOptions, LowerServerStatus } from './lower.ts';

/** Plain NFSv3 exports of one tree, each of them believed: what one cannot answer another does. */
export async function openPlainLower(options: LowerOptions): Promise<Lower> {
  const failover = await createFailover({
    ...options,
    onChange: (servers) => options.onChange(servers.map(plainServer)),
  });
  return {
    service: failover,
    known: failover,
    tree: undefined,
    notices: [],
    ready: (signal) => failover.ready(signal),
    bootBegins: () => undefined,
    setServers: (servers) => failover.setServers(servers),
    status: () => ({ servers: failover.status().map(plainServer), image: undefined }),
    close: () => failover.close(),
  };
}

const plainServer = (server: ServerStatus): LowerServerStatus => ({ ...server, blocks: undefined });
