import { failure, type Nfs3Layer, Nfsstat3, type ReadArgs, type ReadResult } from '@rowfs/nfs3';

type Read = (args: ReadArgs) => Promise<ReadResult>;

/** A server that answers READ as `change` has it; `honest` is what it would have answered. */
export function changedReads(
  change: (args: ReadArgs, honest: Read) => Promise<ReadResult>,
): Nfs3Layer {
  return (lower) => ({
    ...lower,
    read: (args, ctx) => change(args, (changed) => lower.read(changed, ctx)),
  });
}

function withData(result: ReadResult, change: (data: Buffer) => Buffer): ReadResult {
  if (result.status !== Nfsstat3.OK) return result;
  const data = change(Buffer.concat(result.data));
  return { ...result, count: data.length, data: [data] };
}

/** What may be wrong with a place of a file. */
export const wrongs = ['flipped', 'truncated', 'unreadable', 'of another place'] as const;
export type Wrong = (typeof wrongs)[number];

/** Bytes between two that are flipped. */
const FLIP_EVERY = 1024;

/** Bytes `from` to `to` of every file are wrong in this way. */
export function wrongAt(wrong: Wrong, from: number, to: number): Nfs3Layer {
  return changedReads(async (args, honest) => {
    const isTouched = args.offset < to && args.offset + args.count > from;
    if (!isTouched) return honest(args);
    switch (wrong) {
      case 'flipped':
        return withData(await honest(args), (data) => {
          const end = Math.min(to - args.offset, data.length);
          for (let at = Math.max(0, from - args.offset); at < end; at += FLIP_EVERY)
            data.writeUInt8(data.readUInt8(at) ^ 1, at);
          return data;
        });
      case 'truncated': {
        const result = await honest({ ...args, count: Math.max(0, from - args.offset) });
        return { ...result, eof: true };
      }
      case 'unreadable':
        return failure('read', Nfsstat3.IO);
      case 'of another place': {
        const beyond = await honest({ ...args, offset: args.offset + 1 });
        const other = Buffer.alloc(args.count);
        if (beyond.status === Nfsstat3.OK) Buffer.concat(beyond.data).copy(other);
        return withData(await honest(args), (data) => other.subarray(0, data.length));
      }
    }
  });
}

/** READ brings at most `bytes`, as servers may. */
export function inPiecesOf(bytes: number): Nfs3Layer {
  return changedReads(async (args, honest) => {
    const result = await honest({ ...args, count: Math.min(args.count, bytes) });
    return { ...result, eof: false };
  });
}

/** READ brings more than was asked for. */
export function withMoreThanAskedFor(): Nfs3Layer {
  return changedReads((args, honest) => honest({ ...args, count: args.count + 1 }));
}

/** READ is not answered before the signal fires. */
export function stalledUntil(signal: AbortSignal): Nfs3Layer {
  const fired = new Promise<void>((resolve) =>
    signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  return changedReads(async (args, honest) => {
    await fired;
    return honest(args);
  });
}

/** There is nothing of this name. */
export function without(name: string): Nfs3Layer {
  return (lower) => ({
    ...lower,
    lookup: async (args, ctx) =>
      args.what.name === name ? failure('lookup', Nfsstat3.NOENT) : lower.lookup(args, ctx),
  });
}

/** Another file stands under this name. */
export function swapped(name: string, other: string): Nfs3Layer {
  return (lower) => ({
    ...lower,
    lookup: ({ what }, ctx) =>
      lower.lookup({ what: what.name === name ? { ...what, name: other } : what }, ctx),
  });
}

/** Each handle is forgotten after it was used this many times: until it is looked up again. */
export function forgetful(uses: number): Nfs3Layer {
  return (lower) => {
    const used = new Map<string, number>();
    const key = (handle: Uint8Array): string => Buffer.from(handle).toString('hex');
    return {
      ...lower,
      lookup: async (args, ctx) => {
        const result = await lower.lookup(args, ctx);
        if (result.status === Nfsstat3.OK) used.delete(key(result.object));
        return result;
      },
      read: async (args, ctx) => {
        const times = (used.get(key(args.file)) ?? 0) + 1;
        used.set(key(args.file), times);
        return times > uses ? failure('read', Nfsstat3.STALE) : lower.read(args, ctx);
      },
    };
  };
}
