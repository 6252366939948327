/** One thing that was done or seen in a run. Times are milliseconds since its beginning. */
export type ChaosEvent = { readonly at: number } & (
  | { readonly kind: 'fault'; readonly what: string }
  | { readonly kind: 'calm' }
  | { readonly kind: 'published'; readonly version: string; readonly seq: number }
  | { readonly kind: 'not-published'; readonly version: string; readonly reason: string }
  | {
      readonly kind: 'resolved';
      readonly observer: string;
      readonly version: string;
      readonly seq: number;
      /** Answered from what the observer knew, and said so. */
      readonly isStale: boolean;
    }
  | { readonly kind: 'not-resolved'; readonly observer: string; readonly reason: string }
  | { readonly kind: 'mounted'; readonly proxy: string; readonly version: string }
  | { readonly kind: 'unmounted'; readonly proxy: string; readonly how: 'ended' | 'killed' }
  | {
      readonly kind: 'read';
      readonly proxy: string;
      readonly version: string;
      readonly path: string;
      /** What NFS refused it with, or that the bytes are not the image's; undefined: all is right. */
      readonly wrong?: string;
      /** From the first call for it to the last byte, with all that was waited for. */
      readonly ms: number;
    }
  | {
      readonly kind: 'collected';
      /** When gc began. */
      readonly since: number;
      readonly versions: readonly string[];
    }
  | { readonly kind: 'not-collected'; readonly reason: string }
  | {
      readonly kind: 'counted';
      readonly version: string;
      /** Leases on it, and whether that is known to be all. */
      readonly count: number;
      readonly isComplete: boolean;
      /** Proxies that run it. */
      readonly running: number;
    }
  | {
      readonly kind: 'lease-ended';
      readonly proxy: string;
      /** After its process was killed. */
      readonly afterMs: number;
    }
  | { readonly kind: 'lease-stays'; readonly proxy: string; readonly afterMs: number }
);

export type ChaosEventOf<K extends ChaosEvent['kind']> = Extract<ChaosEvent, { kind: K }>;

type WithoutTime<E> = E extends unknown ? Omit<E, 'at'> : never;

/** What happened, in the order in which it was seen. */
export class History {
  readonly events: ChaosEvent[] = [];
  readonly #started = performance.now();
  readonly #onEvent: (event: ChaosEvent) => void;

  /** @param onEvent hears of each. */
  constructor(onEvent: (event: ChaosEvent) => void) {
    this.#onEvent = onEvent;
  }

  /** Milliseconds since the beginning. */
  now(): number {
    return Math.round(performance.now() - this.#started);
  }

  add(what: WithoutTime<ChaosEvent>): void {
    const event: ChaosEvent = { at: this.now(), ...what };
    this.events.push(event);
    this.#onEvent(event);
  }
}
