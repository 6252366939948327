import {
  Ftype3,
  MAX_TRANSFER_BYTES,
  mayRead,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
  type Nfsstat3Error,
  nfsstat3Name,
  type ReadArgs,
  type ReadResult,
} from '@rowfs/nfs3';
import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import { FetchError } from '../fetch/fetch-error.ts';
import type { FileContents } from './file-contents.ts';
import type { ImageTree } from './image-tree.ts';

/** How many reasons are remembered of READs that failed, so that each is logged once. */
const MAX_LOGGED_REASONS = 1024;

/** READ: its bytes come from elsewhere, all else is in the manifest. */
export function readProcedures(
  tree: ImageTree,
  contents: FileContents,
  logger: Logger,
): Pick<Nfs3Service, 'read'> {
  const logged = new LRUCache<string, true>({ max: MAX_LOGGED_REASONS });
  // A client asks again and again for what it cannot have.
  const logOnce = (error: unknown, status: Nfsstat3Error): void => {
    const reason = error instanceof Error ? error.message : String(error);
    if (logged.has(reason)) return;
    logged.set(reason, true);
    logger.error(
      { err: error },
      `bytes of the image cannot be had: READ answers ${nfsstat3Name(status)}`,
    );
  };

  return {
    read: async (args, ctx) => {
      const found = tree.find(args.file);
      if (typeof found === 'number') return { status: found, fileAttributes: undefined };
      const { fileid, attributes: fileAttributes } = found;
      const { type, size } = fileAttributes;
      if (type === Ftype3.DIR) return { status: Nfsstat3.ISDIR, fileAttributes };
      if (type !== Ftype3.REG) return { status: Nfsstat3.INVAL, fileAttributes };
      if (!mayRead(fileAttributes, ctx.credential)) {
        return { status: Nfsstat3.ACCES, fileAttributes };
      }
      const wanted = bytesToRead(args, size);
      try {
        const data = await dataOf(contents, fileid, args.offset, wanted, ctx);
        const count = lengthOf(data);
        const eof = args.offset + count >= size;
        return { status: Nfsstat3.OK, fileAttributes, count, eof, data } satisfies ReadResult;
      } catch (error) {
        const status = mayPass(error) ? Nfsstat3.JUKEBOX : Nfsstat3.IO;
        // A client that went away took its call with it: nothing is wrong with the image.
        if (!ctx.signal.aborted) logOnce(error, status);
        return { status, fileAttributes };
      }
    },
  };
}

/** Nobody could be asked: a client that is told to wait does not give up what runs on it. */
function mayPass(error: unknown): boolean {
  return error instanceof FetchError && error.code !== 'BAD_BLOCK';
}

function bytesToRead({ offset, count }: ReadArgs, size: number): number {
  return Math.max(0, Math.min(count, MAX_TRANSFER_BYTES, size - offset));
}

function lengthOf(pieces: readonly Uint8Array[]): number {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  return length;
}

function dataOf(
  contents: FileContents,
  fileid: number,
  offset: number,
  count: number,
  { signal, reply }: Nfs3Context,
): ReturnType<FileContents['read']> {
  return count === 0 ? [] : contents.read(fileid, offset, count, signal, reply);
}
