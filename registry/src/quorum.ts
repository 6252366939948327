import type { Clock } from './clock.ts';

/** What became of one replica's part in a read or a write. */
export type Outcome<R, A> =
  { readonly replica: R; readonly answer: A } | { readonly replica: R; readonly error: unknown };

/** How many of `n` replicas must take a write. */
export function writeQuorum(n: number): number {
  return Math.floor(n / 2) + 1;
}

/** How many of `n` replicas must answer a read, so that it meets every write that reached its quorum. */
export function readQuorum(n: number): number {
  return n === 0 ? 0 : n - writeQuorum(n) + 1;
}

/** When a question to several replicas has been answered. */
export interface Patience<R, A> {
  /** There is nothing more to learn: nobody else is waited for. */
  readonly enough: (outcomes: readonly Outcome<R, A>[]) => boolean;
  /** It will do, once those still out are later than `ms`; a hung replica costs no more than that. */
  readonly acceptable: (outcomes: readonly Outcome<R, A>[]) => boolean;
  readonly ms: number;
}

/**
 * Asks all replicas at once and resolves as soon as `patience` says so, or when the last one is
 * done. Those still out are not waited for: `late` hears of them when all are done.
 */
export function gather<R, A>(
  replicas: readonly R[],
  ask: (replica: R) => Promise<A>,
  patience: Patience<R, A>,
  clock: Clock,
  late: (all: Promise<readonly Outcome<R, A>[]>) => void,
): Promise<readonly Outcome<R, A>[]> {
  return new Promise((resolve) => {
    const outcomes: Outcome<R, A>[] = [];
    let isOver = false;
    const judge = (): void => {
      if (patience.enough(outcomes) || (isOver && patience.acceptable(outcomes))) {
        resolve([...outcomes]);
      }
    };
    const timer = clock.after(patience.ms, () => {
      isOver = true;
      judge();
    });
    const asked = replicas.map(async (replica) => {
      try {
        outcomes.push({ replica, answer: await ask(replica) });
      } catch (error) {
        outcomes.push({ replica, error });
      }
      judge();
    });
    const all = Promise.all(asked).then(() => {
      timer.cancel();
      resolve([...outcomes]);
      return outcomes;
    });
    late(all);
  });
}

/** The answers among the outcomes. */
export function answersOf<R, A>(
  outcomes: readonly Outcome<R, A>[],
): { readonly replica: R; readonly answer: A }[] {
  return outcomes.filter((outcome) => 'answer' in outcome);
}

/** The errors among the outcomes. */
export function errorsOf<R, A>(outcomes: readonly Outcome<R, A>[]): unknown[] {
  return outcomes.flatMap((outcome) => ('error' in outcome ? [outcome.error] : []));
}
