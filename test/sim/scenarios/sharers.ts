import type { RequestHandler } from '@rowfs/registry';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { uniform } from '../distributions.ts';
import type { Scenario } from '../scenario.ts';
import { World } from '../world.ts';

const CLIENTS = 1_000_000;
const TTL_SECONDS = 60;
/** How long clients take to join, all together, and how long the load is then measured. */
const JOIN_SECONDS = 60;
const SETTLE_SECONDS = 120;
const MEASURE_SECONDS = 60;
/** The share of clients that die at one moment. */
const KILLED = 0.5;
const MAX_ERROR = 0.02;
const MAX_BYTES_PER_LEASE = 64;

const version = { appliance: 'appliance@publisher', version: 'v1' };

/** A million clients hold a lease of one version on one storing node, and do as it tells them. */
export const sharers: Scenario = {
  name: 'sharers',
  description: `${CLIENTS.toLocaleString('en')} leases on one key of one storing node: bytes, error of the count, load`,
  run: ({ seed, log }) =>
    World.run({ seed }, async (world) => {
      world.settle(1);
      const host = world.pickNode().core.host;
      if (host === undefined) throw new Error('a storing node stores nothing');
      const fleet = new Fleet(world, host.handle);
      const before = occupied();
      await fleet.join();
      await fleet.pass(SETTLE_SECONDS);
      const bytesPerLease = Math.round((occupied() - before) / CLIENTS);
      const requests = fleet.requests;
      const errors: number[] = [];
      for (let second = 0; second < MEASURE_SECONDS; second += 5) {
        await fleet.pass(5);
        errors.push(Math.abs((await fleet.count()) / CLIENTS - 1));
      }
      const perSecond = Math.round((fleet.requests - requests) / MEASURE_SECONDS);
      log(`${perSecond} requests a second, ${bytesPerLease} bytes a lease`);

      fleet.kill(KILLED);
      await fleet.pass(TTL_SECONDS + 5);
      const afterDeaths = Math.abs((await fleet.count()) / (CLIENTS * (1 - KILLED)) - 1);
      const worst = Math.max(...errors);
      const broken = [
        ...(bytesPerLease > MAX_BYTES_PER_LEASE ? [`${bytesPerLease} bytes for a lease`] : []),
        ...(worst > MAX_ERROR ? [`the count was wrong by ${worst}`] : []),
        ...(afterDeaths > MAX_ERROR ? [`after deaths it was wrong by ${afterDeaths}`] : []),
      ];
      return {
        figures: {
          clients: CLIENTS,
          ttlSeconds: TTL_SECONDS,
          bytesPerLease,
          countErrorPercent: percent(worst),
          countErrorAfterDeathsPercent: percent(afterDeaths),
          requestsPerSecond: perSecond,
          requestsPerSecondWithoutSampling: Math.round(CLIENTS / (TTL_SECONDS / 2)),
        },
        broken,
      };
    }),
};

/** Clients that refresh when the node told them to, up to 10 % earlier, as `keepAlive` does. */
class Fleet {
  requests = 0;
  readonly #world: World;
  readonly #handle: RequestHandler;
  /** By the second in which they are due. */
  readonly #due = new Map<number, Uint32Array[]>();
  readonly #isDead = new Uint8Array(CLIENTS);
  #second = 0;

  constructor(world: World, handle: RequestHandler) {
    this.#world = world;
    this.#handle = handle;
  }

  async join(): Promise<void> {
    const share = CLIENTS / JOIN_SECONDS;
    for (let second = 0; second < JOIN_SECONDS; second += 1) {
      const [from, to] = [Math.ceil(second * share), Math.ceil((second + 1) * share)];
      this.#plan(
        this.#second + second,
        Uint32Array.from({ length: to - from }, (_, i) => from + i),
      );
    }
    await this.pass(JOIN_SECONDS);
  }

  async pass(seconds: number): Promise<void> {
    for (const end = this.#second + seconds; this.#second < end; this.#second += 1) {
      const next = new Map<number, number[]>();
      for (const clients of this.#due.get(this.#second) ?? []) {
        for (const client of clients) {
          if (this.#isDead[client] === 1) continue;
          const wait = (await this.#refresh(client)) * (1 - 0.1 * uniform(this.#world.random));
          const at = this.#second + Math.max(1, Math.floor(wait));
          const those = next.get(at) ?? [];
          those.push(client);
          next.set(at, those);
        }
      }
      this.#due.delete(this.#second);
      for (const [at, clients] of next) this.#plan(at, Uint32Array.from(clients));
      await this.#world.clock.advance(1000);
    }
  }

  kill(share: number): void {
    for (let client = 0; client < CLIENTS * share; client += 1) this.#isDead[client] = 1;
  }

  async count(): Promise<number> {
    return (await this.#handle<'get-sharers'>('observer', { op: 'get-sharers', ...version })).count;
  }

  async #refresh(client: number): Promise<number> {
    this.requests += 1;
    const request = {
      op: 'put-lease',
      ...version,
      lease: 'root',
      ttlSeconds: TTL_SECONDS,
    } as const;
    const { refreshSeconds } = await this.#handle<'put-lease'>(`client ${client}`, request);
    return refreshSeconds;
  }

  #plan(second: number, clients: Uint32Array): void {
    const those = this.#due.get(second) ?? [];
    those.push(clients);
    this.#due.set(second, those);
  }
}

const percent = (share: number): number => Math.round(share * 10_000) / 100;

/** Bytes that live objects and arrays of this process take, the plans of the fleet among them. */
function occupied(): number {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
