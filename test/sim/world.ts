import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createPublisher,
  generateIdentity,
  type Identity,
  type KadKey,
  type Peer,
  type Publisher,
  type PublisherInit,
} from '@rowfs/registry';
import { Random } from '../support/random.ts';
import { logNormal, shuffled, uniform } from './distributions.ts';
import { KeySpace, nearer, type Point, pointOf } from './key-space.ts';
import { type Skew, skewedClock } from './skewed-clock.ts';
import { VirtualClock } from './virtual-clock.ts';
import { VirtualNetwork } from './virtual-network.ts';
import { createVirtualNode, type VirtualNode } from './virtual-node.ts';

/** The median of one way, and how widely it is spread: p99 is 2.5 times as long. */
export const ONE_WAY_MS = 20;
const ONE_WAY_SIGMA = 0.4;
/** Through how many nodes a new one enters, as an operator would list them. */
const DOORS = 3;

export interface WorldInit {
  readonly seed: number;
  /** The share of messages that get lost. */
  readonly lossRate?: number;
  /** How wrong the clocks of nodes are; without, all show the true time. */
  readonly skew?: (random: Random) => Skew;
}

/** Everything of one run: a clock, a network, its nodes, and the one source of chance. */
export class World {
  readonly random: Random;
  readonly clock = new VirtualClock();
  readonly network: VirtualNetwork;
  /** The storing nodes that are up. */
  readonly nodes = new Set<VirtualNode>();
  readonly #space = new KeySpace();
  readonly #directory: string;
  readonly #skew: WorldInit['skew'];

  private constructor({ seed, lossRate = 0, skew }: WorldInit, directory: string) {
    this.random = new Random(seed);
    this.#directory = directory;
    this.#skew = skew;
    const { random } = this;
    this.network = new VirtualNetwork(this.clock, {
      latencyMs: () => logNormal(random, ONE_WAY_MS, ONE_WAY_SIGMA),
      isLost: () => lossRate > 0 && uniform(random) < lossRate,
    });
  }

  /** Runs `play` in a new world; the files of its publishers are gone afterwards. */
  static async run<T>(init: WorldInit, play: (world: World) => Promise<T>): Promise<T> {
    const directory = await mkdtemp(join(tmpdir(), 'rowfs-sim-'));
    try {
      return await play(new World(init, directory));
    } finally {
      await rm(directory, { recursive: true });
    }
  }

  /** `count` storing nodes that have met each other, as far as their tables have room. */
  settle(count: number): void {
    const settlers = Array.from({ length: count }, () => this.#create('server'));
    for (const node of settlers) this.nodes.add(node);
    const peers = shuffled(this.random, settlers.map(asPeer));
    for (const node of settlers) {
      // Each begins elsewhere, so that not all buckets are full of the same few.
      const from = this.random.below(peers.length);
      for (const peer of [...peers.slice(from), ...peers.slice(0, from)]) {
        node.routing.answered(peer);
      }
    }
  }

  /** One more node, which enters through others that are up; the caller waits with `clock`. */
  async enter(mode: 'server' | 'client'): Promise<VirtualNode> {
    const node = this.#create(mode);
    await this.introduce(node);
    if (mode === 'server') this.nodes.add(node);
    return node;
  }

  /** Makes a node that knows nobody known, and fills its table with its neighbours. */
  async introduce(node: VirtualNode): Promise<void> {
    for (const door of shuffled(this.random, [...this.nodes]).slice(0, DOORS)) {
      node.routing.answered(asPeer(door));
    }
    await node.core.replicas.refreshNeighbours();
  }

  /** The node is gone from one moment to the next, with all that it stored. */
  kill(node: VirtualNode): void {
    this.nodes.delete(node);
    this.network.leave(node.peerId);
  }

  /** A publisher with a key of its own, on `node`; all servers it is given serve, unless told otherwise. */
  publisherOn(
    node: VirtualNode,
    verifyServer: PublisherInit['verifyServer'] = () => Promise.resolve(),
  ): Publisher {
    const key = this.identity();
    return createPublisher({
      node,
      key,
      stateDir: join(this.#directory, key.peerId),
      verifyServer,
    });
  }

  identity(): Identity {
    const seed = Uint8Array.from({ length: 32 }, () => this.random.below(256));
    return generateIdentity(seed);
  }

  pickNode(): VirtualNode {
    return this.random.pick([...this.nodes]);
  }

  /** The nodes closest to `key`, closest first: as one who sees all of them knows. */
  closest(key: KadKey, among: Iterable<VirtualNode>): VirtualNode[] {
    const target = pointOf(key);
    const point = (node: VirtualNode): Point => this.#space.of(node.peerId);
    return [...among].sort((a, b) => nearer(target, point(a), point(b)));
  }

  #create(mode: 'server' | 'client'): VirtualNode {
    const { network } = this;
    return createVirtualNode({
      identity: this.identity(),
      mode,
      clock:
        this.#skew === undefined ? this.clock : skewedClock(this.clock, this.#skew(this.random)),
      network,
      space: this.#space,
    });
  }
}

export function asPeer({ peerId }: VirtualNode): Peer {
  return { id: peerId, addresses: [] };
}
