import {
  applyGc,
  createResolver,
  holdLease,
  planGc,
  type Publisher,
  readGcWorld,
  RegistryError,
  type SharerLease,
} from '@rowfs/registry';
import { exponential, shuffled, uniform } from '../distributions.ts';
import { publishRecord } from '../holdings.ts';
import type { Scenario } from '../scenario.ts';
import { keepUp } from '../upkeep.ts';
import type { VirtualNode } from '../virtual-node.ts';
import { World } from '../world.ts';

const HOURS = 1;
const MINUTE_MS = 60_000;
const CLIENTS = 20;
const LOSS_RATE = 0.02;
const LEASE_TTL_SECONDS = 60;
/** A client refreshes at half the TTL. */
const REFRESH_MS = (LEASE_TTL_SECONDS * 1000) / 2;
const POLICY = { keep: 1, graceSeconds: 0, pins: [] };
const NAME = 'appliance';

/** How long things take to happen again, on average, in milliseconds. */
const MEAN = {
  publish: 3 * MINUTE_MS,
  collect: 2 * MINUTE_MS,
  /** For each client. */
  mount: 6 * MINUTE_MS,
  mounted: 4 * MINUTE_MS,
  split: 8 * MINUTE_MS,
  splitLasts: 4 * MINUTE_MS,
  hang: 3 * MINUTE_MS,
  hangLasts: 5 * MINUTE_MS,
} as const;

/** gc runs again and again while versions come and go, are mounted, and the network fails. */
export const gc: Scenario = {
  name: 'gc',
  description: `${CLIENTS} clients mount versions while a publisher publishes and collects; loss, splits, hung nodes`,
  run: ({ nodes, seed, log }) =>
    World.run({ seed, lossRate: LOSS_RATE }, async (world) => {
      const schedule = await Schedule.begin(world, nodes, log);
      await schedule.play();
      return { figures: schedule.figures(), broken: schedule.broken };
    }),
};

/** A mounted version, as its client knows it. */
interface Mount {
  readonly client: VirtualNode;
  readonly version: string;
  readonly lease: SharerLease;
  /** When the registry first acknowledged the lease; ms since the epoch. */
  readonly since: number;
}

