import { readFile, rename, writeFile } from 'node:fs/promises';
import type { MacAddress } from '@rowfs/boot';
import { z } from 'zod';
import { CliError, lineOf } from '../errors.ts';

const schema = z.record(z.string(), z.int().min(1).max(65_535));

/**
 * The port of NFS of each machine that ever booted, on disk: a machine that runs finds its root where it
 * was when this process is started anew.
 */
export class MachinePorts {
  readonly #path: string;
  readonly #first: number;
  readonly #ports: Map<MacAddress, number>;

  private constructor(path: string, first: number, ports: Map<MacAddress, number>) {
    this.#path = path;
    this.#first = first;
    this.#ports = ports;
  }

  /**
   * @param first the port of the first machine; the next has the next
   * @throws CliError STATE_UNUSABLE
   */
  static async open(path: string, first: number): Promise<MachinePorts> {
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '{}';
      throw error;
    });
    try {
      const ports = Object.entries(schema.parse(JSON.parse(text)));
      return new MachinePorts(path, first, new Map(ports as [MacAddress, number][]));
    } catch (error) {
      throw new CliError('STATE_UNUSABLE', `cannot use ${path}: ${lineOf(error)}`, {
        cause: error,
      });
    }
  }

  get machines(): MacAddress[] {
    return [...this.#ports.keys()];
  }

  /** The machine's port; a new one is on disk when this resolves. */
  async of(mac: MacAddress): Promise<number> {
    const known = this.#ports.get(mac);
    if (known !== undefined) return known;
    const taken = new Set(this.#ports.values());
    let port = this.#first;
    while (taken.has(port)) port += 1;
    this.#ports.set(mac, port);
    const file = `${this.#path}.new`;
    await writeFile(file, JSON.stringify(Object.fromEntries(this.#ports), null, 2), {
      flush: true,
    });
    await rename(file, this.#path);
    return port;
  }
}
