import type { Logger } from 'pino';
import { type ImageServer, serverAddress } from '../locator.ts';
import { FailoverError } from './failover-error.ts';
import {
  type OpenServer,
  type OpenTree,
  Replica,
  type ReplicaTimings,
  type ReplicaUser,
  type ServerStatus,
} from './replica.ts';

export interface ReplicaSetOptions<Tree> {
  /** The best first. */
  readonly servers: readonly ImageServer[];
  readonly openServer: OpenServer;
  readonly openTree: OpenTree<Tree>;
  readonly timings: ReplicaTimings;
  readonly logger: Logger;
  /** Called after each change of a server's state, or of the set. */
  readonly onChange: (status: readonly ServerStatus[]) => void;
}

/** A server that takes this many times as long as the quickest, and this much longer, ranks last. */
const SLOW_FACTOR = 4;
const SLOW_MS = 20;
/** What a server that is further up in the list gets on top of the time of the quickest. */
const GRACE_MS = 250;

/**
 * The servers in their order, and the one that is used now.
 *
 * The current one stays until it fails, even when a better one comes back: going back is another
 * round of walks, and a server that came back may go again.
 */
export class ReplicaSet<Tree> {
  readonly #options: ReplicaSetOptions<Tree>;
  readonly #waiting = new Set<() => void>();
  #replicas: readonly Replica<Tree>[] = [];
  /** Those of the replicas that are not listed any more. */
  #leaving: ReadonlySet<Replica<Tree>> = new Set();
  #current: Replica<Tree> | undefined;
  /** What was last told of each: a server that stays away is tried several times a second. */
  readonly #told = new WeakMap<Replica<Tree>, string>();
  #closed = false;
  #dismissed: Promise<unknown> = Promise.resolve();

  constructor(options: ReplicaSetOptions<Tree>) {
    this.#options = options;
    this.setServers(options.servers);
  }

  /** The healthy server to call next: the current one, or by rank; `excluded` ones are left out. */
  choose(isExcluded: (replica: Replica<Tree>) => boolean): Replica<Tree> | undefined {
    const current = this.#current;
    if (current?.tree !== undefined && !isExcluded(current)) return current;
    const chosen = this.#ranked().find((replica) => !isExcluded(replica));
    if (chosen !== undefined && current?.tree === undefined) {
      this.#current = chosen;
      this.#options.logger.info({ server: chosen.address }, 'image server chosen');
      this.#options.onChange(this.status());
    }
    return chosen;
  }

  /** All servers, the best first. */
  all(): readonly Replica<Tree>[] {
    return this.#replicas;
  }

  /** All healthy servers. */
  healthy(): readonly Replica<Tree>[] {
    return this.#replicas.filter((replica) => replica.tree !== undefined);
  }

  /** Some server is healthy, and none is being mounted for the first time. */
  isSettled(): boolean {
    return this.healthy().length > 0 && !this.#replicas.some((replica) => replica.isNew);
  }

  /** Calls `wake` once, when a server has changed its state; returns what takes that back. */
  onNextChange(wake: () => void): () => void {
    this.#waiting.add(wake);
    return () => void this.#waiting.delete(wake);
  }

