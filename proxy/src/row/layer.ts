import {
  Ftype3,
  Mountstat3,
  type Mountstat3Error,
  type MountResult,
  type Nfs3Context,
  type Nfs3Layer,
  type Nfs3Service,
  Nfsstat3,
  type Nfsstat3Error,
  pathNames,
  walk,
} from '@rowfs/nfs3';
import type { Credential } from '@rowfs/oncrpc';
import { ROOT_CREDENTIAL } from '../root-credential.ts';
import type { KnownAttributes } from '../known-attributes.ts';
import { createProcedures } from './create.ts';
import { fileSystemProcedures } from './file-system.ts';
import { LearntFacts } from './learnt-facts.ts';
import { linkProcedures } from './link.ts';
import { lookupProcedures } from './lookup.ts';
import type { LowerFacts } from './lower-facts.ts';
import type { LowerTree } from './lower-tree.ts';
import { newObjectProcedures } from './new-objects.ts';
import type { Overlay } from './operation.ts';
import { answeringReSent } from './re-sent-calls.ts';
import { readProcedures } from './read.ts';
import { readdirProcedures } from './readdir.ts';
import { removeProcedures } from './remove.ts';
import { renameProcedures } from './rename.ts';
import { setattrProcedures } from './setattr.ts';
import type { Shadow } from '../shadow/shadow.ts';
import { ToldFacts } from './told-facts.ts';
import { writeProcedures } from './write.ts';

/*
 * Redirect-on-write (Chadha, Wolinsky, Figueiredo, IPDPS 2008, section 3): the lower is an image that
 * is only ever read, and must never change; what a client writes goes to the shadow.
 *
 * Ordering rules, which make the shadow safe against kill -9 and power cuts:
 *
 * 1. Data before bit. A block's presence bit is in a transaction only after the block was fsynced in
 *    the sparse file, or with the block itself, when there are few; until then bit, size and times are in
 *    memory, and a crash shows the old block.
 * 2. Bit before name, and all of a change at once. Every operation on names and attributes is one
 *    transaction, answered when it is durable. Contents of a removed node go only after that;
 *    what is left over when we are killed in between has no node and is removed at the next opening.
 * 3. A block is whole or not here. A partial write brings the block's other bytes from below first.
 * 4. Truncation is durable before the sparse file is cut, and the sparse file is never read beyond
 *    the file's size: what a crash leaves there is cut at the next opening, what the disk refused to
 *    cut before the next write, so growing shows zeros. Nothing of a file is in the journal when it is cut,
 *    and its own fsync comes before it grows again.
 * 5. FILE_SYNC and COMMIT answer when data and transaction are on stable storage; DATA_SYNC is
 *    given FILE_SYNC. A write verifier lives as long as what it vouches for: there is another one
 *    after each start and after each fsync or transaction that failed. A transaction that failed
 *    is gone whole, and so is all that was staged on its grounds.
 * 6. The reply to a call that is not idempotent is in the transaction of its change (../shadow/kept-replies.ts):
 *    whoever did not get it sends the call again, to the next process too, and gets it then. A call that was
 *    refused, or had nothing to do, is decided anew.
 * 7. A shadow is made aside and moved into place when it is whole (../shadow/make-shadow.ts).
 *
 * What is whose: names and attributes of changed objects are records (../shadow/records.ts) in lmdb
 * behind a journal, with group commit (../store/record-store.ts); every operation is a synchronous decision over both trees (decision.ts),
 * which needs no locks; contents are spans of shadow, lower and zeros (contents.ts).
 */

export interface RedirectOnWriteOptions {
  /** As whom the lower is read, whoever asks here: root unless told. */
  readonly lowerCredential?: Credential;
  /**
   * The lower once more, when it tells names and attributes at once. Without it they are asked of the
   * lower as a service, and remembered.
   */
  readonly tree?: LowerTree | undefined;
  /** What the lower remembers itself; without it, and without a tree, that is done here. */
  readonly known?: KnownAttributes | undefined;
}

/**
 * The layer that redirects writes to `shadow`. The lower is never asked to change anything. Its handles
 * are what changes are kept by: an object must have one, whichever of its names was looked up, it must
 * stay what it is over restarts, and it may have 54 bytes at most. Failover's handles are so, and an image
 * view's.
 *
 * Permissions are checked here by mode bits, for the lower does not know of changed ones.
 */
export function redirectOnWrite(shadow: Shadow, options: RedirectOnWriteOptions = {}): Nfs3Layer {
  const { lowerCredential: credential = ROOT_CREDENTIAL, tree } = options;
  return (lower) => {
    const facts: LowerFacts =
      tree === undefined
        ? new LearntFacts(lower, credential, shadow, options.known)
        : new ToldFacts(tree, credential, shadow);
    const overlay: Overlay = { lower, facts, shadow };
    const procedures = {
      ...lookupProcedures(overlay),
      ...readProcedures(overlay),
      ...writeProcedures(overlay),
      ...setattrProcedures(overlay),
      ...createProcedures(overlay),
      ...newObjectProcedures(overlay),
      ...removeProcedures(overlay),
      ...renameProcedures(overlay),
      ...linkProcedures(overlay),
      ...readdirProcedures(overlay),
      ...fileSystemProcedures(overlay),
    };
    return {
      ...answeringReSent(procedures, shadow.replies),
      // The proxy lives while the image's server does not: this asks only whether the proxy does.
      null: async () => undefined,
      mount: (dirpath, ctx) => mount(overlay, procedures, dirpath, ctx),
    };
  };
}

async function mount(
  { lower, facts, shadow }: Overlay,
  merged: Pick<Nfs3Service, 'lookup' | 'getattr'>,
  dirpath: string,
  ctx: Nfs3Context,
): Promise<MountResult> {
  const bottom = await lower.mount('/', facts.context(ctx));
  if (bottom.status !== Mountstat3.OK) return bottom;
  await shadow.bindRoot(bottom.handle);
  const root = shadow.handles.ofLower(bottom.handle);
  const asRoot = facts.context(ctx);
  const found = await walk(merged, root, pathNames(dirpath), asRoot);
  if (found.status !== Nfsstat3.OK) return { status: mountStatus(found.status) };
  const handle = found.object;
  const result = await merged.getattr({ object: handle }, asRoot);
  if (result.status !== Nfsstat3.OK) return { status: mountStatus(result.status) };
  if (result.attributes.type !== Ftype3.DIR) return { status: Mountstat3.NOTDIR };
  return { status: Mountstat3.OK, handle, authFlavors: bottom.authFlavors };
}

const mountStatuses = new Map<number, Mountstat3Error>([
  [Nfsstat3.NOENT, Mountstat3.NOENT],
  [Nfsstat3.NOTDIR, Mountstat3.NOTDIR],
  [Nfsstat3.ACCES, Mountstat3.ACCES],
  [Nfsstat3.NAMETOOLONG, Mountstat3.NAMETOOLONG],
]);

function mountStatus(status: Nfsstat3Error): Mountstat3Error {
  return mountStatuses.get(status) ?? Mountstat3.SERVERFAULT;
}
