import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  type BootRecord,
  cameUp,
  type MacAddress,
  type MachineRoot,
  nextBoot,
  rollbackOf,
} from '@rowfs/boot';
import {
  createProxy,
  type Locator,
  type Proxy,
  type ProxyOptions,
  type UpgradePolicy,
} from '@rowfs/proxy';
import type { Session } from '@rowfs/registry';
import type { Logger } from 'pino';
import { sessionOf } from '../session.ts';
import { imageFiles } from './image-files.ts';
import { readBootRecord, writeBootRecord } from './machine-record.ts';
import { SwitchedUses } from './switched-uses.ts';

export interface MachineOptions {
  readonly mac: MacAddress;
  /** Of all machines' proxies: what is not this one's own. */
  readonly proxy: Omit<ProxyOptions, 'stateDirectory' | 'listen' | 'logger'> & {
    readonly upgrade: UpgradePolicy;
  };
  readonly host: string;
  readonly port: number;
  /** Of the machine, for as long as it is known. */
  readonly stateDirectory: string;
  /** How long a version that is new to it may take to come up, in ms; 0 for ever. */
  readonly upWithinMs: number;
  readonly logger: Logger;
}

interface Running {
  readonly proxy: Proxy;
  readonly uses: SwitchedUses | undefined;
  readonly version: string | undefined;
  readonly imageKey: string;
}

const LOCATE_MS = 15_000;
/** Without a sign of life, and without a call, a machine that gave signs of life is switched off. */
const OFF_AFTER_MS = 30_000;

