import type { Operation, Peer, ResponseOf } from './protocol/messages.ts';
import { answersOf, readQuorum, type Outcome, type Patience } from './quorum.ts';

/**
 * How many nodes of each disjoint path are asked besides, where they are no replicas: with liars on
 * one path, those of the two others are as many as a quorum of readers.
 */
export const WITNESSES_PER_PATH = 2;

/** The nodes that hold the records of one key, and those that should but do not answer. */
export interface Placement {
  /** The closest that answered, closest first. */
  readonly replicas: readonly Peer[];
  /** The closest that each path of the lookup found by itself; mostly replicas, too. */
  readonly witnesses: readonly Peer[];
  readonly missing: readonly Peer[];
}

/** When a read is over. */
export type ReadUntil<O extends Operation> = Omit<Patience<Peer, ResponseOf<O>>, 'ms'>;

/** For a question that only the answers of all can settle. */
export const ALL_ANSWERED: ReadUntil<Operation> = { enough: () => false, acceptable: () => false };

/** All that are asked for the records of the key, each once. */
export function everyone({
  replicas,
  witnesses,
}: Pick<Placement, 'replicas' | 'witnesses'>): Peer[] {
  return [...new Map([...replicas, ...witnesses].map((peer) => [peer.id, peer])).values()];
}

/** Whether the outcomes have those of all paths, so that liars on one of them are not the only ones heard. */
function isHeardOnAllPaths(
  { witnesses }: Placement,
  outcomes: readonly Outcome<Peer, unknown>[],
): boolean {
  const heard = new Set(outcomes.map(({ replica }) => replica.id));
  return witnesses.every(({ id }) => heard.has(id));
}

/**
 * Ends a read at a quorum on all paths that tells something: signed records speak for themselves.
 * An absence is believed of a quorum, too, but only after those who may know better had their time.
 */
export function readUntil<O extends Operation>(
  placement: Placement,
  tells: (outcomes: readonly Outcome<Peer, ResponseOf<O>>[]) => boolean,
): ReadUntil<O> {
  const { replicas } = placement;
  const quorum = readQuorum(replicas.length);
  const isQuorum = (outcomes: readonly Outcome<Peer, ResponseOf<O>>[]): boolean =>
    answersOf(outcomesOf(replicas, outcomes)).length >= quorum;
  return {
    enough: (sofar) => isQuorum(sofar) && isHeardOnAllPaths(placement, sofar) && tells(sofar),
    acceptable: isQuorum,
  };
}

/** Those of `replicas`, without the witnesses. */
export function outcomesOf<A>(
  replicas: readonly Peer[],
  outcomes: readonly Outcome<Peer, A>[],
): Outcome<Peer, A>[] {
  return outcomes.filter(({ replica }) => replicas.includes(replica));
}
