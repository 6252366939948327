import type { MountEntry } from './dump.ts';

/**
 * Who has mounted what. A record and no lock: a client that dies stays in it, and one that the
 * server has forgotten goes on working.
 *
 * Given in, so that a server can keep it over a restart.
 */
export interface MountTable {
  /** Adding what is there changes nothing. */
  add(entry: MountEntry): Promise<void>;
  /** Removing what is not there changes nothing. */
  remove(entry: MountEntry): Promise<void>;
  removeAll(hostname: string): Promise<void>;
  list(): Promise<readonly MountEntry[]>;
}

/** Beyond this many the oldest go: whoever mounts under ever new paths shall not fill the memory. */
const MAX_ENTRIES = 65_536;

/** A table that ends with the process. */
export function createMountTable(): MountTable {
  const entries = new Map<string, MountEntry>();
  const keyOf = ({ hostname, directory }: MountEntry): string => `${hostname}:${directory}`;
  return {
    async add(entry) {
      entries.set(keyOf(entry), entry);
      const [oldest] = entries.keys();
      if (entries.size > MAX_ENTRIES && oldest !== undefined) entries.delete(oldest);
    },
    async remove(entry) {
      entries.delete(keyOf(entry));
    },
    async removeAll(hostname) {
      for (const [key, entry] of entries) if (entry.hostname === hostname) entries.delete(key);
    },
    async list() {
      return [...entries.values()];
    },
  };
}
