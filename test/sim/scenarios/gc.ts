import {
  announceServer,
  applyGc,
  createResolver,
  deletePermittedData,
  holdLease,
  planGc,
  type Publisher,
  readGcWorld,
  RegistryError,
  type ServerAnnouncement,
  type SharerLease,
} from '@rowfs/registry';
import { exponential, shuffled, uniform } from '../distributions.ts';
import { publishRecord } from '../holdings.ts';
import type { Scenario } from '../scenario.ts';
import type { Skew } from '../skewed-clock.ts';
import { keepUp } from '../upkeep.ts';
import type { VirtualNode } from '../virtual-node.ts';
import { World } from '../world.ts';

const MINUTES = 15;
const MINUTE_MS = 60_000;
const CLIENTS = 8;
const LOSS_RATE = 0.02;
const LEASE_TTL_SECONDS = 60;
/** A client refreshes at half the TTL. */
const REFRESH_MS = (LEASE_TTL_SECONDS * 1000) / 2;
/** Longer than clocks may differ: entries end at a time, and not after one. */
const SERVER_TTL_SECONDS = 90;
/** Clocks are wrong by at most so much, and gain or lose at most so much of each hour. */
const MAX_SKEW_MS = MINUTE_MS / 2;
const MAX_DRIFT = 0.01;
const POLICY = { keep: 1, graceSeconds: 0, pins: [] };
const NAME = 'appliance';

/** How long things take, or to happen again, on average, in milliseconds. */
const MEAN = {
  publish: MINUTE_MS,
  /** Reading the servers before a version is announced. */
  verify: MINUTE_MS / 3,
  collect: MINUTE_MS / 2,
  /** For each client. */
  mount: 3 * MINUTE_MS,
  mounted: 1.5 * MINUTE_MS,
  split: 5 * MINUTE_MS,
  splitLasts: MINUTE_MS,
  hang: 2 * MINUTE_MS,
  hangLasts: 3 * MINUTE_MS,
} as const;

/** How often a publish is one of a version that was there before, in any state. */
const REPUBLISHED = 0.4;

/** gc runs again and again while versions come and go, are mounted, and the network fails. */
export const gc: Scenario = {
  name: 'gc',
  description: `${CLIENTS} clients mount versions while a publisher publishes and collects and servers delete; loss, splits, hung nodes, wrong clocks`,
  run: ({ nodes, seed, log }) =>
    World.run({ seed, lossRate: LOSS_RATE, skew }, async (world) => {
      const schedule = await Schedule.begin(world, nodes, log);
      await schedule.play();
      return { figures: schedule.figures(), broken: schedule.broken };
    }),
};

function skew(random: World['random']): Skew {
  const between = (limit: number): number => (2 * uniform(random) - 1) * limit;
  return { offsetMs: between(MAX_SKEW_MS), rate: 1 + between(MAX_DRIFT) };
}

/** The data of one version on the server that has it. */
interface Data {
  /** Whether the server is to be read now. */
  isServed: boolean;
  readonly announcement: Promise<ServerAnnouncement>;
}

