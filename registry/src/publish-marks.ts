import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { constants } from 'node:fs';
import { join } from 'node:path';

/**
 * Marks of publishes that have begun and not ended, one file each. They are files, not records, so
 * that a gc in another process sees them; one that a crash left behind protects its version until
 * the publish is run again.
 */
export class PublishMarks {
  readonly #directory: string;

  constructor(stateDir: string) {
    this.#directory = join(stateDir, 'publishing');
  }

  /** The mark is on disk when this resolves. */
  async set(appliance: string, version: string): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const file = await open(join(this.#directory, fileName(appliance, version)), 'w', 0o600);
    await file.close();
    const directory = await open(this.#directory, constants.O_RDONLY);
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }

  async clear(appliance: string, version: string): Promise<void> {
    await rm(join(this.#directory, fileName(appliance, version)), { force: true });
  }

  /** The versions of an appliance that are being published. */
  async list(appliance: string): Promise<string[]> {
    const prefix = fileName(appliance, '');
    let names: string[];
    try {
      names = await readdir(this.#directory);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
      throw error;
    }
    return names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  }
}

// Neither appliance ids nor versions can contain a slash or a colon.
function fileName(appliance: string, version: string): string {
  return `${appliance}:${version}`;
}
