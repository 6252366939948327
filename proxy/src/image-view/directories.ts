import type { ImageEntry } from '@rowfs/image';
import {
  Access3,
  checkAccess,
  type DirEntry,
  dirEntryBytes,
  type DirEntryPlus,
  dirEntryPlusBytes,
  type Fattr3,
  type Filehandle,
  Ftype3,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
  type Nfsstat3Error,
  READDIR_OVERHEAD_BYTES,
} from '@rowfs/nfs3';
import type { ImageTree } from './image-tree.ts';

/*
 * `.` and `..` come first, then the names in byte order, as the manifest has them. A cookie is a position
 * in that order, so it means the same place for ever, on every machine; the verifier is of the image.
 */
const DOT_COOKIE = 1;
const DOT_DOT_COOKIE = 2;
/** Entries taken from the manifest at a time: about a small page. */
const ENTRIES_AT_A_TIME = 64;

interface Page<Entry> {
  readonly status: typeof Nfsstat3.OK;
  readonly dirAttributes: Fattr3;
  readonly cookieverf: bigint;
  readonly entries: readonly Entry[];
  readonly eof: boolean;
}
interface Failed {
  readonly status: Nfsstat3Error;
  readonly dirAttributes: Fattr3 | undefined;
}

/** READDIR and READDIRPLUS. */
export function directoryProcedures(tree: ImageTree): Pick<Nfs3Service, 'readdir' | 'readdirplus'> {
  return {
    readdir: async (args, ctx) => {
      let bytes = READDIR_OVERHEAD_BYTES;
      return list<DirEntry>(
        tree,
        args,
        ctx,
        ({ name, fileid, cookie }) => ({ fileid: BigInt(fileid), name, cookie: BigInt(cookie) }),
        ({ name }) => (bytes += dirEntryBytes(name)) <= args.count,
      );
    },

    readdirplus: async (args, ctx) => {
      let bytes = READDIR_OVERHEAD_BYTES;
      let directoryBytes = 0;
      return list<DirEntryPlus>(
        tree,
        args,
        ctx,
        ({ name, fileid, cookie }) => {
          const nameAttributes = tree.attributes(fileid);
          const nameHandle = tree.handleOf(fileid);
          const { fileid: id } = nameAttributes;
          return { fileid: id, name, cookie: BigInt(cookie), nameAttributes, nameHandle };
        },
        (entry) => {
          bytes += dirEntryPlusBytes(entry);
          directoryBytes += dirEntryBytes(entry.name);
          return bytes <= args.maxcount && directoryBytes <= args.dircount;
        },
      );
    },
  };
}

interface Start {
  readonly dir: Filehandle;
  readonly cookie: bigint;
  readonly cookieverf: bigint;
}

/** @param fits Counts the bytes of the page as it grows: false for an entry that is too much. */
function list<Entry>(
  tree: ImageTree,
  { dir, cookie, cookieverf }: Start,
  { credential }: Nfs3Context,
  entryOf: (entry: ImageEntry) => Entry,
  fits: (entry: Entry) => boolean,
): Page<Entry> | Failed {
  const found = tree.find(dir);
  if (typeof found === 'number') return { status: found, dirAttributes: undefined };
  const { fileid, attributes: dirAttributes } = found;
  if (dirAttributes.type !== Ftype3.DIR) return { status: Nfsstat3.NOTDIR, dirAttributes };
  if (checkAccess(dirAttributes, credential, Access3.READ) === 0) {
    return { status: Nfsstat3.ACCES, dirAttributes };
  }
  if (cookie !== 0n && cookieverf !== tree.cookieverf) {
    return { status: Nfsstat3.BAD_COOKIE, dirAttributes };
  }
  const page = { status: Nfsstat3.OK, dirAttributes, cookieverf: tree.cookieverf };
  const entries: Entry[] = [];
  for (let after = Number(cookie); ;) {
    const some = entriesAfter(tree, fileid, after);
    for (const each of some) {
      const entry = entryOf(each);
      if (!fits(entry)) {
        if (entries.length === 0) return { status: Nfsstat3.TOOSMALL, dirAttributes };
        return { ...page, entries, eof: false };
      }
      entries.push(entry);
    }
    const last = some.at(-1);
    if (last === undefined) return { ...page, entries, eof: true };
    after = last.cookie;
  }
}

/** Some entries of a directory after a cookie; none at its end. */
function entriesAfter(tree: ImageTree, directory: number, cookie: number): ImageEntry[] {
  const special: ImageEntry[] = [];
  if (cookie < DOT_COOKIE) special.push({ name: '.', fileid: directory, cookie: DOT_COOKIE });
  if (cookie < DOT_DOT_COOKIE) {
    special.push({ name: '..', fileid: tree.image.parent(directory), cookie: DOT_DOT_COOKIE });
  }
  if (special.length > 0) return special;
  return tree.image
    .readdir(directory, cookie - DOT_DOT_COOKIE, ENTRIES_AT_A_TIME)
    .map((entry) => ({ ...entry, cookie: entry.cookie + DOT_DOT_COOKIE }));
}
