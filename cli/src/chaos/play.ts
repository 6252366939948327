import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lineOf } from '../errors.ts';
import { type Cast, describeFault, type Fault, type PlannedFault, planFaults } from './faults.ts';
import { type ChaosEvent, History } from './history.ts';
import { Observer } from './observer.ts';
import { readAgainAndAgain } from './reader.ts';
import { RegistryLinks } from './registry-links.ts';
import { type Role, Stage } from './stage.ts';
import { judge, type Verdict } from './verdicts.ts';
import { Versions } from './versions.ts';

const NAME = 'chaos';
const OBSERVERS = 2;
/** Between two versions, and between two runs of gc. */
const PUBLISH_PAUSE_MS = 3_000;
const PUBLISH_RETRY_MS = 1_000;
const GC_PAUSE_MS = 1_000;
/** After the last fault: leases are refreshed, nodes that were killed have joined. */
const SETTLE_LEASES = 1.5;
const POLL_MS = 200;

export interface ChaosOptions extends Cast {
  readonly seed: number;
  /** For how long things go wrong. */
  readonly seconds: number;
  readonly leaseSeconds: number;
  readonly onEvent: (event: ChaosEvent) => void;
  /** Ends the run early: with its reason, and with everything that was started. */
  readonly signal: AbortSignal;
}

export interface ChaosReport {
  readonly verdicts: readonly Verdict[];
  readonly events: readonly ChaosEvent[];
}

/**
 * Runs nodes, image servers and clients on this machine, makes things go wrong, and judges what was seen
 * by what rowfs promises.
 *
 * @throws CliError ENDED_EARLY when it cannot be set up; the signal's reason when it was aborted
 */
export async function playChaos(options: ChaosOptions): Promise<ChaosReport> {
  const run = await ChaosRun.begin(options);
  try {
    await run.setUp();
    await run.play();
    return run.report();
  } finally {
    await run.close();
  }
}

class ChaosRun {
  readonly #options: ChaosOptions;
  readonly #directory: string;
  readonly #history: History;
  readonly #links = new RegistryLinks(process.pid);
  readonly #stage: Stage;
  readonly #versions: Versions;
  readonly #observers: Observer[] = [];
  /** One for each proxy that runs: ends its client. */
  readonly #clients = new Map<number, () => Promise<void>>();

  static async begin(options: ChaosOptions): Promise<ChaosRun> {
    return new ChaosRun(options, await mkdtemp(join(tmpdir(), 'rowfs-chaos-')));
  }

  private constructor(options: ChaosOptions, directory: string) {
    this.#options = options;
    this.#directory = directory;
    this.#history = new History(options.onEvent);
    this.#stage = new Stage(directory, this.#links, options.leaseSeconds);
    this.#versions = new Versions(join(directory, 'versions'));
  }

  report(): ChaosReport {
    const { leaseSeconds } = this.#options;
    const { events } = this.#history;
    const verdicts = judge(events, { leaseSeconds, pollSeconds: (5 * POLL_MS) / 1000 });
    return { verdicts, events };
  }

