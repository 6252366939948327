import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isApplianceId } from './appliance-id.ts';

/**
 * The appliances that were published from one state directory, an empty file each: what a
 * publisher's node keeps fresh, and what must hear of a change of the key.
 */
export class PublishedAppliances {
  readonly #directory: string;

  constructor(stateDir: string) {
    this.#directory = join(stateDir, 'published');
  }

  async add(appliance: string): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await writeFile(join(this.#directory, appliance), '', { mode: 0o600 });
  }

  async list(): Promise<string[]> {
    try {
      return (await readdir(this.#directory)).filter(isApplianceId).sort();
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
      throw error;
    }
  }
}
