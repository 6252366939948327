import { readdirSync } from 'node:fs';
import { LRUCache } from 'lru-cache';
import { checkAccess } from '../permissions.ts';
import {
  dirEntryBytes,
  READDIR_OVERHEAD_BYTES,
  type ReaddirArgs,
  type ReaddirResult,
} from '../procedures/readdir.ts';
import {
  dirEntryPlusBytes,
  type ReaddirplusArgs,
  type ReaddirplusResult,
} from '../procedures/readdirplus.ts';
import type { DirEntry } from '../procedures/readdir.ts';
import type { DirEntryPlus } from '../procedures/readdirplus.ts';
import type { Nfs3Context, Nfs3Service } from '../service.ts';
import { Nfsstat3 } from '../status.ts';
import { Access3, type Fattr3, type Filename } from '../types.ts';
import { toFattr3 } from './attributes.ts';
import { Nfs3Failure } from './errno.ts';
import type { Pin } from './pin.ts';
import { nameHash } from './name-hash.ts';
import { answer, attributesIfKnown, attributesOf, pinDirectory, type Tree } from './tree.ts';

/*
 * A cookie is made of the entry's own name, and entries come in the order of their cookies: whatever is
 * added or removed meanwhile, and over a restart, a cookie means the same place. It is 55 bits of hash
 * and 8 bits that count names of equal hash in byte order, so cookies are positive also as int64. Only
 * a change among names of equal hash can shift a cookie, and no two names of 2^27 are expected to have
 * one. The verifier says how cookies are made, not what the directory holds.
 */
const COOKIE_VERIFIER = 0x726f_7766_7300_0001n;
const DOT_COOKIE = 1n;
const DOTDOT_COOKIE = 2n;

/** A listing is used again when it was made so long, in ms, after the last change of the directory. */
const SETTLED_MS = 50;
const MAX_LISTINGS = 64;

interface ListedName {
  readonly name: Filename;
  readonly cookie: bigint;
}

interface Listing {
  readonly changed: Fattr3['ctime'];
  readonly names: readonly ListedName[];
}

type Listings = LRUCache<bigint, Listing>;
type Directories = Pick<Nfs3Service, 'readdir' | 'readdirplus'>;

/** READDIR and READDIRPLUS. */
export function directoryProcedures(tree: Tree): Directories {
  const listings: Listings = new LRUCache({ max: MAX_LISTINGS });
  return {
    readdir: (args: ReaddirArgs, ctx: Nfs3Context): Promise<ReaddirResult> =>
      answer(
        async () => readdir(tree, listings, await pinDirectory(tree, args.dir), args, ctx),
        (status) => ({ status, dirAttributes: attributesIfKnown(tree, args.dir) }),
      ),
    readdirplus: (args: ReaddirplusArgs, ctx: Nfs3Context): Promise<ReaddirplusResult> =>
      answer(
        async () => readdirplus(tree, listings, await pinDirectory(tree, args.dir), args, ctx),
        (status) => ({ status, dirAttributes: attributesIfKnown(tree, args.dir) }),
      ),
  };
}

function readdir(
  tree: Tree,
  listings: Listings,
  dir: Pin,
  args: ReaddirArgs,
  ctx: Nfs3Context,
): ReaddirResult {
  const dirAttributes = readableDirectory(tree, dir, args, ctx);
  const entries: DirEntry[] = [];
  let bytes = READDIR_OVERHEAD_BYTES;
  for (const listed of after(list(listings, dir, dirAttributes), args.cookie)) {
    const entry = entryPlus(tree, dir, listed);
    if (entry === undefined) continue;
    bytes += dirEntryBytes(entry.name);
    if (bytes > args.count) return page(dirAttributes, entries, false);
    entries.push({ fileid: entry.fileid, name: entry.name, cookie: entry.cookie });
  }
  return page(dirAttributes, entries, true);
}

