import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startGanesha } from '../../support/ganesha.ts';
import { askRowfs, type ReadyProxy, startRowfs } from '../../support/rowfs.ts';
import { type BenchCase, type BenchRow, costRow, summarize } from '../bench-case.ts';
import { compareLoads, makeLoadTree, type Measured, SHORT_RUN } from '../load-rows.ts';
import { nfsSide } from '../overlay/sides.ts';
import { makeImage, SMALL_FILES } from '../overlay/trees.ts';
import { residentMemory } from '../resident-memory.ts';

const lightLoad = fileURLToPath(new URL('../light-load.ts', import.meta.url));
const MANY = 'many';
const FILES_PER_DIRECTORY = 100;
const BUDGET_MB = 120;
/** So that garbage of the walk is gone. */
const SETTLE_MS = 5_000;
const IN_FLIGHT = 32;

const metadata = (['getattr', 'lookup', 'access', 'readdirplus'] as const).map(
  (kind): Measured => ({
    name: `${kind.toUpperCase()}, ${IN_FLIGHT} in flight`,
    task: { kind, readBytes: 0, inFlight: IN_FLIGHT },
    target: 3,
  }),
);
const measured: readonly Measured[] = [
  ...metadata,
  {
    name: 'READ 32K, 8 in flight',
    task: { kind: 'read', readBytes: 32_768, inFlight: 8 },
    target: 1.2,
  },
  {
    name: 'READ 128K, 4 in flight',
    task: { kind: 'read', readBytes: 131_072, inFlight: 4 },
    target: 1.2,
  },
  {
    name: 'READ 1M, 1 in flight',
    task: { kind: 'read', readBytes: 1_048_576, inFlight: 1 },
    target: 1,
  },
];

/**
 * A verified image of 100,000 files with its blocks in the cache, through everything that `rowfs proxy`
 * stacks, beside nfs-ganesha serving the same tree.
 */
export const imageWarm: BenchCase = {
  name: 'image-warm',
  description: 'a verified image with its blocks cached, beside nfs-ganesha serving the same tree',
  async run({ short, log }) {
    const directory = await mkdtemp(join(tmpdir(), 'rowfs-bench-'));
    const closing: (() => Promise<unknown>)[] = [
      () => rm(directory, { recursive: true, force: true }),
    ];
    try {
      const tree = join(directory, 'tree');
      await makeLoadTree(tree);
      const directories = short ? 100 : 1_000;
      const size = { directories, filesPerDirectory: FILES_PER_DIRECTORY, imageFileBytes: 0 };
      await mkdir(join(tree, MANY));
      await makeImage(join(tree, MANY), size);
      const publisher = { directory, owner: 'publisher', timeoutMs: 300_000 };
      const { digest } = await askRowfs<{ digest: string }>(['image', 'build', tree], publisher);
      const ganesha = await startGanesha({
        exports: [{ path: tree, access: 'read-only' }],
        directory,
      });
      closing.unshift(() => ganesha.close());
      const { host, nfsPort, mountPort } = ganesha;
      const proxy = await startRowfs<ReadyProxy>(
        [
          ...['proxy', '--server', `${host}:${nfsPort},${mountPort}:${tree}`],
          ...['--digest', digest, '--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0'],
        ],
        { directory, owner: 'proxy' },
      );
      closing.unshift(() => proxy.stop());
      const ours = { ...proxy.ready, path: '/' };
      const peer = { host, port: nfsPort, mountPort, path: tree };

      const rows: BenchRow[] = [];
      const add = (row: BenchRow): void => {
        rows.push(row);
        log(`${row.name.padEnd(50)} ${row.ratio.toFixed(2)}x`);
      };
      await nfsSide('the proxy', ours).perform({
        kind: 'walk',
        directory: `${MANY}/${SMALL_FILES}`,
      });
      await pause(SETTLE_MS);
      const files = directories * FILES_PER_DIRECTORY;
      const { now } = await residentMemory(proxy.process.pid);
      const amounts = { ours: now / 1e6, peer: BUDGET_MB };
      add(costRow(`resident, ${files} files seen, of its budget`, 'MB', amounts, 1));
      const length = short ? SHORT_RUN : { rounds: 3, seconds: 1 };
      for (const each of measured) add(await compareLoads(lightLoad, each, ours, peer, length));
      const loaded = { ours: (await residentMemory(proxy.process.pid)).now / 1e6, peer: BUDGET_MB };
      add(costRow('resident, after all of that', 'MB', loaded));
      return summarize('image-warm', rows);
    } finally {
      for (const close of closing) await close();
    }
  },
};
