import type { Proxy, ProxyStatus } from '@rowfs/proxy';
import type { Session } from '@rowfs/registry';

type Calls = ProxyStatus['calls']['up'];
type ProcedureCounts = Session['procedures']['client'][number];

/** The only session of a `rowfs proxy` process. */
const ONLY_SESSION = 'default';

/** A proxy as the operators' REST shows it. */
export function sessionOf(
  { mountCommand }: Proxy,
  status: ProxyStatus,
  id = ONLY_SESSION,
): Session {
  const { servers, calls, shadow, image, ...rest } = status;
  return {
    ...rest,
    shadow: { ...shadow, quotaBytes: shadow.quotaBytes ?? null },
    id,
    appliance: rest.appliance ?? null,
    version: rest.version ?? null,
    staleSince: rest.staleSince ?? null,
    notices: [...rest.notices],
    mountCommand,
    image: image === undefined ? null : { ...image, prefetch: image.prefetch ?? null },
    servers: servers.map((server) => ({
      ...server,
      latencyMs: server.latencyMs ?? null,
      lastError: server.lastError ?? null,
      blocks: server.blocks ?? null,
    })),
    procedures: { client: countsOf(calls.up), server: countsOf(calls.down) },
  };
}

/** The procedures that were called. */
function countsOf(calls: Calls): ProcedureCounts[] {
  return Object.entries(calls)
    .filter(([, { calls: settled, inFlight }]) => settled + inFlight > 0)
    .map(([name, { latency, bytesUp, bytesDown, errors, ...counts }]) => ({
      name,
      calls: counts.calls,
      inFlight: counts.inFlight,
      rejected: counts.rejected,
      errors: { ...errors },
      bytesRead: bytesUp,
      bytesWritten: bytesDown,
      latencyMs: {
        mean: latency.mean / 1000,
        p50: latency.p50 / 1000,
        p90: latency.p90 / 1000,
        p99: latency.p99 / 1000,
        max: latency.max / 1000,
      },
    }));
}