function readdirplus(
  tree: Tree,
  listings: Listings,
  dir: Pin,
  args: ReaddirplusArgs,
  ctx: Nfs3Context,
): ReaddirplusResult {
  const dirAttributes = readableDirectory(tree, dir, args, ctx);
  const entries: DirEntryPlus[] = [];
  let bytes = READDIR_OVERHEAD_BYTES;
  let nameBytes = 0;
  for (const listed of after(list(listings, dir, dirAttributes), args.cookie)) {
    const entry = entryPlus(tree, dir, listed);
    if (entry === undefined) continue;
    bytes += dirEntryPlusBytes(entry);
    nameBytes += dirEntryBytes(entry.name);
    const full = nameBytes > args.dircount && entries.length > 0;
    if (bytes > args.maxcount || full) return page(dirAttributes, entries, false);
    entries.push(entry);
  }
  return page(dirAttributes, entries, true);
}

function page<Entry>(dirAttributes: Fattr3, entries: readonly Entry[], eof: boolean) {
  if (entries.length === 0 && !eof) throw new Nfs3Failure(Nfsstat3.TOOSMALL);
  return { status: Nfsstat3.OK, dirAttributes, cookieverf: COOKIE_VERIFIER, entries, eof };
}

function readableDirectory(
  tree: Tree,
  dir: Pin,
  { cookie, cookieverf }: { readonly cookie: bigint; readonly cookieverf: bigint },
  ctx: Nfs3Context,
): Fattr3 {
  const attributes = attributesOf(tree, dir);
  if (checkAccess(attributes, ctx.credential, Access3.READ) === 0) {
    throw new Nfs3Failure(Nfsstat3.ACCES);
  }
  if (cookie !== 0n && cookieverf !== COOKIE_VERIFIER) {
    throw new Nfs3Failure(Nfsstat3.BAD_COOKIE);
  }
  return attributes;
}

/** What an entry is now; undefined when it went away since it was listed. */
function entryPlus(tree: Tree, dir: Pin, { name, cookie }: ListedName): DirEntryPlus | undefined {
  if (cookie <= DOTDOT_COOKIE) {
    const { handle } = cookie === DOT_COOKIE ? dir : tree.inodes.parentOf(dir);
    const nameAttributes = attributesIfKnown(tree, handle);
    return {
      name,
      cookie,
      fileid: nameAttributes?.fileid ?? 0n,
      nameAttributes,
      nameHandle: handle,
    };
  }
  const entry = tree.inodes.entry(dir, name);
  if (entry === undefined) return undefined;
  const { stats, handle } = entry;
  const nameAttributes = toFattr3(stats, tree.fsid);
  return { name, cookie, fileid: stats.ino, nameAttributes, nameHandle: handle };
}

function list(listings: Listings, dir: Pin, { ctime }: Fattr3): readonly ListedName[] {
  const known = listings.get(dir.ino);
  if (known?.changed.seconds === ctime.seconds && known.changed.nseconds === ctime.nseconds) {
    return known.names;
  }
  const names = withCookies(readdirSync(`${dir.path}/.`, 'latin1'));
  // Two changes within one tick of the file system's clock look like one: then nothing is kept.
  const age = Date.now() - (ctime.seconds * 1000 + ctime.nseconds / 1e6);
  if (age > SETTLED_MS) listings.set(dir.ino, { changed: ctime, names });
  return names;
}

/** The entries of a directory in the order of their cookies, '.' and '..' first. */
export function withCookies(names: readonly Filename[]): ListedName[] {
  const hashed = names.map((name) => {
    const { high, low } = nameHash(name);
    return { name, high: high >>> 9, low };
  });
  hashed.sort((a, b) => a.high - b.high || a.low - b.low || (a.name < b.name ? -1 : 1));
  const listed: ListedName[] = [
    { name: '.', cookie: DOT_COOKIE },
    { name: '..', cookie: DOTDOT_COOKIE },
  ];
  let last = DOTDOT_COOKIE;
  for (const { name, high, low } of hashed) {
    const first = (BigInt(high) << 40n) | (BigInt(low) << 8n);
    // Next to the one before it when the hashes are equal.
    last = first > last ? first : last + 1n;
    listed.push({ name, cookie: last });
  }
  return listed;
}

/** The entries whose cookie is greater, found by halving. */
function after(listed: readonly ListedName[], cookie: bigint): readonly ListedName[] {
  let low = 0;
  let high = listed.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = listed[middle];
    if (entry !== undefined && entry.cookie > cookie) high = middle;
    else low = middle + 1;
  }
  return listed.slice(low);
}
