import { type Guest, GuestError, type StepResult, utf8 } from '../support/guest.ts';
import type { Check } from './workload.ts';

export const fileSystemNames = ['ext4', 'ganesha', 'proxy'] as const;
export type FileSystemName = (typeof fileSystemNames)[number];

const DETAIL_BYTES = 1_500;

export type TreeStepOptions = { readonly timeoutMs: number };

/** A tree with a Debian in it, mounted in the guest by one file system: its commands run in a chroot there. */
export class MountedTree {
  readonly fileSystem: FileSystemName;
  readonly #guest: Guest;
  readonly #mountpoint: string;

  constructor(fileSystem: FileSystemName, guest: Guest, mountpoint: string) {
    this.fileSystem = fileSystem;
    this.#guest = guest;
    this.#mountpoint = mountpoint;
  }

  /** Mounts what commands expect to find in a root. */
  async enter(): Promise<void> {
    await this.#guest.run(
      `cd '${this.#mountpoint}' && mount -t proc proc proc && mount -o bind /dev dev`,
    );
  }

  /** Unmounts it, which also says whether all that was written could be written. */
  async leave(): Promise<void> {
    await this.#guest.run(
      `cd / && umount '${this.#mountpoint}'/* 2>/dev/null; umount '${this.#mountpoint}'`,
      {
        timeoutMs: 300_000,
      },
    );
  }

  /** Runs a shell script in the chroot, as root. */
  async run(script: string, { timeoutMs }: TreeStepOptions): Promise<StepResult> {
    const quoted = script.replaceAll("'", String.raw`'\''`);
    return this.#guest.tryRun(`exec chroot '${this.#mountpoint}' /bin/sh -c '${quoted}'`, {
      timeoutMs,
    });
  }

  /** Runs a script of which nothing is asked but that it ends with status 0. */
  async check(name: string, script: string, options: TreeStepOptions): Promise<Check> {
    try {
      const { status, stdout, stderr } = await this.run(script, options);
      const passed = status === 0;
      const output = utf8(`${stdout}${stderr}`).slice(-DETAIL_BYTES);
      return { name, passed, detail: passed ? '' : `status ${status}: ${output}` };
    } catch (error) {
      if (!(error instanceof GuestError) || error.code !== 'GUEST_TIMEOUT') throw error;
      return { name, passed: false, detail: `not done after ${options.timeoutMs} ms` };
    }
  }

  /** Forgets clean pages, names and attributes, so that the next reads go to the server or the disk. */
  async dropCaches(): Promise<void> {
    await this.#guest.dropCaches();
  }
}
