import { mkdir } from 'node:fs/promises';
import { open } from 'lmdb';
import { messageOf, RegistryError } from './errors.ts';

/** What a node keeps: an ordered map from text keys to bytes. */
export interface Store {
  get(key: string): Uint8Array | undefined;
  /** All pairs whose key starts with `prefix`, in key order. */
  entries(prefix: string): [key: string, value: Uint8Array][];
  /** Resolves when the pair is on stable storage (for a store that has one). */
  put(key: string, value: Uint8Array): Promise<void>;
  /** Resolves when the removal is on stable storage. */
  remove(key: string): Promise<void>;
  close(): Promise<void>;
}

/** A store that ends with the process, for ephemeral nodes. */
export function memoryStore(): Store {
  const pairs = new Map<string, Uint8Array>();
  return {
    get: (key) => pairs.get(key),
    entries: (prefix) =>
      [...pairs].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1)),
    async put(key, value) {
      pairs.set(key, value);
    },
    async remove(key) {
      pairs.delete(key);
    },
    async close() {
      pairs.clear();
    },
  };
}

/**
 * A store in an lmdb environment at `directory`.
 *
 * @throws RegistryError STORE_FAILED when the directory cannot be used
 */
export async function diskStore(directory: string): Promise<Store> {
  let database;
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    // Without overlapping sync a commit resolves only once it is flushed: an acknowledged put is durable.
    database = open<Uint8Array, string>({
      path: directory,
      encoding: 'binary',
      overlappingSync: false,
    });
  } catch (error) {
    throw new RegistryError(
      'STORE_FAILED',
      `cannot open the registry's data in ${directory}: ${messageOf(error)}`,
      { cause: error },
    );
  }
  const kept = database;
  return {
    get: (key) => kept.get(key),
    entries: (prefix) =>
      // U+FFFF sorts after every character used in keys.
      Array.from(kept.getRange({ start: prefix, end: `${prefix}\uFFFF` }), ({ key, value }) => [
        key,
        value,
      ]),
    async put(key, value) {
      await kept.put(key, value);
    },
    async remove(key) {
      await kept.remove(key);
    },
    async close() {
      await kept.close();
    },
  };
}
