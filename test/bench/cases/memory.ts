import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startGanesha } from '../../support/ganesha.ts';
import { askRowfs, type ReadyProxy, type RowfsDaemon, startRowfs } from '../../support/rowfs.ts';
import { type BenchCase, type BenchRow, costRow, summarize } from '../bench-case.ts';
import { nfsSide } from '../overlay/sides.ts';
import { makeImage, SMALL_FILES } from '../overlay/trees.ts';
import type { Work } from '../overlay/work.ts';
import { residentMemory } from '../resident-memory.ts';

const FILES_PER_DIRECTORY = 100;
/** Every so manieth file is changed. */
const CHANGED_EVERY = 5;
const BUDGET_MB = 150;
/** So that the store has taken its last checkpoint. */
const SETTLE_MS = 5_000;

/**
 * The memory of a `rowfs proxy` over an image of 100,000 files, all of them seen by a client and 20,000
 * of them changed: over a verified image, as published versions are, and over a plain export.
 */
export const memory: BenchCase = {
  name: 'memory',
  description:
    'memory of the proxy over 100,000 files with 20,000 of them changed, beside its budget',
  async run({ short, log }) {
    const directories = short ? 100 : 1_000;
    const directory = await mkdtemp(join(tmpdir(), 'rowfs-bench-'));
    const closing: (() => Promise<unknown>)[] = [
      () => rm(directory, { recursive: true, force: true }),
    ];
    try {
      const image = join(directory, 'image');
      const size = { directories, filesPerDirectory: FILES_PER_DIRECTORY, imageFileBytes: 0 };
      await makeImage(image, size);
      const owner = { directory, owner: 'publisher' };
      const { digest } = await askRowfs<{ digest: string }>(['image', 'build', image], owner);
      const below = await startGanesha({
        name: 'below',
        directory,
        exports: [{ path: image, access: 'read-only' }],
      });
      closing.unshift(() => below.close());
      const server = `${below.host}:${below.nfsPort},${below.mountPort}:${image}`;
      const files = directories * FILES_PER_DIRECTORY;
      const rows: BenchRow[] = [];
      for (const [over, args] of [
        ['a verified image', ['--digest', digest]],
        ['a plain export', []],
      ] as const) {
        const add = (name: string, bytes: number, isJudged = false): void => {
          const amounts = { ours: bytes / 1e6, peer: BUDGET_MB };
          rows.push(costRow(`${over}: ${name}`, 'MB', amounts, isJudged ? 1 : undefined));
          log(`${`${over}: ${name}`.padEnd(90)} ${(bytes / 1e6).toFixed(1)} MB`);
        };
        const proxy = await startRowfs<ReadyProxy>(
          [
            'proxy',
            '--server',
            server,
            ...args,
            '--listen',
            '127.0.0.1:0',
            '--rest',
            '127.0.0.1:0',
          ],
          { directory, owner: over.replaceAll(' ', '-') },
        );
        try {
          await measureProxy(proxy, files, add);
        } finally {
          await proxy.stop();
        }
      }
      return summarize('memory', rows);
    } finally {
      for (const close of closing) await close();
    }
  },
};

async function measureProxy(
  proxy: RowfsDaemon<ReadyProxy>,
  files: number,
  add: (name: string, bytes: number, isJudged?: boolean) => void,
): Promise<void> {
  const side = nfsSide('the proxy', { ...proxy.ready, path: '/' });
  const measure = async (what: string): Promise<void> => {
    await pause(SETTLE_MS);
    const { now, anonymous, mapped } = await residentMemory(proxy.process.pid);
    add(`resident, ${what}`, now, true);
    add(`of that its own (RssAnon), ${what}`, anonymous);
    add(`of that pages of mapped files (RssFile), ${what}`, mapped);
  };
  const walk: Work = { kind: 'walk', directory: SMALL_FILES };
  await measure('before the first client');
  await side.perform(walk);
  await measure(`${files} files seen`);
  await side.perform({
    kind: 'change-files',
    directory: SMALL_FILES,
    every: CHANGED_EVERY,
    inFlight: 8,
  });
  await measure(`${files / CHANGED_EVERY} of them changed`);
  await side.perform(walk);
  await measure('and all seen once more');
  const { most } = await residentMemory(proxy.process.pid);
  add('the most that was resident at any time (VmHWM)', most);
}
