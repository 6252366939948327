import type { Clock } from '../clock.ts';
import { latestKey } from '../kad-key.ts';
import { openLatest, validateLatest } from '../records/latest.ts';
import { sameBytes } from '../records/signed-record.ts';
import type { Store } from '../store.ts';

/** The `latest` records one storing node holds: for each appliance the one with the highest seq. */
export class LatestTable {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** What is held; it may have expired, because it is the floor of `seq` too. Readers judge it themselves. */
  get(appliance: string): Uint8Array | undefined {
    return this.#store.get(storeKey(appliance));
  }

  /**
   * Keeps `bytes` when it is newer than what is held; durable when it resolves.
   *
   * @throws RecordRefusal as `validateLatest`
   */
  async put(appliance: string, bytes: Uint8Array): Promise<void> {
    const held = this.get(appliance);
    if (held !== undefined && sameBytes(held, bytes)) return;
    const floor = held === undefined ? undefined : openLatest(held, appliance);
    const record = validateLatest(bytes, { appliance, now: this.#clock.now(), floor });
    // No await between the check above and the store taking the value: puts cannot overtake each other.
    await this.#store.put(storeKey(appliance), record.bytes);
  }
}

function storeKey(appliance: string): string {
  return `latest/${Buffer.from(latestKey(appliance)).toString('hex')}`;
}
