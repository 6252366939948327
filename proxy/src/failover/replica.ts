import { setTimeout as pause } from 'node:timers/promises';
import {
  type Filehandle,
  Ftype3,
  Mountstat3,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
} from '@rowfs/nfs3';
import { type ImageServer, serverAddress } from '../locator.ts';
import { FailoverError } from './failover-error.ts';
import { LatencyEstimator } from './latency.ts';
import { ROOT_CREDENTIAL } from '../root-credential.ts';

/** A service that speaks to one server, and what ends it. */
export type OpenServer = (server: ImageServer) => Nfs3Service & { close(): Promise<void> };

/** A server that was just mounted. */
export interface Mounted<Tree> {
  readonly replica: Replica<Tree>;
  readonly service: Nfs3Service;
  readonly root: Filehandle;
  /** What was made of the mount before. */
  readonly earlier: Tree | undefined;
}

/** Makes what calls are sent to of a server that was mounted: all that is only true on this server. */
export type OpenTree<Tree> = (mounted: Mounted<Tree>, ctx: Nfs3Context) => Tree | Promise<Tree>;

export interface ReplicaTimings {
  /** An answer that comes within this time is never late, whatever was measured. */
  readonly patienceMs: number;
  /** How long connecting and mounting may take. */
  readonly mountMs: number;
  /** The pause before a demoted server is tried again; it doubles from the first to the last. */
  readonly probeMs: { readonly first: number; readonly last: number };
}

/** A server as status shows it. Times in milliseconds; `since` is when it came into its state. */
export interface ServerStatus {
  readonly address: string;
  readonly state: 'connecting' | 'healthy' | 'demoted';
  readonly current: boolean;
  readonly since: string;
  readonly calls: number;
  readonly failures: number;
  readonly latencyMs: number | undefined;
  readonly lastError: { readonly code: string; readonly message: string } | undefined;
}

/** Who uses the replicas, and how. */
export interface ReplicaUser<Tree> {
  readonly openServer: OpenServer;
  readonly openTree: OpenTree<Tree>;
  readonly timings: ReplicaTimings;
  /** The replica came into another state. */
  changed(replica: Replica<Tree>): void;
  /** Calls wait for a server: a demoted one is probed soon. */
  isAnyoneWaiting(): boolean;
}

/**
 * One of the servers: mounted as soon as it can be, demoted when it fails, probed while demoted.
 *
 * A loop runs from the constructor to `close()`: mount, be healthy until demoted, pause, again.
 */
export class Replica<Tree> {
  readonly server: ImageServer;
  readonly address: string;
  readonly latency: LatencyEstimator;
  readonly #user: ReplicaUser<Tree>;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #service: ReturnType<OpenServer> | undefined;
  #tree: Tree | undefined;
  #state: ServerStatus['state'] = 'connecting';
  #since = new Date();
  #lastError: FailoverError | undefined;
  #calls = 0;
  #failures = 0;
  #heardAt = 0;
  #endHealth: () => void = () => undefined;

  constructor(server: ImageServer, user: ReplicaUser<Tree>) {
    this.server = server;
    this.address = serverAddress(server);
    this.latency = new LatencyEstimator(user.timings.patienceMs);
    this.#user = user;
    this.#running = this.#run();
  }

  /** What calls may be sent to: undefined unless healthy. */
  get tree(): Tree | undefined {
    return this.#state === 'healthy' ? this.#tree : undefined;
  }

  /** Not mounted yet, and not failed to be. */
  get isNew(): boolean {
    return this.#state === 'connecting';
  }

  get lastError(): FailoverError | undefined {
    return this.#lastError;
  }

  status(current: boolean): ServerStatus {
    const error = this.#lastError;
    return {
      address: this.address,
      state: this.#state,
      current,
      since: this.#since.toISOString(),
      calls: this.#calls,
      failures: this.#failures,
      latencyMs: this.latency.smoothedMs,
      lastError: error && { code: error.code, message: error.message },
    };
  }

  called(): void {
    this.#calls += 1;
  }

  /** An answer came, `ms` after its call. */
  answered(ms: number): void {
    this.latency.observe(ms);
    this.#heardAt = performance.now();
  }

