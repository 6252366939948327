import { type Nfs3Context, Nfsstat3, nfsstat3Name } from '@rowfs/nfs3';
import { RpcError } from '@rowfs/oncrpc';
import { FailoverError } from './failover-error.ts';
import type { MountedTree } from './mounted-tree.ts';
import { type Replica, unreachable } from './replica.ts';
import type { ReplicaSet } from './replica-set.ts';

/** Asks one server. It may be called on several at a time, and repeatedly. */
export type Ask<T> = (tree: MountedTree, ctx: Nfs3Context) => Promise<T>;

/** How a held call ended. */
export type Held<T> = T | 'no-answer';

export interface CallOptions<T> {
  /** Whether a result may be this server's fault, and not the truth about the tree. */
  readonly isDoubtful?: (result: T) => boolean;
  /** Ask this one only, as long as it is healthy: what the call means, no other server knows. */
  readonly only?: MountedTree | undefined;
}

const SUSPICIOUS = new Set<number>([
  Nfsstat3.IO,
  Nfsstat3.NXIO,
  Nfsstat3.STALE,
  Nfsstat3.BADHANDLE,
  Nfsstat3.SERVERFAULT,
  Nfsstat3.JUKEBOX,
]);

/** Statuses that come from trouble on the server more often than from the tree. */
export function isSuspicious({ status }: { readonly status: number }): boolean {
  return SUSPICIOUS.has(status);
}

/** Refusals that say nothing of the server's health: it does not like this call. */
const REFUSALS = new Set<string>(['AUTH_ERROR', 'PROC_UNAVAIL', 'GARBAGE_ARGS']);

interface Attempt {
  readonly replica: Replica<MountedTree>;
  readonly tree: MountedTree;
  readonly startedAt: number;
}

type Settled<T> = Attempt & ({ readonly result: T } | { readonly error: unknown });

/**
 * Brings one call to an answer, over as many servers as it takes.
 *
 * It asks the current server; when that fails, the next one; when that is late, the next one as well,
 * and takes what comes first (all calls here only read, so asking twice does no harm). When no server
 * is left it waits for one to come back, for `holdMs` in all.
 *
 * A suspicious status is believed when every healthy server gives one; when another server answers,
 * the one that gave it is demoted. So a bad disk is routed around, and a file that is unreadable
 * everywhere does not take all servers down.
 */
export class HeldCalls {
  readonly #replicas: ReplicaSet<MountedTree>;
  readonly #holdMs: number;
  readonly #running = new Set<{ end(): void }>();

  constructor(replicas: ReplicaSet<MountedTree>, holdMs: number) {
    this.#replicas = replicas;
    this.#holdMs = holdMs;
  }

