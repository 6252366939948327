import {
  Access3,
  checkAccess,
  type DirEntry,
  type DirEntryPlus,
  dirEntryBytes,
  dirEntryPlusBytes,
  type Fattr3,
  type Filehandle,
  type Nfs3Service,
  Nfsstat3,
  READDIR_OVERHEAD_BYTES,
  type ReaddirplusArgs,
} from '@rowfs/nfs3';
import type { Decision, MergedObject } from './decision.ts';
import { groupsAfter, type MergedEntry, plusOf } from './directory-listing.ts';
import { answer, attributesAtHand, decide, type Overlay } from './operation.ts';
import { Refusal } from './refusal.ts';
import { type PlusPage, UnchangedPages } from './unchanged-pages.ts';

/** Cookies never become invalid, so there is nothing to verify. */
const COOKIEVERF = 0n;

/** READDIR and READDIRPLUS over the merged tree; order and cookies: cookies.ts. */
export function readdirProcedures(overlay: Overlay): Pick<Nfs3Service, 'readdir' | 'readdirplus'> {
  const pages = new UnchangedPages(overlay.shadow);
  return {
    readdir: (args, ctx) =>
      answer(
        () =>
          decide(overlay, ctx, (tree) => {
            const { directory, dirAttributes } = readableDirectory(tree, args.dir);
            let bytes = READDIR_OVERHEAD_BYTES;
            const page = list(tree, directory, args.cookie, plainEntry, ({ name }) => {
              bytes += dirEntryBytes(name);
              return bytes <= args.count;
            });
            return { status: Nfsstat3.OK, dirAttributes, cookieverf: COOKIEVERF, ...page };
          }),
        (status) => ({ status, dirAttributes: attributesAtHand(overlay, ctx, args.dir) }),
      ),

    readdirplus: (args, ctx) =>
      answer(
        () =>
          decide(overlay, ctx, (tree) => {
            const { directory, dirAttributes } = readableDirectory(tree, args.dir);
            const { entries, eof } = plusPage(tree, directory, args, pages);
            return { status: Nfsstat3.OK, dirAttributes, cookieverf: COOKIEVERF, entries, eof };
          }),
        (status) => ({ status, dirAttributes: attributesAtHand(overlay, ctx, args.dir) }),
      ),
  };
}

/** @throws Refusal STALE, BADHANDLE, NOTDIR, ACCES */
function readableDirectory(
  tree: Decision,
  dir: Filehandle,
): { directory: MergedObject; dirAttributes: Fattr3 } {
  const directory = tree.resolveDirectory(dir);
  const dirAttributes = tree.attributes(directory);
  if (checkAccess(dirAttributes, tree.credential, Access3.READ) === 0) {
    throw new Refusal(Nfsstat3.ACCES);
  }
  return { directory, dirAttributes };
}

function plusPage(
  tree: Decision,
  directory: MergedObject,
  args: ReaddirplusArgs,
  pages: UnchangedPages,
): PlusPage {
  const unchanged = directory.node === undefined ? directory.lower : undefined;
  const kept = unchanged && pages.get(unchanged, args);
  if (kept !== undefined) return kept;
  let others = 0;
  let bytes = READDIR_OVERHEAD_BYTES;
  let directoryBytes = 0;
  const page = list(
    tree,
    directory,
    args.cookie,
    (entry, cookie): DirEntryPlus => {
      const { name, fileid } = entry;
      const { attributes, handle, isUnchanged } = plusOf(tree, entry);
      if (!isUnchanged) others += 1;
      return { fileid, name, cookie, nameAttributes: attributes, nameHandle: handle };
    },
    (entry) => {
      bytes += dirEntryPlusBytes(entry);
      directoryBytes += dirEntryBytes(entry.name);
      return bytes <= args.maxcount && directoryBytes <= args.dircount;
    },
  );
  return unchanged !== undefined && others === 0 ? pages.keep(unchanged, args, page) : page;
}

/**
 * @param fits counts bytes as the page grows, so that each entry is measured once.
 * @throws Refusal TOOSMALL when not even the first entry fits.
 */
function list<Entry>(
  tree: Decision,
  directory: MergedObject,
  after: bigint,
  entryOf: (entry: MergedEntry, cookie: bigint) => Entry,
  fits: (entry: Entry) => boolean,
): { readonly entries: readonly Entry[]; readonly eof: boolean } {
  const entries: Entry[] = [];
  for (const { cookie, entries: group } of groupsAfter(tree, directory, after)) {
    const next = group.map((entry) => entryOf(entry, cookie));
    if (!next.every(fits)) {
      if (entries.length === 0) throw new Refusal(Nfsstat3.TOOSMALL);
      return { entries, eof: false };
    }
    entries.push(...next);
  }
  return { entries, eof: true };
}

function plainEntry({ name, fileid }: MergedEntry, cookie: bigint): DirEntry {
  return { fileid, name, cookie };
}
