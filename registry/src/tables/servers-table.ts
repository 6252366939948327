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

/** The server entries one storing node holds: per version a set, one entry per server. */
export class ServersTable {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #sets = new Map<string, Map<string, SignedServerEntry>>();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** All entries that have not expired, tombstones too: a reader needs them to overrule older copies. */
  get(appliance: string, version: string): SignedServerEntry[] {
    return [...this.#set(appliance, version).values()];
  }

  /**
   * Keeps `bytes` when it is the newest of its server; durable when it resolves.
   *
   * @throws RecordRefusal as `validateServerEntry`, or QUOTA_EXCEEDED
   */
  async put(appliance: string, version: string, bytes: Uint8Array): Promise<void> {
    const set = this.#set(appliance, version);
    const now = this.#clock.now();
    // Judged first without a floor, to learn whose entry it is.
    const { server } = validateServerEntry(bytes, { appliance, version, now }).payload;
    const held = set.get(server);
    const entry = validateServerEntry(bytes, { appliance, version, now, floor: held });
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

  #set(appliance: string, version: string): Map<string, SignedServerEntry> {
    const prefix = storePrefix(appliance, version);
    const now = this.#clock.now();
    let set = this.#sets.get(prefix);
    if (set === undefined) {
      set = new Map();
      for (const [key, bytes] of this.#store.entries(prefix)) {
        try {
          const entry = validateServerEntry(bytes, { appliance, version, now });
          set.set(entry.payload.server, entry);
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

/** Returns the entry to evict for `entry`, if one must go. */
function makeRoom(
  set: ReadonlyMap<string, SignedServerEntry>,
  entry: SignedServerEntry,
): SignedServerEntry | undefined {
  if (set.size < MAX_SERVERS_PER_VERSION) return undefined;
  const selfAnnounced = [...set.values()].filter((held) => !isEndorsed(held));
  const victim = selfAnnounced.sort((a, b) => a.payload.expires - b.payload.expires)[0];
  if (isEndorsed(entry) && victim !== undefined) return victim;
  throw new RecordRefusal(
    'QUOTA_EXCEEDED',
    `${entry.payload.appliance} ${entry.payload.version} has ${MAX_SERVERS_PER_VERSION} servers already`,
  );
}

function storePrefix(appliance: string, version: string): string {
  return `servers/${Buffer.from(serversKey(appliance, version)).toString('hex')}/`;
}

function hex(server: string): string {
  return Buffer.from(server).toString('base64url');
}
