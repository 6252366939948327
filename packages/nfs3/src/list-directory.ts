import { Nfs3Error } from './error.ts';
import type { DirEntryPlus } from './procedures/readdirplus.ts';
import type { Nfs3Context, Nfs3Service } from './service.ts';
import { Nfsstat3 } from './status.ts';
import type { Filehandle, Verf3 } from './types.ts';

type DirectoryReader = Pick<Nfs3Service, 'readdir' | 'readdirplus'>;

interface Position {
  readonly cookie: bigint;
  readonly cookieverf: Verf3;
}

const START: Position = { cookie: 0n, cookieverf: 0n };
/** Large pages, for each costs a round trip; servers answer with as much as they like. */
const DIRCOUNT_BYTES = 32 * 1024;
const MAXCOUNT_BYTES = 128 * 1024;
/** A directory that changes faster than it can be read. */
const MAX_RESTARTS = 10;

/**
 * Lists a directory without `.` and `..`, each name once.
 *
 * Asks with READDIRPLUS; a server that does not do it is asked with READDIR, and its entries come
 * without attributes and handles. When the server forgets the cookies, the listing starts again and
 * goes on with the names not seen before.
 *
 * @throws Nfs3Error for a status it cannot go on with.
 */
export async function* listDirectory(
  service: DirectoryReader,
  dir: Filehandle,
  ctx: Nfs3Context,
): AsyncGenerator<DirEntryPlus, void, void> {
  const seen = new Set(['.', '..']);
  let plus = true;
  let position = START;
  for (let restarts = 0; ;) {
    const page = await (plus ? readPlus : readPlain)(service, dir, position, ctx);
    if (page.status === Nfsstat3.NOTSUPP && plus) {
      // Not where READDIRPLUS stood: nothing says that the two share their cookies.
      plus = false;
      position = START;
      continue;
    }
    if (page.status === Nfsstat3.BAD_COOKIE && position !== START && restarts < MAX_RESTARTS) {
      restarts += 1;
      position = START;
      continue;
    }
    if (page.status !== Nfsstat3.OK) throw new Nfs3Error(page.status, 'listing a directory');
    for (const entry of page.entries) {
      if (seen.has(entry.name)) continue;
      seen.add(entry.name);
      yield entry;
    }
    const last = page.entries.at(-1);
    if (page.eof) return;
    // Neither entries nor an end: not one entry fits, and asking again would bring the same.
    if (last === undefined) throw new Nfs3Error(Nfsstat3.TOOSMALL, 'listing a directory');
    position = { cookie: last.cookie, cookieverf: page.cookieverf };
  }
}

function readPlus(
  service: DirectoryReader,
  dir: Filehandle,
  position: Position,
  ctx: Nfs3Context,
): ReturnType<Nfs3Service['readdirplus']> {
  const limits = { dircount: DIRCOUNT_BYTES, maxcount: MAXCOUNT_BYTES };
  return service.readdirplus({ dir, ...position, ...limits }, ctx);
}

async function readPlain(
  service: DirectoryReader,
  dir: Filehandle,
  position: Position,
  ctx: Nfs3Context,
): ReturnType<Nfs3Service['readdirplus']> {
  const page = await service.readdir({ dir, ...position, count: DIRCOUNT_BYTES }, ctx);
  if (page.status !== Nfsstat3.OK) return page;
  const entries = page.entries.map((entry) => ({
    ...entry,
    nameAttributes: undefined,
    nameHandle: undefined,
  }));
  return { ...page, entries };
}