  async setUp(): Promise<void> {
    const { clients, signal } = this.#options;
    await this.#stage.startNodesAndServers(this.#options);
    signal.throwIfAborted();
    const { id } = await this.#stage.publisher<{ id: string }>(['key', '--name', NAME]);

    await this.#publish(await this.#nextVersion());
    await this.#stage.startProxies(id, clients);
    for (const number of this.#stage.proxies.keys()) this.#startClient(number);
    for (let number = 1; number <= OBSERVERS; number += 1) {
      const { address } = this.#links.addClient();
      const observer = await Observer.start(`observer ${number}`, {
        address,
        bootstrap: this.#stage.bootstrap,
        appliance: id,
        history: this.#history,
      });
      this.#observers.push(observer);
    }
    signal.throwIfAborted();
  }

  async play(): Promise<void> {
    const { signal, leaseSeconds } = this.#options;
    const calm = new AbortController();
    const end = AbortSignal.any([calm.signal, signal]);
    const others = [
      ...this.#observers.map((observer) => observer.observe(end)),
      this.#publishAgainAndAgain(end),
      this.#collectAgainAndAgain(end),
    ];
    const series = planFaults(this.#options, this.#options).map((faults) =>
      this.#goWrong(faults, end).catch((error: unknown) => {
        calm.abort();
        throw error;
      }),
    );
    await Promise.allSettled(series);
    calm.abort();
    await Promise.all([...series, ...others]);
    signal.throwIfAborted();
    await sleep(SETTLE_LEASES * leaseSeconds * 1000, undefined, { signal });
    await this.#lookAfterwards();
  }

  async close(): Promise<void> {
    for (const endClient of this.#clients.values()) await endClient();
    for (const observer of this.#observers) await observer.close();
    await this.#stage.close();
    await this.#links.close();
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** Lets one fault after the other happen, each when its time has come; resolves when all are repaired. */
  async #goWrong(faults: readonly PlannedFault[], end: AbortSignal): Promise<void> {
    const started = performance.now();
    for (const planned of faults) {
      await sleep(Math.max(0, planned.at * 1000 - (performance.now() - started)));
      if (end.aborted) return;
      this.#history.add({ kind: 'fault', what: describeFault(planned) });
      await this.#suffer(planned.fault, planned.seconds * 1000);
    }
  }

  async #suffer(fault: Fault, ms: number): Promise<void> {
    if (fault.what === 'partition') {
      const { nodes, proxies } = this.#stage;
      const apart = [
        ...fault.nodes.map((number) => nodes[number]),
        ...fault.clients.map((number) => proxies[number]),
      ].flatMap((role) => role?.participant ?? []);
      this.#links.partition(apart);
      await sleep(ms);
      this.#links.heal();
      return;
    }
    const { whom, number } = fault;
    if (whom === 'proxy') return this.#startProxyAgain(number, fault.what, ms);
    const roles: Role[] = whom === 'node' ? this.#stage.nodes : this.#stage.servers;
    const role = roles[number];
    if (role === undefined) return;
    if (fault.what === 'hang') {
      role.actor.hang();
      await sleep(ms);
      role.actor.goOn();
    } else {
      await role.actor.kill();
      await sleep(ms);
      roles[number] = { ...role, ...(await this.#stage.startAgain(role)) };
    }
  }

  async #startProxyAgain(number: number, how: 'kill' | 'restart', ms: number): Promise<void> {
    const { proxies } = this.#stage;
    const role = proxies[number];
    if (role === undefined) return;
    if (how === 'kill') {
      // Its client does not notice but that it takes a while.
      await role.actor.kill();
      this.#history.add({ kind: 'unmounted', proxy: role.name, how: 'killed' });
      await sleep(ms);
      const again = await this.#stage.startAgain(role);
      proxies[number] = again;
      const { version } = again.ready;
      this.#history.add({ kind: 'mounted', proxy: role.name, version });
      // Without its last version's lease it may have come up with another one.
      if (version === role.ready.version) return;
      await this.#clients.get(number)?.();
    } else {
      await this.#clients.get(number)?.();
      await role.actor.stop();
      this.#history.add({ kind: 'unmounted', proxy: role.name, how: 'ended' });
      proxies[number] = await this.#stage.startAgain(role);
    }
    this.#startClient(number);
  }

  /** A client that reads through the proxy as it is now. */
  #startClient(number: number): void {
    const role = this.#stage.proxies[number];
    if (role === undefined) return;
    const { version } = role.ready;
    this.#history.add({ kind: 'mounted', proxy: role.name, version });
    const ended = new AbortController();
    const contents = this.#versions.contents(version);
    const mounted = { ...role.ready, proxy: role.name, version, contents };
    const reading = readAgainAndAgain(mounted, this.#history, ended.signal);
    this.#clients.set(number, async () => {
      ended.abort();
      await reading;
    });
  }

  async #nextVersion(): Promise<string> {
    const version = await this.#versions.makeNext();
    await this.#stage.publisher(['image', 'build', this.#versions.directory(version)]);
    for (const { exported } of this.#stage.servers) await this.#versions.copyTo(exported, version);
    return version;
  }

  async #publishAgainAndAgain(end: AbortSignal): Promise<void> {
    let version: string | undefined;
    while (!end.aborted) {
      // What failed is tried again, as a person would.
      version ??= await this.#nextVersion();
      const isDone = await this.#publish(version);
      if (isDone) version = undefined;
      await sleep(isDone ? PUBLISH_PAUSE_MS : PUBLISH_RETRY_MS);
    }
  }

  /** @returns whether it was acknowledged. */
  async #publish(version: string): Promise<boolean> {
    const servers = this.#stage.servers.flatMap(({ ready: { host, port } }) => [
      '--server',
      `${host}:${port}:/${version}`,
    ]);
    try {
      const args = ['publish', NAME, '--version', version, ...servers];
      const { seq } = await this.#stage.publisher<{ seq: number }>(args);
      this.#history.add({ kind: 'published', version, seq });
      return true;
    } catch (error) {
      this.#history.add({ kind: 'not-published', version, reason: lineOf(error) });
      return false;
    }
  }

  async #collectAgainAndAgain(end: AbortSignal): Promise<void> {
    const { leaseSeconds } = this.#options;
    const policy = ['--keep', '1', '--grace', '0s', '--lease', `${leaseSeconds}s`];
    while (!end.aborted) {
      const since = this.#history.now();
      try {
        const { deletable = [] } = await this.#stage.publisher<{
          deletable?: readonly { readonly version: string }[];
        }>(['gc', NAME, ...policy, '--apply']);
        const versions = deletable.map(({ version }) => version);
        this.#history.add({ kind: 'collected', since, versions });
        // What gc says may be deleted is deleted: whoever still needs it will tell.
        for (const version of versions)
          for (const { exported } of this.#stage.servers)
            await this.#versions.removeFrom(exported, version);
      } catch (error) {
        this.#history.add({ kind: 'not-collected', reason: lineOf(error) });
      }
      await sleep(GC_PAUSE_MS);
    }
  }

  /** When all is repaired: what is newest, who is counted, and what becomes of the lease of one that dies. */
  async #lookAfterwards(): Promise<void> {
    this.#history.add({ kind: 'calm' });
    for (const observer of this.#observers) await observer.ask();
    const [observer] = this.#observers;
    const { proxies } = this.#stage;
    const [victim] = proxies;
    if (observer === undefined || victim === undefined) return;
    for (const version of new Set(proxies.map(({ ready }) => ready.version))) {
      const running = proxies.filter(({ ready }) => ready.version === version).length;
      const { count, complete: isComplete } = await observer.sharers(version);
      this.#history.add({ kind: 'counted', version, count, isComplete, running });
    }
    const { version } = victim.ready;
    await this.#clients.get(0)?.();
    const others = proxies.filter(({ ready }) => ready.version === version).length - 1;
    await victim.actor.kill();
    const killed = this.#history.now();
    this.#history.add({ kind: 'unmounted', proxy: victim.name, how: 'killed' });
    await this.#waitForLeaseToEnd({ observer, proxy: victim.name, version, others, killed });
  }

  async #waitForLeaseToEnd(what: {
    observer: Observer;
    proxy: string;
    version: string;
    others: number;
    killed: number;
  }): Promise<void> {
    const { observer, proxy, version, others, killed } = what;
    const limit = 2 * this.#options.leaseSeconds * 1000;
    for (;;) {
      const { count } = await observer.sharers(version);
      const afterMs = this.#history.now() - killed;
      if (count <= others) {
        this.#history.add({ kind: 'lease-ended', proxy, afterMs });
        return;
      }
      if (afterMs > limit) {
        this.#history.add({ kind: 'lease-stays', proxy, afterMs });
        return;
      }
      await sleep(POLL_MS);
    }
  }
}
