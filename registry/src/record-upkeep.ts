import { z } from 'zod';
import { byDistance } from './absent-peers.ts';
import type { Clock } from './clock.ts';
import { RegistryError } from './errors.ts';
import { latestKey, peerKey, serversKey, type KadKey } from './kad-key.ts';
import { everyone } from './placement.ts';
import type { Peer, RequestOf } from './protocol/messages.ts';
import type { RoutingTable } from './protocol/peer-transport.ts';
import { decodeCbor } from './records/signed-record.ts';
import { REPLICATION, type Replicas } from './replicas.ts';
import type { Store } from './store.ts';

/** Nobody having put a record for so long, whoever holds it puts it to the closest nodes again. */
const REFRESH_MS = 15 * 60_000;
/** Up to this share of it is taken off at random, so that the first of the holders spares the others the work. */
const REFRESH_JITTER = 0.5;
/** As many neighbours are watched for new ones: who is responsible for a key of ours is among them. */
const NEIGHBOURS = 2 * REPLICATION;
/** How long a node that leaves takes for it, at most; its records are on seven other nodes, too. */
const LEAVE_MS = 3000;
/** How many records are put at a time. */
const AT_A_TIME = 8;

type PutRecord = RequestOf<'put-latest'> | RequestOf<'put-server'>;

interface HeldRecord {
  readonly storeKey: string;
  readonly key: KadKey;
  readonly put: PutRecord;
}

/** What is read of a record that was judged before it was stored. */
const envelopeSchema = z.tuple([z.string(), z.instanceof(Uint8Array), z.instanceof(Uint8Array)]);
const claimsSchema = z.looseObject({ appliance: z.string(), version: z.string() });

/** What the upkeep of a storing node's records is made of. */
export interface RecordUpkeepInit {
  readonly self: () => Peer;
  readonly store: Store;
  readonly routing: RoutingTable;
  readonly replicas: Replicas;
  readonly clock: Clock;
}

/**
 * Keeps signed records on the nodes closest to their keys while nodes come and go, whoever signed
 * them: a publisher may be away for weeks. A newcomer is given what it is now responsible for; what
 * nobody has put for a while is put again by one of its holders (Maymounkov and Mazieres 2002,
 * section 2.5); a node that leaves passes on what it holds. Leases are not passed on: only the
 * connection of their client proves them.
 */
export class RecordUpkeep {
  readonly #init: RecordUpkeepInit;
  /** When a record, by its place in the store, is put again if nobody else does. */
  readonly #dueAt = new Map<string, number>();
  #neighbours: ReadonlySet<string> = new Set();

  constructor(init: RecordUpkeepInit) {
    this.#init = init;
  }

  /** One look at neighbours and records; to be called whenever the neighbours were looked up. */
  async round(): Promise<void> {
    const { routing, clock } = this.#init;
    const closest = await routing.closest(peerKey(this.#init.self().id), NEIGHBOURS);
    const newcomers = closest.filter(({ id }) => !this.#neighbours.has(id));
    this.#neighbours = new Set(closest.map(({ id }) => id));
    const held = this.#held();
    const names = new Set(held.map(({ storeKey }) => storeKey));
    for (const name of this.#dueAt.keys()) if (!names.has(name)) this.#dueAt.delete(name);
    if (newcomers.length > 0) await inTurns(held, (record) => this.#giveTo(newcomers, record));
    const due = held.filter((record) => this.#dueOf(record) <= clock.now());
    await inTurns(due, (record) => this.#putAgain(record));
  }

  /** Another node has just put the record here: it has done so everywhere. */
  heard({ op, appliance, ...rest }: PutRecord): void {
    // The names are those of the tables; a put that is no news leaves the store as it was.
    const key =
      op === 'put-latest'
        ? latestKey(appliance)
        : serversKey(appliance, 'version' in rest ? rest.version : '');
    const place = `${op === 'put-latest' ? 'latest' : 'servers'}/${Buffer.from(key).toString('hex')}`;
    for (const name of this.#dueAt.keys()) if (name.startsWith(place)) this.#dueAt.delete(name);
  }

  /** Passes on its records, as many as there is time for, to the nodes that are closest without it. */
  async leave(): Promise<void> {
    const deadline = this.#init.clock.now() + LEAVE_MS;
    await inTurns(this.#held(), async (record) => {
      if (this.#init.clock.now() < deadline) await this.#putAgain(record);
    });
  }

  #dueOf({ storeKey }: HeldRecord): number {
    const known = this.#dueAt.get(storeKey);
    if (known !== undefined) return known;
    const due = this.#init.clock.now() + REFRESH_MS * (1 - REFRESH_JITTER * Math.random());
    this.#dueAt.set(storeKey, due);
    return due;
  }

  async #giveTo(newcomers: readonly Peer[], { key, put }: HeldRecord): Promise<void> {
    const { routing, replicas, self } = this.#init;
    const known = await routing.closest(key, REPLICATION);
    const responsible = byDistance(key, [...known, self()]).slice(0, REPLICATION);
    const isNew = ({ id }: Peer): boolean => newcomers.some((newcomer) => newcomer.id === id);
    // Two of those that were there before give it, so that one that is hung loses nothing.
    const givers = responsible.filter((peer) => !isNew(peer)).slice(0, 2);
    if (!givers.some(({ id }) => id === self().id)) return;
    const gifts = responsible.filter(isNew).map((peer) => replicas.ask(peer, put));
    await Promise.allSettled(gifts);
  }

  async #putAgain({ storeKey, key, put }: HeldRecord): Promise<void> {
    const { replicas, self } = this.#init;
    this.#dueAt.delete(storeKey);
    try {
      const placement = await replicas.place(key);
      const others = everyone(placement).filter(({ id }) => id !== self().id);
      await Promise.allSettled(others.map((peer) => replicas.ask(peer, put)));
    } catch (error) {
      // Alone for now: it is tried again with the next round that it is due in.
      if (!(error instanceof RegistryError)) throw error;
    }
  }

  #held(): HeldRecord[] {
    const { store } = this.#init;
    const records: HeldRecord[] = [];
    for (const [storeKey, record] of [...store.entries('latest/'), ...store.entries('servers/')]) {
      const [, payload] = envelopeSchema.parse(decodeCbor(record));
      const { appliance, version } = claimsSchema.parse(decodeCbor(payload));
      const isLatest = storeKey.startsWith('latest/');
      records.push({
        storeKey,
        key: isLatest ? latestKey(appliance) : serversKey(appliance, version),
        put: isLatest
          ? { op: 'put-latest', appliance, record }
          : { op: 'put-server', appliance, version, record },
      });
    }
    return records;
  }
}

/** Works on all of `records`, on a few at a time. */
async function inTurns(
  records: readonly HeldRecord[],
  work: (record: HeldRecord) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < records.length; at += AT_A_TIME) {
    await Promise.all(records.slice(at, at + AT_A_TIME).map(work));
  }
}
