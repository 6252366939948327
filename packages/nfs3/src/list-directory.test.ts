import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Nfs3Error } from './error.ts';
import { failure } from './failure.ts';
import { listDirectory } from './list-directory.ts';
import type { DirEntryPlus } from './procedures/readdirplus.ts';
import type { Nfs3Service } from './service.ts';
import { Nfsstat3 } from './status.ts';
import { ctx } from './test-support/context.ts';

const dir = Uint8Array.of(1);
const PAGE = 3;

interface Directory {
  names: string[];
  verf: bigint;
  /** Whether there is READDIRPLUS. */
  plus: boolean;
}

/** Serves a directory in pages of three; a cookie is a place in the list that `verf` stands for. */
function serve(directory: Directory): Pick<Nfs3Service, 'readdir' | 'readdirplus'> {
  const page = (cookie: bigint, cookieverf: bigint) => {
    if (cookie !== 0n && cookieverf !== directory.verf) return undefined;
    const from = Number(cookie);
    const entries = directory.names.slice(from, from + PAGE).map((name, i): DirEntryPlus => ({
      name,
      fileid: 1n,
      cookie: BigInt(from + i + 1),
      nameAttributes: undefined,
      nameHandle: Uint8Array.of(7),
    }));
    const eof = from + PAGE >= directory.names.length;
    const { verf } = directory;
    return { status: Nfsstat3.OK, dirAttributes: undefined, cookieverf: verf, entries, eof };
  };
  return {
    readdir: async ({ cookie, cookieverf }) =>
      page(cookie, cookieverf) ?? failure('readdir', Nfsstat3.BAD_COOKIE),
    readdirplus: async ({ cookie, cookieverf }) =>
      directory.plus
        ? (page(cookie, cookieverf) ?? failure('readdirplus', Nfsstat3.BAD_COOKIE))
        : failure('readdirplus', Nfsstat3.NOTSUPP),
  };
}

async function collect(entries: AsyncIterable<DirEntryPlus>): Promise<DirEntryPlus[]> {
  return Array.fromAsync(entries);
}

describe('listDirectory', () => {
  const names = ['.', '..', 'a', 'b', 'c', 'd', 'e'];

  it('lists all pages without . and ..', async () => {
    const entries = await collect(listDirectory(serve({ names, verf: 5n, plus: true }), dir, ctx));
    assert.deepEqual(
      entries.map((entry) => entry.name),
      ['a', 'b', 'c', 'd', 'e'],
    );
    assert.ok(entries.every((entry) => entry.nameHandle !== undefined));
  });

  it('falls back to READDIR', async () => {
    const entries = await collect(listDirectory(serve({ names, verf: 5n, plus: false }), dir, ctx));
    assert.deepEqual(
      entries.map((entry) => [entry.name, entry.nameHandle]),
      ['a', 'b', 'c', 'd', 'e'].map((name) => [name, undefined]),
    );
  });

  it('starts again when its cookies are forgotten, and gives no name twice', async () => {
    const directory = { names, verf: 5n, plus: true };
    const seen: string[] = [];
    for await (const { name } of listDirectory(serve(directory), dir, ctx)) {
      seen.push(name);
      if (name === 'a') {
        directory.verf = 6n;
        directory.names = ['.', '..', 'new', ...names.slice(2)];
      }
    }
    assert.deepEqual(seen, ['a', 'new', 'b', 'c', 'd', 'e']);
  });

  it('gives up on a directory whose cookies are forgotten each time', async () => {
    const directory = { names, verf: 5n, plus: true };
    const service = serve(directory);
    const forgetful: typeof service = {
      ...service,
      readdirplus: async (args, context) => {
        const page = await service.readdirplus(args, context);
        directory.verf += 1n;
        return page;
      },
    };
    await assert.rejects(collect(listDirectory(forgetful, dir, ctx)), (error: Nfs3Error) => {
      assert.equal(error.status, Nfsstat3.BAD_COOKIE);
      assert.equal(error.code, 'NFS3ERR_BAD_COOKIE');
      return true;
    });
  });

  it('rejects rather than ask for ever when a page is empty and not the last', async () => {
    const stuck: Nfs3Service['readdirplus'] = async () => ({
      status: Nfsstat3.OK,
      dirAttributes: undefined,
      cookieverf: 1n,
      entries: [],
      eof: false,
    });
    const service = { ...serve({ names, verf: 5n, plus: true }), readdirplus: stuck };
    const listed = collect(listDirectory(service, dir, ctx));
    await assert.rejects(listed, { code: 'NFS3ERR_TOOSMALL' });
  });
});
