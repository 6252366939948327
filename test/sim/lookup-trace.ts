import type { KadKey, Operation, Peer, RequestOf } from '@rowfs/registry';
import type { Observer } from './virtual-network.ts';

/** The way of one lookup: who was asked, and how far from the start each peer became known. */
export interface Way {
  readonly messages: number;
  /** Answers in a row to the last of the `found` peers: 1 when the own table named them all. */
  hops(found: readonly Peer[]): number;
}

interface Steps {
  messages: number;
  readonly depth: Map<string, number>;
}

/** Follows iterative lookups of distinct keys, each by one node. */
export class LookupTrace implements Observer {
  readonly #steps = new Map<string, Steps>();

  asked(from: string, { id }: Peer, request: RequestOf<Operation>): void {
    const steps = this.#stepsOf(from, request);
    if (steps === undefined) return;
    steps.messages += 1;
    if (!steps.depth.has(id)) steps.depth.set(id, 1);
  }

  answered(from: string, { id }: Peer, request: RequestOf<Operation>, answer: object): void {
    const steps = this.#stepsOf(from, request);
    if (steps === undefined || !('closer' in answer)) return;
    const depth = (steps.depth.get(id) ?? 1) + 1;
    for (const peer of answer.closer as readonly Peer[]) {
      if (!steps.depth.has(peer.id)) steps.depth.set(peer.id, depth);
    }
  }

  /** Begins to follow the lookup of `key` by the node `from`. */
  follow(from: string, key: KadKey): Way {
    const steps: Steps = { messages: 0, depth: new Map() };
    this.#steps.set(nameOf(from, key), steps);
    return {
      get messages() {
        return steps.messages;
      },
      hops: (found) => Math.max(...found.map(({ id }) => steps.depth.get(id) ?? 0)),
    };
  }

  #stepsOf(from: string, request: RequestOf<Operation>): Steps | undefined {
    return request.op === 'find-node' ? this.#steps.get(nameOf(from, request.key)) : undefined;
  }
}

function nameOf(from: string, key: KadKey): string {
  return `${from} ${Buffer.from(key).toString('hex')}`;
}
