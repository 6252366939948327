import type { Image } from '@rowfs/image';
import {
  type Filehandle,
  MAX_TRANSFER_BYTES,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
  nfsstat3Name,
} from '@rowfs/nfs3';
import { RpcError } from '@rowfs/oncrpc';
import { HandleCache } from '../compact/handle-cache.ts';
import { FailoverError } from '../failover/failover-error.ts';
import type { Mounted, Replica } from '../failover/replica.ts';
import { LinkEstimator } from './link-estimator.ts';
import { ServerFault } from './server-fault.ts';

/** Handles kept per server; one that was dropped is walked to again. */
const MAX_HANDLES = 200_000;
/** READ is not asked for less, and an answer with less is no answer, unless that is all there is. */
const MIN_READ_BYTES = 4096;
/** Refusals of RFC 5531 that are about this call, and say nothing of the server's health. */
const REFUSALS = new Set<string>([
  'AUTH_ERROR',
  'PROC_UNAVAIL',
  'PROG_UNAVAIL',
  'PROG_MISMATCH',
  'RPC_MISMATCH',
  'GARBAGE_ARGS',
  'SYSTEM_ERR',
]);

/** Bytes of a file as they came, from the beginning of what was asked for, and why there are no more. */
export interface ReadBytes {
  readonly parts: readonly Uint8Array[];
  readonly length: number;
  readonly fault: ServerFault | undefined;
}

/**
 * The image as one server has it, from one mount to the next: handles of its files, which are walked
 * to by their paths, and READs of them. What it reads is not proven.
 *
 * Its methods reject with a ServerFault, or with FailoverError or RpcError when there is no answer.
 */
export class ServedImage {
  readonly replica: Replica<ServedImage>;
  readonly link: LinkEstimator;
  readonly #image: Image;
  readonly #service: Nfs3Service;
  readonly #root: Filehandle;
  readonly #readBytes: number;
  readonly #handles: HandleCache<number>;
  readonly #walks = new Map<number, Promise<Filehandle>>();

