import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Location, Locator, UseLease, UseRegistry } from './locator.ts';
import { onTime } from './on-time.ts';
import { messageOf } from './proxy-error.ts';

export interface LocationWatchOptions {
  readonly locator: Locator;
  readonly uses: UseRegistry | undefined;
  readonly location: Location;
  /** How often the locator is asked, in ms; at once when servers fail, but not more often than `minMs`. */
  readonly everyMs: number;
  readonly minMs: number;
  /** How long one answer of the locator or of the use registry may take, in ms. */
  readonly timeoutMs: number;
  readonly logger: Logger;
}

export interface LocationListener {
  /** There is a fresh list of servers. */
  located(location: Location): Promise<void>;
  /** There is none: what is known is getting old. */
  failed(): void;
}

/**
 * Keeps the list of servers fresh, and the lease on the version held, while the proxy runs. Neither is
 * ever a reason to stop: what is known is used until something newer is known.
 */
export class LocationWatch {
  readonly #options: LocationWatchOptions;
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;
  #isHurried = false;
  #endPause: () => void = () => undefined;
  #lease: UseLease | undefined;

  constructor(options: LocationWatchOptions) {
    this.#options = options;
  }

  start(listener: LocationListener): void {
    this.#running = this.#run(listener);
  }

  /** A server failed: the list may have changed. */
  hurry(): void {
    this.#isHurried = true;
    this.#endPause();
  }

  /** Gives the lease back. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    await this.#lease?.release();
  }

  async #run(listener: LocationListener): Promise<void> {
    const { everyMs, minMs } = this.#options;
    const { signal } = this.#closing;
    await this.#hold();
    for (;;) {
      await this.#pause(minMs, signal);
      const hurried = new AbortController();
      this.#endPause = () => hurried.abort();
      if (!this.#isHurried)
        await this.#pause(everyMs - minMs, AbortSignal.any([signal, hurried.signal]));
      if (signal.aborted) return;
      this.#isHurried = false;
      await this.#locate(listener);
      await this.#hold();
    }
  }

  async #locate(listener: LocationListener): Promise<void> {
    const { locator, location, logger, timeoutMs } = this.#options;
    const { version } = location;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(timeoutMs)]);
    try {
      const located = locator.locate(version === undefined ? {} : { version }, signal);
      const found = await onTime(located, signal);
      if (found.servers.length > 0 && found.version === version) await listener.located(found);
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      listener.failed();
      logger.warn({ err: error }, `the list of servers stays as it is: ${messageOf(error)}`);
    }
  }

  async #hold(): Promise<void> {
    const { uses, location, logger } = this.#options;
    if (uses === undefined || this.#lease !== undefined || this.#closing.signal.aborted) return;
    const { signal } = this.#closing;
    const held = uses.hold(location);
    try {
      this.#lease = await onTime(held, signal);
    } catch (error) {
      // A lease that comes after all is given back; if that fails too, it runs out.
      if (signal.aborted) held.then((lease) => lease.release()).catch(() => undefined);
      logger.warn({ err: error }, `this use is not announced yet: ${messageOf(error)}`);
    }
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    await pause(Math.max(0, ms), undefined, { signal, ref: false }).catch(() => undefined);
  }
}
