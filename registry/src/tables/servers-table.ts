import type { Clock } from '../clock.ts';
import { RecordRefusal } from '../errors.ts';
import { serversKey } from '../kad-key.ts';
import {
  isEndorsed,
  validateServerEntry,
  type SignedServerEntry,
} from '../records/server-entry.ts';
import { sameBytes } from '../records/signed-record.ts';
import type { Store } from '../store.ts';

/** How many servers of one version a node keeps; the publisher's own always find a place. */
export const MAX_SERVERS_PER_VERSION = 128;
/** How many servers of one version a peer can bring that is none of them itself. */
export const MAX_SERVERS_BROUGHT = 16;

interface HeldEntry extends SignedServerEntry {
  /** The peer that brought it; undefined when it was read back from disk. */
  readonly from: string | undefined;
}

/** The server entries one storing node holds: per version a set, one entry per server. */
export class ServersTable {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #sets = new Map<string, Map<string, HeldEntry>>();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** All entries that have not expired, tombstones too: a reader needs them to overrule older copies. */
  get(appliance: string, version: string): SignedServerEntry[] {
    return [...this.#set(appliance, version).values()];
  }

  /**
   * Keeps `bytes`, which the peer `from` brought, when it is the newest of its server; durable when it
   * resolves. Minting keys is free, connections are not: a server that speaks for itself over a
   * connection of its own makes those go that others only brought.
   *
   * @throws RecordRefusal as `validateServerEntry`, or QUOTA_EXCEEDED
   */
  async put(appliance: string, version: string, bytes: Uint8Array, from: string): Promise<void> {
    const set = this.#set(appliance, version);
    const now = this.#clock.now();
    // Judged first without a floor, to learn whose entry it is.
    const { server } = validateServerEntry(bytes, { appliance, version, now }).payload;
    const held = set.get(server);
    const judged = validateServerEntry(bytes, { appliance, version, now, floor: held });
    const entry: HeldEntry = {
      ...judged,
      from: held !== undefined && isDirect(held) ? held.from : from,
    };
    if (held !== undefined && sameBytes(held.bytes, bytes)) return;
    const evicted = held === undefined ? makeRoom(set, entry) : undefined;
    if (evicted !== undefined) set.delete(evicted.payload.server);
    set.set(server, entry);
    const prefix = storePrefix(appliance, version);
    this.#sets.set(prefix, set);
    await Promise.all([
      this.#store.put(prefix + hex(server), entry.bytes),
      evicted === undefined ? undefined : this.#store.remove(prefix + hex(evicted.payload.server)),
    ]);
  }

  #set(appliance: string, version: string): Map<string, HeldEntry> {
    const prefix = storePrefix(appliance, version);
    const now = this.#clock.now();
    let set = this.#sets.get(prefix);
    if (set === undefined) {
      set = new Map();
      for (const [key, bytes] of this.#store.entries(prefix)) {
        try {
          const entry = validateServerEntry(bytes, { appliance, version, now });
          set.set(entry.payload.server, { ...entry, from: undefined });
        } catch (error) {
          if (!(error instanceof RecordRefusal)) throw error;
          void this.#store.remove(key);
        }
      }
      if (set.size > 0) this.#sets.set(prefix, set);
    }
    for (const [server, entry] of set) {
      if (entry.payload.expires > now) continue;
      set.delete(server);
      void this.#store.remove(prefix + hex(server));
    }
    if (set.size === 0) this.#sets.delete(prefix);
    return set;
  }
}

/**
 * Returns the entry to evict for `entry`, if one must go: the publisher's word counts before that of a
 * server about itself, and that before what somebody brought.
 *
 * @throws RecordRefusal QUOTA_EXCEEDED
 */
function makeRoom(set: ReadonlyMap<string, HeldEntry>, entry: HeldEntry): HeldEntry | undefined {
  const { appliance, version } = entry.payload;
  const held = [...set.values()];
  if (rankOf(entry) === BROUGHT) {
    const brought = held.filter((each) => rankOf(each) === BROUGHT && each.from === entry.from);
    if (brought.length >= MAX_SERVERS_BROUGHT) {
      throw new RecordRefusal(
        'QUOTA_EXCEEDED',
        `${entry.from ?? 'a peer'} has brought ${brought.length} servers of ${appliance} ${version} already`,
      );
    }
  }
  if (set.size < MAX_SERVERS_PER_VERSION) return undefined;
  const [victim] = held.sort(
    (a, b) => rankOf(a) - rankOf(b) || a.payload.expires - b.payload.expires,
  );
  if (victim !== undefined && rankOf(victim) < rankOf(entry)) return victim;
  throw new RecordRefusal(
    'QUOTA_EXCEEDED',
    `${appliance} ${version} has ${MAX_SERVERS_PER_VERSION} servers already`,
  );
}

const BROUGHT = 0;
const DIRECT = 1;
const ENDORSED = 2;

function rankOf(entry: HeldEntry): number {
  if (isEndorsed(entry)) return ENDORSED;
  return isDirect(entry) ? DIRECT : BROUGHT;
}

function isDirect({ from, payload }: HeldEntry): boolean {
  return from === payload.server;
}

function storePrefix(appliance: string, version: string): string {
  return `servers/${Buffer.from(serversKey(appliance, version)).toString('hex')}/`;
}

function hex(server: string): string {
  return Buffer.from(server).toString('base64url');
}