/** A mounted version, as its client knows it. */
interface Mount {
  readonly client: VirtualNode;
  readonly version: string;
  readonly lease: SharerLease;
  /** When the registry first acknowledged the lease; ms since the epoch, by the true clock. */
  readonly since: number;
  /** When it did so last. */
  readonly acknowledgedAt: () => number;
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
  readonly #data = new Map<string, Data>();
  readonly #versions: string[] = [];
  readonly #counts = {
    published: 0,
    publishedAgain: 0,
    publishesFailed: 0,
    mounts: 0,
    mountsUnacknowledged: 0,
    mountsNotResolved: 0,
    splits: 0,
    hangs: 0,
    collections: 0,
    collectionsGivenUp: 0,
    permitted: 0,
    resurrected: 0,
    deleted: 0,
    deletionsRefused: 0,
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
    this.#publisher = world.publisherOn(node, (_, version) => this.#verify(version));
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
    await clock.advance(MINUTES * MINUTE_MS);
    this.#isOver = true;
    await clock.until(Promise.all([...this.#mounts].map((mount) => this.#unmount(mount))));
  }

  figures() {
    return { minutes: MINUTES, ...this.#counts, promisesBroken: this.broken.length };
  }

  /** Publishes a new version or, as one who brings it back, one that was there before. */
  async #publish(): Promise<void> {
    const { random } = this.#world;
    const isAgain = this.#versions.length > 0 && uniform(random) < REPUBLISHED;
    const version = isAgain ? random.pick(this.#versions) : `v${this.#versions.length}`;
    if (!isAgain) this.#versions.push(version);
    if (!this.#data.has(version)) this.#serve(version);
    try {
      await publishRecord(this.#publisher, this.#node, NAME, version);
      this.#counts.published += 1;
      if (isAgain) this.#counts.publishedAgain += 1;
    } catch (error) {
      this.#giveUp(error);
      this.#counts.publishesFailed += 1;
      return;
    }
    if (this.#data.get(version)?.isServed !== true) {
      this.#break(`${version} was published, and its data is not there`);
    }
  }

  /** A publisher takes its time to read a server, and it must be served when that ends. */
  async #verify(version: string): Promise<void> {
    await this.#passes(exponential(this.#world.random, MEAN.verify));
    if (this.#data.get(version)?.isServed === true) return;
    throw new RegistryError('NO_SERVERS', `nobody serves ${version}`);
  }

  /** Someone has the data, announces it, and deletes it when that is permitted. */
  #serve(version: string): void {
    const ref = { appliance: this.#appliance, version };
    const node = this.#world.pickNode();
    let isDeleting = false;
    const announcement = announceServer(node, {
      ...ref,
      address: { host: '192.0.2.2', port: 2049, exportPath: `/srv/${version}` },
      holdings: 'full',
      load: () => 0,
      ttlSeconds: SERVER_TTL_SECONDS,
      onDeletable: () => {
        if (isDeleting) return;
        isDeleting = true;
        void this.#delete(node, version, data).finally(() => {
          isDeleting = false;
        });
      },
    });
    const data: Data = { isServed: true, announcement };
    this.#data.set(version, data);
  }

  async #delete(node: VirtualNode, version: string, data: Data): Promise<void> {
    const ref = { appliance: this.#appliance, version };
    try {
      const freed = await deletePermittedData(node, ref, {
        suspend: () => Promise.resolve(void (data.isServed = false)),
        resume: () => Promise.resolve(void (data.isServed = true)),
        delete: () => {
          this.#checkDeletion(version);
          this.#data.delete(version);
          return Promise.resolve(1);
        },
      });
      if (freed === undefined) {
        this.#counts.deletionsRefused += 1;
        return;
      }
      this.#counts.deleted += 1;
      await (await data.announcement).withdrawDeleted(freed);
    } catch (error) {
      this.#giveUp(error);
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
    if (lease.acknowledgedAt === undefined) {
      // A client that cannot say that it uses a version has no claim to it.
      this.#counts.mountsUnacknowledged += 1;
      await lease.release();
      return;
    }
    // By its own clock a client knows when; by the true clock its age is told.
    const acknowledgedAt = (): number => {
      const age = client.clock.now() - (lease.acknowledgedAt?.getTime() ?? 0);
      return clock.now() - age;
    };
    const mount = { client, version, lease, since: clock.now(), acknowledgedAt };
    this.#mounts.add(mount);
    this.#counts.mounts += 1;
    clock.after(exponential(random, MEAN.mounted), () => void this.#unmount(mount));
  }

  async #unmount(mount: Mount): Promise<void> {
    if (!this.#mounts.delete(mount)) return;
    await mount.lease.release();
  }

  /** The plan is made and carried out as `rowfs gc` does. */
  async #collect(): Promise<void> {
    const [node, publisher, policy] = [this.#node, this.#publisher, POLICY];
    this.#counts.collections += 1;
    try {
      const plan = planGc(await readGcWorld(node, publisher, this.#appliance), policy);
      const leaseTtlSeconds = LEASE_TTL_SECONDS;
      const report = await applyGc({ node, publisher, plan, policy, leaseTtlSeconds });
      this.#counts.permitted += report.deletable.length;
      this.#counts.resurrected += report.resurrected.length;
    } catch (error) {
      this.#giveUp(error);
      this.#counts.collectionsGivenUp += 1;
    }
  }

  /**
   * The rule: no version with a live lease older than one refresh is ever deleted, and none that was
   * published and not let go since. A lease is live while its last acknowledgement is younger than its
   * TTL, by the slowest clock; it is judged when data is deleted, the only event that can break the rule.
   */
  #checkDeletion(version: string): void {
    const now = this.#world.clock.now();
    const newest = this.#node.tables.newestSeen(this.#appliance)?.payload;
    if (newest?.history.some((kept) => kept.version === version) === true) {
      this.#break(`the data of ${version}, which is kept, was deleted`);
    }
    for (const mount of this.#mounts) {
      if (mount.version !== version) continue;
      const acknowledged = mount.acknowledgedAt();
      const isLive = now - acknowledged < LEASE_TTL_SECONDS * 1000 * (1 - MAX_DRIFT);
      if (!isLive || now - mount.since <= REFRESH_MS) continue;
      this.#break(
        `${version} was deleted while ${mount.client.peerId} had it mounted for ` +
          `${now - mount.since} ms, last acknowledged ${now - acknowledged} ms ago`,
      );
    }
  }

  #break(promise: string): void {
    this.broken.push(`${new Date(this.#world.clock.now()).toISOString()} ${promise}`);
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