  private constructor(image: Image, mounted: Mounted<ServedImage>, readBytes: number) {
    const { replica, service, root, earlier } = mounted;
    this.replica = replica;
    this.link = new LinkEstimator();
    this.#image = image;
    this.#service = service;
    this.#root = root;
    this.#readBytes = readBytes;
    // The same root handle is the same tree.
    const isSame = earlier !== undefined && Buffer.compare(earlier.#root, root) === 0;
    this.#handles = isSame ? earlier.#handles : new HandleCache(MAX_HANDLES);
  }

  /** Asks a server that was just mounted how much it reads at once, and how far away it is. */
  static async open(
    image: Image,
    mounted: Mounted<ServedImage>,
    ctx: Nfs3Context,
  ): Promise<ServedImage> {
    const startedAt = performance.now();
    const facts = await mounted.service.fsinfo({ fsroot: mounted.root }, ctx);
    const roundTripMs = performance.now() - startedAt;
    const rtmax = facts.status === Nfsstat3.OK ? facts.rtmax : MAX_TRANSFER_BYTES;
    const readBytes = Math.max(MIN_READ_BYTES, Math.min(rtmax, MAX_TRANSFER_BYTES));
    const served = new ServedImage(image, mounted, readBytes);
    served.link.roundTrip(roundTripMs);
    return served;
  }

  /** The most that one READ brings, in bytes. */
  get maxReadBytes(): number {
    return this.#readBytes;
  }

  hasHandle(fileid: number): boolean {
    return fileid === this.#image.root || this.#handles.get(fileid) !== undefined;
  }

  /** The server's handle of a file of the image, walked to from the nearest directory that is known. */
  handle(fileid: number, ctx: Nfs3Context): Promise<Filehandle> {
    if (fileid === this.#image.root) return Promise.resolve(this.#root);
    const known = this.#handles.get(fileid);
    if (known !== undefined) return Promise.resolve(known);
    let walk = this.#walks.get(fileid);
    if (walk === undefined) {
      walk = this.#walk(fileid, ctx).finally(() => this.#walks.delete(fileid));
      this.#walks.set(fileid, walk);
    }
    return walk;
  }

  /** Reads `length` bytes from `offset` on, in as many READs as it takes. */
  async read(fileid: number, offset: number, length: number, ctx: Nfs3Context): Promise<ReadBytes> {
    const starts = Array.from(
      { length: Math.ceil(length / this.#readBytes) },
      (_, i) => offset + i * this.#readBytes,
    );
    const pieces = await Promise.all(
      starts.map((start) =>
        this.#readPiece(fileid, start, Math.min(this.#readBytes, offset + length - start), ctx),
      ),
    );
    const end = pieces.findIndex(({ fault }) => fault !== undefined);
    const whole = end === -1 ? pieces : pieces.slice(0, end + 1);
    return {
      parts: whole.flatMap(({ parts }) => parts),
      length: whole.reduce((sum, piece) => sum + piece.length, 0),
      fault: pieces[end]?.fault,
    };
  }

  /** A server may give less than it was asked for, and is asked for the rest: but not for ever. */
  async #readPiece(
    fileid: number,
    offset: number,
    length: number,
    ctx: Nfs3Context,
  ): Promise<ReadBytes> {
    const parts: Uint8Array[] = [];
    let have = 0;
    while (have < length) {
      const result = await this.#ask(fileid, ctx, (file) =>
        this.#service.read({ file, offset: offset + have, count: length - have }, ctx),
      );
      if (result.status !== Nfsstat3.OK) {
        const fault = failed('READ_FAILED', `READ was answered ${nfsstat3Name(result.status)}`);
        return { parts, length: have, fault };
      }
      parts.push(...result.data);
      have += result.count;
      if (have < length && (result.eof || result.count < MIN_READ_BYTES)) {
        const fault = failed(
          'SHORT_READ',
          `READ of ${length} bytes at ${offset} brought ${have}${result.eof ? ', and the end of the file' : ''}`,
        );
        return { parts, length: have, fault };
      }
    }
    return { parts, length: have, fault: undefined };
  }

  async #walk(fileid: number, ctx: Nfs3Context): Promise<Filehandle> {
    const name = this.#image.path(fileid).at(-1) ?? '';
    const found = await this.#ask(this.#image.parent(fileid), ctx, async (dir) => {
      const startedAt = performance.now();
      const result = await this.#service.lookup({ what: { dir, name } }, ctx);
      this.link.roundTrip(performance.now() - startedAt);
      return result;
    });
    if (found.status !== Nfsstat3.OK) {
      const code =
        found.status === Nfsstat3.NOENT || found.status === Nfsstat3.NOTDIR
          ? 'MISSING_FILE'
          : 'READ_FAILED';
      throw failed(code, `LOOKUP was answered ${nfsstat3Name(found.status)}`);
    }
    this.#handles.set(fileid, found.object);
    return found.object;
  }

  /** Calls with a handle; one that the server has forgotten is walked to again, once. */
  async #ask<R extends { readonly status: number }>(
    fileid: number,
    ctx: Nfs3Context,
    call: (handle: Filehandle) => Promise<R>,
  ): Promise<R> {
    for (let walks = 0; ; walks += 1) {
      const handle = await this.handle(fileid, ctx);
      this.replica.called();
      const startedAt = performance.now();
      const result = await refusalsAsFaults(call(handle));
      this.replica.answered(performance.now() - startedAt);
      if (result.status === Nfsstat3.JUKEBOX)
        throw new FailoverError('SILENT', `${this.replica.address} asks to be asked later`);
      const isStale = result.status === Nfsstat3.STALE || result.status === Nfsstat3.BADHANDLE;
      if (!isStale) return result;
      if (fileid === this.#image.root)
        throw new FailoverError(
          'WRONG_ANSWER',
          `${this.replica.address} has forgotten the root that it gave to MNT`,
        );
      this.#handles.delete(fileid);
      if (walks > 0) return result;
    }
  }
}

async function refusalsAsFaults<R>(answer: Promise<R>): Promise<R> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    if (error.code === 'BAD_REPLY') throw failed('BAD_REPLY', error.message, error);
    if (REFUSALS.has(error.code)) throw failed('READ_FAILED', error.message, error);
    throw error;
  }
}

function failed(code: ServerFault['code'], message: string, cause?: Error): ServerFault {
  return new ServerFault(code, message, { cause });
}
