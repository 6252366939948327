import {
  Access3,
  checkAccess,
  type DirEntry,
  type DirEntryPlus,
  dirEntryBytes,
  dirEntryPlusBytes,
  type Fattr3,
  type Filehandle,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
  READDIR_OVERHEAD_BYTES,
} from '@rowfs/nfs3';
import type { Decision } from './decision.ts';
import { groupsAfter, type MergedEntry, plusOf } from './directory-listing.ts';
import { answer, attributesAtHand, decide, type Overlay } from './operation.ts';
import { Refusal } from './refusal.ts';

/** Cookies never become invalid, so there is nothing to verify. */
const COOKIEVERF = 0n;

interface Page<Entry> {
  readonly status: typeof Nfsstat3.OK;
  readonly dirAttributes: Fattr3;
  readonly cookieverf: bigint;
  readonly entries: readonly Entry[];
  readonly eof: boolean;
}

/** Counts bytes as a page grows, so that each entry is measured once. */
type Fits<Entry> = (entry: Entry) => boolean;

/** READDIR and READDIRPLUS over the merged tree; order and cookies: cookies.ts. */
export function readdirProcedures(overlay: Overlay): Pick<Nfs3Service, 'readdir' | 'readdirplus'> {
  return {
    readdir: (args, ctx) =>
      answer(
        () =>
          list(overlay, ctx, args, plainEntry, () => {
            let bytes = READDIR_OVERHEAD_BYTES;
            return ({ name }) => (bytes += dirEntryBytes(name)) <= args.count;
          }),
        (status) => ({ status, dirAttributes: attributesAtHand(overlay, ctx, args.dir) }),
      ),

    readdirplus: (args, ctx) =>
      answer(
        () =>
          list(overlay, ctx, args, plusEntry, () => {
            let bytes = READDIR_OVERHEAD_BYTES;
            let directoryBytes = 0;
            return (entry) => {
              bytes += dirEntryPlusBytes(entry);
              directoryBytes += dirEntryBytes(entry.name);
              return bytes <= args.maxcount && directoryBytes <= args.dircount;
            };
          }),
        (status) => ({ status, dirAttributes: attributesAtHand(overlay, ctx, args.dir) }),
      ),
  };
}

/** @throws Refusal TOOSMALL when not even the first entry fits. */
function list<Entry>(
  overlay: Overlay,
  ctx: Nfs3Context,
  { dir, cookie }: { readonly dir: Filehandle; readonly cookie: bigint },
  entryOf: (tree: Decision, entry: MergedEntry, cookie: bigint) => Entry,
  counting: () => Fits<Entry>,
): Promise<Page<Entry>> {
  return decide(overlay, ctx, (tree) => {
    const directory = tree.resolveDirectory(dir);
    const dirAttributes = tree.attributes(directory);
    if (checkAccess(dirAttributes, ctx.credential, Access3.READ) === 0) {
      throw new Refusal(Nfsstat3.ACCES);
    }
    const page = { status: Nfsstat3.OK, dirAttributes, cookieverf: COOKIEVERF };
    const entries: Entry[] = [];
    const fits = counting();
    for (const group of groupsAfter(tree, directory, cookie)) {
      const next = group.entries.map((entry) => entryOf(tree, entry, group.cookie));
      if (!next.every(fits)) {
        if (entries.length === 0) throw new Refusal(Nfsstat3.TOOSMALL);
        return { ...page, entries, eof: false };
      }
      entries.push(...next);
    }
    return { ...page, entries, eof: true };
  });
}

function plainEntry(_: Decision, { name, fileid }: MergedEntry, cookie: bigint): DirEntry {
  return { fileid, name, cookie };
}

function plusEntry(tree: Decision, entry: MergedEntry, cookie: bigint): DirEntryPlus {
  const { name, fileid } = entry;
  const { attributes, handle } = plusOf(tree, entry);
  return { fileid, name, cookie, nameAttributes: attributes, nameHandle: handle };
}
