import { Probing, type Rows } from './probing.ts';

/** How many leases each client holds: 6 bytes for each place of the table. */
export class ClientCounts {
  /** Of all clients together. */
  total = 0;
  readonly #probing = new Probing();
  #clients = new Uint32Array(this.#probing.capacity);
  /** 0: the place is empty. */
  #counts = new Uint16Array(this.#probing.capacity);

  readonly #rows: Rows = {
    isEmpty: (slot) => this.#counts[slot] === 0,
    keyOf: (slot) => this.#clients[slot] ?? 0,
    move: (from, to) => {
      this.#clients[to] = this.#clients[from] ?? 0;
      this.#counts[to] = this.#counts[from] ?? 0;
    },
    clear: (slot) => {
      this.#counts[slot] = 0;
    },
  };

  /** @param client as `clientHash` gives it, everywhere here. */
  of(client: number): number {
    return this.#counts[this.#find(client)] ?? 0;
  }

  increment(client: number): void {
    const slot = this.#find(client);
    if (this.#counts[slot] === 0) this.#probing.size += 1;
    this.#clients[slot] = client;
    this.#counts[slot] = (this.#counts[slot] ?? 0) + 1;
    this.total += 1;
    this.#fit();
  }

  decrement(client: number): void {
    const slot = this.#find(client);
    const count = this.#counts[slot] ?? 0;
    if (count === 0) return;
    this.total -= 1;
    if (count === 1) this.#probing.remove(this.#rows, slot);
    else this.#counts[slot] = count - 1;
    this.#fit();
  }

  /** Where the client stands, or would. */
  #find(client: number): number {
    let slot = this.#probing.home(client);
    while (this.#counts[slot] !== 0 && this.#clients[slot] !== client) {
      slot = this.#probing.next(slot);
    }
    return slot;
  }

  #fit(): void {
    const capacity = this.#probing.wantedCapacity();
    if (capacity === undefined) return;
    const [clients, counts] = [this.#clients, this.#counts];
    this.#probing.capacity = capacity;
    this.#clients = new Uint32Array(capacity);
    this.#counts = new Uint16Array(capacity);
    for (const [from, count] of counts.entries()) {
      if (count === 0) continue;
      const slot = this.#find(clients[from] ?? 0);
      this.#clients[slot] = clients[from] ?? 0;
      this.#counts[slot] = count;
    }
  }
}
