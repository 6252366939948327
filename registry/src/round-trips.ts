import type { Peer } from './protocol/messages.ts';

/** Before the first answer nothing is known of the network's speed. */
const FIRST_PATIENCE_MS = 400;
const FIRST_LATE_AFTER_MS = 100;
/** Below this it is the machines that are late, not the network: a collector's pause, a busy core. */
const MIN_PATIENCE_MS = 40;
/** How much of a new sample enters the estimate (RFC 6298, section 2.3: alpha and beta). */
const MEAN_GAIN = 1 / 8;
const DEVIATION_GAIN = 1 / 4;
/**
 * How many deviations above the mean an answer may take, and before it is late. RFC 6298 has 4: a
 * wrong guess costs TCP more than it costs us, who have eight replicas.
 */
const DEVIATIONS = 3;
const DEVIATIONS_UNTIL_LATE = 1;
/** A far peer may always take this many times as long as it took before, and is late after these. */
const OWN_PACE = 3;
const OWN_PACE_UNTIL_LATE = 1.5;
/** TCP's handshake, noise, the muxer and the stream's protocol come before the request itself. */
const ROUND_TRIPS_TO_CONNECT = 5;
/** Bounds the memory; the longest unheard are forgotten first. */
const MAX_PEERS = 1024;

/**
 * How long answers take: of all peers together, as TCP estimates its round trip (RFC 6298), and of
 * each by itself. It says how long a silence is nothing to worry about.
 */
export class RoundTrips {
  #mean: number | undefined;
  #deviation = 0;
  /** In the order of their last answer. */
  readonly #ofPeers = new Map<string, number>();

  /** `peer`, to which there was a connection already, answered in `ms`. */
  observe(peer: Peer, ms: number): void {
    const mean = this.#mean;
    if (mean === undefined) {
      this.#mean = ms;
      this.#deviation = ms / 2;
    } else {
      this.#deviation += DEVIATION_GAIN * (Math.abs(ms - mean) - this.#deviation);
      this.#mean = mean + MEAN_GAIN * (ms - mean);
    }
    const known = this.#ofPeers.get(peer.id) ?? ms;
    this.#ofPeers.delete(peer.id);
    this.#ofPeers.set(peer.id, known + MEAN_GAIN * (ms - known));
    const [oldest] = this.#ofPeers.keys();
    if (this.#ofPeers.size > MAX_PEERS && oldest !== undefined) this.#ofPeers.delete(oldest);
  }

  /** For how many milliseconds to wait for an answer before it is better to go on without it. */
  patienceMs(peer: Peer, isConnected: boolean): number {
    return this.#within(peer, isConnected, DEVIATIONS, OWN_PACE) ?? FIRST_PATIENCE_MS;
  }

  /** After how many milliseconds it is worth asking somebody else, too. */
  lateAfterMs(peer: Peer, isConnected: boolean): number {
    const ms = this.#within(peer, isConnected, DEVIATIONS_UNTIL_LATE, OWN_PACE_UNTIL_LATE);
    return ms ?? FIRST_LATE_AFTER_MS;
  }

  #within(peer: Peer, isConnected: boolean, deviations: number, pace: number): number | undefined {
    if (this.#mean === undefined) return undefined;
    const ofAll = this.#mean + deviations * this.#deviation;
    const own = pace * (this.#ofPeers.get(peer.id) ?? 0);
    const ms = Math.max(MIN_PATIENCE_MS, ofAll, own);
    // Whole, as the clock's time is: a timer set to it never rings a moment too early.
    return Math.ceil(isConnected ? ms : ROUND_TRIPS_TO_CONNECT * ms);
  }
}
