import { randomBytes } from 'node:crypto';
import { closeSync, constants, fsync as fsyncAsync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import { Ftype3, type Verf3 } from '../types.ts';
import type { Inodes } from './inodes.ts';
import type { OpenFiles } from './open-files.ts';
import type { Pin } from './pin.ts';

const fsync = promisify(fsyncAsync);

/**
 * Brings changes to stable storage, and owns the write verifier: new at every start, and new again
 * after an error, when data that a client counts on may be lost and has to be written once more
 * (RFC 1813 section 3.3.7).
 *
 * The methods take what they need of a pin before they first wait: call them in the pin's turn.
 */
export class StableStorage {
  #verifier = newVerifier();

  get verifier(): Verf3 {
    return this.#verifier;
  }

  /** Data and attributes of a file. */
  async syncFile(files: OpenFiles, pin: Pin): Promise<void> {
    await this.#orNewVerifier(files.using(pin, fsync));
  }

  /** The names in a directory. */
  async syncDirectory(dir: Pin): Promise<void> {
    const fd = openSync(dir.path, constants.O_RDONLY | constants.O_DIRECTORY);
    await this.#orNewVerifier(fsync(fd).finally(() => closeSync(fd)));
  }

  /**
   * The attributes of an object. What has no data cannot be synced itself: its directory is, which
   * on a journaling file system brings the inode along.
   */
  async syncAttributes(
    { readers, inodes }: { readonly readers: OpenFiles; readonly inodes: Inodes },
    pin: Pin,
  ): Promise<void> {
    if (pin.type === Ftype3.REG) await this.syncFile(readers, pin);
    else if (pin.type === Ftype3.DIR) await this.syncDirectory(pin);
    else await this.syncDirectory(inodes.whereIs(pin).dir);
  }

  async #orNewVerifier(syncing: Promise<void>): Promise<void> {
    try {
      await syncing;
    } catch (error) {
      this.#verifier = newVerifier();
      throw error;
    }
  }
}

function newVerifier(): Verf3 {
  return randomBytes(8).readBigUInt64BE();
}
