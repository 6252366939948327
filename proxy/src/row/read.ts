import {
  type Fattr3,
  type Filehandle,
  Ftype3,
  mayRead,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
  type ReadArgs,
  type ReadResult,
} from '@rowfs/nfs3';
import { readContents } from './contents.ts';
import { answer, attributesAtHand, decide, type Overlay } from './operation.ts';
import type { Node } from '../shadow/records.ts';
import { Refusal } from './refusal.ts';

/** The most that one READ brings; FSINFO tells it to clients. */
export const MAX_READ_BYTES = 1024 * 1024;

/**
 * READ: of a file that was never written, one READ of the lower and its data as it comes; else
 * merged run by run. It leaves atime alone, as if mounted noatime.
 */
export function readProcedures(overlay: Overlay): Pick<Nfs3Service, 'read'> {
  return {
    read: (args, ctx) =>
      answer(
        async () => {
          const { object, attributes } = await decide(overlay, ctx, (tree) => {
            const file = tree.resolve(args.file);
            return { object: file, attributes: tree.attributes(file) };
          });
          if (attributes.type === Ftype3.DIR) throw new Refusal(Nfsstat3.ISDIR);
          if (attributes.type !== Ftype3.REG) throw new Refusal(Nfsstat3.INVAL);
          if (!mayRead(attributes, ctx.credential)) throw new Refusal(Nfsstat3.ACCES);
          return object.node === undefined
            ? readThrough(overlay, ctx, object.lower, args, attributes)
            : readMerged(overlay, ctx, object.node, args, attributes);
        },
        (status) => ({
          status,
          fileAttributes: attributesAtHand(overlay, ctx, args.file),
        }),
      ),
  };
}

async function readThrough(
  { lower, facts }: Overlay,
  ctx: Nfs3Context,
  file: Filehandle,
  { offset, count }: ReadArgs,
  attributes: Fattr3,
): Promise<ReadResult> {
  const result = await lower.read({ file, offset, count }, facts.context(ctx));
  if (result.status !== Nfsstat3.OK) throw new Refusal(result.status);
  return { ...result, fileAttributes: attributes };
}

async function readMerged(
  overlay: Overlay,
  ctx: Nfs3Context,
  node: Node,
  { offset, count: wanted }: ReadArgs,
  attributes: Fattr3,
): Promise<ReadResult> {
  const { size } = attributes;
  const end = Math.max(offset, Math.min(size, offset + Math.min(wanted, MAX_READ_BYTES)));
  const data = await readContents(overlay, ctx, { ...node, size }, offset, end);
  const count = data.reduce((sum, { length }) => sum + length, 0);
  return {
    status: Nfsstat3.OK,
    fileAttributes: attributes,
    count,
    eof: offset + count >= size,
    data,
  };
}
