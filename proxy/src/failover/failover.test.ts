import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { link, mkdir, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from 'node:test';
import {
  failure,
  type Filehandle,
  listDirectory,
  Mountstat3,
  type Nfs3Service,
  Nfsstat3,
  pathNames,
  refusals,
  walk,
} from '@rowfs/nfs3';
import { pino } from 'pino';
import type { ImageServer } from '../locator.ts';
import { openTestServer, TestBench, testContext as ctx } from '../test-support/image-servers.ts';
import { RecordStore } from '../store/record-store.ts';
import { createFailover, type Failover, type FailoverTimings } from './failover.ts';
import type { OpenServer } from './replica.ts';

const timings: FailoverTimings = {
  patienceMs: 200,
  mountMs: 1_000,
  probeMs: { first: 20, last: 100 },
  holdMs: 10_000,
};

let bench: TestBench;
beforeEach(() => {
  bench = new TestBench();
});
afterEach(() => bench.close());

interface Options {
  readonly recordsDirectory?: string;
  readonly openServer?: OpenServer;
  readonly timings?: FailoverTimings;
}

async function failoverOf(
  servers: readonly ImageServer[],
  options: Options = {},
): Promise<Failover> {
  const directory = options.recordsDirectory ?? (await bench.directory());
  const records = new RecordStore(directory, () => undefined);
  const failover = await createFailover({
    servers,
    openServer: openTestServer,
    records,
    timings,
    logger: pino({ level: 'silent' }),
    onChange: () => undefined,
    ...options,
  });
  let closed = false;
  const close = failover.close.bind(failover);
  failover.close = async () => {
    if (closed) return;
    closed = true;
    await close();
    await records.close();
  };
  bench.onClose(() => failover.close());
  await failover.ready(AbortSignal.timeout(5_000));
  return failover;
}

async function rootOf(service: Nfs3Service): Promise<Filehandle> {
  const mounted = await service.mount('/', ctx);
  assert.equal(mounted.status, Mountstat3.OK);
  return (mounted as { handle: Filehandle }).handle;
}

async function find(service: Nfs3Service, path: string): Promise<Filehandle> {
  const walked = await walk(service, await rootOf(service), pathNames(path), ctx);
  assert.equal(walked.status, Nfsstat3.OK, path);
  return (walked as { object: Filehandle }).object;
}

async function fileid(service: Nfs3Service, path: string): Promise<bigint> {
  const found = await service.getattr({ object: await find(service, path) }, ctx);
  assert.ok(found.status === Nfsstat3.OK);
  return found.attributes.fileid;
}

async function read(service: Nfs3Service, file: Filehandle, offset = 0): Promise<Buffer> {
  const result = await service.read({ file, offset, count: 65_536 }, ctx);
  assert.ok(result.status === Nfsstat3.OK, `status ${result.status}`);
  return Buffer.concat(result.data);
}

/** Has only this server used. */
async function moveTo(failover: Failover, server: ImageServer): Promise<void> {
  failover.setServers([server]);
  while (failover.status().some(({ state }) => state !== 'healthy') || failover.status().length > 1)
    await pause(2);
}

const contents = randomBytes(200_000);

async function image(): Promise<string> {
  const directory = await bench.directory();
  await mkdir(join(directory, 'etc/deep'), { recursive: true });
  await writeFile(join(directory, 'big'), contents);
  await writeFile(join(directory, 'etc/deep/file'), 'deep');
  await symlink('../big', join(directory, 'etc/link'));
  return directory;
}

function current(failover: Failover): string | undefined {
  return failover.status().find((server) => server.current)?.address;
}

describe('failover', () => {
  it('goes on with a read, with the same handle and attributes, when the server is gone', async () => {
    const source = await image();
    const [a, b] = [await bench.serve(source), await bench.serve(await bench.copyOf(source))];
    const failover = await failoverOf([a, b]);
    const file = await find(failover, '/big');
    const before = await failover.getattr({ object: file }, ctx);
    const first = await read(failover, file);
    const serving = [a, b].find((server) => current(failover)?.includes(String(server.port)));
    await serving?.stop();
    const parts = [first];
    for (let offset = first.length; offset < contents.length; offset += 65_536)
      parts.push(await read(failover, file, offset));
    assert.ok(Buffer.concat(parts).equals(contents));
    assert.deepEqual(await failover.getattr({ object: file }, ctx), before);
    assert.equal(failover.status().filter(({ state }) => state === 'demoted').length, 1);
  });

  it('answers a read that hangs from another server, and demotes the silent one', async () => {
    const source = await image();
    const server = await bench.serve(source);
    const stuck = await bench.serve(await bench.copyOf(source));
    let hang = false;
    const openServer: OpenServer = (which) => {
      const service = openTestServer(which);
      if (which.port !== stuck.port) return service;
      return {
        ...service,
        read: (args, callCtx) =>
          hang
            ? new Promise((_resolve, reject) =>
                callCtx.signal.addEventListener('abort', () => reject(new Error('aborted'))),
              )
            : service.read(args, callCtx),
      };
    };
    const failover = await failoverOf([stuck], { openServer });
    const file = await find(failover, '/big');
    failover.setServers([stuck, server]);
    hang = true;
    assert.ok((await read(failover, file)).equals(contents.subarray(0, 65_536)));
    const status = failover.status();
    assert.equal(status[0]?.lastError?.code, 'SILENT');
    assert.equal(current(failover), status[1]?.address);
  });

  it('starts with a server that accepts and says nothing, one that is not there, and a good one', async () => {
    const good = await bench.serve(await image());
    const gone = await bench.serve(await image());
    await gone.stop();
    const failover = await failoverOf([await bench.hungServer(), gone, good]);
    assert.ok((await read(failover, await find(failover, '/big'))).length > 0);
    assert.match(current(failover) ?? '', new RegExp(`:${good.port}:`));
  });

  it('holds calls while no server is there, and answers when one is back', async () => {
    const server = await bench.serve(await image());
    const failover = await failoverOf([server]);
    const file = await find(failover, '/big');
    await server.stop();
    const held = read(failover, file);
    await server.start();
    assert.ok((await held).equals(contents.subarray(0, 65_536)));
  });

  it('answers JUKEBOX when no server comes back in time', async () => {
    const server = await bench.serve(await image());
    const failover = await failoverOf([server], { timings: { ...timings, holdMs: 100 } });
    const file = await find(failover, '/big');
    await server.stop();
    const result = await failover.read({ file, offset: 0, count: 10 }, ctx);
    assert.equal(result.status, Nfsstat3.JUKEBOX);
  });

  it('names every server and its reason when none can be mounted', async () => {
    const gone = await bench.serve(await image());
    await gone.stop();
    const other = await bench.serve(await image(), '/export');
    await assert.rejects(failoverOf([gone, { ...other, export: '/missing' }]), (error: Error) => {
      assert.equal((error as { code?: string }).code, 'NO_SERVER_REACHABLE');
      assert.match(error.message, new RegExp(`:${gone.port}:`));
      assert.match(
        error.message,
        new RegExp(`:${other.port}:/missing: the server has no such export`),
      );
      return true;
    });
  });

  it('knows all names of a hard link for one file, on every server', async () => {
    const source = await bench.directory();
    await writeFile(join(source, 'one'), 'linked');
    await link(join(source, 'one'), join(source, 'two'));
    await link(join(source, 'one'), join(source, 'three'));
    await writeFile(join(source, 'other'), 'linkeb');
    await link(join(source, 'other'), join(source, 'another'));
    const replica = await bench.directory();
    // Made in another order, so that fileids of the two cannot agree by luck.
    await writeFile(join(replica, 'another'), 'linkeb');
    await link(join(replica, 'another'), join(replica, 'other'));
    await writeFile(join(replica, 'three'), 'linked');
    await link(join(replica, 'three'), join(replica, 'two'));
    await link(join(replica, 'three'), join(replica, 'one'));
    const [a, b] = [await bench.serve(source), await bench.serve(replica)];
    const failover = await failoverOf([a]);
    const one = await fileid(failover, '/one');
    await moveTo(failover, b);
    const other = await fileid(failover, '/other');
    assert.equal(await fileid(failover, '/two'), one);
    await moveTo(failover, a);
    assert.equal(await fileid(failover, '/another'), other);
    assert.equal(await fileid(failover, '/three'), one);
    assert.notEqual(one, other);
  });

  it('gives the same handles after a restart, also for a file of which a name is gone', async () => {
    const source = await image();
    await link(join(source, 'big'), join(source, 'also-big'));
    const server = await bench.serve(source);
    const recordsDirectory = await bench.directory();
    const first = await failoverOf([server], { recordsDirectory });
    const deep = await find(first, '/etc/deep/file');
    const big = await find(first, '/big');
    assert.deepEqual(await find(first, '/also-big'), big);
    await first.close();
    await unlink(join(source, 'big'));
    const second = await failoverOf([server], { recordsDirectory });
    assert.equal((await read(second, deep)).toString(), 'deep');
    assert.ok((await read(second, big)).equals(contents.subarray(0, 65_536)));
    assert.deepEqual(await find(second, '/etc/deep/file'), deep);
    assert.notDeepEqual(await find(second, '/etc/deep'), deep);
  });

  it('refuses handles that are not its own', async () => {
    const server = await bench.serve(await image());
    const [mine, yours] = [await failoverOf([server]), await failoverOf([server])];
    const foreign = await find(yours, '/big');
    assert.equal((await mine.getattr({ object: foreign }, ctx)).status, Nfsstat3.STALE);
    const malformed = foreign.subarray(1);
    assert.equal((await mine.getattr({ object: malformed }, ctx)).status, Nfsstat3.BADHANDLE);
  });

  it('lists a directory whole and once when its server dies in the middle', async () => {
    const source = await bench.directory();
    const names = Array.from({ length: 300 }, (_, index) => `name-${index}-${'x'.repeat(80)}`);
    for (const name of names) await writeFile(join(source, name), '');
    const [a, b] = [await bench.serve(source), await bench.serve(await bench.copyOf(source))];
    const failover = await failoverOf([a, b]);
    const dir = await rootOf(failover);
    const limits = { dircount: 4_096, maxcount: 16_384 };
    const page = await failover.readdirplus({ dir, cookie: 0n, cookieverf: 0n, ...limits }, ctx);
    assert.ok(page.status === Nfsstat3.OK && !page.eof);
    const serving = [a, b].find((server) => current(failover)?.includes(String(server.port)));
    await serving?.stop();
    const { cookie } = page.entries.at(-1)!;
    const next = { dir, cookie, cookieverf: page.cookieverf, ...limits };
    assert.equal((await failover.readdirplus(next, ctx)).status, Nfsstat3.BAD_COOKIE);
    const listed = await Array.fromAsync(listDirectory(failover, dir, ctx));
    assert.deepEqual(listed.map(({ name }) => name).sort(), names.sort());
    const again = new Map(listed.map((entry) => [entry.name, entry]));
    for (const { name, fileid: id, nameHandle } of page.entries.filter(
      (e) => !/^\.+$/.test(e.name),
    )) {
      assert.equal(again.get(name)?.fileid, id);
      assert.deepEqual(again.get(name)?.nameHandle, nameHandle);
    }
  });

  it('asks another replica for a file that one does not have, and demotes that one', async () => {
    const source = await image();
    const broken = await bench.copyOf(source);
    const [a, b] = [await bench.serve(source), await bench.serve(broken)];
    const failover = await failoverOf([a]);
    const file = await find(failover, '/etc/deep/file');
    await unlink(join(broken, 'etc/deep/file'));
    await moveTo(failover, b);
    await read(failover, await find(failover, '/big'));
    failover.setServers([b, a]);
    assert.equal((await read(failover, file)).toString(), 'deep');
    assert.equal(failover.status()[0]?.lastError?.code, 'WRONG_ANSWER');
  });

  it('takes an I/O error for the truth only when every server has it', async () => {
    const source = await image();
    const [a, b] = [await bench.serve(source), await bench.serve(await bench.copyOf(source))];
    const bad = new Set([a.port]);
    const openServer: OpenServer = (server) => {
      const service = openTestServer(server);
      return {
        ...service,
        read: async (args, callCtx) =>
          bad.has(server.port ?? 0) ? failure('read', Nfsstat3.IO) : service.read(args, callCtx),
      };
    };
    const failover = await failoverOf([a], { openServer });
    const file = await find(failover, '/big');
    assert.equal((await failover.read({ file, offset: 0, count: 10 }, ctx)).status, Nfsstat3.IO);
    assert.equal(failover.status()[0]?.state, 'healthy');
    failover.setServers([a, b]);
    assert.ok((await read(failover, file)).length > 0);
    assert.match(failover.status()[0]?.lastError?.message ?? '', /NFS3ERR_IO/);
    bad.add(b.port);
    const failures = failover.status().map((server) => server.failures);
    assert.equal((await failover.read({ file, offset: 0, count: 10 }, ctx)).status, Nfsstat3.IO);
    assert.deepEqual(
      failover.status().map((server) => server.failures),
      failures,
    );
  });

  it('walks again to a file of which the server has forgotten the handle', async () => {
    const server = await bench.serve(await image());
    const given = new Set<string>();
    const forgotten = new Set<string>();
    const openServer: OpenServer = (which) => {
      const service = openTestServer(which);
      // Forgotten until it is looked up again.
      const isForgotten = (handle: Filehandle): boolean =>
        forgotten.delete(Buffer.from(handle).toString('hex'));
      return {
        ...service,
        lookup: async (args, callCtx) => {
          if (isForgotten(args.what.dir)) return failure('lookup', Nfsstat3.STALE);
          const result = await service.lookup(args, callCtx);
          if (result.status === Nfsstat3.OK) given.add(Buffer.from(result.object).toString('hex'));
          return result;
        },
        read: async (args, callCtx) =>
          isForgotten(args.file) ? failure('read', Nfsstat3.STALE) : service.read(args, callCtx),
      };
    };
    const failover = await failoverOf([server], { openServer });
    const file = await find(failover, '/etc/deep/file');
    assert.equal(given.size, 3);
    for (const handle of given) forgotten.add(handle);
    assert.equal((await read(failover, file)).toString(), 'deep');
    assert.equal(forgotten.size, 0);
    assert.equal(failover.status()[0]?.failures, 0);
  });

  it('lists a directory on a server without READDIRPLUS, links included', async () => {
    const source = await image();
    await link(join(source, 'big'), join(source, 'also-big'));
    const openServer: OpenServer = (server) => ({
      ...openTestServer(server),
      ...refusals(Nfsstat3.NOTSUPP, ['readdirplus']),
    });
    const failover = await failoverOf([await bench.serve(source)], { openServer });
    const entries = await Array.fromAsync(listDirectory(failover, await rootOf(failover), ctx));
    const fileids = new Map(entries.map(({ name, fileid: id }) => [name, id]));
    assert.deepEqual([...fileids.keys()].sort(), ['also-big', 'big', 'etc']);
    assert.equal(fileids.get('big'), fileids.get('also-big'));
    const plain = await failover.readdir(
      { dir: await rootOf(failover), cookie: 0n, cookieverf: 0n, count: 4_096 },
      ctx,
    );
    assert.ok(plain.status === Nfsstat3.OK);
    for (const { name, fileid: id } of plain.entries)
      if (fileids.has(name)) assert.equal(id, fileids.get(name));
  });

  it('gives a call up with its caller, and blames no server for it', async () => {
    const server = await bench.serve(await image());
    const failover = await failoverOf([server]);
    const file = await find(failover, '/big');
    const caller = new AbortController();
    const reading = failover.read(
      { file, offset: 0, count: 10 },
      { ...ctx, signal: caller.signal },
    );
    caller.abort(new Error('gone'));
    await assert.rejects(reading, /gone/);
    assert.equal(failover.status()[0]?.failures, 0);
    await server.stop();
    const held = failover.read({ file, offset: 0, count: 10 }, ctx);
    await failover.close();
    assert.equal((await held).status, Nfsstat3.JUKEBOX);
  });

  it('refuses to change anything', async () => {
    const failover = await failoverOf([await bench.serve(await image())]);
    const object = { dir: await rootOf(failover), name: 'big' };
    assert.equal((await failover.remove({ object }, ctx)).status, Nfsstat3.ROFS);
  });
});
