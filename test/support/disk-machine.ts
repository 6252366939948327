/** A machine that has a disk and nothing else: no kernel that it is given, and no network. */
import type { DiskFormat } from './disk-appliance.ts';
import { type Guest, startMachine } from './guest.ts';

export type DiskMachineOptions = {
  readonly directory: string;
  /** What goes before QEMU, to run it in another network. */
  readonly enter: readonly string[];
  /** As QEMU is told: a path, or the URL of an NFS server. */
  readonly disk: string;
  readonly format: DiskFormat;
  /**
   * `writethrough`: what the machine wrote is on stable storage before it goes on. QEMU's driver does not see that an NFS
   * server was started anew and has lost what was not.
   */
  readonly cache: 'writeback' | 'writethrough';
};

/** Under emulation, on a busy machine, over a long link. */
const BOOT_TIMEOUT_MS = 400_000;

/** To be switched on any number of times. */
export class DiskMachine {
  readonly #options: DiskMachineOptions;
  #runs = 0;

  constructor(options: DiskMachineOptions) {
    this.#options = options;
  }

  /** Its firmware finds the boot loader on the disk. `booted` of what is returned resolves when its userland is up. */
  async switchOn(): Promise<Guest> {
    const { directory, enter, disk, format, cache } = this.#options;
    this.#runs += 1;
    return startMachine(
      {
        ...{ directory, name: 'vm', memoryMiB: 512, cpus: 1, enter },
        arguments: ['-drive', `file=${disk},format=${format},if=virtio,cache=${cache}`],
        bootTimeoutMs: BOOT_TIMEOUT_MS,
      },
      this.#runs,
    );
  }
}

/** As its user would; it is gone when this resolves. */
export async function switchOff(guest: Guest): Promise<void> {
  await guest.run('systemctl --no-block poweroff');
  await guest.ended;
  await guest.close();
}
