import { setTimeout as sleep } from 'node:timers/promises';
import {
  countSharers,
  createRegistryNode,
  createResolver,
  type RegistryNode,
  type SharersRead,
} from '@rowfs/registry';
import { pino } from 'pino';
import { lineOf } from '../errors.ts';
import type { History } from './history.ts';

/** Between two questions. */
const INTERVAL_MS = 500;

/** Somebody who asks the registry, again and again, for the newest version, and notes what it is told. */
export class Observer {
  readonly name: string;
  readonly #node: RegistryNode;
  readonly #appliance: string;
  readonly #history: History;

  /** @param address of this machine, that it asks from. */
  static async start(
    name: string,
    {
      address,
      bootstrap,
      appliance,
      history,
    }: { address: string; bootstrap: readonly string[]; appliance: string; history: History },
  ): Promise<Observer> {
    const node = await createRegistryNode({
      ephemeral: true,
      listen: [],
      mode: 'client',
      dialFrom: address,
      bootstrap,
      logger: pino({ level: 'silent' }),
    });
    return new Observer(name, node, appliance, history);
  }

  private constructor(name: string, node: RegistryNode, appliance: string, history: History) {
    this.name = name;
    this.#node = node;
    this.#appliance = appliance;
    this.#history = history;
  }

  /** Asks until the signal comes. */
  async observe(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.ask();
      await sleep(INTERVAL_MS);
    }
  }

  /** Asks once, and notes the answer. */
  async ask(): Promise<void> {
    try {
      const { latest, staleSince } = await createResolver(this.#node).latest(this.#appliance);
      const { version, seq } = latest;
      const isStale = staleSince !== undefined;
      this.#history.add({ kind: 'resolved', observer: this.name, version, seq, isStale });
    } catch (error) {
      this.#history.add({ kind: 'not-resolved', observer: this.name, reason: lineOf(error) });
    }
  }

  sharers(version: string): Promise<SharersRead> {
    return countSharers(this.#node, { appliance: this.#appliance, version });
  }

  async close(): Promise<void> {
    await this.#node.close();
  }
}
