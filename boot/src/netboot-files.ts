import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BootError } from './boot-error.ts';
import { findKernel, type KernelChoice } from './kernel-files.ts';
import type { Initramfs } from './kernel-command-line.ts';
import type { BootImage } from './machines.ts';

/** Kernel and initrd of an image, on this machine's disk. */
export interface NetbootImage {
  /** Has `vmlinuz` and `initrd.img`. */
  readonly directory: string;
  /** The same below the root of TFTP. */
  readonly path: string;
  readonly initramfs: Initramfs;
}

/** Below the root of TFTP; in it, a directory for each image. */
const IMAGES = 'images';
/** A file in each of these: what the rest was taken from. */
const LABEL = 'taken-from';
const IMAGE_KEY = /^[\w-]+$/;
const KEPT_MS = 3_600_000;

/**
 * Kernels and initrds that were taken out of images: on disk, because TFTP is served from there, and because
 * the next machine wants the same. Taken out once, however many machines ask at once.
 */
export class NetbootFiles {
  readonly #root: string;
  readonly #choice: KernelChoice;
  readonly #taken = new Map<string, Promise<NetbootImage>>();

  /** @param root of TFTP; made when missing */
  constructor(root: string, choice: KernelChoice) {
    this.#root = root;
    this.#choice = choice;
  }

  /** @throws BootError NO_KERNEL; what reading the image throws. The next call tries again. */
  of(image: BootImage): Promise<NetbootImage> {
    const known = this.#taken.get(image.key);
    if (known !== undefined) return known;
    const taken = this.#find(image);
    this.#taken.set(image.key, taken);
    taken.catch(() => this.#taken.delete(image.key));
    return taken;
  }

  /** Where is what was taken out of the image with this key, by whoever ran before too; undefined when nothing was. */
  taken(key: string): string | undefined {
    if (!IMAGE_KEY.test(key)) return undefined;
    const directory = join(this.#root, IMAGES, key);
    return existsSync(join(directory, LABEL)) ? directory : undefined;
  }

  async #find(image: BootImage): Promise<NetbootImage> {
    const path = `${IMAGES}/${image.key}`;
    const directory = join(this.#root, path);
    const chosen = await findKernel(image.files, this.#choice);
    const label = `${JSON.stringify(chosen)}\n`;
    const there = await readFile(join(directory, LABEL), 'utf8').catch(() => undefined);
    if (there !== label) {
      await mkdir(join(this.#root, IMAGES), { recursive: true });
      await this.#removeOld();
      const unfinished = await mkdtemp(join(this.#root, IMAGES, '.unfinished-'));
      try {
        await this.#take(image, chosen.kernel, join(unfinished, 'vmlinuz'));
        await this.#take(image, chosen.initrd, join(unfinished, 'initrd.img'));
        await writeFile(join(unfinished, LABEL), label);
        await rm(directory, { recursive: true, force: true });
        await rename(unfinished, directory);
      } finally {
        await rm(unfinished, { recursive: true, force: true });
      }
    }
    return { directory, path, initramfs: chosen.initramfs };
  }

  /** What no machine booted since the start, and none can still be fetching. */
  async #removeOld(): Promise<void> {
    const images = join(this.#root, IMAGES);
    for (const name of await readdir(images)) {
      if (this.#taken.has(name)) continue;
      const path = join(images, name);
      const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
      if (Date.now() - mtimeMs > KEPT_MS) await rm(path, { recursive: true, force: true });
    }
  }

  async #take({ files }: BootImage, path: string, to: string): Promise<void> {
    const contents = await files.open(path);
    if (contents === undefined) throw new BootError('NO_KERNEL', `the image has no file ${path}`);
    await pipeline(contents, createWriteStream(to));
  }
}
