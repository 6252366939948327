import type { HyperLogLog } from './hyperloglog.ts';
import { isSampled, type LeaseHash } from './lease-hash.ts';
import { Probing, type Rows } from './probing.ts';

/** Leases of one version without their names: 20 bytes for each place of the table. */
export class LeaseCrowd {
  readonly #probing = new Probing();
  #high = new Uint32Array(this.#probing.capacity);
  #low = new Uint32Array(this.#probing.capacity);
  #clients = new Uint32Array(this.#probing.capacity);
  /** When the lease ends, milliseconds since the epoch by this node's clock; 0: the place is empty. */
  #expires = new Float64Array(this.#probing.capacity);
  /** No lease ends before. */
  #firstExpiry = Infinity;

  readonly #rows: Rows = {
    isEmpty: (slot) => this.#expires[slot] === 0,
    keyOf: (slot) => this.#high[slot] ?? 0,
    move: (from, to) => {
      this.#high[to] = this.#high[from] ?? 0;
      this.#low[to] = this.#low[from] ?? 0;
      this.#clients[to] = this.#clients[from] ?? 0;
      this.#expires[to] = this.#expires[from] ?? 0;
    },
    clear: (slot) => {
      this.#expires[slot] = 0;
    },
  };

  get size(): number {
    return this.#probing.size;
  }

  has(lease: LeaseHash): boolean {
    return this.#expires[this.#find(lease)] !== 0;
  }

  /** Grants the lease, or changes when it ends. */
  set(lease: LeaseHash, client: number, expires: number): void {
    const slot = this.#find(lease);
    if (this.#expires[slot] === 0) this.#probing.size += 1;
    this.#high[slot] = lease.high;
    this.#low[slot] = lease.low;
    this.#clients[slot] = client;
    this.#expires[slot] = expires;
    this.#firstExpiry = Math.min(this.#firstExpiry, expires);
    this.#fit();
  }

  delete(lease: LeaseHash): void {
    const slot = this.#find(lease);
    if (this.#expires[slot] === 0) return;
    this.#probing.remove(this.#rows, slot);
    this.#fit();
  }

  /** Takes out the leases that have ended, telling the client of each. */
  sweep(now: number, ended: (client: number) => void): void {
    if (now < this.#firstExpiry) return;
    let first = Infinity;
    for (let slot = 0; slot < this.#probing.capacity; slot += 1) {
      // What is shifted here by a removal is looked at, too.
      while (this.#expires[slot] !== 0 && (this.#expires[slot] ?? 0) <= now) {
        ended(this.#clients[slot] ?? 0);
        this.#probing.remove(this.#rows, slot);
      }
      const expires = this.#expires[slot] ?? 0;
      if (expires !== 0 && expires < first) first = expires;
    }
    this.#firstExpiry = first;
    this.#fit();
  }

  /** How many are in the sample of one in 2^level. */
  sampleSize(level: number): number {
    if (level === 0) return this.size;
    let sampled = 0;
    for (const [slot, low] of this.#low.entries()) {
      if (this.#expires[slot] !== 0 && isSampled(low, level)) sampled += 1;
    }
    return sampled;
  }

  addTo(sketch: HyperLogLog): void {
    for (const [slot, high] of this.#high.entries()) {
      if (this.#expires[slot] !== 0) sketch.add(high);
    }
  }

  /** Where the lease stands, or would. */
  #find({ high, low }: LeaseHash): number {
    let slot = this.#probing.home(high);
    while (this.#expires[slot] !== 0 && (this.#high[slot] !== high || this.#low[slot] !== low)) {
      slot = this.#probing.next(slot);
    }
    return slot;
  }

  #fit(): void {
    const capacity = this.#probing.wantedCapacity();
    if (capacity === undefined) return;
    const [high, low, clients, expires] = [this.#high, this.#low, this.#clients, this.#expires];
    this.#probing.capacity = capacity;
    this.#high = new Uint32Array(capacity);
    this.#low = new Uint32Array(capacity);
    this.#clients = new Uint32Array(capacity);
    this.#expires = new Float64Array(capacity);
    for (const [from, end] of expires.entries()) {
      if (end === 0) continue;
      const slot = this.#find({ high: high[from] ?? 0, low: low[from] ?? 0 });
      this.#high[slot] = high[from] ?? 0;
      this.#low[slot] = low[from] ?? 0;
      this.#clients[slot] = clients[from] ?? 0;
      this.#expires[slot] = end;
    }
  }
}
