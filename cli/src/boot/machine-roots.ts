import { join } from 'node:path';
import type { MacAddress, MachineRoot, Machines } from '@rowfs/boot';
import { Mountstat3, type MountResult, type Nfs3Context, type Nfs3Service } from '@rowfs/nfs3';
import type { Session } from '@rowfs/registry';
import type { Logger } from 'pino';
import { lineOf } from '../errors.ts';
import { Machine, type MachineOptions, newestVersion } from './machine.ts';
import type { MachinePorts } from './machine-ports.ts';

export interface MachineRootsOptions extends Pick<MachineOptions, 'proxy' | 'host' | 'upWithinMs'> {
  readonly ports: MachinePorts;
  /** Below it is the state of each machine. */
  readonly directory: string;
  readonly logger: Logger;
}

const WATCH_MS = 5_000;
const LOCATE_EVERY_MS = 20_000;

/** The roots of the machines that boot here. */
export class MachineRoots implements Machines {
  readonly #options: MachineRootsOptions;
  readonly #machines = new Map<MacAddress, Machine>();
  readonly #watching: NodeJS.Timeout;
  #locatedAt = Date.now();
  #mountPort = 0;

  constructor(options: MachineRootsOptions) {
    this.#options = options;
    this.#watching = setInterval(() => void this.#watch(), WATCH_MS).unref();
  }

  /** The roots of machines that may be running since before this process, each as it was. */
  async resume(): Promise<void> {
    await Promise.all(
      this.#options.ports.machines.map(async (mac) => {
        const machine = await this.#machine(mac);
        await machine.resume().catch((error: unknown) => this.#failed(mac, error));
      }),
    );
  }

  /** Which port machines are told for MOUNT. */
  setMountPort(port: number): void {
    this.#mountPort = port;
  }

  async begin(mac: MacAddress): Promise<MachineRoot> {
    return (await this.#machine(mac)).begin(this.#mountPort);
  }

  isUp(mac: MacAddress): void {
    this.#machines
      .get(mac)
      ?.isUp()
      .catch((error: unknown) => this.#failed(mac, error));
  }

  async sessions(): Promise<Session[]> {
    const sessions = await Promise.all([...this.#machines.values()].map((each) => each.session()));
    return sessions.filter((session) => session !== undefined);
  }

  /** MNT of `/MAC`, and of what is below. */
  get mount(): Pick<Nfs3Service, 'mount'> {
    return {
      mount: async (path: string, ctx: Nfs3Context): Promise<MountResult> => {
        const [, mac = '', ...below] = path.split('/');
        const proxy = this.#machines.get(mac as MacAddress)?.proxy;
        if (proxy === undefined) return { status: Mountstat3.NOENT };
        return proxy.service.mount(`/${below.join('/')}`, ctx);
      },
    };
  }

  async close(): Promise<void> {
    clearInterval(this.#watching);
    await Promise.all([...this.#machines.values()].map((machine) => machine.close()));
  }

  async #machine(mac: MacAddress): Promise<Machine> {
    const { ports, directory, ...options } = this.#options;
    const port = await ports.of(mac);
    const known = this.#machines.get(mac);
    if (known !== undefined) return known;
    const machine = new Machine({ ...options, mac, port, stateDirectory: join(directory, mac) });
    this.#machines.set(mac, machine);
    return machine;
  }

  async #watch(): Promise<void> {
    const isDue = Date.now() - this.#locatedAt >= LOCATE_EVERY_MS;
    if (isDue) this.#locatedAt = Date.now();
    const newest = isDue ? await newestVersion(this.#options.proxy.locator) : undefined;
    for (const [mac, machine] of this.#machines)
      machine.watch(newest).catch((error: unknown) => this.#failed(mac, error));
  }

  #failed(mac: MacAddress, error: unknown): void {
    this.#options.logger.error({ err: error, mac }, lineOf(error));
  }
}
