import { type Guest, GuestError, type StepResult, utf8 } from '../support/guest.ts';
import type { Check } from './workload.ts';

export const fileSystemNames = ['ext4', 'ganesha', 'proxy'] as const;
export type FileSystemName = (typeof fileSystemNames)[number];

const DETAIL_BYTES = 1_500;
const UNMOUNT_TIMEOUT_MS = 600_000;

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

  /** Unmounts it: all that was written must be where it is kept then. */
  async leave(): Promise<Check> {
    const script = `umount '${this.#mountpoint}/proc' '${this.#mountpoint}/dev' '${this.#mountpoint}'`;
    return this.#asCheck('unmount', await this.#tryRun(script, UNMOUNT_TIMEOUT_MS));
  }

  /** Runs a shell script in the chroot, as root. As with timeout(1), 124 is the status of one that takes too long. */
  async run(script: string, { timeoutMs }: TreeStepOptions): Promise<StepResult> {
    const quoted = script.replaceAll("'", String.raw`'\''`);
    return this.#tryRun(`exec chroot '${this.#mountpoint}' /bin/sh -c '${quoted}'`, timeoutMs);
  }

  /** Runs a script of which nothing is asked but that it ends with status 0. */
  async check(name: string, script: string, options: TreeStepOptions): Promise<Check> {
    return this.#asCheck(name, await this.run(script, options));
  }

  #asCheck(name: string, { status, stdout, stderr }: StepResult): Check {
    const passed = status === 0;
    const output = utf8(`${stdout}${stderr}`).slice(-DETAIL_BYTES);
    return { name, passed, detail: passed ? '' : `status ${status}: ${output}` };
  }

  async #tryRun(script: string, timeoutMs: number): Promise<StepResult> {
    try {
      return await this.#guest.tryRun(script, { timeoutMs });
    } catch (error) {
      if (!(error instanceof GuestError) || error.code !== 'GUEST_TIMEOUT') throw error;
      return { status: 124, stdout: '', stderr: `not done after ${timeoutMs} ms` };
    }
  }

  /** Forgets clean pages, names and attributes, so that the next reads go to the server or the disk. */
  async dropCaches(): Promise<void> {
    await this.#guest.dropCaches();
  }
}
