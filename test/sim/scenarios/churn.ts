import {
  announceServer,
  createResolver,
  type Publisher,
  type ServerAnnouncement,
} from '@rowfs/registry';
import { exponential, mean, quantile, rounded } from '../distributions.ts';
import { countHolders, type Publication, publishRecord } from '../holdings.ts';
import type { Scenario } from '../scenario.ts';
import { keepUp } from '../upkeep.ts';
import type { VirtualNode } from '../virtual-node.ts';
import { World } from '../world.ts';

const HOURS = 2;
const HOUR_MS = 3_600_000;
/** The median of an exponential distribution is ln 2 of its mean. */
const MEAN_SESSION_MS = HOUR_MS / Math.LN2;
const OWNERS = 10;
const MEAN_BETWEEN_VERSIONS_MS = HOUR_MS / 2;
const SERVER_TTL_SECONDS = 600;
const MEAN_BETWEEN_READS_MS = 5000;
const AUDIT_EVERY_MS = HOUR_MS / 6;

/** Nodes crash and fresh ones come, all the time; owners refresh, publish and read on. */
export const churn: Scenario = {
  name: 'churn',
  description: `nodes leave and join for ${HOURS} hours (median session 1 h) while owners publish and others read`,
  run: ({ nodes, seed, log }) =>
    World.run({ seed }, async (world) => {
      const life = new Life(world, log);
      await life.play(nodes);
      return { figures: life.figures(nodes), broken: life.broken };
    }),
};

/** Who publishes an appliance, runs its server, and stays up. */
interface Owner {
  readonly name: string;
  readonly node: VirtualNode;
  readonly publisher: Publisher;
  /** The newest version whose publish was acknowledged. */
  published: Publication;
  announcement: ServerAnnouncement;
}

class Life {
  readonly broken: string[] = [];
  readonly #world: World;
  readonly #log: (line: string) => void;
  readonly #owners: Owner[] = [];
  readonly #readMs: number[] = [];
  readonly #holders: number[] = [];
  #left = 0;
  #published = 0;
  #publishesFailed = 0;
  #staleSaid = 0;
  #requestsBefore = 0;
  #isOver = false;

  constructor(world: World, log: (line: string) => void) {
    this.#world = world;
    this.#log = log;
  }

  async play(nodes: number): Promise<void> {
    const { clock, network } = this.#world;
    this.#world.settle(nodes);
    for (let i = 0; i < OWNERS; i += 1) await clock.until(this.#addOwner(`appliance-${i}`));
    this.#requestsBefore = network.requests;
    for (const node of this.#world.nodes) this.#live(node);
    this.#repeat(MEAN_BETWEEN_READS_MS, () => this.#read());
    for (let passed = 0; passed < HOURS * HOUR_MS; passed += AUDIT_EVERY_MS) {
      await clock.advance(AUDIT_EVERY_MS);
      await this.#audit();
    }
    this.#isOver = true;
    await clock.until(Promise.all(this.#owners.map((owner) => owner.announcement.withdraw())));
  }

  figures(nodes: number) {
    const requests = this.#world.network.requests - this.#requestsBefore;
    return {
      hours: HOURS,
      nodesLeft: this.#left,
      versionsPublished: this.#published,
      publishesFailed: this.#publishesFailed,
      reads: this.#readMs.length,
      readP50Ms: quantile(this.#readMs, 0.5),
      readP99Ms: quantile(this.#readMs, 0.99),
      answersSaidToBeStale: this.#staleSaid,
      promisesBroken: this.broken.length,
      holdersMean: rounded(mean(this.#holders), 2),
      holdersMin: Math.min(...this.#holders),
      requestsPerNodeAndMinute: rounded(requests / nodes / (HOURS * 60)),
    };
  }

  /** A node's session ends without a word; another node takes its place, empty. */
  #live(node: VirtualNode): void {
    const { random, clock, nodes } = this.#world;
    keepUp(this.#world, node, () => nodes.has(node));
    clock.after(exponential(random, MEAN_SESSION_MS), () => {
      this.#world.kill(node);
      this.#left += 1;
      void this.#world.enter('server').then((newcomer) => this.#live(newcomer));
    });
  }

  async #addOwner(name: string): Promise<void> {
    const node = await this.#world.enter('client');
    const publisher = this.#world.publisherOn(node);
    const published = await publishRecord(publisher, node, name, '1');
    const announcement = await this.#announce(node, published);
    const owner = { name, node, publisher, published, announcement };
    this.#owners.push(owner);
    keepUp(this.#world, node, () => !this.#isOver);
    this.#repeat(MEAN_BETWEEN_VERSIONS_MS, () => this.#publishNext(owner));
  }

  async #publishNext(owner: Owner): Promise<void> {
    const version = String(Number(owner.published.version) + 1);
    try {
      owner.published = await publishRecord(owner.publisher, owner.node, owner.name, version);
      this.#published += 1;
    } catch (error) {
      this.#publishesFailed += 1;
      this.#log(`${owner.name} ${version} was not published: ${String(error)}`);
      return;
    }
    const former = owner.announcement;
    owner.announcement = await this.#announce(owner.node, owner.published);
    await former.withdraw();
  }

  #announce(node: VirtualNode, { appliance, version }: Publication): Promise<ServerAnnouncement> {
    return announceServer(node, {
      appliance,
      version,
      address: { host: '192.0.2.1', port: 2049, exportPath: '/srv' },
      holdings: 'full',
      load: () => 0,
      ttlSeconds: SERVER_TTL_SECONDS,
      onDeletable: () => undefined,
    });
  }

  /** A storing node that is up asks; what was acknowledged before it asked must be answered. */
  async #read(): Promise<void> {
    const { random, clock, nodes } = this.#world;
    const { published } = random.pick(this.#owners);
    const { appliance, version } = published;
    const node = this.#world.pickNode();
    const started = clock.now();
    let problem: string | undefined;
    try {
      const resolution = await createResolver(node).resolve(appliance);
      if (resolution.staleSince !== undefined) this.#staleSaid += 1;
      else if (Number(resolution.version) < Number(version)) {
        problem = `read ${resolution.version} of ${appliance}, ${version} was published`;
      }
    } catch (error) {
      problem = `could not read ${appliance}: ${String(error)}`;
    }
    // Who crashed while reading has not been answered at all.
    if (!nodes.has(node)) return;
    this.#readMs.push(clock.now() - started);
    if (problem !== undefined) this.#break(`${node.peerId} ${problem}`);
  }

  /** How many nodes hold each newest record, as one who sees all of them knows. */
  async #audit(): Promise<void> {
    for (const { published } of this.#owners) {
      const holders = await countHolders(this.#world.nodes, published);
      this.#holders.push(holders);
      if (holders === 0) this.#break(`nobody holds ${published.appliance} ${published.version}`);
    }
  }

  #break(what: string): void {
    this.broken.push(`${new Date(this.#world.clock.now()).toISOString()} ${what}`);
  }

  /** Runs `action` at random moments, on average once in `meanMs`, until the life is over. */
  #repeat(meanMs: number, action: () => Promise<void>): void {
    const { random, clock } = this.#world;
    clock.after(exponential(random, meanMs), () => {
      if (this.#isOver) return;
      void action().then(() => this.#repeat(meanMs, action));
    });
  }
}
