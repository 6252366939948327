import type { NfsRoot } from './kernel-command-line.ts';
import type { MacAddress } from './mac-address.ts';

/** What boots machines asks of who has their images and their roots. */
export interface Machines {
  /**
   * A machine begins to boot: its root is there when this resolves. When the machine runs something else
   * by now, this is where it changes.
   */
  begin(mac: MacAddress): Promise<MachineRoot>;
  /** A machine says that it is up. */
  isUp(mac: MacAddress): void;
}

/** What a machine boots. */
export interface MachineRoot {
  readonly nfs: NfsRoot;
  readonly image: BootImage;
}

/** An image, to take kernel and initrd out of. */
export interface BootImage {
  /** Fit for a file name; stands for this image for ever. */
  readonly key: string;
  readonly files: ImageFiles;
}

/** Reads the files of an image, as they were published. */
export interface ImageFiles {
  /** The names in a directory; none when it is not there. */
  list(directory: string): Promise<readonly string[]>;
  /** The contents of a file, symbolic links followed; undefined when there is none. */
  open(path: string): Promise<AsyncIterable<Uint8Array> | undefined>;
}
