import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Location, Locator, UseLease, UseRegistry } from './locator.ts';
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

/**
 * Keeps the list of servers fresh, and the lease on the version held, while the proxy runs. Neither is
 * ever a reason to stop: what is known is used until something newer is known.
 */
export class LocationWatch {
  readonly #options: LocationWatchOptions;
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;
  #hurry: () => void = () => undefined;
  #lease: UseLease | undefined;

  constructor(options: LocationWatchOptions) {
    this.#options = options;
  }

  /** `onLocation` gets each fresh list of servers. */
  start(onLocation: (location: Location) => Promise<void>): void {
    this.#running = this.#run(onLocation);
  }

  /** A server failed: the list may have changed. */
  hurry(): void {
    this.#hurry();
  }

  /** Gives the lease back. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#hurry();
    await this.#running;
    await this.#lease?.release();
  }

  async #run(onLocation: (location: Location) => Promise<void>): Promise<void> {
    const { everyMs, minMs } = this.#options;
    const { signal } = this.#closing;
    await this.#hold();
    for (;;) {
      await this.#pause(minMs, signal);
      const hurried = new AbortController();
      this.#hurry = () => hurried.abort();
      await this.#pause(everyMs - minMs, AbortSignal.any([signal, hurried.signal]));
      if (signal.aborted) return;
      await this.#locate(onLocation);
      await this.#hold();
    }
  }

  async #locate(onLocation: (location: Location) => Promise<void>): Promise<void> {
    const { locator, location, logger, timeoutMs } = this.#options;
    const { version } = location;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(timeoutMs)]);
    try {
      const found = await locator.locate(version === undefined ? {} : { version }, signal);
      if (found.servers.length > 0 && found.version === version) await onLocation(found);
    } catch (error) {
      logger.warn({ err: error }, `the list of servers stays as it is: ${messageOf(error)}`);
    }
  }

  async #hold(): Promise<void> {
    const { uses, location, logger } = this.#options;
    if (uses === undefined || this.#lease !== undefined || this.#closing.signal.aborted) return;
    try {
      this.#lease = await uses.hold(location);
    } catch (error) {
      logger.warn({ err: error }, `this use is not announced yet: ${messageOf(error)}`);
    }
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    await pause(Math.max(0, ms), undefined, { signal, ref: false }).catch(() => undefined);
  }
}
