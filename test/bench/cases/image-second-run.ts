import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { startGanesha } from '../../support/ganesha.ts';
import { startRelay } from '../../support/relay.ts';
import { askRowfs, type ReadyProxy, startRowfs } from '../../support/rowfs.ts';
import { type BenchCase, type BenchRow, compareRounds, costRow, summarize } from '../bench-case.ts';
import type { ColdResult, ColdTask, ColdWork } from '../cold/client.ts';
import { LARGE_FILE, makeColdTree, WALKED } from '../cold/tree.ts';

const client = fileURLToPath(new URL('../cold/client.ts', import.meta.url));

const ROUND_TRIP_MS = 68;
/** READs of 1 MiB that a client's read-ahead has under way. */
const READ_AHEAD = 8;

type Target = Omit<ColdTask, 'work'>;

/**
 * A machine that boots an image again: a proxy that is started anew over a warm cache, its image servers
 * behind a long link, beside nfs-ganesha that serves the same tree from this machine's disk. Both are
 * read by the same client at user level.
 */
export const imageSecondRun: BenchCase = {
  name: 'image-second-run',
  description: 'an image run again from the cache, beside the same tree on the local disk',
  async run({ short, log }) {
    const directory = await mkdtemp(join(tmpdir(), 'rowfs-bench-'));
    const closing: (() => Promise<unknown>)[] = [
      () => rm(directory, { recursive: true, force: true }),
    ];
    try {
      const tree = join(directory, 'tree');
      await mkdir(tree);
      const largeBytes = (short ? 32 : 128) * 2 ** 20;
      const { files } = await makeColdTree(tree, {
        directories: short ? 20 : 400,
        filesPerDirectory: 50,
        files: short ? 60 : 500,
        largeBytes,
      });
      const owner = { directory, owner: 'publisher', timeoutMs: 300_000 };
      const { digest } = await askRowfs<{ digest: string }>(['image', 'build', tree], owner);
      const ganesha = await startGanesha({
        exports: [{ path: tree, access: 'read-only' }],
        directory,
      });
      closing.unshift(() => ganesha.close());
      const relay = await startRelay({
        targetPorts: [ganesha.nfsPort, ganesha.mountPort],
        roundTripMs: ROUND_TRIP_MS,
      });
      closing.unshift(() => relay.close());
      const [port = 0, mountPort = 0] = relay.ports;
      const far: Target = { host: '127.0.0.1', port, mountPort, path: tree };
      const local: Target = {
        host: '127.0.0.1',
        port: ganesha.nfsPort,
        mountPort: ganesha.mountPort,
        path: tree,
      };
      /** Twice in one run of the proxy: when it has just begun, and once more. */
      const throughProxy = async (work: ColdWork): Promise<readonly ColdResult[]> => {
        const proxy = await startRowfs<ReadyProxy>(
          [
            ...['proxy', '--server', `127.0.0.1:${port},${mountPort}:${tree}`, '--digest', digest],
            ...['--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0'],
          ],
          { directory, owner: 'machine' },
        );
        try {
          const target = { ...proxy.ready, path: '/' };
          return [await perform(target, work), await perform(target, work)];
        } finally {
          await proxy.stop();
        }
      };

      const cats: ColdWork = { kind: 'files', paths: files };
      const dd: ColdWork = {
        kind: 'sequential',
        path: LARGE_FILE,
        bytes: largeBytes,
        inFlight: READ_AHEAD,
      };
      const walk: ColdWork = { kind: 'walk', directory: WALKED };
      for (const work of [cats, dd]) await throughProxy(work);
      const calls = relay.records.toServer;

      const rows: BenchRow[] = [];
      const add = (row: BenchRow): void => {
        rows.push(row);
        log(`${row.name.padEnd(64)} ${row.ratio.toFixed(2)}x (${row.ours.toFixed(1)} ${row.unit})`);
      };
      const compare = async (
        name: string,
        work: ColdWork,
        unit: 'MB/s' | 'files/s',
        target?: number,
      ): Promise<void> => {
        const perSecond = ({ ms, bytes, entries }: ColdResult): number =>
          ((unit === 'MB/s' ? bytes / 1e6 : entries) / ms) * 1000;
        const begun: { ours: number; peer: number }[] = [];
        const later: { ours: number; peer: number }[] = [];
        for (let round = 0; round < (short ? 1 : 5); round += 1) {
          const peer = await perform(local, work);
          for (const [index, ours] of (await throughProxy(work)).entries()) {
            assert.equal(ours.bytes, peer.bytes);
            assert.equal(ours.entries, peer.entries);
            const rounds = index === 0 ? begun : later;
            rounds.push({ ours: perSecond(ours), peer: perSecond(peer) });
          }
        }
        add(compareRounds(name, unit, begun, target));
        add(compareRounds(`${name}, once more in the same run`, unit, later));
      };
      await compare(`${files.length} files in random order`, cats, 'files/s', 0.9);
      await compare(`${largeBytes / 2 ** 20} MiB in order`, dd, 'MB/s', 0.9);
      await compare('walk of all names and attributes', walk, 'files/s');
      assert.equal(relay.records.toServer, calls, 'a second run calls no image server');
      await perform(far, cats);
      const native = relay.records.toServer - calls;
      add(costRow('calls over the link, beside NFS over it', 'calls', { ours: 0, peer: native }));
      return summarize('image-second-run', rows);
    } finally {
      for (const close of closing) await close();
    }
  },
};

async function perform(
  { host, port, mountPort, path }: Target,
  work: ColdWork,
): Promise<ColdResult> {
  const task: ColdTask = { host, port, mountPort, path, work };
  const { stdout } = await execa(process.execPath, [client, JSON.stringify(task)]);
  return JSON.parse(stdout) as ColdResult;
}
