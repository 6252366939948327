import { randomFillSync } from 'node:crypto';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const FILES = 48;
const DIRECTORIES = 6;
const FILE_BYTES = 96 * 1024;
/** From one version to the next. */
const CHANGED_FILES = 6;

/** The versions of the appliance that a run publishes: each differs from the one before in some files. */
export class Versions {
  readonly #directory: string;
  /** Of each version: path in the image, and what is there. */
  readonly #contents = new Map<string, ReadonlyMap<string, Buffer>>();
  #count = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Makes the next one. @returns its name. */
  async makeNext(): Promise<string> {
    const before = this.#contents.get(`v${this.#count}`);
    this.#count += 1;
    const name = `v${this.#count}`;
    const contents = new Map<string, Buffer>();
    for (let number = 0; number < FILES; number += 1) {
      const path = `/part-${number % DIRECTORIES}/file-${number}`;
      const isChanged = (number + this.#count) % (FILES / CHANGED_FILES) === 0;
      const kept = isChanged ? undefined : before?.get(path);
      contents.set(path, kept ?? randomFillSync(Buffer.alloc(FILE_BYTES - number)));
    }
    this.#contents.set(name, contents);
    for (const [path, bytes] of contents) {
      await mkdir(join(this.directory(name), path, '..'), { recursive: true });
      await writeFile(join(this.directory(name), path), bytes);
    }
    return name;
  }

  /** Where its files are made. */
  directory(version: string): string {
    return join(this.#directory, version);
  }

  /** Copies it, with its manifest, into what a server exports. */
  async copyTo(exported: string, version: string): Promise<void> {
    await cp(this.directory(version), join(exported, version), {
      recursive: true,
      preserveTimestamps: true,
    });
  }

  /** Removes what a server has of it, as gc says that one may. */
  async removeFrom(exported: string, version: string): Promise<void> {
    await rm(join(exported, version), { recursive: true, force: true });
  }

  /** The files that a client of this version finds. */
  contents(version: string): ReadonlyMap<string, Buffer> {
    return this.#contents.get(version) ?? new Map<string, Buffer>();
  }
}
