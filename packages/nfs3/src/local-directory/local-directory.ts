import { constants } from 'node:fs';
import { platform } from 'node:process';
import { readOnlyRefusals, refusals } from '../refusals.ts';
import type { Nfs3Service } from '../service.ts';
import { Nfsstat3 } from '../status.ts';
import { directoryProcedures } from './directories.ts';
import { LocalDirectoryError } from './error.ts';
import { fileSystemProcedures } from './file-system.ts';
import { Inodes } from './inodes.ts';
import { OpenFiles } from './open-files.ts';
import { creatingProcedures } from './creating.ts';
import { readingProcedures } from './reading.ts';
import { renamingProcedures } from './renaming.ts';
import { StableStorage } from './stable-storage.ts';
import type { Tree, WritableTree } from './tree.ts';
import { writingProcedures } from './writing.ts';

export interface LocalDirectoryOptions {
  /** The directory to serve: an absolute path. What is mounted below it is not shown. */
  readonly root: string;
  readonly access: 'read-only' | 'read-write';
  /** Inodes held open, of which each takes a descriptor. 2,048 unless told. */
  readonly maxPins?: number;
  /** Files kept open for reading, and as many for writing. 256 unless told. */
  readonly maxOpenFiles?: number;
  /** Inodes whose place is remembered, some 300 bytes each. 131,072 unless told. */
  readonly maxPlaces?: number;
  /** Names visited in search of an inode that was renamed while the server was down. 1,000,000. */
  readonly maxSearched?: number;
}

/** A directory of this machine as an NFSv3 service. */
export interface LocalDirectory extends Nfs3Service {
  /** Closes every descriptor; no call may be running any more. */
  close(): Promise<void>;
}

type Writable = ReturnType<typeof writingProcedures> &
  ReturnType<typeof creatingProcedures> &
  ReturnType<typeof renamingProcedures>;

/** How often removed files that are still held open are let go, in ms. */
const RELEASE_INTERVAL_MS = 10_000;

/**
 * Serves a directory of this machine over all 22 procedures.
 *
 * Nothing outside of `root` is reached, whatever the names or the symbolic links; handles and cookies
 * survive a restart without a database (inodes.ts, handle.ts). Callers get what the mode bits grant
 * them; run it as root to serve files of several owners.
 *
 * @throws LocalDirectoryError when the root cannot be opened, or not on Linux.
 */
export async function createLocalDirectory(
  options: LocalDirectoryOptions,
): Promise<LocalDirectory> {
  const { root, access, maxPins = 2048, maxOpenFiles = 256 } = options;
  const { maxPlaces = 131_072, maxSearched = 1_000_000 } = options;
  if (platform !== 'linux') {
    throw new LocalDirectoryError(
      'UNSUPPORTED_PLATFORM',
      `a directory can be served safely on Linux only, not on ${platform}: it takes /proc/self/fd`,
    );
  }
  const inodes = openRoot(root, { maxPins, maxPlaces, maxSearched });
  const readers = new OpenFiles(constants.O_RDONLY, maxOpenFiles);
  const fsid = (BigInt(inodes.exportId) << 32n) | BigInt.asUintN(32, inodes.root.ino);
  const tree: Tree = { inodes, readers, access, fsid };
  const writers = new OpenFiles(constants.O_WRONLY, maxOpenFiles);
  const releasing = setInterval(() => {
    for (const held of [inodes, readers, writers]) held.releaseRemoved();
  }, RELEASE_INTERVAL_MS).unref();
  return {
    ...fileSystemProcedures(tree),
    ...readingProcedures(tree),
    ...directoryProcedures(tree),
    ...(access === 'read-only'
      ? { ...readOnlyRefusals(), ...refusals(Nfsstat3.ROFS, ['commit']) }
      : writableProcedures({ ...tree, writers, stable: new StableStorage() })),
    async close(): Promise<void> {
      clearInterval(releasing);
      readers.close();
      writers.close();
      inodes.close();
    },
  };
}

function writableProcedures(tree: WritableTree): Writable {
  return { ...writingProcedures(tree), ...creatingProcedures(tree), ...renamingProcedures(tree) };
}

function openRoot(root: string, options: ConstructorParameters<typeof Inodes>[1]): Inodes {
  try {
    return new Inodes(root, options);
  } catch (cause) {
    throw new LocalDirectoryError(
      'NO_ROOT',
      `cannot serve ${root}: it must be a directory that this process may open`,
      { cause },
    );
  }
}
