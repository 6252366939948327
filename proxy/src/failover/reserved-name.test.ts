import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { MANIFEST_PATH, RESERVED_NAME } from '@rowfs/image';
import {
  type Filehandle,
  Ftype3,
  listDirectory,
  Mountstat3,
  type Nfs3Layer,
  Nfsstat3,
  nullLayer,
  pathNames,
  refusals,
  walk,
} from '@rowfs/nfs3';
import { pino } from 'pino';
import { RecordStore } from '../store/record-store.ts';
import { openTestServer, TestBench, testContext as ctx } from '../test-support/image-servers.ts';
import { createFailover, DEFAULT_FAILOVER_TIMINGS, type Failover } from './failover.ts';

let bench: TestBench;
beforeEach(() => {
  bench = new TestBench();
});
afterEach(() => bench.close());

/** A tree with a manifest in it, and the reserved name elsewhere, where it is like any other. */
async function exported(layer?: Nfs3Layer): Promise<{ failover: Failover; root: Filehandle }> {
  const source = await bench.directory();
  await mkdir(join(source, RESERVED_NAME));
  await writeFile(join(source, MANIFEST_PATH), 'not for clients');
  await mkdir(join(source, 'home', RESERVED_NAME), { recursive: true });
  const records = new RecordStore(await bench.directory(), () => undefined);
  bench.onClose(() => records.close());
  const failover = await createFailover({
    servers: [await bench.serve(source, '/', layer)],
    openServer: openTestServer,
    records,
    timings: DEFAULT_FAILOVER_TIMINGS,
    logger: pino({ level: 'silent' }),
    onChange: () => undefined,
  });
  bench.onClose(() => failover.close());
  await failover.ready(AbortSignal.timeout(5_000));
  const mounted = await failover.mount('/', ctx);
  assert.ok(mounted.status === Mountstat3.OK);
  return { failover, root: mounted.handle };
}

async function namesIn(failover: Failover, dir: Filehandle): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of listDirectory(failover, dir, ctx)) names.push(name);
  return names.sort();
}

const servers: readonly [string, Nfs3Layer][] = [
  ['a server', nullLayer],
  [
    'a server without READDIRPLUS',
    (lower) => ({ ...lower, ...refusals(Nfsstat3.NOTSUPP, ['readdirplus']) }),
  ],
];

for (const [name, layer] of servers) {
  describe(`the reserved name, on ${name}`, () => {
    it('is not listed in the root of the export', async () => {
      const { failover, root } = await exported(layer);
      assert.deepEqual(await namesIn(failover, root), ['home']);
      const start = { dir: root, cookie: 0n, cookieverf: 0n };
      const plain = await failover.readdir({ ...start, count: 4096 }, ctx);
      assert.ok(plain.status === Nfsstat3.OK);
      assert.deepEqual(plain.entries.map((entry) => entry.name).sort(), ['.', '..', 'home']);
    });

    it('is not found there, neither by LOOKUP nor by MNT, listed or not', async () => {
      const { failover, root } = await exported(layer);
      for (let again = 0; again < 2; again += 1) {
        const found = await failover.lookup({ what: { dir: root, name: RESERVED_NAME } }, ctx);
        assert.equal(found.status, Nfsstat3.NOENT);
        assert.equal(found.dirAttributes?.type, Ftype3.DIR);
        const mounted = await failover.mount(`/${RESERVED_NAME}`, ctx);
        assert.equal(mounted.status, Mountstat3.NOENT);
        await namesIn(failover, root);
      }
    });

    it('is a name like any other elsewhere', async () => {
      const { failover, root } = await exported(layer);
      const home = await walk(failover, root, pathNames(`/home`), ctx);
      assert.ok(home.status === Nfsstat3.OK);
      assert.deepEqual(await namesIn(failover, home.object), [RESERVED_NAME]);
      const found = await walk(failover, home.object, [RESERVED_NAME], ctx);
      assert.equal(found.status, Nfsstat3.OK);
    });
  });
}