class Schedule {
  readonly broken: string[] = [];
  readonly #world: World;
  readonly #log: (line: string) => void;
  readonly #node: VirtualNode;
  readonly #publisher: Publisher;
  readonly #appliance: string;
  readonly #clients: readonly VirtualNode[];
  readonly #mounts = new Set<Mount>();
  readonly #counts = {
    published: 0,
    publishesFailed: 0,
    mounts: 0,
    mountsUnacknowledged: 0,
    mountsNotResolved: 0,
    splits: 0,
    hangs: 0,
    collections: 0,
    collectionsGivenUp: 0,
    deleted: 0,
    resurrected: 0,
    leasesChecked: 0,
  };
  #isOver = false;

  private constructor(
    world: World,
    node: VirtualNode,
    clients: readonly VirtualNode[],
    log: (line: string) => void,
  ) {
    this.#world = world;
    this.#log = log;
    this.#node = node;
    this.#publisher = world.publisherOn(node);
    this.#appliance = this.#publisher.applianceId(NAME);
    this.#clients = clients;
  }

  static async begin(world: World, nodes: number, log: (line: string) => void): Promise<Schedule> {
    world.settle(nodes);
    for (const node of world.nodes) keepUp(world, node, () => true);
    const enter = async (): Promise<VirtualNode> => {
      const node = await world.clock.until(world.enter('client'));
      keepUp(world, node, () => true);
      return node;
    };
    const clients: VirtualNode[] = [];
    for (let i = 0; i < CLIENTS; i += 1) clients.push(await enter());
    return new Schedule(world, await enter(), clients, log);
  }

  async play(): Promise<void> {
    const { clock } = this.#world;
    await clock.until(this.#publish());
    this.#repeat(MEAN.publish, () => this.#publish());
    this.#repeat(MEAN.collect, () => this.#collect());
    this.#repeat(MEAN.split, () => this.#split());
    this.#repeat(MEAN.hang, () => this.#hangOne());
    for (const client of this.#clients) this.#repeat(MEAN.mount, () => this.#mount(client));
    await clock.advance(HOURS * 60 * MINUTE_MS);
    this.#isOver = true;
    await clock.until(Promise.all([...this.#mounts].map((mount) => this.#unmount(mount))));
  }

  figures() {
    return { hours: HOURS, ...this.#counts, promisesBroken: this.broken.length };
  }

  async #publish(): Promise<void> {
    const version = `v${this.#counts.published + this.#counts.publishesFailed}`;
    try {
      await publishRecord(this.#publisher, this.#node, NAME, version);
      this.#counts.published += 1;
    } catch (error) {
      this.#giveUp(error);
      this.#counts.publishesFailed += 1;
    }
  }

  /** Mounts the newest version or, as a machine that was set up earlier does, an older one. */
  async #mount(client: VirtualNode): Promise<void> {
    const { random, clock } = this.#world;
    let version: string;
    try {
      const { latest } = await createResolver(client).latest(this.#appliance);
      version = uniform(random) < 0.5 ? latest.version : random.pick(latest.history).version;
    } catch (error) {
      this.#giveUp(error);
      this.#counts.mountsNotResolved += 1;
      return;
    }
    const ref = { appliance: this.#appliance, version, ttlSeconds: LEASE_TTL_SECONDS };
    const lease = await holdLease(client, ref);
    const since = lease.acknowledgedAt?.getTime();
    if (since === undefined) {
      // A client that cannot say that it uses a version has no claim to it.
      this.#counts.mountsUnacknowledged += 1;
      await lease.release();
      return;
    }
    const mount = { client, version, lease, since };
    this.#mounts.add(mount);
    this.#counts.mounts += 1;
    clock.after(exponential(random, MEAN.mounted), () => void this.#unmount(mount));
  }

  async #unmount(mount: Mount): Promise<void> {
    if (!this.#mounts.delete(mount)) return;
    await mount.lease.release();
  }

  /** The plan is made and carried out as `rowfs gc` does; what may be deleted is deleted at once. */
  async #collect(): Promise<void> {
    const [node, publisher, policy] = [this.#node, this.#publisher, POLICY];
    this.#counts.collections += 1;
    try {
      const plan = planGc(await readGcWorld(node, publisher, this.#appliance), policy);
      const leaseTtlSeconds = LEASE_TTL_SECONDS;
      const report = await applyGc({ node, publisher, plan, policy, leaseTtlSeconds });
      for (const { version } of report.deletable) this.#checkDeletion(version);
      this.#counts.deleted += report.deletable.length;
      this.#counts.resurrected += report.resurrected.length;
    } catch (error) {
      this.#giveUp(error);
      this.#counts.collectionsGivenUp += 1;
    }
  }

  /**
   * The rule: no version with a live lease older than one refresh is ever deleted. A lease is live
   * while its last acknowledgement is younger than its TTL; it is judged when a version goes, the
   * only event that can break the rule.
   */
  #checkDeletion(version: string): void {
    const now = this.#world.clock.now();
    for (const mount of this.#mounts) {
      if (mount.version !== version) continue;
      this.#counts.leasesChecked += 1;
      const acknowledged = mount.lease.acknowledgedAt?.getTime() ?? 0;
      const isLive = now - acknowledged < LEASE_TTL_SECONDS * 1000;
      if (!isLive || now - mount.since <= REFRESH_MS) continue;
      this.broken.push(
        `${new Date(now).toISOString()} ${version} was deleted while ${mount.client.peerId} had it ` +
          `mounted for ${now - mount.since} ms, last acknowledged ${now - acknowledged} ms ago`,
      );
    }
  }

  /** Part of the network is cut off from the rest for a while, with the clients in it. */
  async #split(): Promise<void> {
    const { random, network, nodes } = this.#world;
    const everyone = [...nodes, ...this.#clients, this.#node];
    const share = 0.5 * uniform(random);
    const island = shuffled(random, everyone).slice(0, Math.round(share * everyone.length));
    network.split(island.map(({ peerId }) => peerId));
    this.#counts.splits += 1;
    await this.#passes(exponential(random, MEAN.splitLasts));
    network.heal();
  }

  async #hangOne(): Promise<void> {
    const { random, network } = this.#world;
    const { peerId } = this.#world.pickNode();
    network.hang(peerId);
    this.#counts.hangs += 1;
    await this.#passes(exponential(random, MEAN.hangLasts));
    network.recover(peerId);
  }

  #passes(ms: number): Promise<void> {
    return new Promise((resolve) => this.#world.clock.after(ms, resolve));
  }

  /** An outage may end any attempt; other errors are ours. */
  #giveUp(error: unknown): void {
    if (!(error instanceof RegistryError)) throw error;
    this.#log(`${new Date(this.#world.clock.now()).toISOString()} ${error.code} ${error.message}`);
  }

  /** Runs `action` at random moments, on average `meanMs` after it ended last. */
  #repeat(meanMs: number, action: () => Promise<void>): void {
    const { random, clock } = this.#world;
    clock.after(exponential(random, meanMs), () => {
      if (this.#isOver) return;
      void action().then(() => this.#repeat(meanMs, action));
    });
  }
}
