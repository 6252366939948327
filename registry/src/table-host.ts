import type { AbsentPeers } from './absent-peers.ts';
import type { Clock } from './clock.ts';
import { sharersKey } from './kad-key.ts';
import type { Operation, RequestHandler, RequestOf, ResponseOf } from './protocol/messages.ts';
import { MAX_CLOSER_PEERS } from './protocol/messages.ts';
import type { RoutingTable } from './protocol/peer-transport.ts';
import { REPLICATION } from './replicas.ts';
import { LatestTable } from './tables/latest-table.ts';
import { ServersTable } from './tables/servers-table.ts';
import { SharersTable } from './tables/sharers-table.ts';
import type { Store } from './store.ts';

/** What one storing node holds of the three tables. */
export interface TableHost {
  readonly handle: RequestHandler;
}

/** Answers peers' requests from `store` and from the routing table; `onPut` hears of each record that was taken. */
export function createTableHost(
  store: Store,
  routing: RoutingTable,
  absent: AbsentPeers,
  clock: Clock,
  onPut: (put: RequestOf<'put-latest'> | RequestOf<'put-server'>) => void,
): TableHost {
  const latest = new LatestTable(store, clock);
  const servers = new ServersTable(store, clock);
  const sharers = new SharersTable(store, clock);

  const answers: { [O in Operation]: (from: string, r: RequestOf<O>) => Promise<ResponseOf<O>> } = {
    'find-node': async (_from, { key }) => ({
      closer: await routing.closest(key, MAX_CLOSER_PEERS),
    }),
    'get-latest': async (_from, { appliance }) => ({
      record: latest.get(appliance) ?? null,
    }),
    'put-latest': async (_from, put) => {
      await latest.put(put.appliance, put.record);
      onPut(put);
      return {};
    },
    'get-servers': async (_from, { appliance, version }) => ({
      records: servers.get(appliance, version).map((entry) => entry.bytes),
    }),
    'put-server': async (from, put) => {
      await servers.put(put.appliance, put.version, put.record, from);
      onPut(put);
      return {};
    },
    'get-sharers': async (_from, { appliance, version }) => ({
      ...sharers.get(appliance, version),
      absent: absent.closest(sharersKey(appliance, version), REPLICATION),
    }),
    'put-lease': async (from, lease) => ({ refreshSeconds: await sharers.put(from, lease) }),
    'release-lease': async (from, lease) => {
      await sharers.release(from, lease);
      return {};
    },
  };

  return { handle: (from, request) => answers[request.op](from, request) };
}