  /** No answer of any kind came since `since` (performance.now()) for longer than it takes. */
  isSilentSince(since: number): boolean {
    return performance.now() - Math.max(since, this.#heardAt) >= this.latency.patienceMs;
  }

  /**
   * Sends no more calls here until a probe brings the server back.
   *
   * A silent server keeps its connection: what it was asked may still be answered. Everything else
   * ends it, and all calls that wait on it fail and go elsewhere.
   *
   * @param tree that the failed call was sent to; a failure that is older than the mount is no news.
   */
  demote(tree: Tree, reason: FailoverError): void {
    if (this.#tree !== tree) return;
    this.#failures += 1;
    this.#lastError = reason;
    if (this.#state !== 'healthy') return;
    if (reason.code === 'UNREACHABLE') this.#disconnect();
    this.#become('demoted');
    this.#endHealth();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#endHealth();
    this.#disconnect();
    await this.#running;
  }

  #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  async #run(): Promise<void> {
    const { first, last } = this.#user.timings.probeMs;
    let probeMs = first;
    while (!this.#isClosed()) {
      try {
        await this.#mount();
        probeMs = first;
        const demoted = new Promise<void>((resolve) => (this.#endHealth = resolve));
        this.#become('healthy');
        await demoted;
      } catch (error) {
        if (this.#isClosed()) break;
        this.#failures += 1;
        this.#lastError = error instanceof FailoverError ? error : unreachable(this.address, error);
        this.#disconnect();
        this.#become('demoted');
      }
      await this.#pause(probeMs);
      probeMs = Math.min(probeMs * 2, last);
    }
    this.#disconnect();
  }

  /** While calls wait the pauses stay short: each second of them is a second of the user's. */
  async #pause(ms: number): Promise<void> {
    const { signal } = this.#closing;
    const until = performance.now() + ms;
    do {
      const slice = Math.min(this.#user.timings.probeMs.first, until - performance.now());
      await pause(Math.max(slice, 0), undefined, { signal }).catch(() => undefined);
    } while (!this.#isClosed() && performance.now() < until && !this.#user.isAnyoneWaiting());
  }

  async #mount(): Promise<void> {
    const service = (this.#service ??= this.#user.openServer(this.server));
    const timeout = AbortSignal.timeout(this.#user.timings.mountMs);
    const ctx: Nfs3Context = {
      credential: ROOT_CREDENTIAL,
      signal: AbortSignal.any([this.#closing.signal, timeout]),
      peer: { address: 'failover', port: 0 },
    };
    const startedAt = performance.now();
    try {
      const mounted = await service.mount(this.server.export, ctx);
      if (mounted.status !== Mountstat3.OK) throw mountError(this.address, mounted.status);
      const root = await service.getattr({ object: mounted.handle }, ctx);
      if (root.status !== Nfsstat3.OK)
        throw new FailoverError(
          'WRONG_ANSWER',
          `${this.address} gave a root handle and status ${root.status} to GETATTR of it`,
        );
      if (root.attributes.type !== Ftype3.DIR)
        throw new FailoverError('NOT_A_DIRECTORY', `${this.address} is not a directory`);
      // Two calls were made, one after the other.
      this.answered((performance.now() - startedAt) / 2);
      const { handle } = mounted;
      this.#tree = await this.#user.openTree(
        { replica: this, service, root: handle, earlier: this.#tree },
        ctx,
      );
    } catch (error) {
      if (error instanceof FailoverError) throw error;
      if (timeout.aborted)
        throw new FailoverError(
          'SILENT',
          `${this.address} did not answer within ${this.#user.timings.mountMs} ms`,
          { cause: error },
        );
      throw unreachable(this.address, error);
    }
  }

  #become(state: ServerStatus['state']): void {
    if (this.#state !== state) this.#since = new Date();
    this.#state = state;
    this.#user.changed(this);
  }

  #disconnect(): void {
    const service = this.#service;
    this.#service = undefined;
    // Nothing can be done about a connection that does not even close.
    service?.close().catch(() => undefined);
  }
}

/** The error of a call that brought no answer. */
export function unreachable(address: string, cause: unknown): FailoverError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new FailoverError('UNREACHABLE', `${address}: ${why}`, { cause });
}

function mountError(address: string, status: number): FailoverError {
  if (status === Mountstat3.NOENT || status === Mountstat3.NOTDIR)
    return new FailoverError('EXPORT_NOT_FOUND', `${address}: the server has no such export`);
  return new FailoverError('MOUNT_REFUSED', `${address}: MNT was answered with status ${status}`);
}