/** A machine that boots here: its root, and what it boots next. What is done to it is done in turn. */
export class Machine {
  readonly #options: MachineOptions;
  #running: Running | undefined;
  #record: BootRecord | undefined;
  #newest: string | undefined;
  #notice: string | undefined;
  /** Since this process runs; undefined before the first sign of life of this boot. */
  #lastSign: number | undefined;
  /** Since when there should be some, as there were before this process; undefined when nobody knows of any. */
  #signsSince: number | undefined;
  #calls = 0;
  #lastCall = Date.now();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: MachineOptions) {
    this.#options = options;
  }

  get proxy(): Proxy | undefined {
    return this.#running?.proxy;
  }

  /** Serves its root as it was: it may be running since before this process. Nothing if it never had one. */
  resume(): Promise<void> {
    return this.#inTurn(async () => {
      if (!existsSync(this.#options.stateDirectory)) return;
      this.#record = await readBootRecord(this.#recordPath);
      if (this.#record?.isUp === true) this.#signsSince = Date.now();
      // After a clean end too: that was the end of this process, not of the machine.
      await this.#start(this.#record?.booted, 'keep');
    });
  }

  /** It begins to boot. @param mountPort of the MOUNT that all machines share */
  begin(mountPort: number): Promise<MachineRoot> {
    return this.#inTurn(async () => {
      this.#record ??= await readBootRecord(this.#recordPath);
      const version = await this.#choose();
      if (this.#running === undefined || this.#running.version !== version) {
        await this.#stop();
        await this.#start(version, this.#options.proxy.upgrade);
      }
      this.#lastSign = undefined;
      this.#signsSince = undefined;
      this.#lastCall = Date.now();
      const running = this.#running;
      if (running === undefined) throw new Error('a root was started, and is not there');
      await running.uses?.switch(true);
      running.proxy.bootBegins();
      const { mac, host, port } = this.#options;
      return {
        nfs: { host, port, mountPort, path: `/${mac}` },
        image: { key: running.imageKey, files: imageFiles(running.proxy.image) },
      };
    });
  }

  /** It said that it is up. */
  isUp(): Promise<void> {
    this.#lastSign = Date.now();
    return this.#inTurn(async () => {
      if (this.#record !== undefined && !this.#record.isUp) {
        await this.#write(cameUp(this.#record));
        const { mac, logger } = this.#options;
        logger.info({ mac, version: this.#record.booted }, 'the machine is up');
      }
      await this.#running?.uses?.switch(true);
    });
  }

  /** Sees whether it was switched off, or on again. @param newest version, when that is known */
  watch(newest: string | undefined): Promise<void> {
    return this.#inTurn(async () => {
      const running = this.#running;
      if (running === undefined) return;
      this.#newest = newest ?? this.#newest;
      const calls = await callsOf(running.proxy);
      if (calls !== this.#calls) this.#lastCall = Date.now();
      this.#calls = calls;
      const last = Math.max(this.#lastSign ?? this.#signsSince ?? Infinity, this.#lastCall);
      const isOn = Date.now() - last < OFF_AFTER_MS;
      if (running.uses === undefined || running.uses.isOn === isOn) return;
      const { mac, logger } = this.#options;
      logger.info({ mac }, isOn ? 'the machine is on again' : 'the machine seems switched off');
      await running.uses.switch(isOn);
    });
  }

  /** As the operators' REST shows it; undefined while nothing is served. */
  async session(): Promise<Session | undefined> {
    const running = this.#running;
    if (running === undefined) return undefined;
    const { mac } = this.#options;
    const session = sessionOf(running.proxy, await running.proxy.status(), mac);
    const record = this.#record;
    return {
      ...session,
      notices: [...session.notices, ...(this.#notice === undefined ? [] : [this.#notice])],
      machine: {
        mac,
        state: this.#state(),
        booted: record?.booted ?? null,
        staged: this.#staged(),
        rollback: (record && rollbackOf(record)) ?? null,
        failed: record?.failed ?? null,
        lastSign: this.#lastSign === undefined ? null : new Date(this.#lastSign).toISOString(),
      },
    };
  }

  close(): Promise<void> {
    return this.#inTurn(() => this.#stop());
  }

  /** Of which version its root is to be; undefined where there are none. */
  async #choose(): Promise<string | undefined> {
    const { proxy, mac, upWithinMs, logger } = this.#options;
    if (proxy.version !== undefined) return proxy.version;
    const record = this.#record;
    if (proxy.upgrade === 'keep' && record !== undefined) return record.booted;
    this.#newest = (await newestVersion(proxy.locator)) ?? this.#running?.version ?? record?.booted;
    if (this.#newest === undefined) return undefined;
    const next = nextBoot(record, this.#newest, Date.now(), upWithinMs);
    if (next.gaveUp !== undefined) {
      this.#notice = `version ${next.gaveUp} did not come up within ${upWithinMs / 1000} s: going on with ${next.version}`;
      logger.warn({ mac }, this.#notice);
    } else if (next.version === this.#newest) {
      this.#notice = undefined;
    }
    await this.#write(next.record);
    return next.version;
  }

  async #start(version: string | undefined, upgrade: UpgradePolicy): Promise<void> {
    const { proxy: options, host, port, stateDirectory, mac, logger } = this.#options;
    const uses = options.uses === undefined ? undefined : new SwitchedUses(options.uses);
    const proxy = await createProxy({
      ...options,
      upgrade,
      ...(version === undefined ? {} : { version }),
      ...(uses === undefined ? {} : { uses }),
      stateDirectory,
      listen: { host, port },
      logger: logger.child({ mac }),
    });
    const status = await proxy.status();
    // Servers of a plain export may have another kernel the next time.
    const imageKey = status.image?.digest ?? `plain-${Date.parse(status.startedAt)}`;
    this.#running = { proxy, uses, version: status.version, imageKey };
    this.#calls = 0;
  }

  async #stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.proxy.close();
  }

  #state(): 'booting' | 'up' | 'off' {
    if (this.#running?.uses?.isOn === false) return 'off';
    // Of a plain export there is no record.
    const isUp = this.#record?.isUp ?? this.#lastSign !== undefined;
    return isUp ? 'up' : 'booting';
  }

  #staged(): string | null {
    const { proxy } = this.#options;
    const record = this.#record;
    if (proxy.version !== undefined) return proxy.version;
    if (proxy.upgrade === 'keep' && record !== undefined) return record.booted;
    return (record?.failed === this.#newest ? record?.good : this.#newest) ?? null;
  }

  async #write(record: BootRecord): Promise<void> {
    await writeBootRecord(this.#recordPath, record);
    this.#record = record;
  }

  get #recordPath(): string {
    return join(this.#options.stateDirectory, 'boot.json');
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(act);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

/** Undefined when nobody can say, and where there are no versions. */
export async function newestVersion(locator: Locator): Promise<string | undefined> {
  try {
    return (await locator.locate({}, AbortSignal.timeout(LOCATE_MS))).version;
  } catch {
    return undefined;
  }
}

async function callsOf(proxy: Proxy): Promise<number> {
  const { calls } = await proxy.status();
  return Object.values(calls.up).reduce((sum, each) => sum + each.calls, 0);
}
