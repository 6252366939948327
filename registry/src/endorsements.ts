import type { Identity } from './identity.ts';
import type { LatestWriter } from './latest-writer.ts';
import { epochOf, type KeyProofs } from './records/succession.ts';
import { formatServerAddress, type ServerAddress } from './records/server-address.ts';
import {
  isEndorsed,
  signServerEntry,
  type ServerEntry,
  type SignedServerEntry,
} from './records/server-entry.ts';

/** The servers that a publisher vouches for, in the `servers` table. */
export class Endorsements {
  readonly #writer: LatestWriter;
  readonly #key: Identity;

  constructor(writer: LatestWriter, key: Identity) {
    this.#writer = writer;
    this.#key = key;
  }

  /** Vouches for servers until `expires` (ms since the epoch), and waits until the DHT really has each entry. */
  async endorse(
    appliance: string,
    version: string,
    servers: readonly ServerAddress[],
    expires: number,
  ): Promise<void> {
    const { tables, clock } = this.#writer.node;
    const { entries } = await tables.getServerRecords(appliance, version);
    for (const address of servers) {
      const server = formatServerAddress(address);
      const held = entries.find(({ payload }) => payload.server === server);
      const entry = this.#sign({
        appliance,
        version,
        server,
        address,
        holdings: 'full',
        load: 0,
        seq: Math.max((held?.payload.seq ?? 0) + 1, clock.now()),
        expires,
        withdrawn: false,
      });
      await tables.putServer(entry);
      await this.#writer.readBack(`entry of server ${server}`, () =>
        tables.countServerHolders(entry),
      );
    }
  }

  async withdraw(entries: readonly SignedServerEntry[]): Promise<void> {
    for (const { payload } of entries) {
      const entry = this.#sign({ ...payload, seq: payload.seq + 1, withdrawn: true });
      await this.#writer.node.tables.putServer(entry);
    }
  }

  /** Those that are vouched for now and do not speak for themselves. */
  async list(appliance: string, version: string): Promise<SignedServerEntry[]> {
    const { entries } = await this.#writer.node.tables.getServers(appliance, version);
    return entries.filter(
      (entry) =>
        isEndorsed(entry) && entry.payload.server === formatServerAddress(entry.payload.address),
    );
  }

  /** By the key that signs now, with the proofs that it may. */
  #sign(payload: Omit<ServerEntry, 'succession'>): SignedServerEntry {
    const known = this.#writer.node.tables.newestSeen(payload.appliance)?.payload;
    const { mandate } = this.#writer;
    const proofs: KeyProofs =
      known !== undefined && epochOf(known) > epochOf(mandate) ? known : mandate;
    const { succession } = proofs;
    return signServerEntry(
      { ...payload, ...(succession !== undefined && { succession }) },
      this.#key,
    );
  }
}
