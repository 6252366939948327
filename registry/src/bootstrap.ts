import type { Libp2p } from '@libp2p/interface';
import type { Logger } from 'pino';
import { sleep, type Clock } from './clock.ts';
import { resolveBootstrap, type DnsResolver } from './bootstrap-names.ts';
import { messageOf } from './errors.ts';
import type { KadRouting } from './kad-routing.ts';
import { parseNodeAddress } from './node-address.ts';
import type { RememberedPeers } from './remembered-peers.ts';

const DIAL_TIMEOUT_MS = 3000;
/** How long after a dial the peer may take to enter the routing table (identify, kad's ping). */
const ADMISSION_MS = 2000;
const FIRST_RETRY_MS = 1000;
const MAX_RETRY_MS = 30_000;

/** What joining needs. */
export interface BootstrapInit {
  /** Multiaddrs, of names too: `/dns4/HOST/tcp/PORT`, `/dnsaddr/HOST`. */
  readonly addresses: readonly string[];
  readonly dns: DnsResolver;
  /** Who was there when this node last ran. */
  readonly remembered: RememberedPeers;
  readonly libp2p: Libp2p;
  readonly routing: KadRouting;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Looks the node itself up, which fills its routing table with its neighbours. */
  readonly refresh: () => Promise<void>;
  readonly firstRefreshMs: number;
  readonly refreshIntervalMs: number;
}

/**
 * Joins the network through the bootstrap nodes and those that it remembers, and joins again
 * whenever all peers were lost.
 */
export class Bootstrap {
  readonly #init: BootstrapInit;
  readonly #stopped = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(init: BootstrapInit) {
    this.#init = init;
  }

  /** Resolves true once the node knows a peer, false when no bootstrap node let it in. */
  async start(): Promise<boolean> {
    const { routing, clock, firstRefreshMs } = this.#init;
    const joined = await this.#join();
    if (joined) await this.#refresh();
    // A first peer that comes by itself deserves the same early refresh.
    let early = routing.size > 0;
    routing.onPeer(() => {
      if (early) return;
      early = true;
      clock.after(firstRefreshMs, () => void this.#refresh());
    });
    this.#loop = this.#stayJoined();
    return joined;
  }

  async close(): Promise<void> {
    this.#stopped.abort();
    await this.#loop;
    await this.#init.remembered.keep(await this.#init.routing.all());
  }

  get #hasDoors(): boolean {
    return this.#init.addresses.length > 0 || this.#init.remembered.addresses().length > 0;
  }

  async #join(): Promise<boolean> {
    const { addresses, dns, remembered, routing, clock, logger } = this.#init;
    const { signal } = this.#stopped;
    const named = await resolveBootstrap(addresses, dns, (name, reason) =>
      logger.debug({ name, reason }, 'bootstrap name not resolved'),
    );
    // All at once: the first that answers is enough, and what is remembered may be long gone.
    const doors = new Set([...named, ...remembered.addresses()]);
    try {
      await Promise.any([...doors].map((address) => this.#dial(address)));
    } catch {
      return false;
    }
    const deadline = clock.now() + ADMISSION_MS;
    while (routing.size === 0 && clock.now() < deadline && !signal.aborted) {
      await sleep(clock, 20, signal);
    }
    return routing.size > 0;
  }

  async #dial(address: string): Promise<void> {
    const { libp2p, logger } = this.#init;
    const timeout = AbortSignal.timeout(DIAL_TIMEOUT_MS);
    const signal = AbortSignal.any([this.#stopped.signal, timeout]);
    try {
      await libp2p.dial(parseNodeAddress(address), { signal });
    } catch (error) {
      logger.debug({ address, reason: messageOf(error) }, 'bootstrap node does not answer');
      throw error;
    }
  }

  async #stayJoined(): Promise<void> {
    const { routing, clock, logger, refreshIntervalMs } = this.#init;
    const { signal } = this.#stopped;
    let retryMs = FIRST_RETRY_MS;
    let refreshAt = clock.now() + refreshIntervalMs;
    for (;;) {
      await sleep(clock, Math.min(retryMs, refreshIntervalMs), signal);
      if (signal.aborted) return;
      if (routing.size === 0 && this.#hasDoors) {
        if (await this.#join()) {
          logger.info({ peers: routing.size }, 'joined the registry');
          retryMs = FIRST_RETRY_MS;
          await this.#refresh();
        } else {
          retryMs = Math.min(2 * retryMs, MAX_RETRY_MS);
        }
      } else if (clock.now() >= refreshAt) {
        refreshAt = clock.now() + refreshIntervalMs;
        await this.#refresh();
      }
    }
  }

  async #refresh(): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    try {
      await this.#init.refresh();
      await this.#init.remembered.keep(await this.#init.routing.all());
    } catch (error) {
      this.#init.logger.debug({ reason: messageOf(error) }, 'self-lookup failed');
    }
  }
}