  /**
   * Takes over a new list: servers that stay keep their connection and their state. One that left is
   * used until one that is listed is mounted.
   */
  setServers(servers: readonly ImageServer[]): void {
    const { openServer, openTree, timings } = this.#options;
    const user: ReplicaUser<Tree> = {
      openServer,
      openTree,
      timings,
      changed: (replica) => this.#replicaChanged(replica),
      isAnyoneWaiting: () => this.#waiting.size > 0,
    };
    const known = new Map(this.#replicas.map((replica) => [replicaKey(replica.server), replica]));
    const listed = new Map<string, Replica<Tree>>();
    for (const server of servers) {
      const key = replicaKey(server);
      if (listed.has(key)) continue;
      listed.set(key, known.get(key) ?? new Replica(server, user));
      known.delete(key);
    }
    this.#leaving = new Set(known.values());
    this.#replicas = [...listed.values(), ...this.#leaving];
    this.#dismiss();
    this.#options.onChange(this.status());
  }

  status(): ServerStatus[] {
    return this.#replicas.map((replica) => replica.status(replica === this.#current));
  }

  /**
   * Resolves when a server is mounted. All are tried at once; those further up in the list than the
   * first one that is mounted get a little longer.
   *
   * @throws FailoverError when all have failed, naming each and its reason: EXPORT_NOT_FOUND when that
   *   is what all of them say, else NO_SERVER_REACHABLE.
   */
  async ready(signal: AbortSignal): Promise<void> {
    let graceEnds: AbortSignal | undefined;
    for (;;) {
      const undecided = this.#replicas.find(
        (replica) => replica.tree !== undefined || replica.lastError === undefined,
      );
      if (undecided?.tree !== undefined || graceEnds?.aborted === true) return;
      if (this.healthy().length > 0) graceEnds ??= AbortSignal.timeout(GRACE_MS);
      else if (signal.aborted) throw noServer(this.#replicas);
      const states = this.#replicas.map((replica) => replica.lastError);
      if (states.every((error) => error !== undefined)) throw noServer(this.#replicas);
      await this.#nextChange(graceEnds ?? signal);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#replicas.map((replica) => replica.close()));
    await this.#dismissed;
    this.#wakeAll();
  }

  #dismiss(): void {
    const isServed = this.#replicas.some((r) => r.tree !== undefined && !this.#leaving.has(r));
    for (const replica of this.#leaving) {
      if (replica.tree !== undefined && !isServed) continue;
      this.#options.logger.info({ server: replica.address }, 'image server left the list');
      this.#replicas = this.#replicas.filter((other) => other !== replica);
      this.#leaving = new Set([...this.#leaving].filter((other) => other !== replica));
      if (this.#current === replica) this.#current = undefined;
      const earlier = this.#dismissed;
      this.#dismissed = replica.close().then(() => earlier);
    }
  }

  /** By their order; the slow ones behind the quick ones. */
  #ranked(): readonly Replica<Tree>[] {
    const healthy = this.healthy();
    const quickest = Math.min(...healthy.map((replica) => replica.latency.smoothedMs ?? 0));
    const isSlow = ({ latency }: Replica<Tree>): boolean =>
      (latency.smoothedMs ?? 0) > quickest * SLOW_FACTOR + SLOW_MS;
    return [...healthy.filter((r) => !isSlow(r)), ...healthy.filter(isSlow)];
  }

  #replicaChanged(replica: Replica<Tree>): void {
    // A replica tells its first state from within its constructor's loop, maybe before it is listed.
    if (this.#closed) return;
    this.#tell(replica);
    this.#dismiss();
    this.#options.onChange(this.status());
    this.#wakeAll();
  }

  #tell(replica: Replica<Tree>): void {
    const { logger } = this.#options;
    const { address } = replica;
    const { state, lastError } = replica.status(false);
    const code = state === 'demoted' ? lastError?.code : undefined;
    const told = `${state} ${code ?? ''}`;
    const isNews = this.#told.get(replica) !== told;
    this.#told.set(replica, told);
    if (state !== 'demoted') logger.info({ server: address }, 'image server mounted');
    else
      logger[isNews ? 'warn' : 'debug'](
        { server: address, code },
        `image server demoted: ${lastError?.message ?? ''}`,
      );
  }

  #wakeAll(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  async #nextChange(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const cancel = this.onNextChange(settle);
      signal.addEventListener('abort', settle);
      function settle(): void {
        cancel();
        signal.removeEventListener('abort', settle);
        resolve();
      }
    });
  }
}

/** What makes two entries of a list the same server. */
function replicaKey(server: ImageServer): string {
  return `${serverAddress(server)} ${server.mountPort ?? ''}`;
}

function noServer<Tree>(replicas: readonly Replica<Tree>[]): FailoverError {
  const reasons = replicas.map(
    ({ address, lastError }) => lastError?.message ?? `${address} has not answered yet`,
  );
  const message =
    reasons.length === 0
      ? 'there is no image server: the list is empty'
      : `no image server can be mounted: ${reasons.join('; ')}`;
  const isExportMissing =
    replicas.length > 0 &&
    replicas.every(({ lastError }) => lastError?.code === 'EXPORT_NOT_FOUND');
  return new FailoverError(isExportMissing ? 'EXPORT_NOT_FOUND' : 'NO_SERVER_REACHABLE', message, {
    cause: replicas[0]?.lastError,
  });
}
