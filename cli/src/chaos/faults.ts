import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** How many there are of each. */
export interface Cast {
  readonly nodes: number;
  readonly servers: number;
  readonly clients: number;
}

/** Something that goes wrong, or, of a client, that its user does. Numbers count from 0. */
export type Fault =
  | { readonly what: 'kill' | 'hang'; readonly whom: 'node' | 'server'; readonly number: number }
  /** These registry nodes, clients and observers cannot be reached by the others, nor reach them. */
  | {
      readonly what: 'partition';
      readonly nodes: readonly number[];
      readonly clients: readonly number[];
    }
  /** A proxy is killed and started again, or ended and started again: that takes the newest version. */
  | { readonly what: 'kill' | 'restart'; readonly whom: 'proxy'; readonly number: number };

/** A fault with its time: seconds from the beginning, and how long until it is repaired. */
export interface PlannedFault {
  readonly at: number;
  readonly seconds: number;
  readonly fault: Fault;
}

/** Between the repair of a fault and the next one of the same kind of process. */
const PAUSE_SECONDS = { min: 1, max: 5 };

/**
 * What goes wrong in a run, by its seed alone: a series each of nodes, of servers and of clients, whose
 * faults come one after the other. At least one server works at any time; a partition, or a hang, is shorter than half
 * a lease, so that every client that runs has one.
 */
export function planFaults(
  cast: Cast,
  { seed, seconds, leaseSeconds }: { seed: number; seconds: number; leaseSeconds: number },
): readonly (readonly PlannedFault[])[] {
  const random = xoroshiro128plus(seed);
  const below = (limit: number): number => uniformInt(random, 0, limit - 1);
  /** In tenths of a second. */
  const between = (min: number, max: number): number => min + below(10 * (max - min) + 1) / 10;
  const longest = Math.max(1, leaseSeconds / 2 - 1);
  const some = (count: number, howMany: number): number[] => {
    const left = Array.from({ length: count }, (_, number) => number);
    return Array.from({ length: howMany }, () => left.splice(below(left.length), 1))
      .flat()
      .sort((a, b) => a - b);
  };
  const pick = <T>(choices: readonly (() => T)[]): T => {
    const choice = choices[below(choices.length)];
    if (choice === undefined) throw new RangeError('nothing to choose from');
    return choice();
  };
  const nodeFault = (): Fault =>
    pick<Fault>([
      () => ({ what: 'kill', whom: 'node', number: below(cast.nodes) }),
      () => ({ what: 'hang', whom: 'node', number: below(cast.nodes) }),
      () => ({
        what: 'partition',
        nodes: some(cast.nodes, 1 + below(Math.max(1, cast.nodes - 1))),
        clients: some(cast.clients, below(cast.clients + 1)),
      }),
    ]);
  const serverFault = (): Fault => ({
    what: pick<'kill' | 'hang'>([() => 'kill', () => 'hang']),
    whom: 'server',
    number: below(cast.servers),
  });
  const clientFault = (): Fault => ({
    what: pick<'kill' | 'restart'>([() => 'kill', () => 'restart']),
    whom: 'proxy',
    number: below(cast.clients),
  });
  const plan = (make: () => Fault): PlannedFault[] => {
    const planned: PlannedFault[] = [];
    for (let at = between(PAUSE_SECONDS.min, PAUSE_SECONDS.max); ;) {
      const fault = make();
      const repair = between(0.5, longest);
      if (at + repair > seconds) return planned;
      planned.push({ at, seconds: repair, fault });
      at += repair + between(PAUSE_SECONDS.min, PAUSE_SECONDS.max);
    }
  };
  return [plan(nodeFault), cast.servers > 1 ? plan(serverFault) : [], plan(clientFault)];
}

/** A fault in words. */
export function describeFault({ fault, seconds }: PlannedFault): string {
  if (fault.what === 'partition') {
    const sides = [
      fault.nodes.map((number) => `node ${number + 1}`),
      fault.clients.map((number) => `proxy ${number + 1}`),
    ].flat();
    return `partition: ${sides.join(', ')} apart from all others, for ${seconds} s`;
  }
  const who = `${fault.whom} ${fault.number + 1}`;
  switch (fault.what) {
    case 'kill':
      return `kill -9: ${who}, started again after ${seconds} s`;
    case 'hang':
      return `hang: ${who}, for ${seconds} s`;
    case 'restart':
      return `restart: ${who}`;
  }
}
