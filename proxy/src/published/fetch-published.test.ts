import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { createLocalDirectory, listenNfs3, type Nfs3Layer, Nfsstat3, stack } from '@rowfs/nfs3';
import { pino } from 'pino';
import { type ImageServer, serverAddress } from '../locator.ts';
import { openTestServer, TestBench } from '../test-support/image-servers.ts';
import { fetchPublished, type Published } from './fetch-published.ts';
import type { AcceptedSize } from './read-export-file.ts';

const MAX_BYTES = 4 * 1024 * 1024;
const right = randomBytes(3_000_001);

let bench: TestBench;
beforeEach(() => {
  bench = new TestBench();
});
afterEach(() => bench.close());

/** A server of a tree that has these bytes, as `layer` makes of it. */
async function serve(bytes: Buffer, layer: Nfs3Layer = (lower) => lower): Promise<ImageServer> {
  const root = await bench.directory();
  await mkdir(join(root, '.rowfs'));
  await writeFile(join(root, '.rowfs', 'file'), bytes);
  const directory = await createLocalDirectory({ root, access: 'read-only' });
  const listener = await listenNfs3({ service: stack(directory, layer) });
  bench.onClose(async () => {
    await listener.close();
    await directory.close();
  });
  return { host: '127.0.0.1', port: listener.port, export: '/' };
}

function fetchFrom(
  servers: readonly ImageServer[],
  how: { readonly slowMs?: number; readonly size?: AcceptedSize } = {},
): Promise<Published<Buffer>> {
  return fetchPublished({
    servers,
    openServer: openTestServer,
    path: '.rowfs/file',
    size: { atMost: MAX_BYTES },
    open: (bytes) => {
      if (!bytes.equals(right)) throw new Error('these are other bytes');
      return bytes;
    },
    silenceMs: 500,
    ...how,
    signal: new AbortController().signal,
    logger: pino({ level: 'silent' }),
  });
}

const claiming =
  (size: number): Nfs3Layer =>
  (lower) => ({
    ...lower,
    async lookup(args, ctx) {
      const result = await lower.lookup(args, ctx);
      return result.status === Nfsstat3.OK && result.objAttributes !== undefined
        ? { ...result, objAttributes: { ...result.objAttributes, size } }
        : result;
    },
  });

const withoutAttributes: Nfs3Layer = (lower) => ({
  ...lower,
  async lookup(args, ctx) {
    const result = await lower.lookup(args, ctx);
    return result.status === Nfsstat3.OK ? { ...result, objAttributes: undefined } : result;
  },
});

const inCrumbs: Nfs3Layer = (lower) => ({
  ...lower,
  read: (args, ctx) => lower.read({ ...args, count: Math.min(args.count, 100_000) }, ctx),
});

const silentReads: Nfs3Layer = (lower) => ({
  ...lower,
  async read(args, ctx) {
    await pause(60_000, undefined, { signal: ctx.signal }).catch(() => undefined);
    return lower.read(args, ctx);
  },
});

const dripping: Nfs3Layer = (lower) => ({
  ...lower,
  async read(args, ctx) {
    await pause(20, undefined, { signal: ctx.signal }).catch(() => undefined);
    return lower.read({ ...args, count: 1 }, ctx);
  },
});

describe('what was published with a version', () => {
  it('is put together from answers of any size', async () => {
    const { content, wrong } = await fetchFrom([await serve(right, inCrumbs)]);
    assert.ok(content.equals(right));
    assert.deepEqual(wrong, []);
  });

  it('costs no round trip for its size where LOOKUP tells it', async () => {
    const asked: Uint8Array[] = [];
    const counted: Nfs3Layer = (lower) => ({
      ...lower,
      getattr(args, ctx) {
        asked.push(args.object);
        return lower.getattr(args, ctx);
      },
    });
    assert.ok((await fetchFrom([await serve(right, counted)])).content.equals(right));
    assert.equal(asked.length, 0);
    const silent: Nfs3Layer = (lower) => withoutAttributes(counted(lower));
    assert.ok((await fetchFrom([await serve(right, silent)])).content.equals(right));
    assert.equal(asked.length, 1);
  });

  it('is not taken from who has something else, claims more than there is, or ends early', async () => {
    const wrong = await serve(Buffer.alloc(right.length));
    const endless = await serve(right, claiming(2 ** 40));
    const short = await serve(right, claiming(right.length + 1));
    const good = await serve(right);
    const found = await fetchFrom([wrong, endless, short, good]);
    assert.ok(found.content.equals(right));
    assert.deepEqual(
      found.wrong.map(({ server }) => server),
      [serverAddress(wrong)],
    );
    await assert.rejects(
      fetchFrom([wrong, endless, short]),
      ({ code, message }: Error & { code: string }) => {
        assert.equal(code, 'NOT_FETCHABLE');
        assert.match(message, /these are other bytes/);
        assert.match(message, /it claims 1099511627776 bytes, where 4194304 are the most/);
        assert.match(message, /it ends at 3000001, before its 3000002 bytes/);
        return true;
      },
    );
  });

  it('endless data: of a published size, no byte is asked for beyond it, nor of who claims another', async () => {
    let [asked, sent] = [0, 0];
    const counted: Nfs3Layer = (lower) => ({
      ...lower,
      async read(args, ctx) {
        const result = await lower.read(args, ctx);
        asked += args.count;
        if (result.status === Nfsstat3.OK) sent += result.count;
        return result;
      },
    });
    const size = { published: right.length };
    const claims = [right.length + 1, right.length - 1, MAX_BYTES, 2 ** 40].map(
      (claimed): Nfs3Layer =>
        (lower) =>
          counted(claiming(claimed)(lower)),
    );
    const liars = await Promise.all(claims.map((layer) => serve(right, layer)));
    await assert.rejects(fetchFrom(liars, { size }), {
      code: 'NOT_FETCHABLE',
      message: /not the published one: it claims 1099511627776 bytes, and not 3000001/,
    });
    assert.equal(asked, 0);
    const endless = await serve(Buffer.alloc(2 * MAX_BYTES), (lower) =>
      counted(claiming(right.length)(lower)),
    );
    const found = await fetchFrom([...liars, endless, await serve(right)], { size });
    assert.deepEqual(
      found.wrong.map(({ server }) => server).sort(),
      [...liars, endless].map(serverAddress).sort(),
    );
    assert.deepEqual([asked, sent], [right.length, right.length]);
  });

  it('comes from the next server when one says nothing any more', async () => {
    const found = await fetchFrom([
      await bench.hungServer(),
      await serve(right, silentReads),
      await serve(right),
    ]);
    assert.ok(found.content.equals(right));
  });

  it('comes from the next server when one sends, but will never be done', async () => {
    const drips = [await serve(right, dripping), await serve(right, dripping)];
    const found = await fetchFrom([...drips, await serve(right)], { slowMs: 50 });
    assert.ok(found.content.equals(right));
  });

  it('is given up when all are silent, and when there is nobody to ask', async () => {
    for (const servers of [[await bench.hungServer(), await serve(right, silentReads)], []])
      await assert.rejects(fetchFrom(servers), { code: 'NOT_FETCHABLE' });
  });
});
