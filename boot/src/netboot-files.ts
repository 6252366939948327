import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
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

  /** What was taken out of the image with this key, since the start; undefined when nothing was. */
  taken(key: string): Promise<NetbootImage> | undefined {
    return this.#taken.get(key);
  }

  async #find(image: BootImage): Promise<NetbootImage> {
    const path = `images/${image.key}`;
    const directory = join(this.#root, path);
    const chosen = await findKernel(image.files, this.#choice);
    const label = `${JSON.stringify(chosen)}\n`;
    const there = await readFile(join(directory, 'taken-from'), 'utf8').catch(() => undefined);
    if (there !== label) {
      await mkdir(join(this.#root, 'images'), { recursive: true });
      const unfinished = await mkdtemp(join(this.#root, 'images', '.unfinished-'));
      try {
        await this.#take(image, chosen.kernel, join(unfinished, 'vmlinuz'));
        await this.#take(image, chosen.initrd, join(unfinished, 'initrd.img'));
        await writeFile(join(unfinished, 'taken-from'), label);
        await rm(directory, { recursive: true, force: true });
        await rename(unfinished, directory);
      } finally {
        await rm(unfinished, { recursive: true, force: true });
      }
    }
    return { directory, path, initramfs: chosen.initramfs };
  }

  async #take({ files }: BootImage, path: string, to: string): Promise<void> {
    const contents = await files.open(path);
    if (contents === undefined) throw new BootError('NO_KERNEL', `the image has no file ${path}`);
    await pipeline(contents, createWriteStream(to));
  }
}
