import { constants } from 'node:os';
import {
  type Fattr3,
  type Filehandle,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
  type Nfsstat3Error,
  type PostOpAttr,
  type WccData,
} from '@rowfs/nfs3';
import { Decision } from './decision.ts';
import { type LowerFacts, MissingFact } from './lower-facts.ts';
import { Refusal } from './refusal.ts';
import type { Shadow } from '../shadow/shadow.ts';
import { NoSpaceError } from '../shadow/space.ts';

/** What every procedure of the layer works with. */
export interface Overlay {
  readonly lower: Nfs3Service;
  readonly facts: LowerFacts;
  readonly shadow: Shadow;
}

/**
 * Makes a decision over the merged tree. Whenever it lacks a fact of the lower, that is fetched and
 * the decision is begun anew, on the tree as it is by then.
 *
 * @throws Refusal, NoSpaceError
 */
export async function decide<T>(
  { shadow, facts }: Overlay,
  ctx: Nfs3Context,
  decision: (tree: Decision) => T,
): Promise<T> {
  const inHand = facts.inHand(ctx);
  for (;;) {
    try {
      return decision(new Decision(shadow, inHand, ctx));
    } catch (error) {
      if (error instanceof MissingFact) await error.fetch();
      // What was removed just now may not have given its space back yet.
      else if (!(error instanceof NoSpaceError && (await shadow.reclaimed()))) throw error;
    }
  }
}

/** Makes a decision, stages what it changed, and resolves when that is durable. */
export async function change<T>(
  overlay: Overlay,
  ctx: Nfs3Context,
  decision: (tree: Decision) => T,
): Promise<T> {
  const result = await decide(overlay, ctx, (tree) => {
    const decided = decision(tree);
    tree.stage();
    return decided;
  });
  await overlay.shadow.durable();
  return result;
}

/** The result of `work`, or what `refused` makes of the status that it failed with. */
export async function answer<Ok, Failed>(
  work: () => Promise<Ok>,
  refused: (status: Nfsstat3Error) => Failed,
): Promise<Ok | Failed> {
  try {
    return await work();
  } catch (error) {
    const status = statusOf(error);
    if (status === undefined) throw error;
    return refused(status);
  }
}

/** Errors of the shadow's disk, as its clients know them; libuv has no name for EDQUOT. */
const diskStatuses: Readonly<Record<string, Nfsstat3Error>> = {
  ENOSPC: Nfsstat3.NOSPC,
  [`Unknown system error ${-constants.errno.EDQUOT}`]: Nfsstat3.DQUOT,
  EFBIG: Nfsstat3.FBIG,
  EROFS: Nfsstat3.ROFS,
  EIO: Nfsstat3.IO,
  EAGAIN: Nfsstat3.JUKEBOX,
  EMFILE: Nfsstat3.JUKEBOX,
  ENFILE: Nfsstat3.JUKEBOX,
};

function statusOf(error: unknown): Nfsstat3Error | undefined {
  if (error instanceof Refusal) return error.status;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? diskStatuses[code] : undefined;
}

export function wccOf(before: Fattr3, after: PostOpAttr): WccData {
  const { size, mtime, ctime } = before;
  return { before: { size, mtime, ctime }, after };
}

/** The attributes to go with a failure: those at hand, or none. */
export function attributesAtHand(
  { shadow, facts }: Overlay,
  ctx: Nfs3Context,
  handle: Filehandle,
): PostOpAttr {
  try {
    const tree = new Decision(shadow, facts.inHand(ctx), ctx);
    return tree.attributes(tree.resolve(handle));
  } catch (error) {
    if (error instanceof Refusal || error instanceof MissingFact) return undefined;
    throw error;
  }
}

/** wcc_data to go with a failure; nothing is claimed of before. */
export function wccAtHand(overlay: Overlay, ctx: Nfs3Context, handle: Filehandle): WccData {
  return { before: undefined, after: attributesAtHand(overlay, ctx, handle) };
}
