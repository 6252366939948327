import { join } from 'node:path';
import type { MacAddress, MachineRoot, Machines } from '@rowfs/boot';
import { Mountstat3, type MountResult, type Nfs3Context, type Nfs3Service } from '@rowfs/nfs3';
import { createProxy, type Proxy, type ProxyOptions, type UpgradePolicy } from '@rowfs/proxy';
import type { Logger } from 'pino';
import { lineOf } from '../errors.ts';
import { imageFiles } from './image-files.ts';
import type { MachinePorts } from './machine-ports.ts';

export interface MachineRootsOptions {
  /** Of all proxies; the state directory and the port are each machine's own. */
  readonly proxy: Omit<ProxyOptions, 'stateDirectory' | 'listen' | 'upgrade' | 'logger'> &
    Required<Pick<ProxyOptions, 'upgrade'>>;
  readonly host: string;
  /** Of the MOUNT that asks {@link MachineRoots.mount}. */
  readonly mountPort: () => number;
  readonly ports: MachinePorts;
  /** Below it is the state of each machine. */
  readonly directory: string;
  readonly logger: Logger;
}

/** A machine's proxy, and the version it runs. */
interface Running {
  readonly proxy: Proxy;
  readonly version: string | undefined;
  readonly key: string;
}

const LOCATE_MS = 15_000;

/** The roots of machines that boot here: a proxy, with a shadow, for each. */
export class MachineRoots implements Machines {
  readonly #options: MachineRootsOptions;
  readonly #running = new Map<MacAddress, Running>();
  /** What is done to a machine is done in turn. */
  readonly #turns = new Map<MacAddress, Promise<unknown>>();

  constructor(options: MachineRootsOptions) {
    this.#options = options;
  }

  /** The roots of machines that may be running since before this process, each as it was. */
  async resume(): Promise<void> {
    const { ports, logger } = this.#options;
    await Promise.all(
      ports.machines.map((mac) =>
        this.#inTurn(mac, () => this.#start(mac, 'keep')).catch((error: unknown) =>
          logger.error({ err: error, mac }, `its root cannot be served: ${lineOf(error)}`),
        ),
      ),
    );
  }

  begin(mac: MacAddress): Promise<MachineRoot> {
    return this.#inTurn(mac, async () => {
      const running = this.#running.get(mac);
      if (running === undefined) return this.#rootOf(mac, await this.#start(mac));
      if (await this.#isNewest(running)) return this.#rootOf(mac, running);
      this.#running.delete(mac);
      await running.proxy.close();
      return this.#rootOf(mac, await this.#start(mac));
    });
  }

  isUp(mac: MacAddress): void {
    this.#options.logger.info({ mac }, 'the machine is up');
  }

  /** The proxies that run, by machine. */
  get proxies(): ReadonlyMap<MacAddress, Proxy> {
    return new Map([...this.#running].map(([mac, { proxy }]) => [mac, proxy]));
  }

  /** MNT of `/MAC`, and of what is below. */
  get mount(): Pick<Nfs3Service, 'mount'> {
    return {
      mount: async (path: string, ctx: Nfs3Context): Promise<MountResult> => {
        const [, mac = '', ...below] = path.split('/');
        const running = this.#running.get(mac as MacAddress);
        if (running === undefined) return { status: Mountstat3.NOENT };
        return running.proxy.service.mount(`/${below.join('/')}`, ctx);
      },
    };
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#turns.values());
    const closed = [...this.#running.values()].map(({ proxy }) => proxy.close());
    await Promise.all(closed);
  }

  async #start(
    mac: MacAddress,
    upgrade: UpgradePolicy = this.#options.proxy.upgrade,
  ): Promise<Running> {
    const { proxy: options, host, ports, directory, logger } = this.#options;
    const proxy = await createProxy({
      ...options,
      upgrade,
      stateDirectory: join(directory, mac),
      listen: { host, port: await ports.of(mac) },
      logger: logger.child({ mac }),
    });
    const { version, image, startedAt } = await proxy.status();
    // Servers of a plain export may have another kernel the next time.
    const key = image?.digest ?? `plain-${Date.parse(startedAt)}`;
    const running = { proxy, version, key };
    this.#running.set(mac, running);
    return running;
  }

  async #isNewest({ version }: Running): Promise<boolean> {
    const { locator, version: asked } = this.#options.proxy;
    const wanted = asked === undefined ? {} : { version: asked };
    try {
      const newest = await locator.locate(wanted, AbortSignal.timeout(LOCATE_MS));
      return newest.version === version;
    } catch {
      // Nobody knows of anything newer.
      return true;
    }
  }

  #rootOf(mac: MacAddress, { proxy, key }: Running): MachineRoot {
    const { host, mountPort } = this.#options;
    const { port } = proxy.address;
    return {
      nfs: { host, port, mountPort: mountPort(), path: `/${mac}` },
      image: { key, files: imageFiles(proxy.image) },
    };
  }

  #inTurn<T>(mac: MacAddress, act: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(mac) ?? Promise.resolve();
    const turn = before.catch(() => undefined).then(act);
    this.#turns.set(mac, turn);
    return turn;
  }
}
