import type { Clock } from '../clock.ts';
import { latestKey } from '../kad-key.ts';
import { openLatest, validateLatest, type SignedLatest } from '../records/latest.ts';
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

  /** What is held; it may have expired, because it is the floor of `seq` too. */
  get(appliance: string): SignedLatest | undefined {
    const bytes = this.#store.get(storeKey(appliance));
    return bytes === undefined ? undefined : openLatest(bytes, appliance);
  }

  /**
   * Keeps `bytes` when it is newer than what is held; durable when it resolves.
   *
   * @throws RecordRefusal as `validateLatest`
   */
  async put(appliance: string, bytes: Uint8Array): Promise<void> {
    const held = this.get(appliance);
    const record = validateLatest(bytes, { appliance, now: this.#clock.now(), floor: held });
    if (held !== undefined && sameBytes(held.bytes, record.bytes)) return;
    // No await between the check above and the store taking the value: puts cannot overtake each other.
    await this.#store.put(storeKey(appliance), record.bytes);
  }
}

function storeKey(appliance: string): string {
  return `latest/${Buffer.from(latestKey(appliance)).toString('hex')}`;
}