  /** @throws what the servers refuse the call with, or the caller's signal. */
  async call<T extends { readonly status: number }>(
    ask: Ask<T>,
    ctx: Nfs3Context,
    options: CallOptions<T> = {},
  ): Promise<Held<T>> {
    const call = new HeldCall(this.#replicas, ask, ctx, options);
    this.#running.add(call);
    try {
      return await call.run(performance.now() + this.#holdMs);
    } finally {
      this.#running.delete(call);
    }
  }

  /** Ends all calls that are held, without an answer. */
  close(): void {
    for (const call of this.#running) call.end();
  }
}

class HeldCall<T extends { readonly status: number }> {
  readonly #replicas: ReplicaSet<MountedTree>;
  readonly #ask: Ask<T>;
  readonly #ctx: Nfs3Context;
  readonly #isDoubtful: (result: T) => boolean;
  readonly #only: MountedTree | undefined;
  readonly #giveUp = new AbortController();
  readonly #attempts = new Map<MountedTree, Attempt>();
  readonly #asked = new Set<MountedTree>();
  readonly #settled: Settled<T>[] = [];
  readonly #doubted: Settled<T>[] = [];
  #isEnded = false;
  #wake: () => void = () => undefined;

  constructor(
    replicas: ReplicaSet<MountedTree>,
    ask: Ask<T>,
    ctx: Nfs3Context,
    { isDoubtful = isSuspicious, only }: CallOptions<T>,
  ) {
    this.#replicas = replicas;
    this.#ask = ask;
    this.#ctx = ctx;
    this.#isDoubtful = isDoubtful;
    this.#only = only;
  }

  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  async run(deadline: number): Promise<Held<T>> {
    const { signal } = this.#ctx;
    const abort = (): void => {
      this.#giveUp.abort(signal.reason);
      this.#wake();
    };
    signal.addEventListener('abort', abort);
    try {
      let wantsAnother = true;
      for (;;) {
        signal.throwIfAborted();
        if (wantsAnother && this.#start()) wantsAnother = false;
        if (wantsAnother && this.#only !== undefined && !this.#isHealthy(this.#only))
          return 'no-answer';
        if (wantsAnother && this.#attempts.size === 0) {
          // Each server that can be asked was: what they agree on is the answer.
          const [doubted] = this.#doubted;
          if (doubted !== undefined && this.#replicas.isSettled()) return give(doubted);
          if (performance.now() >= deadline) return 'no-answer';
        }
        await this.#untilSomethingHappens(deadline, wantsAnother);
        // An attempt that was aborted with its call says nothing of the server.
        signal.throwIfAborted();
        if (this.#isEnded) return 'no-answer';
        for (const settled of this.#settled.splice(0)) {
          const answer = this.#judge(settled);
          if (answer !== undefined) return answer;
          wantsAnother = true;
        }
        if (this.#isAnyLate()) wantsAnother = true;
        if (performance.now() >= deadline) return 'no-answer';
      }
    } finally {
      signal.removeEventListener('abort', abort);
      this.#giveUp.abort();
    }
  }

  /** Asks the next server that was not asked since it was mounted; false when there is none. */
  #start(): boolean {
    const replica = this.#replicas.choose(({ tree }) => tree === undefined || !this.#mayAsk(tree));
    const tree = replica?.tree;
    if (replica === undefined || tree === undefined) return false;
    const attempt = { replica, tree, startedAt: performance.now() };
    this.#asked.add(tree);
    this.#attempts.set(tree, attempt);
    replica.called();
    const ctx = { ...this.#ctx, signal: this.#giveUp.signal };
    const settle = (outcome: { result: T } | { error: unknown }): void => {
      this.#attempts.delete(tree);
      if ('result' in outcome) replica.answered(performance.now() - attempt.startedAt);
      this.#settled.push({ ...attempt, ...outcome });
      this.#wake();
    };
    this.#ask(tree, ctx).then(
      (result) => settle({ result }),
      (error: unknown) => settle({ error }),
    );
    return true;
  }

  #mayAsk(tree: MountedTree): boolean {
    return !this.#asked.has(tree) && (this.#only === undefined || this.#only === tree);
  }

  #isHealthy(tree: MountedTree): boolean {
    return this.#replicas.healthy().some((replica) => replica.tree === tree);
  }

  /** The answer, if this is one. */
  #judge(settled: Settled<T>): T | undefined {
    const { replica, tree } = settled;
    if ('result' in settled && !this.#isDoubtful(settled.result)) {
      for (const doubted of this.#doubted) doubted.replica.demote(doubted.tree, wrong(doubted));
      return settled.result;
    }
    if ('result' in settled || isRefusal(settled.error)) {
      this.#doubted.push(settled);
      return undefined;
    }
    const { error } = settled;
    const reason = error instanceof FailoverError ? error : unreachable(replica.address, error);
    replica.demote(tree, reason);
    return undefined;
  }

  /** Whether a running attempt is late; a server that says nothing at all is demoted. */
  #isAnyLate(): boolean {
    let late = false;
    for (const { replica, tree, startedAt } of this.#attempts.values()) {
      if (performance.now() - startedAt < replica.latency.patienceMs) continue;
      late = true;
      if (!replica.isSilentSince(startedAt)) continue;
      const message = `${replica.address} did not answer within ${Math.round(replica.latency.patienceMs)} ms`;
      replica.demote(tree, new FailoverError('SILENT', message));
    }
    return late;
  }

  async #untilSomethingHappens(deadline: number, wantsServer: boolean): Promise<void> {
    if (this.#settled.length > 0) return;
    let until = deadline;
    for (const { replica, startedAt } of this.#attempts.values()) {
      const late = startedAt + replica.latency.patienceMs;
      // One that is late already has been dealt with.
      if (late > performance.now()) until = Math.min(until, late);
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, until - performance.now()) + 1);
      const cancel = wantsServer ? this.#replicas.onNextChange(resolve) : undefined;
      this.#wake = () => {
        clearTimeout(timer);
        cancel?.();
        resolve();
      };
    });
    this.#wake();
  }
}

function give<T>(settled: Settled<T>): T {
  if ('result' in settled) return settled.result;
  throw settled.error;
}

function isRefusal(error: unknown): boolean {
  return error instanceof RpcError && REFUSALS.has(error.code);
}

function wrong<T extends { readonly status: number }>(settled: Settled<T>): FailoverError {
  const what =
    'result' in settled ? nfsstat3Name(settled.result.status) : 'refused it with an RPC error';
  return new FailoverError(
    'WRONG_ANSWER',
    `${settled.replica.address} answered a call with ${what} that another server answered`,
  );
}
